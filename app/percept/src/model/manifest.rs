//! `models/<name>/model.toml`: what a network is, where it comes from, and on what terms.
//!
//! Text in, values out; reads no file and checks no hash (whoever loads the weights does). Every key but `name`, `file`,
//! `sha256` and `licence` may be left out: the rest is recognised from the file. An unknown key is an error that names
//! the nearest known one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::model::{
    ChannelOrder, DepthKind, HeadFamily, IoInfo, ManifestClip, ManifestTraining, ModelSpec, RecogniseError, Resize,
    ScoreActivation, ScoreMap, ScoreTable, SpecOverrides, clip, coco, recognise_with, training,
};

/// Why a manifest cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// Not TOML, a key of the wrong type, or a key that is missing; the text has line and column.
    #[error("{text}")]
    Toml {
        /// What the parser says.
        text: String,
    },
    /// A key that means nothing.
    #[error("unknown key {key:?} in {section}{}", nearest.as_ref().map_or_else(String::new, |n| format!("; did you mean {n:?}?")))]
    UnknownKey {
        /// The key.
        key: String,
        /// The table it is in.
        section: &'static str,
        /// The known key it resembles most.
        nearest: Option<String>,
    },
    /// A value that cannot be.
    #[error("{key} is {got}; it must be {expected}")]
    Value {
        /// The key.
        key: String,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        got: String,
    },
}

/// How a network's weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    Fp32,
    /// 16-bit floats.
    Fp16,
    /// 8-bit integers.
    Int8,
}

/// The class list: names, or the word `coco`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Classes {
    Known(String),
    Names(Vec<String>),
}

/// A manifest as written. Paths are relative to its folder.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ModelManifest {
    /// Name for people and for files.
    pub name: String,
    /// The ONNX file.
    pub file: String,
    /// SHA-256 of that file, in hexadecimal.
    pub sha256: String,
    /// Licence of the weights, as an SPDX expression where there is one.
    pub licence: String,
    /// Where the weights come from.
    pub provenance: Option<String>,
    /// The network it was distilled from.
    pub teacher: Option<String>,
    /// The statement of what distillation lost.
    pub statement: Option<String>,
    /// How its outputs are read.
    pub head: Option<HeadFamily>,
    /// Whether its class scores need a sigmoid.
    pub activation: Option<ScoreActivation>,
    /// What its depth means.
    pub depth: Option<DepthKind>,
    /// Strides of raw-grid heads, finest first.
    pub strides: Option<Vec<usize>>,
    /// How its weights are stored.
    pub precision: Option<Precision>,
    /// Execution providers to try, in order.
    pub providers: Option<Vec<String>>,
    /// The provider without which it must not run.
    pub require: Option<String>,
    classes: Option<Classes>,
    /// How its input is made.
    #[serde(default)]
    pub input: ManifestInput,
    /// Which detections are kept.
    #[serde(default)]
    pub thresholds: ManifestThresholds,
    /// What its scores are worth.
    pub calibration: Option<ManifestCalibration>,
    /// How it was quantized.
    pub quantization: Option<ManifestQuantization>,
    /// How clips are made for it, and what its answer to one is worth.
    pub clip: Option<ManifestClip>,
    /// The energy that making it took.
    pub training: Option<ManifestTraining>,
}

/// The `[input]` table.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct ManifestInput {
    /// Name of the picture's tensor.
    pub name: Option<String>,
    /// Columns and rows.
    pub size: Option<[usize; 2]>,
    /// How the picture is brought to that size.
    pub resize: Option<Resize>,
    /// Value of padded pixels, 0..255.
    pub fill: Option<u8>,
    /// Channel order of the tensor.
    pub order: Option<ChannelOrder>,
    /// Subtracted from 0..255 values, in the tensor's channel order.
    pub mean: Option<[f32; 3]>,
    /// Multiplied afterwards.
    pub scale: Option<[f32; 3]>,
}

/// The `[thresholds]` table.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct ManifestThresholds {
    /// Lowest score kept, 0 to 1.
    pub score: Option<f32>,
    /// Intersection over union for suppression, 0 to 1.
    pub nms_iou: Option<f32>,
    /// Most detections per picture.
    pub max_detections: Option<usize>,
    /// Lowest score of single classes, by name.
    #[serde(default)]
    pub per_class: BTreeMap<String, f32>,
}

/// The `[calibration]` table: raw scores to honest ones.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct ManifestCalibration {
    /// How the tables were fitted.
    pub method: Option<String>,
    /// What they were fitted on, and on what they were tested.
    pub provenance: Option<String>,
    /// Detection calibration error on pictures they were not fitted on: before, after.
    pub d_ece: Option<[f64; 2]>,
    /// (raw, honest) knots for all classes.
    #[serde(default)]
    pub knots: Vec<[f32; 2]>,
    /// Knots of single classes, by name.
    #[serde(default)]
    pub per_class: BTreeMap<String, Vec<[f32; 2]>>,
}

/// The `[quantization]` table: what its integers were measured on, and what they lose.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ManifestQuantization {
    /// How ranges of activations were taken.
    pub method: Option<String>,
    /// Calibration frames.
    pub frames: Option<usize>,
    /// SHA-256 over the pixels of the calibration frames.
    pub calibration_sha256: Option<String>,
    /// SHA-256 of the float network.
    pub source_sha256: Option<String>,
    /// Layers that stayed float.
    #[serde(default)]
    pub float_layers: Vec<String>,
    /// Signal to quantization noise of each layer alone, dB.
    #[serde(default)]
    pub sqnr_db: BTreeMap<String, f64>,
    /// The same of the network's outputs.
    #[serde(default)]
    pub outputs_db: BTreeMap<String, f64>,
}

const KEYS: &[&str] = &[
    "name",
    "file",
    "sha256",
    "licence",
    "provenance",
    "teacher",
    "statement",
    "head",
    "activation",
    "depth",
    "strides",
    "precision",
    "providers",
    "require",
    "classes",
    "input",
    "thresholds",
    "calibration",
    "quantization",
    "clip",
    "training",
];
const INPUT_KEYS: &[&str] = &["name", "size", "resize", "fill", "order", "mean", "scale"];
const THRESHOLD_KEYS: &[&str] = &["score", "nms_iou", "max_detections", "per_class"];
const CALIBRATION_KEYS: &[&str] = &["method", "provenance", "d_ece", "knots", "per_class"];
const QUANTIZATION_KEYS: &[&str] =
    &["method", "frames", "calibration_sha256", "source_sha256", "float_layers", "sqnr_db", "outputs_db"];

/// Names that resemble each other less than this are no suggestion (Jaro-Winkler, 0 to 1).
const RESEMBLANCE_MIN: f64 = 0.7;

impl ModelManifest {
    /// Parses and checks the text of a `model.toml`.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let toml_error = |e: toml::de::Error| ManifestError::Toml { text: e.to_string().trim_end().to_owned() };
        let table: toml::Table = toml::from_str(text).map_err(toml_error)?;
        check_keys(&table, "the manifest", KEYS)?;
        for (section, name, keys) in [
            ("[input]", "input", INPUT_KEYS),
            ("[thresholds]", "thresholds", THRESHOLD_KEYS),
            ("[calibration]", "calibration", CALIBRATION_KEYS),
            ("[quantization]", "quantization", QUANTIZATION_KEYS),
            ("[clip]", "clip", clip::CLIP_KEYS),
            ("[training]", "training", training::TRAINING_KEYS),
        ] {
            if let Some(toml::Value::Table(inner)) = table.get(name) {
                check_keys(inner, section, keys)?;
            }
        }
        let manifest: Self = toml::from_str(text).map_err(toml_error)?;
        manifest.check_values()?;
        Ok(manifest)
    }

    fn check_values(&self) -> Result<(), ManifestError> {
        let hexadecimal = self.sha256.len() == 64 && self.sha256.bytes().all(|b| b.is_ascii_hexdigit());
        check(hexadecimal, "sha256", "64 hexadecimal digits", &self.sha256)?;
        if let Some(Classes::Known(word)) = &self.classes {
            check(word == "coco", "classes", "a list of names, or \"coco\"", word)?;
        }
        if let Some([width, height]) = self.input.size {
            check(width > 0 && height > 0, "input.size", "[width, height], both at least 1", &[width, height])?;
        }
        let strides_fit = self.strides.iter().flatten().all(|&stride| stride > 0);
        check(strides_fit, "strides", "at least 1 each", &self.strides)?;
        let numbers = [&self.input.mean, &self.input.scale].into_iter().flatten().flatten();
        check(numbers.clone().all(|v| v.is_finite()), "input.mean or input.scale", "finite", &self.input)?;
        let t = &self.thresholds;
        for (key, value) in [("thresholds.score", t.score), ("thresholds.nms_iou", t.nms_iou)] {
            check(value.is_none_or(is_share), key, "between 0 and 1", &value)?;
        }
        for (class, value) in &t.per_class {
            check(is_share(*value), &format!("thresholds.per_class.{class}"), "between 0 and 1", value)?;
        }
        if let Some((key, expected)) = self.clip.and_then(|clip| clip.mistake()) {
            check(false, key, expected, &self.clip)?;
        }
        if let Some((key, expected)) = self.training.as_ref().and_then(ManifestTraining::mistake) {
            check(false, key, expected, &self.training)?;
        }
        if let Some(calibration) = &self.calibration {
            calibration.common()?;
            calibration.per_class.iter().try_for_each(|(class, knots)| table(class, knots).map(drop))?;
        }
        Ok(())
    }

    /// The class names listed, if any.
    pub fn classes(&self) -> Option<Vec<String>> {
        match self.classes.as_ref()? {
            Classes::Known(_) => Some(coco::names()),
            Classes::Names(names) => Some(names.clone()),
        }
    }

    /// What the manifest tells, to be laid over what is recognised.
    pub fn overrides(&self) -> SpecOverrides {
        let (input, thresholds) = (&self.input, &self.thresholds);
        SpecOverrides {
            head: self.head,
            input_name: input.name.clone(),
            width: input.size.map(|[width, _]| width),
            height: input.size.map(|[_, height]| height),
            resize: input.resize,
            fill: input.fill,
            order: input.order,
            mean: input.mean,
            scale: input.scale,
            classes: self.classes(),
            activation: self.activation,
            depth: self.depth,
            strides: self.strides.clone(),
            score: thresholds.score,
            nms_iou: thresholds.nms_iou,
            max_detections: thresholds.max_detections,
            clip: self.clip,
        }
    }

    /// The specification of the file this manifest stands beside, whose declarations are given.
    pub fn to_spec(
        &self,
        inputs: &[IoInfo],
        outputs: &[IoInfo],
        metadata: &BTreeMap<String, String>,
    ) -> Result<ModelSpec, RecogniseError> {
        recognise_with(&self.name, inputs, outputs, metadata, &self.overrides())
    }

    /// The lowest score of each of `classes`, for [`crate::tensor::Decoder::with_class_scores`]: 0 where none is given.
    /// A name that is no class is an error.
    pub fn class_scores(&self, classes: &[String]) -> Result<Vec<f32>, ManifestError> {
        let mut scores = vec![0.0; classes.len()];
        for (name, &score) in &self.thresholds.per_class {
            scores[class_index(name, classes, "[thresholds.per_class]")?] = score;
        }
        Ok(scores)
    }

    /// The tables that make scores of `classes` honest, for [`crate::tensor::Decoder::with_score_map`]; `None` where the
    /// manifest has none. A name that is no class is an error.
    pub fn score_map(&self, classes: &[String]) -> Result<Option<ScoreMap>, ManifestError> {
        let Some(calibration) = &self.calibration else { return Ok(None) };
        let mut map = ScoreMap { all: calibration.common()?, per_class: Vec::new() };
        for (name, knots) in &calibration.per_class {
            let index = class_index(name, classes, "[calibration.per_class]")?;
            map.per_class.resize(map.per_class.len().max(index + 1), None);
            map.per_class[index] = Some(table(name, knots)?);
        }
        Ok((map != ScoreMap::default()).then_some(map))
    }
}

impl ManifestCalibration {
    fn common(&self) -> Result<Option<ScoreTable>, ManifestError> {
        if self.knots.is_empty() { Ok(None) } else { table("knots", &self.knots).map(Some) }
    }
}

/// The table of a key of `[calibration]`.
fn table(key: &str, knots: &[[f32; 2]]) -> Result<ScoreTable, ManifestError> {
    ScoreTable::new(knots.to_vec()).map_err(|error| ManifestError::Value {
        key: format!("calibration: {key}"),
        expected: "a monotone table of [raw, honest] scores",
        got: error.to_string(),
    })
}

fn class_index(name: &str, classes: &[String], section: &'static str) -> Result<usize, ManifestError> {
    classes.iter().position(|class| class == name).ok_or_else(|| {
        let nearest = nearest(name, classes.iter().map(String::as_str));
        ManifestError::UnknownKey { key: name.to_owned(), section, nearest }
    })
}

fn is_share(value: f32) -> bool {
    (0.0..=1.0).contains(&value)
}

fn check(holds: bool, key: &str, expected: &'static str, got: &impl std::fmt::Debug) -> Result<(), ManifestError> {
    if holds {
        return Ok(());
    }
    Err(ManifestError::Value { key: key.to_owned(), expected, got: format!("{got:?}") })
}

fn check_keys(table: &toml::Table, section: &'static str, known: &[&str]) -> Result<(), ManifestError> {
    match table.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => {
            let nearest = nearest(key, known.iter().copied());
            Err(ManifestError::UnknownKey { key: key.clone(), section, nearest })
        }
    }
}

/// The one of `known` that resembles `key` most, if any does.
fn nearest<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let ranked = known.map(|name| (strsim::jaro_winkler(key, name), name));
    let best = ranked.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= RESEMBLANCE_MIN).then(|| best.1.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn with(rest: &str) -> String {
        format!("name = \"n\"\nfile = \"n.onnx\"\nsha256 = \"{HASH}\"\nlicence = \"MIT\"\n{rest}")
    }

    #[test]
    fn everything_told_arrives() {
        let text = with(
            "head = \"yolov8-seg\"\nclasses = [\"a\", \"b\"]\nprecision = \"int8\"\nrequire = \"tensorrt\"\nteacher = \"t\"\n\
             [input]\nsize = [640, 384]\nresize = \"letterbox-centre\"\nfill = 114\norder = \"bgr\"\n\
             mean = [1.0, 2.0, 3.0]\nscale = [0.5, 0.5, 0.5]\nname = \"images\"\n\
             [thresholds]\nscore = 0.3\nnms_iou = 0.5\nmax_detections = 50\n[thresholds.per_class]\nb = 0.6\n",
        );
        let manifest = ModelManifest::parse(&text).unwrap();
        let told = manifest.overrides();
        assert_eq!((told.width, told.height, told.head), (Some(640), Some(384), Some(HeadFamily::Yolov8Seg)));
        assert_eq!((told.order, told.fill, told.score), (Some(ChannelOrder::Bgr), Some(114), Some(0.3)));
        let classes = told.classes.unwrap();
        assert_eq!(manifest.class_scores(&classes), Ok(vec![0.0, 0.6]));
        assert!(manifest.class_scores(&["a".to_owned()]).is_err());
    }

    #[test]
    fn calibration_is_read_by_class_and_checked() {
        let text = with(
            "[calibration]\nmethod = \"isotonic\"\nd_ece = [0.1, 0.02]\nknots = [[0.0, 0.0], [1.0, 0.5]]\n\
             [calibration.per_class]\nb = [[0.2, 0.9]]\n",
        );
        let manifest = ModelManifest::parse(&text).unwrap();
        let map = manifest.score_map(&["a".to_owned(), "b".to_owned()]).unwrap().unwrap();
        assert_eq!((map.apply(0, 0.5), map.apply(1, 0.5)), (0.25, 0.9));
        assert!(manifest.score_map(&["a".to_owned()]).unwrap_err().to_string().contains("calibration.per_class"));
        assert_eq!(ModelManifest::parse(&with("")).unwrap().score_map(&[]), Ok(None));
        for (bad, part) in [("knots = [[0.5, 0.5], [0.4, 0.6]]", "knot 1"), ("knotes = []", "did you mean \"knots\"")] {
            let error = ModelManifest::parse(&with(&format!("[calibration]\n{bad}"))).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn the_shortest_manifest_leaves_all_to_recognition() {
        assert_eq!(ModelManifest::parse(&with("")).unwrap().overrides(), SpecOverrides::default());
        let coco = ModelManifest::parse(&with("classes = \"coco\"")).unwrap();
        assert_eq!(coco.classes().map(|c| c.len()), Some(80));
    }

    #[test]
    fn unknown_keys_name_the_nearest() {
        for (text, key, nearest) in [
            ("licenses = \"MIT\"", "licenses", "licence"),
            ("[input]\nrezise = \"stretch\"", "rezise", "resize"),
            ("[thresholds]\nnms = 0.4", "nms", "nms_iou"),
        ] {
            let error = ModelManifest::parse(&with(text)).unwrap_err().to_string();
            assert!(error.contains(key) && error.contains(&format!("did you mean {nearest:?}")), "{error}");
        }
        let error = ModelManifest::parse(&with("zzzz = 1")).unwrap_err().to_string();
        assert!(error.contains("zzzz") && !error.contains("did you mean"), "{error}");
    }

    #[test]
    fn wrong_values_say_what_is_right() {
        for (text, part) in [
            ("head = \"yolov9\"", "yolov9"),
            ("[input]\nsize = [0, 4]", "both at least 1"),
            ("[input]\nfill = 300", "300"),
            ("[input]\nmean = [nan, 0.0, 0.0]", "finite"),
            ("classes = \"cocoo\"", "coco"),
            ("strides = [0]", "at least 1"),
            ("[thresholds]\nscore = 1.5", "between 0 and 1"),
            ("[thresholds.per_class]\ncar = -1.0", "per_class.car"),
            ("input = 3", "input"),
        ] {
            let error = ModelManifest::parse(&with(text)).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let missing = ModelManifest::parse("name = \"n\"").unwrap_err().to_string();
        assert!(missing.contains("file"), "{missing}");
        let hash = ModelManifest::parse(&with("").replace(HASH, "abc")).unwrap_err().to_string();
        assert!(hash.contains("64 hexadecimal"), "{hash}");
        assert!(ModelManifest::parse("not toml").is_err());
    }
}
