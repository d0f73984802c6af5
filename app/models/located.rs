//! A model's path or name -> where its ONNX file lies, and the manifest that speaks for it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use ocellus_percept::model::ModelManifest;

use crate::exit;

/// Where a model lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The ONNX file.
    pub file: PathBuf,
    /// The manifest that speaks for it.
    pub manifest: Option<PathBuf>,
}

impl Located {
    /// Reads the manifest, where there is one. Errors carry exit code 2.
    pub fn read_manifest(&self) -> Result<Option<ModelManifest>> {
        let Some(path) = &self.manifest else { return Ok(None) };
        let read = || Ok(ModelManifest::parse(&std::fs::read_to_string(path)?)?);
        read().map(Some).map_err(|e: anyhow::Error| exit::usage(e.context(path.display().to_string())))
    }
}

/// The ONNX file of `path`, and the manifest that speaks for it.
pub fn locate(path: &Path) -> Result<Located> {
    let folder = match path {
        path if path.is_dir() => Some(path.to_owned()),
        path if path.is_file() && path.file_name().is_some_and(|name| name == "model.toml") => {
            Some(path.with_file_name(""))
        }
        path => shipped(path).filter(|_| !path.exists()),
    };
    if let Some(folder) = folder {
        let manifest = folder.join("model.toml");
        let text = std::fs::read_to_string(&manifest)
            .with_context(|| format!("{}: a model's folder holds a model.toml and its .onnx", manifest.display()))
            .map_err(exit::usage)?;
        let parsed =
            ModelManifest::parse(&text).with_context(|| manifest.display().to_string()).map_err(exit::usage)?;
        return Ok(Located { file: folder.join(&parsed.file), manifest: Some(manifest) });
    }
    if !path.exists() {
        let known = shipped_names().join(", ");
        let known = if known.is_empty() { String::new() } else { format!("; models here: {known}") };
        return Err(exit::usage(anyhow!("model {}: no such file, nor a folder under models/{known}", path.display())));
    }
    // A manifest beside a bare file speaks for it only where it names it.
    let manifest = path.with_file_name("model.toml");
    let names_it = |text: String| ModelManifest::parse(&text).is_ok_and(|m| Some(m.file.as_ref()) == path.file_name());
    let speaks = std::fs::read_to_string(&manifest).is_ok_and(names_it);
    Ok(Located { file: path.to_owned(), manifest: speaks.then_some(manifest) })
}

/// Whether `name` is a folder under models/ with a model.toml.
pub fn is_shipped(name: &Path) -> bool {
    shipped(name).is_some()
}

/// Folders that may hold models/: here, and above the program itself.
fn model_roots() -> Vec<PathBuf> {
    let mut roots = vec![PathBuf::from("models")];
    if let Ok(program) = std::env::current_exe() {
        roots.extend(program.ancestors().skip(1).map(|folder| folder.join("models")));
    }
    roots
}

fn shipped(name: &Path) -> Option<PathBuf> {
    if name.components().count() != 1 {
        return None;
    }
    model_roots().into_iter().map(|root| root.join(name)).find(|folder| folder.join("model.toml").is_file())
}

fn shipped_names() -> Vec<String> {
    let Some(root) = model_roots().into_iter().find(|root| root.is_dir()) else { return Vec::new() };
    let Ok(entries) = std::fs::read_dir(root) else { return Vec::new() };
    let folders = entries.flatten().filter(|e| e.path().join("model.toml").is_file());
    let mut names: Vec<String> = folders.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
