//! The pinned official wheel: its name, platform tag and digest per processor, and where what it holds is cached.
//!
//! A wheel depends on the Python version and on the platform; the library inside does not depend on Python. So one
//! Python version is asked for by name, whatever Python runs pip, and one file per processor is enough.

use std::path::{Path, PathBuf};

use super::LibraryError;
use super::PINNED;

/// The package on PyPI.
pub(super) const PACKAGE: &str = "onnxruntime";

/// The Python version whose wheel is taken.
pub(super) const PYTHON: &str = "311";

/// One pinned wheel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wheel {
    /// Processor, as the folder in the cache is named.
    pub(super) machine: &'static str,
    /// Platform tag.
    pub(super) platform: &'static str,
    /// SHA-256 of the file.
    pub(super) sha256: &'static str,
    /// Its length in megabytes, for the message.
    pub(super) megabytes: u32,
}

/// Digests taken of the files `pip download onnxruntime==1.31.1` gives for these tags.
const WHEELS: [Wheel; 2] = [
    Wheel {
        machine: "x86_64",
        platform: "manylinux_2_28_x86_64",
        sha256: "5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f",
        megabytes: 24,
    },
    Wheel {
        machine: "aarch64",
        platform: "manylinux_2_28_aarch64",
        sha256: "da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3",
        megabytes: 21,
    },
];

/// The wheel for this processor.
pub(super) fn ours() -> Result<Wheel, LibraryError> {
    let machine = std::env::consts::ARCH;
    WHEELS.into_iter().find(|wheel| wheel.machine == machine).ok_or(LibraryError::NoWheel(machine))
}

/// Files taken out of the wheel: the path inside and the name in the cache. The library comes last, so that it is
/// never there without its companion.
pub(super) fn members() -> [(String, String); 2] {
    ["libonnxruntime_providers_shared.so".to_owned(), library_name()]
        .map(|name| (format!("onnxruntime/capi/{name}"), name))
}

fn library_name() -> String {
    format!("libonnxruntime.so.{PINNED}")
}

/// The folder of all releases under the cache folder `cache`.
pub(super) fn releases(cache: &Path) -> PathBuf {
    cache.join("onnxruntime")
}

/// The folder of the pinned release for this processor. A home folder may be shared by machines of two kinds.
pub(super) fn release(cache: &Path) -> PathBuf {
    releases(cache).join(PINNED.to_string()).join(std::env::consts::ARCH)
}

/// The cached library, there or not.
pub(super) fn cached_library(cache: &Path) -> PathBuf {
    release(cache).join(library_name())
}
