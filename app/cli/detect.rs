//! `ocellus detect MODEL PICTURES --coco OUT.json`: bare detections on pictures, as COCO results.
//!
//! Boxes are the network's own, not clipped to the picture, as evaluators' reference detections are; what drives report
//! is clipped. `image_id` is the number in the file's name; `category_id` is COCO's own where the classes are COCO's 80, else index + 1.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use ocellus_judge::export::number_in_name;
use ocellus_percept::detection::Detection;
use ocellus_percept::image::Image;
use ocellus_percept::model::coco;
use serde::Serialize;

use crate::exit::{self, Outcome};
use crate::measure::data::read_picture;
use crate::models::{self, ModelRequest, PictureDetector};

/// Bare detections on pictures, as COCO results: the network's own boxes, not clipped to the picture.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: ocellus detect yolox_nano.onnx val2017/ --coco detections.json --score 0.01 --nms 0.45 --max 100"
)]
pub struct Detect {
    /// An ONNX file, or the name of a folder under models/.
    model: PathBuf,
    /// Pictures (JPEG, PNG) and folders of pictures.
    #[arg(required = true)]
    pictures: Vec<PathBuf>,
    /// Where the COCO results go.
    #[arg(long, value_name = "OUT.json")]
    coco: PathBuf,
    /// Lowest score kept.
    #[arg(long, default_value_t = 0.01)]
    score: f32,
    /// Intersection over union of NMS.
    #[arg(long, default_value_t = 0.45)]
    nms: f32,
    /// Most detections per picture.
    #[arg(long, default_value_t = 100)]
    max: usize,
    /// Providers in order of preference; the model's own, else the CPU, unless told.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    providers: Vec<String>,
    /// The provider without which the run must not start (exit code 4).
    #[arg(long, value_name = "PROVIDER")]
    require: Option<String>,
    /// The ONNX Runtime library.
    #[arg(long, value_name = "FILE")]
    ort_lib: Option<PathBuf>,
}

/// One entry of a COCO results file.
#[derive(Debug, Serialize)]
struct CocoResult {
    image_id: u64,
    category_id: u32,
    bbox: [f64; 4],
    score: f64,
}

impl Detect {
    pub(super) fn run(self) -> Result<Outcome> {
        for (name, value) in [("--score", self.score), ("--nms", self.nms)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(exit::usage(anyhow!("{name}: expected 0 to 1, got {value}")));
            }
        }
        let pictures = pictures(&self.pictures).map_err(exit::usage)?;
        let request = ModelRequest {
            providers: self.providers.clone(),
            require: self.require.clone(),
            ..ModelRequest::new(self.model.clone())
        };
        let runtime = models::start_runtime(self.ort_lib.as_deref())?;
        let mut model = models::load(&runtime, &request)?;
        eprint!("{}", model.describe());
        let thresholds = &mut model.spec.thresholds;
        (thresholds.score, thresholds.nms_iou, thresholds.max_detections) = (self.score, self.nms, self.max);
        let mut detector = PictureDetector::new(model).map_err(exit::usage)?.with_boxes_beyond_the_picture();

        let classes = detector.classes().to_vec();
        let (mut results, mut unreadable) = (Vec::new(), 0_usize);
        let (mut image, mut found) = (Image::empty(), Vec::new());
        for (path, image_id) in &pictures {
            match read_picture(path, &mut image) {
                Ok(()) => detector.detect(image.view(), &mut found)?,
                Err(error) => {
                    eprintln!("lost: {}: {error:#}", path.display());
                    unreadable += 1;
                    continue;
                }
            }
            results.extend(found.iter().map(|d| coco_result(*image_id, coco::category_id(&classes, d.class), d)));
        }
        write(&self.coco, &results)?;
        println!("{} detections on {} pictures -> {}", results.len(), pictures.len() - unreadable, self.coco.display());
        Ok(if unreadable > 0 { Outcome::LostData } else { Outcome::Done })
    }
}

fn coco_result(image_id: u64, category_id: u32, detection: &Detection) -> CocoResult {
    let b = &detection.bbox;
    let px = |v: f32| (f64::from(v) * 1000.0).round() / 1000.0;
    CocoResult {
        image_id,
        category_id,
        bbox: [px(b.x0), px(b.y0), px(b.width()), px(b.height())],
        score: (f64::from(detection.score) * 1e5).round() / 1e5,
    }
}

fn write(path: &Path, results: &[CocoResult]) -> Result<()> {
    let told = || format!("{}: cannot be written; choose another place with --coco", path.display());
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).with_context(told)?);
    serde_json::to_writer(&mut file, results).with_context(told)?;
    file.flush().with_context(told)
}

/// All pictures of files and folders, each with its image id.
fn pictures(paths: &[PathBuf]) -> Result<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = found.len();
            let entries = std::fs::read_dir(path).with_context(|| path.display().to_string())?;
            found.extend(entries.flatten().map(|e| e.path()).filter(|p| is_picture(p)));
            found[before..].sort();
            if found.len() == before {
                return Err(anyhow!("{}: no .jpg, .jpeg or .png in this folder", path.display()));
            }
        } else if path.is_file() {
            found.push(path.clone());
        } else {
            return Err(anyhow!("{}: no such file or folder", path.display()));
        }
    }
    let mut known = std::collections::BTreeMap::new();
    let mut numbered = Vec::with_capacity(found.len());
    for path in found {
        let id = image_id(&path)?;
        if let Some(other) = known.insert(id, path.clone()) {
            return Err(anyhow!("{} and {} both have image id {id}", other.display(), path.display()));
        }
        numbered.push((path, id));
    }
    Ok(numbered)
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    matches!(extension.as_str(), "jpg" | "jpeg" | "png")
}

/// The number in the file's name: its last run of digits.
fn image_id(path: &Path) -> Result<u64> {
    let name = path.file_name().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    number_in_name(&name).ok_or_else(|| {
        anyhow!("{}: COCO wants a number in the file's name as image_id, and there is none", path.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_id_is_the_last_number_in_the_name() {
        assert_eq!(image_id(Path::new("000000532481.jpg")).unwrap(), 532_481);
        assert_eq!(image_id(Path::new("COCO_val2014_000000000042.png")).unwrap(), 42);
        assert!(image_id(Path::new("bus.jpg")).is_err());
    }
}
