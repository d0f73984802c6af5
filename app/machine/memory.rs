//! Memory and swap.

use std::path::Path;

use serde::Serialize;

use super::read::{field, text};

/// Megabytes (10^6 bytes) of memory, as the kernel counts them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Memory {
    /// All that there is.
    pub total_mb: Option<u64>,
    /// What can be had without swapping.
    pub available_mb: Option<u64>,
    /// Swap altogether.
    pub swap_mb: Option<u64>,
    /// Swap that is free.
    pub swap_free_mb: Option<u64>,
}

/// Reads `/proc/meminfo` below `root`.
pub fn memory(root: &Path) -> Memory {
    let meminfo = text(&root.join("proc/meminfo")).unwrap_or_default();
    let megabytes = |key: &str| {
        let kilobytes: u64 = field(&meminfo, key)?.strip_suffix("kB")?.trim().parse().ok()?;
        Some(kilobytes * 1024 / 1_000_000)
    };
    let total_mb = megabytes("MemTotal").filter(|mb| *mb > 0);
    Memory {
        total_mb,
        available_mb: megabytes("MemAvailable").filter(|mb| total_mb.is_none_or(|total| *mb <= total)),
        swap_mb: megabytes("SwapTotal"),
        swap_free_mb: megabytes("SwapFree"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_absent_and_never_0() {
        let root = tempfile::tempdir().unwrap();
        let write = |text: &str| {
            std::fs::create_dir_all(root.path().join("proc")).unwrap();
            std::fs::write(root.path().join("proc/meminfo"), text).unwrap();
        };
        assert_eq!(memory(root.path()).total_mb, None);
        write("MemTotal:        7802000 kB\nMemAvailable:    3000000 kB\nSwapTotal: 0 kB\nSwapFree: x kB\n");
        let read = memory(root.path());
        assert_eq!((read.total_mb, read.available_mb), (Some(7989), Some(3072)));
        assert_eq!((read.swap_mb, read.swap_free_mb), (Some(0), None), "no swap is known to be none");
        write("MemTotal: 1000 kB\nMemAvailable: 9000000 kB\n");
        assert_eq!(memory(root.path()).available_mb, None, "more than there is");
    }
}
