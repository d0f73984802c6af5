//! What hardware and which system: what engines depend on, and what a report begins with.

use std::path::Path;

use serde::Serialize;

use super::read::{field, text};

/// Processor, board and the versions of NVIDIA's system on it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Board {
    /// The processor's name, or implementer and part on ARM.
    pub cpu: Option<String>,
    /// The board's name from its device tree (`NVIDIA Jetson Orin Nano Developer Kit`).
    pub model: Option<String>,
    /// Linux for Tegra (`36.4.3`).
    pub l4t: Option<String>,
    /// The JetPack that ships that L4T (`6.2`).
    pub jetpack: Option<String>,
    /// NVIDIA's kernel driver.
    pub driver: Option<String>,
    /// The kernel.
    pub kernel: Option<String>,
    /// The system's name and version.
    pub system: Option<String>,
}

impl Board {
    /// Whether it is a Jetson.
    pub fn is_jetson(&self) -> bool {
        self.l4t.is_some() || self.model.as_deref().is_some_and(|m| m.contains("Jetson"))
    }
}

/// Looks below `root`.
pub fn board(root: &Path) -> Board {
    let read = |path: &str| text(&root.join(path));
    let l4t = read("etc/nv_tegra_release").and_then(|line| l4t_version(&line));
    let jetpack = l4t.as_deref().and_then(jetpack_of).map(str::to_owned);
    Board {
        cpu: read("proc/cpuinfo").and_then(|info| cpu_name(&info)),
        model: read("proc/device-tree/model"),
        jetpack,
        l4t,
        driver: read("proc/driver/nvidia/version").and_then(|t| driver_version(&t)),
        kernel: read("proc/sys/kernel/osrelease"),
        system: read("etc/os-release").and_then(|t| Some(field(&t, "PRETTY_NAME")?.trim_matches('"').to_owned())),
    }
}

fn cpu_name(info: &str) -> Option<String> {
    let part = || {
        let (implementer, part) = (field(info, "CPU implementer")?, field(info, "CPU part")?);
        Some(format!("implementer {implementer} part {part}"))
    };
    field(info, "model name").or_else(part)
}

/// Of `# R36 (release), REVISION: 4.3, GCID: ...`.
fn l4t_version(line: &str) -> Option<String> {
    let release: u32 = line.strip_prefix("# R")?.split_whitespace().next()?.parse().ok()?;
    let revision = line.split("REVISION:").nth(1)?.split(',').next()?.trim();
    let sound = !revision.is_empty() && revision.chars().all(|c| c.is_ascii_digit() || c == '.');
    sound.then(|| format!("{release}.{revision}"))
}

/// JetPack releases by their L4T, as NVIDIA's release notes pair them.
fn jetpack_of(l4t: &str) -> Option<&'static str> {
    const RELEASES: [(&str, &str); 8] = [
        ("35.4.", "5.1.2"),
        ("35.5.", "5.1.3"),
        ("35.6.", "5.1.4 or later"),
        ("36.3.", "6.0"),
        ("36.4.0", "6.1"),
        ("36.4.", "6.2 or later"),
        ("36.5.", "6.2 or later"),
        ("39.2.", "7.2 or later"),
    ];
    RELEASES.iter().find(|(known, _)| format!("{l4t}.").starts_with(known)).map(|(_, jetpack)| *jetpack)
}

/// Of `NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  ...`: the first word that is a version.
fn driver_version(text: &str) -> Option<String> {
    let is_version = |word: &&str| word.contains('.') && word.chars().all(|c| c.is_ascii_digit() || c == '.');
    text.lines().next()?.split_whitespace().find(is_version).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files as NVIDIA documents them for JetPack 6.2 on an Orin Nano.
    #[test]
    fn a_jetson_is_known_by_its_files() {
        let root = tempfile::tempdir().unwrap();
        let files = [
            ("etc/nv_tegra_release", "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n"),
            ("proc/device-tree/model", "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super\0"),
            ("proc/cpuinfo", "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd42\n"),
            (
                "proc/driver/nvidia/version",
                "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  540.4.0  Release\n",
            ),
            ("etc/os-release", "PRETTY_NAME=\"Ubuntu 22.04.5 LTS\"\n"),
        ];
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let board = board(root.path());
        assert!(board.is_jetson());
        assert_eq!(board.l4t.as_deref(), Some("36.4.3"));
        assert_eq!(board.jetpack.as_deref(), Some("6.2 or later"));
        assert_eq!(board.driver.as_deref(), Some("540.4.0"));
        assert_eq!(board.cpu.as_deref(), Some("implementer 0x41 part 0xd42"));
        assert!(board.model.unwrap().ends_with("Super"), "without its NUL");
        assert_eq!((board.system.as_deref(), board.kernel), (Some("Ubuntu 22.04.5 LTS"), None));
    }

    #[test]
    fn what_is_missing_or_strange_is_absent() {
        assert_eq!(board(Path::new("/nothing/here")), Board::default());
        assert_eq!(l4t_version("# Rx (release), REVISION: 4.3"), None);
        assert_eq!(l4t_version("# R36 (release), REVISION: , GCID"), None);
        assert_eq!((jetpack_of("36.4.0"), jetpack_of("36.40")), (Some("6.1"), None));
        assert_eq!(jetpack_of("99.1"), None);
        assert_eq!(driver_version("NVRM version: none"), None);
    }
}
