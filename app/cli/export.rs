//! `ocellus export RUN --as coco|mot|kitti`: a run's objects in the forms that others' evaluators read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::{Args, ValueEnum};
use ocellus_judge::coco::GroundTruth;
use ocellus_judge::export::{ExportObject, coco_results, kitti_labels, mot_results, number_in_name};
use ocellus_judge::findings::Findings;
use ocellus_percept::model::coco;
use ocellus_percept::report::{FrameReport, Object};
use ocellus_sinks::objects::{FILE_NAME, read_objects};
use serde_json::Value;

use crate::exit::{self, Outcome};

/// Write a run's objects as COCO results, MOTChallenge text or KITTI labels.
#[derive(Debug, Args)]
#[command(after_help = "Example: ocellus export out --as coco --gt instances.json --out detections.json\n         \
                        ocellus export out --as mot --out tracks.txt\n         ocellus export out --as kitti --out labels/")]
pub struct Export {
    /// A run's folder.
    run: PathBuf,
    /// The form.
    #[arg(long = "as", value_enum)]
    form: Form,
    /// The file to write; for kitti the folder, one file a frame.
    #[arg(long)]
    out: PathBuf,
    /// The camera, where the run has several.
    #[arg(long)]
    camera: Option<String>,
    /// COCO ground truth: its image ids are taken by the file's name, else by the number in it, its category ids by name.
    #[arg(long, value_name = "GT.json")]
    gt: Option<PathBuf>,
}

/// Whose form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// COCO results (JSON).
    Coco,
    /// MOTChallenge text; frames count from 1.
    Mot,
    /// KITTI label files.
    Kitti,
}

impl Export {
    pub(super) fn run(self) -> Result<Outcome> {
        let (camera, frames) = self.frames()?;
        let ids = Ids::of(self.gt.as_deref(), self.file_names(&camera)?)?;
        let (written, findings) = match self.form {
            Form::Coco => {
                let (rows, mut findings) = coco_rows(&frames, &ids);
                if rows.is_empty() && findings.count_of(UNLISTED) > 0 {
                    return Err(exit::usage(anyhow!(
                        "the ground truth lists none of the run's pictures: is it another's?"
                    )));
                }
                let exported = coco_results(&rows);
                write(&self.out, &exported.text)?;
                findings.extend(&exported.findings);
                (exported.written, findings)
            }
            Form::Mot => {
                let rows = |r: &FrameReport| rows(r, sequence(r).saturating_add(1), &ids);
                let exported = mot_results(&frames.iter().flat_map(rows).collect::<Vec<_>>());
                write(&self.out, &exported.text)?;
                (exported.written, exported.findings)
            }
            Form::Kitti => {
                let (mut written, mut findings) = (0, Findings::default());
                for report in &frames {
                    let exported = kitti_labels(&rows(report, sequence(report), &ids));
                    write(&self.out.join(format!("{:06}.txt", report.seq.unwrap_or(0))), &exported.text)?;
                    written += exported.written;
                    findings.extend(&exported.findings);
                }
                (written, findings)
            }
        };
        for finding in findings.iter() {
            eprintln!("left out: {} x {}, first: {}", finding.count, finding.what, finding.first);
        }
        println!("{written} objects of {} frames -> {}", frames.len(), self.out.display());
        Ok(Outcome::Done)
    }

    /// The camera and its frames of the run.
    fn frames(&self) -> Result<(String, Vec<FrameReport>)> {
        let reports = read_objects(&self.run).map_err(exit::usage)?;
        let all = reports.collect::<Result<Vec<_>, _>>().map_err(exit::usage)?;
        let mut cameras: Vec<String> = all.iter().filter_map(|r| r.sensor.clone()).collect();
        cameras.sort();
        cameras.dedup();
        let camera = match (&self.camera, cameras.as_slice()) {
            (Some(camera), known) if known.contains(camera) => camera.clone(),
            (None, [only]) => only.clone(),
            (_, known) => {
                let place = self.run.join(FILE_NAME);
                return Err(exit::usage(anyhow!(
                    "{}: name one sensor with --camera: {}",
                    place.display(),
                    known.join(", ")
                )));
            }
        };
        let frames = all.into_iter().filter(|r| r.sensor.as_ref() == Some(&camera)).collect();
        Ok((camera, frames))
    }

    /// Names of the camera's files by sequence number; empty where the run knew its frames by number.
    fn file_names(&self, camera: &str) -> Result<Vec<String>> {
        let path = self.run.join("run.json");
        let Ok(text) = std::fs::read_to_string(&path) else { return Ok(Vec::new()) };
        let run: Value =
            serde_json::from_str(&text).with_context(|| path.display().to_string()).map_err(exit::usage)?;
        let names = run["drive"]["files"][camera].as_array().cloned().unwrap_or_default();
        Ok(names.iter().map(|name| name.as_str().unwrap_or_default().to_owned()).collect())
    }
}

/// What is said of objects in pictures that the ground truth does not have.
const UNLISTED: &str = "object of a picture that the ground truth does not list";

/// The objects of all frames that have an image id.
fn coco_rows(frames: &[FrameReport], ids: &Ids) -> (Vec<ExportObject>, Findings) {
    let (mut list, mut findings) = (Vec::new(), Findings::default());
    for report in frames {
        match ids.image(sequence(report)) {
            Some(image) => list.extend(rows(report, image, ids)),
            None => {
                for object in report.objects.iter().flatten() {
                    findings.note(UNLISTED, "left out", || format!("{} in frame {}", object.class, sequence(report)));
                }
            }
        }
    }
    (list, findings)
}

fn sequence(report: &FrameReport) -> i64 {
    i64::try_from(report.seq.unwrap_or(0)).unwrap_or(i64::MAX)
}

fn rows(report: &FrameReport, frame: i64, ids: &Ids) -> Vec<ExportObject> {
    let row = |object: &Object| ExportObject {
        frame,
        track: Some(object.track),
        class: object.class.clone(),
        category_id: ids.category(&object.class),
        score: object.score.map(f64::from),
        box_px: object.box_px.map(|b| [b.x0, b.y0, b.x1, b.y1].map(f64::from)),
        location_m: None,
    };
    report.objects.iter().flatten().map(row).collect()
}

/// Ids of a ground truth, and how a run's frames find theirs.
#[derive(Debug, Default)]
struct Ids {
    /// Names of the run's files by sequence number.
    files: Vec<String>,
    /// Images by the file's name and by the number in it; `None` without a ground truth.
    images: Option<(BTreeMap<String, i64>, BTreeMap<i64, i64>)>,
    /// By category name.
    categories: BTreeMap<String, i64>,
}

impl Ids {
    fn of(truth: Option<&Path>, files: Vec<String>) -> Result<Self> {
        let Some(path) = truth else { return Ok(Self { files, ..Self::default() }) };
        let read = || -> Result<GroundTruth> { Ok(GroundTruth::parse(&std::fs::read_to_string(path)?)?) };
        let truth = read().with_context(|| path.display().to_string()).map_err(exit::usage)?;
        let (mut by_name, mut by_number) = (BTreeMap::new(), BTreeMap::new());
        for image in &truth.images {
            let name = Path::new(&image.file_name).file_name().map_or_else(String::new, |n| n.to_string_lossy().into());
            by_number.extend(number(&name).map(|number| (number, image.id)));
            by_name.insert(name, image.id);
        }
        let categories = truth.categories.into_iter().map(|c| (c.name, c.id)).collect();
        Ok(Self { files, images: Some((by_name, by_number)), categories })
    }

    /// The image id of a frame: the ground truth's, else the number in its file's name, else its own number.
    fn image(&self, sequence: i64) -> Option<i64> {
        let name = usize::try_from(sequence).ok().and_then(|i| self.files.get(i));
        let own = name.map_or(Some(sequence), |name| number(name));
        match &self.images {
            Some((by_name, by_number)) => {
                let named = name.and_then(|name| by_name.get(name));
                named.or_else(|| by_number.get(&own?)).copied()
            }
            None => own.or(Some(sequence)),
        }
    }

    /// The ground truth's id of a class, else COCO's own.
    fn category(&self, class: &str) -> Option<i64> {
        let known = || coco::NAMES.iter().position(|n| *n == class).and_then(|i| coco::CATEGORY_IDS.get(i));
        self.categories.get(class).copied().or_else(|| known().map(|id| i64::from(*id)))
    }
}

fn number(name: &str) -> Option<i64> {
    number_in_name(name).and_then(|n| i64::try_from(n).ok())
}

fn write(path: &Path, text: &str) -> Result<()> {
    let told = || format!("{}: cannot be written; choose another place with --out", path.display());
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(told)?;
    }
    std::fs::write(path, text).with_context(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_finds_its_image_by_name_then_by_number() {
        let folder = tempfile::tempdir().unwrap();
        let gt = folder.path().join("gt.json");
        let text = r#"{"images": [{"id": 7, "file_name": "a/bus.jpg"}, {"id": 8, "file_name": "000139.jpg"}],
            "categories": [{"id": 5, "name": "car"}],
            "annotations": [{"id": 1, "image_id": 7, "category_id": 5, "bbox": [NaN, 0, 1, 1]}]}"#;
        std::fs::write(&gt, text).unwrap();
        let files = vec!["bus.jpg".to_owned(), "x_139.png".to_owned(), "dog.jpg".to_owned()];
        let ids = Ids::of(Some(&gt), files.clone()).unwrap();
        assert_eq!([0, 1, 2].map(|i| ids.image(i)), [Some(7), Some(8), None]);
        assert_eq!((ids.category("car"), ids.category("person")), (Some(5), Some(1)));
        let bare = Ids::of(None, files).unwrap();
        assert_eq!([0, 1, 2].map(|i| bare.image(i)), [Some(0), Some(139), Some(2)]);
        let numbered = Ids::of(Some(&gt), Vec::new()).unwrap();
        assert_eq!((numbered.image(139), numbered.image(1)), (Some(8), None));
    }
}
