//! A `model.toml` written beside a network that was made here, so that it runs as the one it was made of.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use ocellus_percept::model::manifest::{ManifestCalibration, ManifestQuantization, Precision};
use ocellus_percept::model::{ModelManifest, ModelSpec, coco};
use toml::{Table, Value};

/// What the manifest says besides the specification.
#[derive(Debug, Clone)]
pub struct Made<'a> {
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Licence of the weights.
    pub licence: String,
    /// Where the weights come from.
    pub provenance: String,
    /// The network it stands in for.
    pub teacher: Option<&'a str>,
    /// How its weights are stored.
    pub precision: Precision,
    /// How it was quantized.
    pub quantization: Option<ManifestQuantization>,
    /// The manifest of the network it was made of: what it asks of scores and makes of them holds for the twin too.
    pub source: Option<&'a ModelManifest>,
}

/// The text of the manifest beside `file`, read and used as `spec` says.
pub fn manifest(file: &Path, spec: &ModelSpec, made: &Made<'_>) -> Result<String> {
    let name = |part: Option<&std::ffi::OsStr>| part.map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let mut table = Table::new();
    let mut put = |key: &str, value: Value| table.insert(key.to_owned(), value);
    put("name", name(file.file_stem()).into());
    put("file", name(file.file_name()).into());
    put("sha256", made.sha256.clone().into());
    put("licence", made.licence.clone().into());
    put("provenance", made.provenance.clone().into());
    if let Some(teacher) = made.teacher {
        put("teacher", teacher.into());
    }
    put("precision", Value::try_from(made.precision)?);
    put("head", Value::try_from(spec.head)?);
    put("activation", Value::try_from(spec.activation)?);
    if let Some(depth) = spec.depth {
        put("depth", Value::try_from(depth)?);
    }
    if !spec.strides.is_empty() {
        put("strides", Value::try_from(&spec.strides)?);
    }
    if spec.classes == coco::names() {
        put("classes", "coco".into());
    } else if !spec.classes.is_empty() {
        put("classes", Value::try_from(&spec.classes)?);
    }
    let mut input = Table::try_from(&spec.input)?;
    // The manifest says the size as one, and leaves the element to the file.
    for key in ["width", "height", "element"] {
        input.remove(key);
    }
    input.insert("size".to_owned(), Value::try_from([spec.input.width, spec.input.height])?);
    put("input", Value::Table(input));
    let mut thresholds = Table::try_from(spec.thresholds)?;
    if let Some(source) = made.source.filter(|s| !s.thresholds.per_class.is_empty()) {
        thresholds.insert("per_class".to_owned(), Value::try_from(&source.thresholds.per_class)?);
    }
    put("thresholds", Value::Table(thresholds));
    if let Some(calibration) = made.source.and_then(|s| Some((&s.name, s.calibration.as_ref()?))) {
        put("calibration", Value::Table(calibration_of(calibration)));
    }
    if let Some(quantization) = &made.quantization {
        put("quantization", Value::try_from(quantization)?);
    }
    let text = toml::to_string(&table)?;
    ModelManifest::parse(&text).context("the manifest made here cannot be read back; nothing was written")?;
    Ok(text)
}

/// The tables that make the scores of the network `name` honest, for its twin. What they were worth was measured of `name`
/// alone and is left out: the twin's statement says what they are worth to it.
fn calibration_of((name, calibration): (&String, &ManifestCalibration)) -> Table {
    // Single precision holds seven digits; more would be those of the conversion.
    let number = |v: f32| Value::from((f64::from(v) * 1e6).round() / 1e6);
    let row = |row: &[f32; 2]| Value::from(row.map(number).to_vec());
    let rows = |knots: &[[f32; 2]]| Value::Array(knots.iter().map(row).collect());
    let mut table = Table::new();
    if let Some(method) = &calibration.method {
        table.insert("method".to_owned(), method.clone().into());
    }
    let fitted = calibration.provenance.as_ref().map_or_else(String::new, |text| format!(": {text}"));
    table.insert("provenance".to_owned(), format!("that of {name}{fitted}").into());
    table.insert("knots".to_owned(), rows(&calibration.knots));
    if !calibration.per_class.is_empty() {
        let classes: Table = calibration.per_class.iter().map(|(class, knots)| (class.clone(), rows(knots))).collect();
        table.insert("per_class".to_owned(), Value::Table(classes));
    }
    table
}

/// Where the manifest of `file` goes. An error where another model's lies there already.
pub fn place(file: &Path) -> Result<std::path::PathBuf> {
    let path = file.with_file_name("model.toml");
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(path) };
    let other = ModelManifest::parse(&text).map_or_else(|_| "another model".to_owned(), |m| m.file);
    if file.file_name().is_some_and(|name| *name == *other) {
        return Ok(path);
    }
    Err(anyhow!(
        "{}: speaks for {other} already; give --out a folder of its own, such as NAME/NAME.onnx",
        path.display()
    ))
}
