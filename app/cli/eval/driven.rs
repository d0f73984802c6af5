//! `eval --run RUN --data DRIVE`: the objects of a finished run against the truth of its drive.

use std::path::Path;

use anyhow::{Result, anyhow};
use serde_json::json;

use super::{Eval, report};
use crate::exit::{self, Outcome};
use crate::measure::drives;
use crate::measure::driving::{kinematics, placed, tracks};
use crate::measure::parts::brief;

pub(super) fn run(eval: &Eval, folder: &Path) -> Result<Outcome> {
    // As long as it is: a run is judged whole.
    let (drives, notes) = drives::open(&eval.data, Some(f64::MAX))?;
    let [drive] = drives.as_slice() else {
        let why = if notes.is_empty() { format!("{} drives", drives.len()) } else { notes.join("; ") };
        return Err(exit::usage(anyhow!("one drive with truth is wanted in --data: {why}")));
    };
    let reports = drives::reports(folder)?;
    let mot = tracks(drive, &reports)?;
    let place = placed(drive, &reports);
    let runs = [(drive, reports)];
    let kinematics = kinematics(&runs);
    if kinematics.distance_m.n + kinematics.distance_m.missing == 0 && mot.predictions == 0 && place.objects == 0 {
        let (run, data) = (folder.display(), eval.data.join(", "));
        return Err(exit::usage(anyhow!("{run} and {data} have no moment in common: is it the drive of this run?")));
    }
    let body = json!({"schema": {"name": report::SCHEMA.0, "version": report::SCHEMA.1}, "run": folder,
        "drive": drive.name, "tracking": brief(&drive.name, &mot), "kinematics": kinematics,
        "placed": {"share": place.share(), "objects": place.objects}});
    if eval.json {
        println!("{}", serde_json::to_string_pretty(&body)?);
    } else {
        print!("{}", report::indented(&body, 0));
    }
    Ok(Outcome::Done)
}
