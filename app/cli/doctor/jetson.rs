//! A Jetson's own: JetPack, the versions of NVIDIA's packages, power mode, over-current. Nothing is said on other computers.

use std::path::Path;
use std::process::Command;

use super::line::Line;
use crate::machine;
use crate::machine::read::text;

/// Debian packages whose versions matter, by name or beginning, and what they are.
const PACKAGES: [(&str, &str); 4] =
    [("nvidia-l4t-core", "L4T"), ("cuda-cudart-", "CUDA"), ("libcudnn9-cuda-", "cuDNN"), ("libnvinfer10", "TensorRT")];

/// Looks below `root`.
pub fn look(root: &Path) -> Vec<Line> {
    let board = machine::board(root);
    let mut lines = Vec::new();
    let system = [board.model.as_deref(), board.system.as_deref(), board.kernel.as_deref(), board.cpu.as_deref()];
    let told: Vec<&str> = system.into_iter().flatten().collect();
    if !told.is_empty() {
        lines.push(Line::ok("computer", told.join(", ")));
    }
    if let Some(driver) = &board.driver {
        lines.push(Line::ok("driver", format!("NVIDIA {driver}")));
    }
    if !board.is_jetson() {
        return lines;
    }
    lines.push(match (&board.l4t, &board.jetpack) {
        (Some(l4t), Some(jetpack)) => Line::ok("JetPack", format!("{jetpack} (L4T {l4t})")),
        (Some(l4t), None) => Line::warn(
            "JetPack",
            format!("L4T {l4t}, whose JetPack is not known to this program"),
            "engines are keyed by L4T all the same; say so in a report",
        ),
        _ => Line::warn("JetPack", "/etc/nv_tegra_release does not tell", "apt show nvidia-jetpack"),
    });
    lines.extend(packages(root));
    lines.push(match machine::power_mode(root) {
        None => Line::warn("power mode", "unknown", "sudo nvpmodel -q"),
        Some(mode) => {
            let name = mode.name.clone().unwrap_or_default();
            let text = format!("{} {name}", mode.id);
            if name.starts_with("MAXN") {
                Line::ok("power mode", text)
            } else {
                Line::warn(
                    "power mode",
                    text,
                    "figures are of this mode: sudo nvpmodel -m ID (IDs: /etc/nvpmodel.conf), then jetson_clocks",
                )
            }
        }
    });
    let rails = machine::rails(root);
    if !rails.is_empty() {
        let list: Vec<String> = rails.iter().map(|r| format!("{} {:.1} W", r.name, r.watts)).collect();
        lines.push(Line::ok("power", list.join(", ")));
    }
    let events: Vec<String> =
        machine::heat(root).over_current.iter().filter(|(_, n)| *n > 0).map(|(f, n)| format!("{f} {n}")).collect();
    if !events.is_empty() {
        lines.push(Line::warn(
            "over-current",
            format!("clocks were held down for the supply: {}", events.join(", ")),
            "a stronger supply (19 V, 45 W or more for the developer kit), or a lower power mode",
        ));
    }
    lines.extend(tegrastats(root).map(|said| Line::ok("tegrastats", said)));
    lines
}

/// A line of the board's own tool: load, clocks, temperatures and rails as NVIDIA names them. It never ends by itself.
fn tegrastats(root: &Path) -> Option<String> {
    let tool = root.join("usr/bin/tegrastats");
    if !tool.is_file() {
        return None;
    }
    let output = Command::new("timeout").arg("2").arg(&tool).args(["--interval", "500"]).output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout);
    said.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}

/// Versions out of dpkg's own list.
fn packages(root: &Path) -> Vec<Line> {
    let status = text(&root.join("var/lib/dpkg/status")).unwrap_or_default();
    let mut found: Vec<(String, String)> = Vec::new();
    for paragraph in status.split("\n\n") {
        let field = |key: &str| crate::machine::read::field(paragraph, key);
        let (Some(name), Some(version)) = (field("Package"), field("Version")) else { continue };
        let installed = field("Status").is_some_and(|s| s.ends_with(" installed"));
        if let Some((_, what)) = PACKAGES.iter().find(|(known, _)| installed && name.starts_with(known)) {
            found.push(((*what).to_owned(), version));
        }
    }
    let missing = PACKAGES.iter().filter(|(_, what)| *what != "L4T" && !found.iter().any(|(w, _)| w == what));
    let missing: Vec<&str> = missing.map(|(_, what)| *what).collect();
    let list: Vec<String> = found.iter().map(|(what, version)| format!("{what} {version}")).collect();
    let mut lines = Vec::new();
    if !list.is_empty() {
        lines.push(Line::ok("packages", list.join(", ")));
    }
    if !missing.is_empty() && !status.is_empty() {
        let text = format!("not installed: {}", missing.join(", "));
        lines.push(Line::warn("packages", text, "sudo apt install nvidia-jetpack"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::line::Level;
    use super::*;

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn a_jetsons_tree_gives_its_page() {
        let root = tempfile::tempdir().unwrap();
        let package = |name: &str, version: &str| {
            format!("Package: {name}\nStatus: install ok installed\nVersion: {version}\nDescription: x\n")
        };
        let status = [
            package("libnvinfer10", "10.3.0.30-1+cuda12.5"),
            package("cuda-cudart-12-6", "12.6.68-1"),
            package("bash", "5.1"),
        ];
        write(
            root.path(),
            &[
                ("etc/nv_tegra_release", "# R36 (release), REVISION: 4.3, GCID: 1\n"),
                ("proc/device-tree/model", "NVIDIA Jetson Orin Nano Developer Kit\0"),
                ("var/lib/dpkg/status", &status.join("\n")),
                ("var/lib/nvpmodel/status", "pmode:0000"),
                ("etc/nvpmodel.conf", "< POWER_MODEL ID=0 NAME=15W >\n"),
                ("sys/class/hwmon/hwmon0/oc1_event_cnt", "7"),
                ("usr/bin/tegrastats", "#!/bin/sh\necho \"RAM 2461/7620MB $1 $2\"\nexec sleep 60\n"),
            ],
        );
        let tool = root.path().join("usr/bin/tegrastats");
        std::fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let lines = look(root.path());
        let text: Vec<String> = lines.iter().map(|l| format!("{}: {}", l.about, l.text)).collect();
        assert!(text.contains(&"JetPack: 6.2 or later (L4T 36.4.3)".to_owned()), "{text:?}");
        assert!(text.contains(&"packages: TensorRT 10.3.0.30-1+cuda12.5, CUDA 12.6.68-1".to_owned()), "{text:?}");
        assert!(text.contains(&"tegrastats: RAM 2461/7620MB --interval 500".to_owned()), "{text:?}");
        let warned: Vec<&str> = lines.iter().filter(|l| l.level == Level::Warn).map(|l| l.about).collect();
        assert_eq!(warned, ["packages", "power mode", "over-current"]);
        assert!(lines.iter().all(|l| l.level == Level::Ok || !l.remedy.is_empty()));
        let nothing = tempfile::tempdir().unwrap();
        assert!(look(nothing.path()).is_empty());
    }
}
