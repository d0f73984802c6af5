//! Which metadata belongs to a recording: the file given, or an Ouster's JSON that lies beside it and has its name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::SenseError;
use crate::files::list_files;
use crate::lidar::ouster::OusterMetadata;

/// The metadata for the recording `file`; `None` where none is given and none is beside it.
pub(super) fn metadata_for(
    file: &Path,
    given: Option<&Path>,
    notes: &mut Vec<String>,
) -> Result<Option<Arc<OusterMetadata>>, SenseError> {
    if let Some(given) = given {
        return OusterMetadata::read(given).map(|m| Some(Arc::new(m)));
    }
    let Some(beside) = beside(file) else { return Ok(None) };
    let Ok(metadata) = OusterMetadata::read(&beside) else { return Ok(None) };
    notes.push(format!("metadata: {} is taken, by its name; --meta names another", beside.display()));
    Ok(Some(Arc::new(metadata)))
}

/// The JSON file whose name begins the recording's; the longest such.
fn beside(file: &Path) -> Option<PathBuf> {
    let stem = file.file_stem()?.to_str()?;
    let folder = file.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let begins = |path: &PathBuf| {
        let own = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        (!own.is_empty() && stem.starts_with(own)).then_some(own.len())
    };
    let files = list_files(folder, &["json"]).unwrap_or_default();
    files.into_iter().filter_map(|path| Some((begins(&path)?, path))).max().map(|(_, path)| path)
}
