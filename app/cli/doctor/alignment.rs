//! `doctor --drive`: whether a drive's cameras and LiDARs agree in place and time.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use ocellus_percept::align::Alignment;
use ocellus_sense::align::{Judged, judge};
use ocellus_sense::{Drive, OpenOptions};
use serde_json::{Value, json};

use crate::exit::{self, Outcome};

/// Extrinsics off by more than this are wrong, degrees: a pedestrian's width at 30 m.
const ANGLE_DEG_MAX: f64 = 0.75;
/// Stamps off by more than this are wrong, seconds: half of a camera's period at 30 Hz.
const SHIFT_S_MAX: f64 = 0.015;

/// Compares the cameras and LiDARs of the drive at `path`. Errors carry exit code 2.
pub fn look(path: &Path, calib: Option<PathBuf>, json: bool) -> Result<Outcome> {
    let options = OpenOptions { calib, ..OpenOptions::default() };
    let drive = ocellus_sense::open(path, &options).map_err(exit::usage)?;
    let judged = judge(drive.as_ref());
    if judged.is_empty() {
        return Err(exit::usage(anyhow!("{}: a camera and a LiDAR are needed to compare", path.display())));
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&as_json(drive.as_ref(), &judged))?);
    } else {
        judged.iter().for_each(|j| println!("{}", line(j)));
    }
    Ok(if judged.iter().any(fails) { Outcome::Different } else { Outcome::Done })
}

/// What is wrong with an alignment, in words; empty where it is right.
fn complaints(found: &Alignment) -> Vec<String> {
    let mut wrong = Vec::new();
    if found.angle_deg() > ANGLE_DEG_MAX + 2.0 * found.sigma_deg {
        wrong.push(format!("your extrinsics are off by about {:.1} degrees", found.angle_deg()));
    }
    if let Some(shift) = found.shift_s.filter(|s| s.abs() > SHIFT_S_MAX + 2.0 * found.sigma_s) {
        let (ms, way) = (shift.abs() * 1e3, if shift > 0.0 { "early" } else { "late" });
        wrong.push(format!("its stamps are about {ms:.0} ms too {way}"));
    }
    wrong
}

fn fails(judged: &Judged) -> bool {
    judged.found.as_ref().is_ok_and(|found| !complaints(found).is_empty())
}

fn line(judged: &Judged) -> String {
    let who = format!("{} and {}", judged.camera, judged.lidar);
    let found = match &judged.found {
        Ok(found) => found,
        Err(why) => return format!("?    {who}: {why}"),
    };
    let [x, y, z] = found.rotation_deg;
    let shift = found.shift_s.map_or("unknown, nothing moves that would tell".to_owned(), |s| {
        format!("{:+.1} ms (+-{:.1})", s * 1e3, found.sigma_s * 1e3)
    });
    let figures = format!(
        "turned by x {x:+.2}, y {y:+.2}, z {z:+.2} degrees (+-{:.2}), taken after the stamp by {shift}; {} edges in {} pairs",
        found.sigma_deg, found.points, judged.pairs
    );
    match complaints(found) {
        wrong if wrong.is_empty() => format!("ok   {who}: {figures}"),
        wrong => format!("FAIL {who}: {}: {figures}", wrong.join(" and ")),
    }
}

fn as_json(drive: &dyn Drive, judged: &[Judged]) -> Value {
    let one = |j: &Judged| match &j.found {
        Ok(found) => json!({
            "camera": j.camera, "lidar": j.lidar, "pairs": j.pairs, "ok": !fails(j),
            "rotation_deg": found.rotation_deg, "angle_deg": found.angle_deg(), "sigma_deg": found.sigma_deg,
            "shift_s": found.shift_s, "shift_sigma_s": found.sigma_s, "edges": found.points,
            "score": found.score, "complaints": complaints(found),
        }),
        Err(why) => json!({"camera": j.camera, "lidar": j.lidar, "pairs": j.pairs, "unknown": why}),
    };
    json!({"drive": drive.info().path, "alignment": judged.iter().map(one).collect::<Vec<_>>()})
}
