//! A network under measurement: loaded, fed with the pictures of a data set, its detections tied to the set's truth.
//!
//! In pictures of a folder boxes are the network's own, as evaluators' reference detections and `detect` have them; in drives
//! and rendered streets they end at the picture's edge, as the pipeline reports them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use ocellus_infer::Runtime;
use ocellus_judge::agreement::Seen;
use ocellus_judge::coco::{DetectedObject, Detections, Params, Rle, Segmentation};
use ocellus_judge::statement::ModelCard;
use ocellus_percept::depth::DepthMap;
use ocellus_percept::detection::{Detection, Mask};
use ocellus_percept::image::Image;
use ocellus_percept::model::{DepthKind, HeadFamily, ManifestTraining, ModelSpec};
use ocellus_percept::tensor::depth::{depth_from_output, depth_from_student, empty_depth};

use super::data::{Data, Picture};
use super::depth::box_distance;
use crate::exit;
use crate::models::{self, Model, ModelRequest, PictureDetector, PictureRunner};

/// Lowest score looked at: average precision needs the tail.
pub const SCORE_MIN: f32 = 0.01;
/// Detections a picture, as COCO counts.
pub const DETECTIONS_MAX: usize = 100;

/// A network that is measured: detector, depth network, or both in one.
pub struct Subject {
    /// Name, hash and facts for reports.
    pub card: ModelCard,
    /// The ONNX file.
    pub file: PathBuf,
    /// The energy that making it took, where its manifest says.
    pub training: Option<ManifestTraining>,
    sight: Sight,
    /// Depth of the last picture, of networks that see depth.
    depth: Option<DepthMap>,
}

/// What a network gives.
enum Sight {
    /// Boxes, and depth with them where it has such a head.
    Boxes(Box<PictureDetector>),
    /// Depth alone.
    Depth(Box<PictureRunner>),
}

/// How a subject is loaded.
#[derive(Debug, Clone)]
pub struct Loading {
    /// Providers in order of preference; where empty, those of the manifest, else the CPU.
    pub providers: Vec<String>,
    /// The provider without which it must not run.
    pub require: Option<String>,
    /// Whether scores stay as the network gives them, whatever its manifest makes of them.
    pub raw_scores: bool,
}

impl Loading {
    /// Loads a network of any kind and says what it is.
    pub fn load(&self, runtime: &Runtime, path: &Path) -> Result<Model> {
        let model = models::load(runtime, &self.request(path))?;
        eprint!("{}", model.describe());
        Ok(model)
    }

    /// What is asked of models.
    pub fn request(&self, path: &Path) -> ModelRequest {
        ModelRequest {
            providers: self.providers.clone(),
            require: self.require.clone(),
            ..ModelRequest::new(path.to_owned())
        }
    }
}

impl Subject {
    /// Loads the network at `path`.
    pub fn load(runtime: &Runtime, path: &Path, loading: &Loading) -> Result<Self> {
        Self::new(loading.load(runtime, path)?, loading)
    }

    /// Takes a loaded network.
    pub fn new(mut model: Model, loading: &Loading) -> Result<Self> {
        if loading.raw_scores {
            model.scores.map = None;
        }
        (model.spec.thresholds.score, model.spec.thresholds.max_detections) = (SCORE_MIN, DETECTIONS_MAX);
        let ran = model.network.providers().registered.iter().map(|p| p.name()).collect::<Vec<_>>().join(", ");
        let mut facts = vec![
            ("file".to_owned(), model.file.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())),
            ("head".to_owned(), format!("{:?}", model.spec.head).to_lowercase()),
            ("input".to_owned(), format!("{} x {} px", model.spec.input.width, model.spec.input.height)),
            ("provider".to_owned(), ran),
        ];
        let precision = model.precision.map(|p| format!("{p:?}").to_lowercase());
        let calibrated = model.scores.map.is_some().then(|| "by the manifest's table".to_owned());
        for (name, value) in [("precision", precision), ("licence", model.licence.clone()), ("scores", calibrated)] {
            facts.extend(value.map(|value| (name.to_owned(), value)));
        }
        let card = ModelCard { name: model.spec.name.clone(), sha256: model.network.digest().to_owned(), facts };
        let (file, training) = (model.file.clone(), model.training.take());
        let depth = match model.spec.head {
            HeadFamily::Depth => {
                Some(model.spec.depth.context("a depth network must say whether it is metric").map_err(exit::usage)?)
            }
            HeadFamily::Student => Some(DepthKind::Metric),
            _ => None,
        };
        let sight = if model.is_depth() {
            Sight::Depth(Box::new(PictureRunner::new(model.network, &model.spec)?))
        } else {
            Sight::Boxes(Box::new(PictureDetector::new(model).map_err(exit::usage)?.with_boxes_beyond_the_picture()))
        };
        Ok(Self { card, file, training, sight, depth: depth.map(empty_depth) })
    }

    /// Whether it gives boxes.
    pub fn sees_boxes(&self) -> bool {
        matches!(self.sight, Sight::Boxes(_))
    }

    /// Depth of the last picture looked at; `None` for networks that see none.
    pub fn depth(&self) -> Option<&DepthMap> {
        self.depth.as_ref()
    }

    /// Names of its classes.
    pub fn classes(&self) -> &[String] {
        &self.spec().classes
    }

    /// How it is fed and read.
    pub fn spec(&self) -> &ModelSpec {
        match &self.sight {
            Sight::Boxes(detector) => detector.spec(),
            Sight::Depth(runner) => runner.spec(),
        }
    }

    /// The bytes of its file.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        std::fs::read(&self.file).with_context(|| self.file.display().to_string())
    }

    /// Replaces `found` with the boxes it sees in one picture (none, where it sees depth alone); depth is kept.
    pub fn look(&mut self, image: &Image, found: &mut Vec<Detection>) -> Result<()> {
        let depth = &mut self.depth;
        match &mut self.sight {
            Sight::Boxes(detector) => detector.detect_and(image.view(), found, |outputs, geometry| {
                if let Some(map) = depth {
                    depth_from_student(outputs, geometry, map)?;
                }
                Ok(())
            }),
            Sight::Depth(runner) => {
                found.clear();
                runner.run(image.view(), |outputs, geometry| -> Result<()> {
                    let output = outputs.first().context("the depth network gave no output")?;
                    if let Some(map) = depth {
                        depth_from_output(output, geometry, map)?;
                    }
                    Ok(())
                })?
            }
        }
    }

    /// By its own class: the category of `data`'s truth with that name.
    pub fn categories(&self, data: &Data) -> Vec<Option<usize>> {
        let category = |class: &String| data.truth.categories.iter().position(|c| c.name.eq_ignore_ascii_case(class));
        self.classes().iter().map(category).collect()
    }

    /// What it sees in all pictures of `data`, each changed by `alter` first; its depth of each goes to `watch`.
    pub fn detect_all(
        &mut self,
        data: &Data,
        mut alter: impl FnMut(usize, &Image) -> Result<Option<Image>>,
        mut watch: impl FnMut(usize, &Image, &DepthMap) -> Result<()>,
    ) -> Result<Found> {
        let categories = self.categories(data);
        let mut found = Found::default();
        let (mut image, mut detections) = (Image::empty(), Vec::new());
        for (index, frame) in data.frames.iter().enumerate() {
            if let Err(error) = frame.read(&mut image) {
                found.lost.push((index, format!("{}: {error:#}", frame.name)));
                continue;
            }
            let altered = alter(index, &image).with_context(|| frame.name.clone())?;
            let picture = altered.as_ref().unwrap_or(&image);
            self.look(picture, &mut detections)?;
            if !matches!(frame.picture, Picture::File(_)) {
                detections.iter_mut().for_each(|d| d.bbox = d.bbox.within((picture.width(), picture.height())));
                detections.retain(|d| d.bbox.area() > 0.0);
            }
            if let Some(map) = &self.depth {
                watch(index, picture, map).with_context(|| frame.name.clone())?;
            }
            found.add(index, &detections, &categories, (self.classes(), picture));
            let seen = |d: &Detection| Seen {
                class: self.classes().get(d.class as usize).cloned().unwrap_or_default(),
                score: f64::from(d.score),
                bbox: d.bbox,
                distance_m: self.depth.as_ref().and_then(|map| box_distance(map, &d.bbox, frame.focal_px())),
            };
            found.seen.push((index, detections.iter().map(seen).collect()));
        }
        Ok(found)
    }

    /// As [`Self::detect_all`] on the pictures as they are, boxes alone.
    pub fn detect_clean(&mut self, data: &Data) -> Result<Found> {
        self.detect_all(data, |_, _| Ok(None), |_, _, _| Ok(()))
    }
}

/// What a subject saw.
#[derive(Default)]
pub struct Found {
    /// In the form of the judge, of classes that the truth labels.
    pub detections: Detections,
    /// By picture that could be read: all boxes, by class name.
    pub seen: Vec<(usize, Vec<Seen>)>,
    /// Pictures that could not be read, and why.
    pub lost: Vec<(usize, String)>,
}

impl Found {
    fn add(
        &mut self,
        image: usize,
        detections: &[Detection],
        categories: &[Option<usize>],
        (classes, picture): (&[String], &Image),
    ) {
        for d in detections {
            let Some(category) = categories.get(d.class as usize).copied().flatten() else {
                let what = "detection of a class that the truth does not label";
                let class = classes.get(d.class as usize).map_or("?", String::as_str);
                self.detections.findings.note(what, "left out", || class.to_owned());
                continue;
            };
            let [x, y, w, h] = [d.bbox.x0, d.bbox.y0, d.bbox.width(), d.bbox.height()].map(f64::from);
            self.detections.objects.push(DetectedObject {
                image,
                category,
                bbox: [x, y, w, h],
                area: w * h,
                score: f64::from(d.score),
                segmentation: d.mask.as_ref().map(|mask| segmentation(mask, picture)),
            });
        }
    }
}

fn segmentation(mask: &Mask, picture: &Image) -> Segmentation {
    let size = (picture.height() as u32, picture.width() as u32);
    let Rle { height, width, counts } = Rle::from_window(size, (mask.y, mask.x), (mask.height, mask.width), &mask.data);
    Segmentation::Runs { size: [height, width], counts }
}

/// What of `data` is judged: pictures that could be read, and categories that every one of `subjects` knows.
pub fn judged(data: &Data, found: &[&Found], subjects: &[&Subject]) -> Result<(Params, Vec<String>)> {
    let lost = |index: usize| found.iter().any(|f| f.lost.iter().any(|(i, _)| *i == index));
    let images: Vec<i64> = data.truth.images.iter().enumerate().filter(|(i, _)| !lost(*i)).map(|(_, m)| m.id).collect();
    if images.is_empty() {
        return Err(anyhow!("no picture could be read"));
    }
    let known: Vec<Vec<Option<usize>>> = subjects.iter().map(|s| s.categories(data)).collect();
    let all_know = |category: usize| known.iter().all(|classes| classes.contains(&Some(category)));
    let (kept, out): (Vec<usize>, Vec<usize>) = (0..data.truth.categories.len()).partition(|c| all_know(*c));
    let name = |c: &usize| data.truth.categories.get(*c).map_or("", |k| k.name.as_str());
    if kept.is_empty() {
        let labels = out.iter().map(name).collect::<Vec<_>>().join(", ");
        let classes = subjects.first().map_or_else(String::new, |s| s.classes().join(", "));
        return Err(exit::usage(anyhow!(
            "no class of the network is labelled: labels are {labels}; classes are {classes}"
        )));
    }
    let notes = (!out.is_empty()).then(|| {
        format!("not judged, for a network does not know them: {}", out.iter().map(name).collect::<Vec<_>>().join(", "))
    });
    let id = |c: &usize| data.truth.categories.get(*c).map_or(0, |k| k.id);
    let category_ids = Some(kept.iter().map(id).collect());
    Ok((Params { image_ids: Some(images), category_ids, exclude_degenerate: false }, notes.into_iter().collect()))
}
