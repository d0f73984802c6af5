//! Writing a fitted calibration into a manifest: its `[calibration]` table is replaced, everything else stays to the byte.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use ocellus_judge::calib::{Method, Recalibration};
use ocellus_percept::model::ModelManifest;

/// The tables that are replaced.
const TABLES: [&str; 2] = ["[calibration]", "[calibration.per_class]"];

/// Five places are written.
const ROUNDING: f64 = 1e5;

/// The `[calibration]` table of a fit.
pub fn section(method: Method, fitted: &Recalibration, provenance: &str) -> String {
    let method = match method {
        Method::Temperature => "temperature",
        Method::Platt => "platt",
        Method::Isotonic => "isotonic",
    };
    let mut text = format!("[calibration]\nmethod = \"{method}\"\nprovenance = {}\n", toml::Value::from(provenance));
    if let (Some(before), Some(after)) = (fitted.before.ece, fitted.after.ece) {
        let _ = writeln!(text, "d_ece = [{before:.4}, {after:.4}]");
    }
    text += "knots = [\n";
    let mut knots = fitted.map.knots();
    // Knots that rounding makes one are one.
    knots.dedup_by(|b, a| (b.0 * ROUNDING).round() == (a.0 * ROUNDING).round());
    for row in knots.chunks(6) {
        let row: Vec<String> = row.iter().map(|(raw, honest)| format!("[{raw:.5}, {honest:.5}]")).collect();
        let _ = writeln!(text, "  {},", row.join(", "));
    }
    text + "]\n"
}

/// `manifest` with `section` as its calibration.
pub fn with_calibration(manifest: &str, section: &str) -> Result<String> {
    let mut kept = String::with_capacity(manifest.len() + section.len());
    let mut inside = false;
    for line in manifest.split_inclusive('\n') {
        let bare = line.trim();
        if bare.starts_with('[') && !line.starts_with(' ') {
            inside = TABLES.contains(&bare);
        }
        if !inside {
            kept.push_str(line);
        }
    }
    let text = format!("{}\n\n{section}", kept.trim_end());
    ModelManifest::parse(&text)
        .context("the manifest with its calibration cannot be read back; nothing was written")?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "# mine\nname = \"n\"\nfile = \"n.onnx\"\nlicence = \"MIT\"\n\
        sha256 = \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"\n\n[thresholds] # low\nscore = 0.3\n";

    #[test]
    fn a_calibration_is_added_once_and_the_rest_stays() {
        let section = |v: f32| format!("[calibration]\nknots = [\n  [0.1, 0.0], [0.9, {v}],\n]\n");
        let once = with_calibration(MANIFEST, &section(0.5)).unwrap();
        assert!(once.starts_with(MANIFEST.trim_end()));
        let twice = with_calibration(&once, &section(0.7)).unwrap();
        assert_eq!(twice, once.replace("0.5", "0.7"));
        assert!(with_calibration(MANIFEST, "[calibration]\nknots = [[0.5, 2.0]]\n").is_err());
    }
}
