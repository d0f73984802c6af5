//! Any computer's own: memory, swap, disk, clocks, temperatures, and what this user may touch.

use std::path::Path;
use std::process::Command;

use ocellus_infer::library::default_cache;

use super::line::Line;
use crate::machine;
use crate::machine::read::folders;

/// Less than this is short for two networks and their runtime, megabytes.
const MEMORY_MB_MIN: u64 = 1500;
/// Boards with less memory than this build engines with swap, megabytes.
const SMALL_MB: u64 = 9000;
/// An engine, its timing cache and a recording of some minutes, megabytes.
const DISK_MB_MIN: u64 = 2000;
/// Near the temperature at which Jetsons and laptops hold their clocks down, degrees Celsius.
const HOT_C: f64 = 85.0;

/// Looks below `root`.
pub fn look(root: &Path) -> Vec<Line> {
    let mut lines = vec![memory(root), disk()];
    lines.extend(heat(root));
    lines.extend(clocks(root));
    lines.extend(devices(root));
    lines
}

fn memory(root: &Path) -> Line {
    let memory = machine::memory(root);
    let (Some(total), Some(available)) = (memory.total_mb, memory.available_mb) else {
        return Line::warn("memory", "unknown", "/proc/meminfo should tell");
    };
    let swap = memory.swap_mb.map_or_else(|| "unknown".to_owned(), |mb| format!("{mb} MB"));
    let text = format!("{available} MB available of {total} MB, swap {swap}");
    if available < MEMORY_MB_MIN {
        let remedy = "end other programs; without a desktop (sudo systemctl isolate multi-user.target) a Jetson has about 800 MB more";
        return Line::warn("memory", text, remedy);
    }
    if total < SMALL_MB && memory.swap_mb == Some(0) {
        let remedy = "engines are built with swap on boards of 8 GB: \
                      fallocate -l 8G /swap && chmod 600 /swap && mkswap /swap && swapon /swap";
        return Line::warn("memory", text, remedy);
    }
    Line::ok("memory", text)
}

/// Free space where engines lie. `df` is asked: the standard library cannot.
fn disk() -> Line {
    let Ok(cache) = default_cache() else {
        return Line::warn("disk", "there is no cache folder: HOME is not set", "set HOME or XDG_CACHE_HOME");
    };
    let there = cache.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/"));
    let output = Command::new("df").arg("-Pk").arg(there).output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    let Some(free_mb) = free_of(&text) else {
        return Line::warn("disk", format!("free space at {} is unknown", there.display()), "df -h");
    };
    let text = format!("{free_mb} MB free at {}", there.display());
    if free_mb < DISK_MB_MIN {
        return Line::warn("disk", text, "free some space, or set engines.cache and output.dir to another disk");
    }
    Line::ok("disk", text)
}

/// Megabytes available in `df -Pk`'s second line.
fn free_of(df: &str) -> Option<u64> {
    let kilobytes: u64 = df.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    Some(kilobytes * 1024 / 1_000_000)
}

fn heat(root: &Path) -> Vec<Line> {
    let heat = machine::heat(root);
    let mut lines = Vec::new();
    if let Some((zone, celsius)) = heat.hottest() {
        let text = format!("{zone} {celsius:.1} C, the hottest of {}", heat.zones.len());
        if *celsius >= HOT_C {
            lines.push(Line::warn("temperature", text, "more air, a lower power mode, or a lower rate"));
        } else {
            lines.push(Line::ok("temperature", text));
        }
    }
    if heat.throttled() {
        let list: Vec<String> = heat.held_down.iter().map(|(n, state, last)| format!("{n} {state}/{last}")).collect();
        let text = format!("held down: {}", list.join(", "));
        lines.push(Line::warn("throttling", text, "figures taken now are too low; cool it, or lower the power mode"));
    }
    lines
}

fn clocks(root: &Path) -> Vec<Line> {
    let clocks = machine::clocks(root);
    let line = |clock: &machine::Clock| {
        let slow = clock.governor.as_deref() == Some("powersave");
        let capped = clock.mhz_max.zip(clock.mhz_possible).is_some_and(|(max, possible)| max < 0.95 * possible);
        if slow || capped {
            return Line::warn("clock", clock.line(), "sudo jetson_clocks, or another power mode or governor");
        }
        Line::ok("clock", clock.line())
    };
    // Cores of a PC have a clock each: what is as it should be is said once.
    let lines: Vec<Line> = clocks.clocks.iter().map(line).collect();
    let well = lines.iter().filter(|l| l.remedy.is_empty()).count();
    let mut kept: Vec<Line> = lines.iter().filter(|l| !l.remedy.is_empty()).cloned().collect();
    let first = lines.into_iter().find(|l| l.remedy.is_empty());
    kept.extend(
        first.map(|l| if well > 1 { Line::ok("clock", format!("{}; {} more alike", l.text, well - 1)) } else { l }),
    );
    kept
}

/// Cameras and the GPU's devices: whether this user may open them.
fn devices(root: &Path) -> Vec<Line> {
    let dev = root.join("dev");
    let mut lines = Vec::new();
    let cameras = std::fs::read_dir(&dev).into_iter().flatten().flatten();
    let mut cameras: Vec<String> = cameras
        .filter_map(|e| e.file_name().into_string().ok())
        .filter(|n| n.strip_prefix("video").is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit())))
        .collect();
    cameras.sort();
    let gpu = ["nvidia0", "nvmap", "nvhost-ctrl-gpu"].map(str::to_owned);
    let there = gpu.into_iter().filter(|name| dev.join(name).exists());
    for name in cameras.iter().cloned().chain(there) {
        let opened = std::fs::File::options().read(true).write(true).open(dev.join(&name));
        let denied = opened.is_err_and(|e| e.kind() == std::io::ErrorKind::PermissionDenied);
        if denied {
            let remedy = "sudo usermod -aG video,render $USER, then log in again";
            lines.push(Line::fail("permission", format!("/dev/{name} may not be opened by this user"), remedy));
        }
    }
    if !cameras.is_empty() {
        lines.push(Line::ok("cameras", cameras.join(", ")));
    }
    let ptp = folders(&root.join("sys/class/ptp"), "ptp").len();
    if ptp > 0 {
        lines.push(Line::ok("PTP", format!("{ptp} clock(s): a LiDAR can be synchronised to this computer")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::line::Level;
    use super::*;

    #[test]
    fn a_small_board_without_swap_and_a_hot_one_are_warned_of() {
        let root = tempfile::tempdir().unwrap();
        let files = [
            ("proc/meminfo", "MemTotal: 7802000 kB\nMemAvailable: 5000000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n"),
            ("sys/class/thermal/thermal_zone0/type", "tj-thermal"),
            ("sys/class/thermal/thermal_zone0/temp", "91000"),
            ("sys/class/thermal/cooling_device0/type", "gpu-throttle-alert"),
            ("sys/class/thermal/cooling_device0/cur_state", "1"),
            ("sys/class/thermal/cooling_device0/max_state", "1"),
            ("sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq", "800000"),
            ("sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq", "1728000"),
        ];
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let lines = look(root.path());
        let level = |about: &str| lines.iter().find(|l| l.about == about).map(|l| l.level);
        for about in ["memory", "temperature", "throttling", "clock"] {
            assert_eq!(level(about), Some(Level::Warn), "{about}: {lines:?}");
        }
        assert!(lines.iter().all(|l| l.level == Level::Ok || !l.remedy.is_empty()));
    }

    #[test]
    fn df_is_read_and_nonsense_is_unknown() {
        let df = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda 100 40 5000000 45% /\n";
        assert_eq!(free_of(df), Some(5120));
        assert_eq!((free_of(""), free_of("a\nb c d e\n")), (None, None));
    }
}
