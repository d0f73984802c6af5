//! What `prepare` came to, for people and as JSON.

use serde_json::{Value, json};

use super::ask::precision_name;
use super::prepare::{AllPrepared, Prepared, State};
use super::stage::Done;

/// Prints a line for each engine, with its times, and what is to be known besides.
pub fn print(all: &AllPrepared) {
    let head =
        ["network", "provider", "precision", "state", "build s", "load s", "first ms", "p50 ms", "CPU p50", "MB"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(all.engines.iter().map(row));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).enumerate();
        let line: Vec<String> = cells
            .map(|(i, (cell, width))| if i < 4 { format!("{cell:<width$}") } else { format!("{cell:>width$}") })
            .collect();
        println!("{}", line.join("  ").trim_end());
    }
    for prepared in &all.engines {
        let label = prepared.ask.label();
        match &prepared.state {
            State::Ready(m) | State::Built(m) => {
                println!("{label}: {}; {}", m.warm.providers, m.check.line());
            }
            State::Absent(reason) => println!("{label}: WARNING: it cannot be had: {reason}"),
            State::Failed(reason) => println!("{label}: FAILED: {reason}"),
        }
    }
    for pruned in &all.pruned {
        println!("removed to keep the quota: {} ({:.1} MB)", pruned.name, pruned.bytes as f64 / 1e6);
    }
    println!("engines lie in {}", all.cache.display());
}

fn row(prepared: &Prepared) -> [String; 10] {
    let ask = &prepared.ask;
    let state = match &prepared.state {
        State::Ready(_) => "ready",
        State::Built(_) => "built",
        State::Absent(_) => "absent",
        State::Failed(_) => "FAILED",
    };
    let number = |value: Option<f64>, places: usize| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.places$}"));
    let measured = prepared.measured();
    let of = |value: fn(&Done) -> Option<f64>| measured.and_then(|m| value(&m.warm));
    [
        ask.name.clone(),
        ask.provider.to_string(),
        precision_name(ask.precision).to_owned(),
        state.to_owned(),
        number(measured.map(|m| m.cold.load_s), 2),
        number(of(|d| Some(d.load_s)), 2),
        number(of(|d| Some(d.first_run_ms)), 1),
        number(of(|d| d.p50_ms), 1),
        number(measured.and_then(|m| m.cpu.p50_ms), 1),
        number(of(|d| d.memory_mb), 0),
    ]
}

/// The same for a program.
pub fn to_json(all: &AllPrepared) -> Value {
    let one = |p: &Prepared| {
        let (state, reason) = match &p.state {
            State::Ready(_) => ("ready", None),
            State::Built(_) => ("built", None),
            State::Absent(reason) => ("absent", Some(reason)),
            State::Failed(reason) => ("failed", Some(reason)),
        };
        json!({
            "model": p.ask.name, "file": p.ask.file, "provider": p.ask.provider,
            "precision": precision_name(p.ask.precision), "state": state, "reason": reason, "folder": p.folder,
            "measured": p.measured(),
        })
    };
    let pruned: Vec<Value> = all.pruned.iter().map(|p| json!({"name": p.name, "bytes": p.bytes})).collect();
    json!({
        "cache": all.cache, "engines": all.engines.iter().map(one).collect::<Vec<_>>(), "pruned": pruned,
        "memory_mb": all.memory_mb(),
    })
}
