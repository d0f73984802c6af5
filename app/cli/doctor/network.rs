//! What sensors on the network and on USB need of the kernel: room for what arrives, and a clock that is right.

use std::path::Path;

use super::line::Line;
use crate::machine::read::{number, text};

/// A turn of a 128-beam LiDAR: about 2.5 MB of packets may wait while the reader is held up.
const SOCKET_BYTES_MIN: i64 = 2_500_000;
/// Two USB 3 cameras of 1280 x 720 with some frames each, megabytes.
const USB_MB_MIN: i64 = 64;
/// Files that say that the clock follows another: systemd-timesyncd, chrony, ntpd, PTP.
const CLOCKS: [(&str, &str); 4] = [
    ("run/systemd/timesync/synchronized", "systemd-timesyncd"),
    ("run/chrony/chronyd.pid", "chrony"),
    ("run/ntpd.pid", "ntpd"),
    ("run/ptp4l", "ptp4l"),
];

/// Looks below `root`.
pub fn look(root: &Path) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(bytes) = number(&root.join("proc/sys/net/core/rmem_max"), 1..=i64::MAX) {
        let text = format!("a socket may hold {} KiB", bytes / 1024);
        lines.push(if bytes < SOCKET_BYTES_MIN {
            let remedy = "LiDAR packets are lost when the reader is held up: sudo sysctl -w net.core.rmem_max=8388608 \
                          (and in /etc/sysctl.d)";
            Line::warn("sockets", text, remedy)
        } else {
            Line::ok("sockets", text)
        });
    }
    if let Some(mb) = number(&root.join("sys/module/usbcore/parameters/usbfs_memory_mb"), 0..=1_000_000) {
        let text = format!("USB cameras that use usbfs may hold {mb} MB");
        // 0 means no bound.
        lines.push(if mb > 0 && mb < USB_MB_MIN {
            let remedy = "for industrial USB 3 cameras: usbcore.usbfs_memory_mb=1000 on the kernel's command line";
            Line::warn("USB", text, remedy)
        } else {
            Line::ok("USB", text)
        });
    }
    lines.push(clock(root));
    lines
}

fn clock(root: &Path) -> Line {
    let following: Vec<&str> =
        CLOCKS.iter().filter(|(file, _)| root.join(file).exists()).map(|(_, name)| *name).collect();
    if !following.is_empty() {
        return Line::ok("clock sync", following.join(", "));
    }
    let source = text(&root.join("sys/devices/system/clocksource/clocksource0/current_clocksource"));
    let by = source.map_or_else(String::new, |s| format!(" (it runs by {s})"));
    Line::warn(
        "clock sync",
        format!("nothing found that keeps this clock right{by}"),
        "stamps of several computers or of a LiDAR with its own clock need one: sudo apt install chrony, or ptp4l for PTP",
    )
}

#[cfg(test)]
mod tests {
    use super::super::line::Level;
    use super::*;

    #[test]
    fn small_buffers_and_a_free_running_clock_are_warned_of() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("proc/sys/net/core/rmem_max", "212992");
        write("sys/module/usbcore/parameters/usbfs_memory_mb", "16");
        assert!(look(root.path()).iter().all(|l| l.level == Level::Warn && !l.remedy.is_empty()));
        write("proc/sys/net/core/rmem_max", "8388608");
        write("sys/module/usbcore/parameters/usbfs_memory_mb", "0");
        write("run/systemd/timesync/synchronized", "");
        assert!(look(root.path()).iter().all(|l| l.level == Level::Ok));
        write("proc/sys/net/core/rmem_max", "-5");
        assert!(!look(root.path()).iter().any(|l| l.about == "sockets"), "nonsense is absent");
    }
}
