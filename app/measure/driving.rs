//! What runs of the whole pipeline are worth against truth: tracks, distances, velocities, times to collision, and how
//! much of the surroundings is placed where it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::Result;
use ocellus_judge::kinematics::{Measured, TtcErrors, ValueErrors, ttc_errors, value_errors};
use ocellus_judge::mot::{self, MotResult};
use ocellus_judge::robust::{
    CloudCorruption, Corrupted, Severity, SubsetScore, corrupt_cloud, sensor_subsets, subset_scores,
};
use ocellus_percept::detection::BoxPx;
use ocellus_percept::report::{FrameReport, Object, Trigger};
use ocellus_percept::time::Timestamp;
use ocellus_sense::{Drive, Payload};
use serde::Serialize;

use super::drives::{Altered, Moment, Running, True, TrueDrive};
use super::robust::SEED;

/// A reported box is an object's own from this overlap on.
const SAME_IOU: f32 = 0.5;
/// A report belongs to the truth of a moment this near, seconds: half a frame at 10 Hz.
const MOMENT_S: f64 = 0.05;
/// Truths farther away need not be placed, metres.
const PLACED_WITHIN_M: f64 = 40.0;
/// A place is right within this many metres, or this share of the distance.
const PLACED_M: f64 = 1.5;
const PLACED_SHARE: f64 = 0.1;
/// Times to collision beyond this are none: so far ahead nobody keeps his velocity, seconds.
const TTC_MAX_S: f64 = 10.0;

/// Errors of distances, velocities and times.
#[derive(Debug, Clone, Serialize)]
pub struct Kinematics {
    /// Distances, metres.
    pub distance_m: ValueErrors,
    /// The same by what they rest on.
    pub by_source: BTreeMap<String, ValueErrors>,
    /// Lengths of the differences of ground velocities, m/s; absent without truth.
    pub velocity_mps: Option<ValueErrors>,
    /// Times to collision, seconds; absent without truth.
    pub ttc_s: Option<TtcErrors>,
    /// Why figures are undefined, by name.
    pub undefined: BTreeMap<&'static str, &'static str>,
}

/// Why velocities and times to collision are not judged.
const NO_VELOCITIES: &str =
    "a drive that is read has no true velocities: one that is simulated has (--data world:SCENARIO@SEED)";

/// Share of true objects that are placed where they are.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Placed {
    /// Objects placed rightly.
    pub hits: usize,
    /// Objects that should be.
    pub objects: usize,
}

impl Placed {
    /// The share; `None` without objects.
    pub fn share(&self) -> Option<f64> {
        (self.objects > 0).then(|| self.hits as f64 / self.objects as f64)
    }
}

/// The truth of a report's moment.
fn moment(drive: &TrueDrive, t: Timestamp) -> Option<&Moment> {
    let away = |m: &&Moment| m.t.seconds_since(t).abs();
    drive.moments.iter().filter(|m| away(m) <= MOMENT_S).min_by(|a, b| away(a).total_cmp(&away(b)))
}

/// Reports of the judged camera with their truths.
fn judged<'a>(drive: &'a TrueDrive, reports: &'a [FrameReport]) -> impl Iterator<Item = (&'a FrameReport, &'a Moment)> {
    let of_camera = |r: &&FrameReport| r.trigger == Trigger::Camera && r.sensor.as_ref() == Some(&drive.camera);
    reports.iter().filter(of_camera).filter_map(|r| Some((r, moment(drive, r.t)?)))
}

/// Truths with the reported object that is theirs, best overlap first.
fn pairs<'a>(report: &'a FrameReport, truths: &'a [True]) -> Vec<(&'a True, Option<&'a Object>)> {
    let objects: Vec<(&Object, BoxPx)> = report.objects.iter().flatten().filter_map(|o| Some((o, o.box_px?))).collect();
    let boxed: Vec<(&True, BoxPx)> = truths.iter().filter_map(|t| Some((t, t.bbox?))).collect();
    let mut overlaps: Vec<(f32, usize, usize)> = Vec::new();
    for (i, (_, a)) in boxed.iter().enumerate() {
        for (j, (_, b)) in objects.iter().enumerate() {
            let iou = a.iou(b);
            if iou >= SAME_IOU {
                overlaps.push((iou, i, j));
            }
        }
    }
    overlaps.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let mut owner: Vec<Option<usize>> = vec![None; boxed.len()];
    let mut taken = vec![false; objects.len()];
    for (_, i, j) in overlaps {
        if owner[i].is_none() && !taken[j] {
            (owner[i], taken[j]) = (Some(j), true);
        }
    }
    boxed.iter().zip(owner).map(|((t, _), j)| (*t, j.and_then(|j| objects.get(j)).map(|o| o.0))).collect()
}

/// Tracks of all classes as one, against the identities of the truth.
pub fn tracks(drive: &TrueDrive, reports: &[FrameReport]) -> Result<MotResult> {
    let (mut gt, mut dt) = (String::new(), String::new());
    let mut ids: BTreeMap<&str, usize> = BTreeMap::new();
    // What the truth never labels (benches, traffic lights) is neither right nor wrong.
    let labelled: BTreeSet<&str> = drive.moments.iter().flat_map(|m| &m.objects).map(|t| t.class.as_str()).collect();
    for (frame, (report, moment)) in judged(drive, reports).enumerate() {
        let line = |out: &mut String, id: u64, b: &BoxPx| {
            let _ = writeln!(out, "{},{id},{},{},{},{},1", frame + 1, b.x0, b.y0, b.width(), b.height());
        };
        for truth in moment.objects.iter().filter(|t| !t.track.is_empty()) {
            let next = ids.len() + 1;
            let id = *ids.entry(truth.track.as_str()).or_insert(next);
            if let Some(bbox) = &truth.bbox {
                line(&mut gt, id as u64, bbox);
            }
        }
        for object in report.objects.iter().flatten().filter(|o| labelled.contains(o.class.as_str())) {
            if let Some(bbox) = &object.box_px {
                line(&mut dt, object.track, bbox);
            }
        }
    }
    Ok(mot::evaluate(&gt, &dt)?)
}

/// Distances, velocities and times to collision of all `runs`.
pub fn kinematics(runs: &[(&TrueDrive, Vec<FrameReport>)]) -> Kinematics {
    let (mut distances, mut velocities, mut times) = (Vec::new(), Vec::new(), Vec::new());
    let mut by_source: BTreeMap<String, Vec<Measured>> = BTreeMap::new();
    for (drive, reports) in runs {
        for (report, moment) in judged(drive, reports) {
            for (truth, object) in pairs(report, &moment.objects) {
                if let (Some(object), Some(true_m)) = (object, truth.distance_m) {
                    let value = Measured { estimate: object.distance_m, sigma: object.distance_sigma_m, truth: true_m };
                    distances.push(value);
                    if let Some(source) = object.distance_source {
                        by_source.entry(source.name().to_owned()).or_default().push(value);
                    }
                }
                let Some(object) = object.filter(|_| drive.simulated) else { continue };
                if let Some(velocity) = truth.velocity_mps {
                    let apart = object.velocity_ground_mps.map(|v| apart(v, velocity));
                    velocities.push(Measured { estimate: apart, sigma: None, truth: 0.0 });
                }
                let near = |t: Option<f64>| t.filter(|t| *t <= TTC_MAX_S);
                times.push((near(object.ttc_s), near(truth.ttc_s)));
            }
        }
    }
    let known = runs.iter().any(|(drive, _)| drive.simulated);
    Kinematics {
        distance_m: value_errors(&distances),
        by_source: by_source.into_iter().map(|(source, values)| (source, value_errors(&values))).collect(),
        velocity_mps: known.then(|| value_errors(&velocities)),
        ttc_s: known.then(|| ttc_errors(&times)),
        undefined: ["velocity_mps", "ttc_s"].into_iter().filter(|_| !known).map(|name| (name, NO_VELOCITIES)).collect(),
    }
}

fn apart(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
}

/// How many of the visible objects near by are placed where they are, whatever they are called: what a camera, a LiDAR
/// and both can be asked alike.
pub fn placed(drive: &TrueDrive, reports: &[FrameReport]) -> Placed {
    let mut placed = Placed::default();
    for report in reports.iter().filter(|r| r.trigger != Trigger::Tick) {
        let Some(moment) = moment(drive, report.t) else { continue };
        let positions: Vec<[f64; 3]> = report.objects.iter().flatten().filter_map(|o| o.position_m).collect();
        let wanted = moment.objects.iter().filter(|t| t.bbox.is_some());
        for (distance, at) in wanted.filter_map(|t| Some((t.distance_m?, t.nearest_m?))) {
            if distance > PLACED_WITHIN_M {
                continue;
            }
            let tolerance = PLACED_M.max(PLACED_SHARE * distance);
            placed.objects += 1;
            placed.hits += usize::from(positions.iter().any(|p| apart(*p, at) <= tolerance));
        }
    }
    placed
}

fn sum(all: impl Iterator<Item = Placed>) -> Placed {
    all.fold(Placed::default(), |a, b| Placed { hits: a.hits + b.hits, objects: a.objects + b.objects })
}

/// The share placed with every subset of the sensors that all `drives` have, best first.
pub fn by_sensors(running: &Running<'_>, drives: &[TrueDrive]) -> Result<Vec<SubsetScore>> {
    let mut common: Vec<String> =
        drives.first().map(|d| d.drive.info().sensors.iter().map(|s| s.name.clone()).collect()).unwrap_or_default();
    common.retain(|name| drives.iter().all(|d| d.drive.info().sensors.iter().any(|s| s.name == *name)));
    let mut scored = Vec::new();
    for subset in sensor_subsets(&common) {
        let mut all = Vec::new();
        for drive in drives {
            all.push(placed(drive, &running.run(&drive.drive, Some(&subset))?));
        }
        scored.push((subset, sum(all.into_iter()).share()));
    }
    Ok(subset_scores(&scored))
}

/// The share placed under each corruption of the sweeps, and on clean ones.
pub fn under_lidar_corruption(running: &Running<'_>, drives: &[TrueDrive]) -> Result<(Option<f64>, Vec<Corrupted>)> {
    let share = |alter: Option<(CloudCorruption, Severity)>| -> Result<Option<f64>> {
        let mut all = Vec::new();
        for drive in drives {
            let altered: Arc<dyn Drive> = match alter {
                None => Arc::clone(&drive.drive),
                Some((kind, severity)) => Arc::new(Altered {
                    inner: Arc::clone(&drive.drive),
                    alter: Box::new(move |index, payload| match payload {
                        Payload::Cloud(cloud) => {
                            Payload::Cloud(corrupt_cloud(&cloud, kind, severity, SEED + index as u64))
                        }
                        picture @ Payload::Image(_) => picture,
                    }),
                }),
            };
            all.push(placed(drive, &running.run(&altered, None)?));
        }
        Ok(sum(all.into_iter()).share())
    };
    let mut runs = Vec::new();
    for kind in CloudCorruption::ALL {
        for severity in Severity::ALL {
            let score = share(Some((kind, severity)))?.unwrap_or(f64::NAN);
            runs.push(Corrupted { corruption: kind.name().to_owned(), severity, score, reference: None });
        }
    }
    Ok((share(None)?, runs))
}
