//! Which libraries a provider brought into this process, with their versions: what an engine depends on besides ONNX Runtime.
//!
//! Read from the process's own memory map after the provider was registered, so it is what really runs, not what a package
//! manager believes. A version is what the library itself says, else what its file's name says, else its length.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::provider::Provider;

/// A library by the beginning of its name, the provider whose engines depend on it, and the function that tells its version.
type Known = (&'static str, Option<Provider>, Option<&'static str>);

/// cuDNN comes in only with the first session of some providers: a key that held it would change within one process.
const KNOWN: [Known; 6] = [
    ("libnvinfer.so", Some(Provider::Tensorrt), Some("getInferLibVersion")),
    ("libcudart.so", Some(Provider::Tensorrt), None),
    ("libcudnn.so", None, Some("cudnnGetVersion")),
    ("libopenvino.so", Some(Provider::Openvino), None),
    ("libonnxruntime_providers_tensorrt.so", Some(Provider::Tensorrt), None),
    ("libonnxruntime_providers_openvino.so", Some(Provider::Openvino), None),
];

/// Libraries of this process that engines of `provider` depend on: `libnvinfer` -> `10.3.0`.
pub fn of_engines(provider: Provider) -> BTreeMap<String, String> {
    found(|known| known.1 == Some(provider))
}

/// Libraries of this process that any provider brought in.
pub fn loaded() -> BTreeMap<String, String> {
    found(|_| true)
}

fn found(wanted: impl Fn(&Known) -> bool) -> BTreeMap<String, String> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut found = BTreeMap::new();
    for path in files_of(&maps) {
        let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let Some((known, _, tells)) = KNOWN.iter().find(|k| name.starts_with(k.0) && wanted(k)) else { continue };
        let own = tells.and_then(|function| asked(&path, function));
        let version =
            own.or_else(|| from_name(&path)).or_else(|| length(&path)).unwrap_or_else(|| "unknown".to_owned());
        found.insert(known.trim_end_matches(".so").to_owned(), version);
    }
    found
}

/// TensorRT's major version, where it is loaded.
pub fn tensorrt_major(loaded: &BTreeMap<String, String>) -> Option<u64> {
    loaded.get("libnvinfer")?.split('.').next()?.parse().ok()
}

/// Files of the memory map of a process.
fn files_of(maps: &str) -> BTreeSet<PathBuf> {
    // address perms offset device inode path: the path is the rest of the line.
    let path = |line: &str| line.split_once('/').map(|(_, rest)| PathBuf::from(format!("/{rest}")));
    maps.lines().filter(|line| line.contains(".so")).filter_map(path).collect()
}

/// The version in `libcudart.so.12.6.68`, through links.
fn from_name(path: &Path) -> Option<String> {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = real.file_name()?.to_string_lossy().into_owned();
    let version = name.split_once(".so.")?.1;
    let whole = version.contains('.') && version.chars().all(|c| c.is_ascii_digit() || c == '.');
    whole.then(|| version.to_owned())
}

fn length(path: &Path) -> Option<String> {
    std::fs::metadata(path).ok().map(|m| format!("{} bytes", m.len()))
}

/// What the library itself says its version is.
fn asked(path: &Path, function: &str) -> Option<String> {
    // SAFETY: the library is in this process already; opening it again runs nothing and gives its handle.
    let library = unsafe { libloading::Library::new(path) }.ok()?;
    // It stays loaded as long as ONNX Runtime does: for ever.
    let library = std::mem::ManuallyDrop::new(library);
    let number = if function == "getInferLibVersion" {
        // SAFETY: the function's type as NvInferRuntimeBase.h gives it: no argument, int32_t.
        let told = unsafe { library.get::<unsafe extern "C" fn() -> i32>(function.as_bytes()) }.ok()?;
        // SAFETY: it may be called at any time.
        u64::try_from(unsafe { told() }).ok()?
    } else {
        // SAFETY: the function's type as cudnn_version.h gives it: no argument, size_t.
        let told = unsafe { library.get::<unsafe extern "C" fn() -> usize>(function.as_bytes()) }.ok()?;
        // SAFETY: it may be called at any time.
        unsafe { told() as u64 }
    };
    // Both count major * 10000 + minor * 100 + patch (TensorRT from 10 on, cuDNN from 9 on; before, thousands).
    let unit = if number < 10_000 { 1000 } else { 10_000 };
    Some(format!("{}.{}.{}", number / unit, number % unit / 100, number % 100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_found_in_a_memory_map_and_their_names_tell_versions() {
        let maps = "7f0 r-xp 000 08:01 12 /opt/a b/libnvinfer.so.10\n7f1 rw-p 000 00:00 0 [heap]\n7f2 r--p 0 0 1 /opt/a b/libnvinfer.so.10\n";
        let files: Vec<PathBuf> = files_of(maps).into_iter().collect();
        assert_eq!(files, [PathBuf::from("/opt/a b/libnvinfer.so.10")]);
        assert_eq!(from_name(Path::new("/none/libcudart.so.12.6.68")), Some("12.6.68".to_owned()));
        assert_eq!(from_name(Path::new("/none/libcudart.so.12")), None, "a major version is not the version");
        assert_eq!(from_name(Path::new("/none/libopenvino.so")), None);
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("libx.so.2025.4.1"), folder.path().join("libx.so"));
        std::fs::write(&real, "12345").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert_eq!(from_name(&link), Some("2025.4.1".to_owned()));
        assert_eq!(length(&real), Some("5 bytes".to_owned()));
        assert_eq!(tensorrt_major(&[("libnvinfer".to_owned(), "10.3.0".to_owned())].into()), Some(10));
    }
}
