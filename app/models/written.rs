//! A `model.toml` written beside a network that was made here, so that it runs as the one it was made of.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use ocellus_percept::model::manifest::{ManifestQuantization, Precision};
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
    put("thresholds", Value::try_from(spec.thresholds)?);
    if let Some(quantization) = &made.quantization {
        put("quantization", Value::try_from(quantization)?);
    }
    let text = toml::to_string(&table)?;
    ModelManifest::parse(&text).context("the manifest made here cannot be read back; nothing was written")?;
    Ok(text)
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
