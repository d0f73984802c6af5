//! Power: the mode a Jetson is set to, and the rails its INA3221 measures.

use std::path::Path;

use serde::Serialize;

use super::read::{field, folders, number, text};

/// A Jetson's power mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PowerMode {
    /// Its number.
    pub id: u32,
    /// Its name in nvpmodel.conf.
    pub name: Option<String>,
}

/// One measured rail.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rail {
    /// Its name (`VDD_IN` feeds the whole module).
    pub name: String,
    /// Watts.
    pub watts: f64,
}

/// The mode that nvpmodel noted; `None` where there is none.
pub fn power_mode(root: &Path) -> Option<PowerMode> {
    // "pmode:0002 fmode:quiet", as nvpmodel writes it.
    let status = text(&root.join("var/lib/nvpmodel/status"))?;
    let id = field(status.split_whitespace().next()?, "pmode")?.parse().ok()?;
    let conf = text(&root.join("etc/nvpmodel.conf")).unwrap_or_default();
    // "< POWER_MODEL ID=2 NAME=MAXN_SUPER >"
    let models = conf.lines().filter(|line| line.contains("POWER_MODEL"));
    let word = |line: &str, key: &str| -> Option<String> {
        line.split_whitespace().find_map(|word| word.strip_prefix(key)).map(|v| v.trim_matches('>').to_owned())
    };
    let mut mine = models.filter(|line| word(line, "ID=").and_then(|v| v.parse().ok()) == Some(id));
    Some(PowerMode { id, name: mine.find_map(|line| word(line, "NAME=")) })
}

/// The rails of every INA3221 below `root`; those that cannot be read, or give nonsense, are left out.
pub fn rails(root: &Path) -> Vec<Rail> {
    let mut rails = Vec::new();
    for device in folders(&root.join("sys/bus/i2c/drivers/ina3221"), "") {
        for hwmon in folders(&device.join("hwmon"), "hwmon") {
            for channel in 1..=3 {
                let file = |name: &str| hwmon.join(name.replace('#', &channel.to_string()));
                let millivolts = number(&file("in#_input"), 1..=60_000);
                let milliamperes = number(&file("curr#_input"), 0..=50_000);
                if let (Some(name), Some(mv), Some(ma)) = (text(&file("in#_label")), millivolts, milliamperes) {
                    rails.push(Rail { name, watts: (mv * ma) as f64 * 1e-6 });
                }
            }
        }
    }
    rails
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mode_and_rails_of_an_orin_nano() {
        let root = tempfile::tempdir().unwrap();
        let hwmon = "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon1";
        let files = [
            ("var/lib/nvpmodel/status", "pmode:0002\n".to_owned()),
            (
                "etc/nvpmodel.conf",
                "< POWER_MODEL ID=0 NAME=15W >\nCPU_ONLINE CORE_0 1\n< POWER_MODEL ID=2 NAME=MAXN_SUPER >\n".to_owned(),
            ),
            (&format!("{hwmon}/in1_label"), "VDD_IN".to_owned()),
            (&format!("{hwmon}/in1_input"), "5040".to_owned()),
            (&format!("{hwmon}/curr1_input"), "1500".to_owned()),
            (&format!("{hwmon}/in2_label"), "VDD_SOC".to_owned()),
            (&format!("{hwmon}/in2_input"), "0".to_owned()),
            (&format!("{hwmon}/curr2_input"), "100".to_owned()),
        ];
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        assert_eq!(power_mode(root.path()), Some(PowerMode { id: 2, name: Some("MAXN_SUPER".to_owned()) }));
        assert_eq!(rails(root.path()), [Rail { name: "VDD_IN".to_owned(), watts: 7.56 }]);
        std::fs::write(root.path().join("var/lib/nvpmodel/status"), "pmode:x").unwrap();
        assert_eq!((power_mode(root.path()), rails(Path::new("/nothing"))), (None, Vec::new()));
    }
}
