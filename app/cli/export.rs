//! `ocellus export RUN --as coco|mot|kitti`: a run's objects in the forms that others' evaluators read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::{Args, ValueEnum};
use ocellus_judge::coco::GroundTruth;
use ocellus_judge::export::{ExportObject, Exported, coco_results, kitti_labels, mot_results};
use ocellus_percept::model::coco;
use ocellus_percept::report::{FrameReport, Object};
use ocellus_sinks::objects::{FILE_NAME, read_objects};

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
    /// COCO ground truth: its image ids are taken by the number in the file's name, its category ids by name.
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
        let frames = self.frames()?;
        let ids = self.gt.as_deref().map(Ids::of).transpose()?.unwrap_or_default();
        let rows = |report: &FrameReport| -> Vec<ExportObject> {
            let objects = report.objects.iter().flatten();
            objects.map(|object| self.row(report.seq.unwrap_or(0), object, &ids)).collect()
        };
        let exported = match self.form {
            Form::Coco => self.write_file(coco_results(&frames.iter().flat_map(rows).collect::<Vec<_>>()))?,
            Form::Mot => self.write_file(mot_results(&frames.iter().flat_map(rows).collect::<Vec<_>>()))?,
            Form::Kitti => {
                let mut written = 0;
                for report in &frames {
                    let exported = kitti_labels(&rows(report));
                    let file = self.out.join(format!("{:06}.txt", report.seq.unwrap_or(0)));
                    write(&file, &exported.text)?;
                    written += exported.written;
                }
                written
            }
        };
        println!("{exported} objects of {} frames -> {}", frames.len(), self.out.display());
        Ok(Outcome::Done)
    }

    /// The camera's frames of the run.
    fn frames(&self) -> Result<Vec<FrameReport>> {
        let reports = read_objects(&self.run).map_err(exit::usage)?;
        let all = reports.collect::<Result<Vec<_>, _>>().map_err(exit::usage)?;
        let mut cameras: Vec<String> = all.iter().filter_map(|r| r.sensor.clone()).collect();
        cameras.sort();
        cameras.dedup();
        let camera = match (&self.camera, cameras.as_slice()) {
            (Some(camera), known) if known.contains(camera) => camera,
            (None, [only]) => only,
            (_, known) => {
                let place = self.run.join(FILE_NAME);
                return Err(exit::usage(anyhow!(
                    "{}: name one sensor with --camera: {}",
                    place.display(),
                    known.join(", ")
                )));
            }
        };
        Ok(all.into_iter().filter(|r| r.sensor.as_ref() == Some(camera)).collect())
    }

    fn row(&self, seq: u64, object: &Object, ids: &Ids) -> ExportObject {
        let seq = i64::try_from(seq).unwrap_or(i64::MAX);
        ExportObject {
            frame: match self.form {
                Form::Mot => seq.saturating_add(1),
                Form::Coco => ids.images.get(&seq).copied().unwrap_or(seq),
                Form::Kitti => seq,
            },
            track: Some(object.track),
            class: object.class.clone(),
            category_id: ids.category(&object.class),
            score: object.score.map(f64::from),
            box_px: object.box_px.map(|b| [b.x0, b.y0, b.x1, b.y1].map(f64::from)),
            location_m: None,
        }
    }

    fn write_file(&self, exported: Exported) -> Result<usize> {
        write(&self.out, &exported.text)?;
        for finding in exported.findings.iter() {
            eprintln!("left out: {} x {}, first: {}", finding.count, finding.what, finding.first);
        }
        Ok(exported.written)
    }
}

/// Ids of a ground truth.
#[derive(Debug, Default)]
struct Ids {
    /// By the number in the file's name.
    images: BTreeMap<i64, i64>,
    /// By category name.
    categories: BTreeMap<String, i64>,
}

impl Ids {
    fn of(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string()).map_err(exit::usage)?;
        GroundTruth::parse(&text).with_context(|| path.display().to_string()).map_err(exit::usage)?;
        let json: serde_json::Value = serde_json::from_str(&text)?;
        let rows = |key: &str| json[key].as_array().cloned().unwrap_or_default();
        let number = |name: &str| name.rsplit(|c: char| !c.is_ascii_digit()).find(|run| !run.is_empty())?.parse().ok();
        let stem = |name: &str| Path::new(name).file_stem().and_then(|s| number(&s.to_string_lossy()));
        let images = rows("images");
        let images = images.iter().filter_map(|i| Some((stem(i["file_name"].as_str()?)?, i["id"].as_i64()?)));
        let categories = rows("categories");
        let categories = categories.iter().filter_map(|c| Some((c["name"].as_str()?.to_owned(), c["id"].as_i64()?)));
        Ok(Self { images: images.collect(), categories: categories.collect() })
    }

    /// The ground truth's id of a class, else COCO's own.
    fn category(&self, class: &str) -> Option<i64> {
        let known = || coco::NAMES.iter().position(|n| *n == class).and_then(|i| coco::CATEGORY_IDS.get(i));
        self.categories.get(class).copied().or_else(|| known().map(|id| i64::from(*id)))
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    let told = || format!("{}: cannot be written; choose another place with --out", path.display());
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(told)?;
    }
    std::fs::write(path, text).with_context(told)
}
