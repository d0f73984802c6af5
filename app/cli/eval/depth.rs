//! Depth networks: `eval MODEL --data world:...` against true depth, `eval STUDENT --teacher TEACHER` beside one another.

use anyhow::Result;
use serde_json::json;

use super::{Eval, report, shown};
use crate::exit::{self, Outcome};
use crate::measure::depth::{Aligned, DepthSubject, apart};
use crate::models::Model;

pub(super) fn judge(eval: &Eval, model: Model) -> Result<Outcome> {
    let data = eval.open_data(true)?;
    let mut subject = DepthSubject::new(model).map_err(exit::usage)?;
    let figures = subject.judge(&data).map_err(exit::usage)?;
    if eval.json {
        let body = json!({"schema": {"name": report::SCHEMA.0, "version": report::SCHEMA.1}, "model": subject.card,
            "data": report::described(&data), "depth": figures});
        println!("{}", serde_json::to_string_pretty(&body)?);
        return Ok(Outcome::Done);
    }
    println!("{} pictures", figures.pictures);
    match &figures.raw {
        Some(raw) => print!("as it is\n{}", text(raw)),
        None => println!("relative depth is never called metres: judged scaled alone"),
    }
    print!("scaled by medians\n{}", text(&figures.median_scaled));
    Ok(Outcome::Done)
}

fn text(aligned: &Aligned) -> String {
    let e = &aligned.all;
    let mut out = String::new();
    for (name, value) in [
        ("AbsRel", e.abs_rel),
        ("RMSE, m", e.rmse_m),
        ("log RMSE", e.rmse_log),
        ("delta 1", e.delta[0]),
        ("delta 2", e.delta[1]),
        ("delta 3", e.delta[2]),
        ("an object's median error, m", aligned.objects_m.median_abs),
    ] {
        out += &format!("  {name:<30} {}\n", shown(value, 4));
    }
    for (from, to, errors) in &aligned.bands {
        let to = to.map_or_else(|| "on".to_owned(), |to| format!("to {to}"));
        out += &format!("  AbsRel from {from} {to:<17} {}  n = {}\n", shown(errors.abs_rel, 4), errors.n);
    }
    out
}

pub(super) fn agree(eval: &Eval, teacher: Model, student: Model) -> Result<Outcome> {
    let data = eval.open_data(false)?;
    let (mut teacher, mut student) = (DepthSubject::new(teacher)?, DepthSubject::new(student)?);
    let list = apart(&mut teacher, &mut student, &data)?;
    let name = |i: usize| data.frames.get(i).map_or("", |f| f.name.as_str());
    let worst = list.iter().take(eval.agree.worst);
    if eval.json {
        let mean: Vec<f64> = list.iter().filter_map(|(_, e)| e.abs_rel).collect();
        let mean = (!mean.is_empty()).then(|| mean.iter().sum::<f64>() / mean.len() as f64);
        let worst: Vec<_> = worst.map(|(i, e)| json!({"frame": name(*i), "errors": e})).collect();
        let body = json!({"schema": {"name": report::SCHEMA.0, "version": report::SCHEMA.1}, "teacher": teacher.card,
            "student": student.card, "data": report::described(&data), "abs_rel": mean, "worst": worst});
        println!("{}", serde_json::to_string_pretty(&body)?);
        return Ok(Outcome::Done);
    }
    println!("where their depths part most (mean |student - teacher| / teacher, scaled by medians)");
    worst.for_each(|(i, e)| println!("  {:<32} {}", name(*i), shown(e.abs_rel, 4)));
    Ok(Outcome::Done)
}
