//! Clocks of processor and GPU: what they run at, may run at, and could.

use std::path::Path;

use serde::Serialize;

use super::read::{folders, number, text};

/// Hertz a clock of a computer can have.
const SANE_HZ: std::ops::RangeInclusive<i64> = 1_000_000..=20_000_000_000;

/// One clock. Unknown values are absent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Clock {
    /// What it drives.
    pub name: String,
    /// Megahertz now.
    pub mhz: Option<f64>,
    /// Megahertz it may reach as things are set.
    pub mhz_max: Option<f64>,
    /// Megahertz it could reach.
    pub mhz_possible: Option<f64>,
    /// Who decides.
    pub governor: Option<String>,
}

/// All clocks.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Clocks {
    /// Cores that are in use.
    pub cores: Option<String>,
    /// One per group of cores that share a clock, then the GPU.
    pub clocks: Vec<Clock>,
}

/// Reads cpufreq and devfreq below `root`.
pub fn clocks(root: &Path) -> Clocks {
    let cpu = root.join("sys/devices/system/cpu");
    let khz = |path: &Path| number(path, 1_000..=20_000_000).map(|khz| khz as f64 / 1e3);
    let policy = |folder: std::path::PathBuf| Clock {
        name: format!("cpu {}", text(&folder.join("affected_cpus")).unwrap_or_default()).trim().to_owned(),
        mhz: khz(&folder.join("scaling_cur_freq")),
        mhz_max: khz(&folder.join("scaling_max_freq")),
        mhz_possible: khz(&folder.join("cpuinfo_max_freq")),
        governor: text(&folder.join("scaling_governor")),
    };
    let mut clocks: Vec<Clock> = folders(&cpu.join("cpufreq"), "policy").into_iter().map(policy).collect();
    let hz = |path: &Path| number(path, SANE_HZ).map(|hz| hz as f64 / 1e6);
    for device in folders(&root.join("sys/class/devfreq"), "") {
        let name = device.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        // Orin's GPU is 17000000.gpu (.ga10b in older kernels).
        if name.ends_with(".gpu") || name.ends_with(".ga10b") {
            clocks.push(Clock {
                name: "gpu".to_owned(),
                mhz: hz(&device.join("cur_freq")),
                mhz_max: hz(&device.join("max_freq")),
                mhz_possible: text(&device.join("available_frequencies")).and_then(|t| highest(&t)),
                governor: text(&device.join("governor")),
            });
        }
    }
    Clocks { cores: text(&cpu.join("online")), clocks }
}

fn highest(text: &str) -> Option<f64> {
    let all = text.split_whitespace().filter_map(|word| word.parse::<i64>().ok()).filter(|hz| SANE_HZ.contains(hz));
    all.max().map(|hz| hz as f64 / 1e6)
}

impl Clock {
    /// One line for people.
    pub fn line(&self) -> String {
        let mhz = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), |v| format!("{v:.0}"));
        let governor = self.governor.as_ref().map_or_else(String::new, |g| format!(", {g}"));
        format!(
            "{} {} MHz of {} (could be {}{governor})",
            self.name,
            mhz(self.mhz),
            mhz(self.mhz_max),
            mhz(self.mhz_possible)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_of_an_orin_are_read_and_nonsense_is_absent() {
        let root = tempfile::tempdir().unwrap();
        let files = [
            ("sys/devices/system/cpu/online", "0-5"),
            ("sys/devices/system/cpu/cpufreq/policy0/affected_cpus", "0 1 2 3"),
            ("sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq", "1510400"),
            ("sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq", "1510400"),
            ("sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq", "1728000"),
            ("sys/devices/system/cpu/cpufreq/policy0/scaling_governor", "schedutil"),
            ("sys/class/devfreq/17000000.gpu/cur_freq", "0"),
            ("sys/class/devfreq/17000000.gpu/max_freq", "1020000000"),
            ("sys/class/devfreq/17000000.gpu/available_frequencies", "306000000 612000000 1020000000"),
            ("sys/class/devfreq/13e00000.host1x/cur_freq", "1000000000"),
        ];
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let all = clocks(root.path());
        assert_eq!((all.cores.as_deref(), all.clocks.len()), (Some("0-5"), 2));
        assert_eq!(all.clocks[0].line(), "cpu 0 1 2 3 1510 MHz of 1510 (could be 1728, schedutil)");
        assert_eq!(all.clocks[1].line(), "gpu ? MHz of 1020 (could be 1020)");
        assert_eq!(clocks(Path::new("/nothing")), Clocks::default());
    }
}
