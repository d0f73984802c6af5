//! What can be measured of a network beside its detections on clean pictures.

use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;
use ocellus_infer::Runtime;
use ocellus_judge::coco::Params;
use ocellus_judge::mot::MotResult;
use ocellus_judge::robust::{Corrupted, SubsetScore};
use ocellus_judge::stats::{Bootstrap, drift};
use serde_json::{Map, Value, json};

use super::asked::Asked;
use super::data::Data;
use super::drives::{self, Running, TrueDrive};
use super::driving::{self, Kinematics};
use super::figures::Figures;
use super::subject::Subject;
use super::{cost, planted, robust};

/// A part of the measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Time, memory and energy a frame; bytes, parameters, multiply-accumulates.
    Cost,
    /// Six corruptions of pictures at three severities.
    Robust,
    /// True objects scaled to 8 to 64 px and pasted elsewhere.
    Planted,
    /// Whether recall and scores fall with time.
    Drift,
    /// Tracks, distances, velocities and times to collision of the whole pipeline on drives with truth.
    Driving,
    /// What is still placed with every subset of the sensors.
    Sensors,
    /// Four corruptions of LiDAR sweeps at three severities.
    Lidar,
    /// All of these.
    All,
}

/// The parts asked for, by name. What cannot be measured has its reason instead.
pub fn measure(
    asked: &Asked,
    runtime: &Runtime,
    (subject, figures): (&mut Subject, &Figures),
    data: &Data,
    params: &Params,
) -> Result<Map<String, Value>> {
    let mut parts = Map::new();
    parts.extend(cost_alone(asked, runtime, subject, data));
    let mut add = |name: &str, made: Result<Value>| {
        let value = made.unwrap_or_else(|error| json!({"undefined": format!("{error:#}")}));
        parts.insert(name.to_owned(), value);
    };
    if asked.wants(Part::Robust) {
        let runs = robust::under_corruption(subject, data, params)?;
        let sum = robust::sum_up(figures.coco.ap(), &runs, None);
        add("robust", Ok(json!({"scores": sum, "runs": cells(&runs, "ap"), "seed": robust::SEED})));
    }
    if asked.wants(Part::Planted) {
        add("planted", planted::recall(subject, data, asked.threshold).map(|r| json!(r)));
    }
    if asked.wants(Part::Drift) {
        add("drift", Ok(over_time(data, figures)));
    }
    if let Some(driven) = Driven::of(asked, &subject.file)? {
        parts.extend(driven.to_json());
    }
    Ok(parts)
}

/// Costs where they are asked for; the rest cannot be measured without labels and is not asked for.
pub fn cost_alone(asked: &Asked, runtime: &Runtime, subject: &mut Subject, data: &Data) -> Map<String, Value> {
    let made = asked.wants(Part::Cost).then(|| cost::of(runtime, subject, data, asked.core_watts));
    let value =
        made.map(|made| made.map_or_else(|error| json!({"undefined": format!("{error:#}")}), |cost| json!(cost)));
    value.map(|value| ("cost".to_owned(), value)).into_iter().collect()
}

/// What runs of the whole pipeline came to.
#[derive(Default)]
pub struct Driven {
    /// By drive.
    pub tracks: Vec<(String, MotResult)>,
    /// Of all drives.
    pub kinematics: Option<Kinematics>,
    /// What is placed with every subset of the sensors.
    pub sensors: Option<Vec<SubsetScore>>,
    /// Clean share placed, and the runs.
    pub lidar: Option<(Option<f64>, Vec<Corrupted>)>,
    /// What was not measured, and why.
    pub notes: Vec<String>,
}

impl Driven {
    /// Drives with `model` what was asked for; `None` where nothing was.
    pub fn of(asked: &Asked, model: &Path) -> Result<Option<Self>> {
        let wanted = [Part::Driving, Part::Sensors, Part::Lidar].map(|part| asked.wants(part));
        if wanted == [false; 3] {
            return Ok(None);
        }
        let (drives, notes) = drives::open(&asked.data.sources, asked.seconds)?;
        let mut driven = Self { notes, ..Self::default() };
        let running =
            Running { model, loading: &asked.loading, ort_lib: asked.ort_lib.as_deref(), score: asked.threshold };
        if wanted[0] && !drives.is_empty() {
            let mut runs = Vec::new();
            for drive in &drives {
                let reports = running.run(&drive.drive, None)?;
                driven.tracks.push((drive.name.clone(), driving::tracks(drive, &reports)?));
                runs.push((drive, reports));
            }
            driven.kinematics = Some(driving::kinematics(&runs));
        }
        let both: Vec<TrueDrive> = drives.into_iter().filter(|d| d.has_lidar()).collect();
        if both.is_empty() {
            driven.notes.push("no drive has a LiDAR and truth: subsets of sensors are not measured".to_owned());
            return Ok(Some(driven));
        }
        driven.sensors = wanted[1].then(|| driving::by_sensors(&running, &both)).transpose()?;
        driven.lidar = wanted[2].then(|| driving::under_lidar_corruption(&running, &both)).transpose()?;
        Ok(Some(driven))
    }

    fn to_json(&self) -> Map<String, Value> {
        let mut map = Map::new();
        if let Some(kinematics) = &self.kinematics {
            let tracks: Vec<Value> = self.tracks.iter().map(|(name, m)| brief(name, m)).collect();
            map.insert("tracking".to_owned(), tracks.into());
            map.insert("kinematics".to_owned(), json!(kinematics));
        }
        if let Some(sensors) = &self.sensors {
            map.insert("sensors".to_owned(), json!(sensors));
        }
        if let Some((clean, runs)) = &self.lidar {
            let sum = robust::sum_up(*clean, runs, None);
            map.insert("lidar".to_owned(), json!({"scores": sum, "runs": cells(runs, "placed"), "seed": robust::SEED}));
        }
        if !self.notes.is_empty() {
            map.insert("driving_notes".to_owned(), json!(self.notes));
        }
        map
    }
}

/// The figures of tracking that fit on a line.
pub fn brief(name: &str, m: &MotResult) -> Value {
    json!({"drive": name, "hota": m.hota, "idf1": m.idf1, "mota": m.mota, "id_switches": m.id_switches,
        "recall": m.recall, "precision": m.precision, "objects": m.objects})
}

fn cells(runs: &[Corrupted], score: &str) -> Vec<Value> {
    let cell = |r: &Corrupted| {
        let value = Some(r.score).filter(|s| s.is_finite());
        json!({"corruption": r.corruption, "severity": r.severity, score: value})
    };
    runs.iter().map(cell).collect()
}

/// Slopes over time: of recall picture by picture, and of the scores of what is right.
fn over_time(data: &Data, figures: &Figures) -> Value {
    let t_of = |image: usize| data.frames.get(image).and_then(|f| f.t_s);
    let recalls = figures.counts.recall_by_image().into_iter().enumerate();
    let recall: Vec<(f64, f64)> = recalls.filter_map(|(i, r)| Some((t_of(i)?, r?))).collect();
    let hits = figures.at_half.iter().flat_map(|m| m.detections.iter().map(move |d| (m.image, d)));
    let scores = hits.filter(|(_, d)| d.is_true() && d.score >= figures.threshold);
    let score: Vec<(f64, f64)> = scores.filter_map(|(i, d)| Some((t_of(i)?, d.score))).collect();
    let slope = |points: &[(f64, f64)]| match drift(points, &Bootstrap::default()) {
        Some(slope) => json!(slope),
        None => json!({"undefined": "the pictures have no times, or all the same"}),
    };
    json!({"unit": "per second", "recall": slope(&recall), "score_of_hits": slope(&score)})
}
