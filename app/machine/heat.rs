//! Temperatures, and whether the kernel or the board holds the clocks down.

use std::path::Path;

use serde::Serialize;

use super::read::{folders, number, text};

/// Thousandths of a degree Celsius that a sensor of a running computer can mean. A Jetson gives -256 °C for a part that is off.
const SANE_MC: std::ops::RangeInclusive<i64> = -40_000..=150_000;

/// Temperatures and what they cost.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Heat {
    /// Zone and degrees Celsius, in the kernel's order.
    pub zones: Vec<(String, f64)>,
    /// Cooling devices that hold something down now, with their step and the last there is.
    pub held_down: Vec<(String, i64, i64)>,
    /// Over-current events counted since the start, by the file's name; of Jetsons.
    pub over_current: Vec<(String, i64)>,
}

impl Heat {
    /// The hottest zone.
    pub fn hottest(&self) -> Option<&(String, f64)> {
        self.zones.iter().max_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// Whether anything is held down that computes: fans are meant to turn.
    pub fn throttled(&self) -> bool {
        !self.held_down.is_empty()
    }
}

/// Reads `/sys/class/thermal` and `/sys/class/hwmon` below `root`.
pub fn heat(root: &Path) -> Heat {
    let mut heat = Heat::default();
    let thermal = root.join("sys/class/thermal");
    for zone in folders(&thermal, "thermal_zone") {
        if let (Some(name), Some(mc)) = (text(&zone.join("type")), number(&zone.join("temp"), SANE_MC)) {
            heat.zones.push((name, mc as f64 / 1000.0));
        }
    }
    for device in folders(&thermal, "cooling_device") {
        let state = number(&device.join("cur_state"), 1..=1_000_000);
        let last = number(&device.join("max_state"), 1..=1_000_000);
        let name = text(&device.join("type")).filter(|name| !name.contains("fan"));
        if let (Some(name), Some(state), Some(last)) = (name, state, last) {
            heat.held_down.push((name, state, last));
        }
    }
    // L4T's developer guide: /sys/class/hwmon/hwmon<x>/oc<y>_event_cnt.
    for hwmon in folders(&root.join("sys/class/hwmon"), "hwmon") {
        for i in 1..=8 {
            let file = format!("oc{i}_event_cnt");
            if let Some(count) = number(&hwmon.join(&file), 0..=i64::MAX) {
                heat.over_current.push((file, count));
            }
        }
    }
    heat
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_off_has_no_temperature_and_a_fan_holds_nothing_down() {
        let root = tempfile::tempdir().unwrap();
        let files = [
            ("sys/class/thermal/thermal_zone0/type", "cpu-thermal"),
            ("sys/class/thermal/thermal_zone0/temp", "51250"),
            ("sys/class/thermal/thermal_zone10/type", "tj-thermal"),
            ("sys/class/thermal/thermal_zone10/temp", "88500"),
            ("sys/class/thermal/thermal_zone2/type", "cv0-thermal"),
            ("sys/class/thermal/thermal_zone2/temp", "-256000"),
            ("sys/class/thermal/thermal_zone3/type", "gpu-thermal"),
            ("sys/class/thermal/thermal_zone3/temp", "what"),
            ("sys/class/thermal/cooling_device0/type", "pwm-fan"),
            ("sys/class/thermal/cooling_device0/cur_state", "2"),
            ("sys/class/thermal/cooling_device0/max_state", "10"),
            ("sys/class/thermal/cooling_device1/type", "gpu-throttle-alert"),
            ("sys/class/thermal/cooling_device1/cur_state", "1"),
            ("sys/class/thermal/cooling_device1/max_state", "1"),
            ("sys/class/thermal/cooling_device2/type", "cpufreq-cpu0"),
            ("sys/class/thermal/cooling_device2/cur_state", "0"),
            ("sys/class/thermal/cooling_device2/max_state", "20"),
            ("sys/class/hwmon/hwmon2/oc1_event_cnt", "3"),
        ];
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let heat = heat(root.path());
        let zones: Vec<&str> = heat.zones.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(zones, ["cpu-thermal", "tj-thermal"]);
        assert_eq!(heat.hottest().unwrap().1, 88.5);
        assert_eq!(heat.held_down, [("gpu-throttle-alert".to_owned(), 1, 1)]);
        assert_eq!(heat.over_current, [("oc1_event_cnt".to_owned(), 3)]);
        assert!(heat.throttled() && !super::heat(Path::new("/nothing")).throttled());
    }
}
