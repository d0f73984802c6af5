//! Where energy can be read: RAPL counters of a PC, the INA3221 of a Jetson, else CPU seconds as an openly marked estimate.
//!
//! Paths are those of Linux's sysfs below a root that tests replace. What cannot be read is said, never 0.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ocellus_judge::energy::{EnergyReport, EnergySource, joules_from_counter};

use crate::machine;

/// How long an idle machine is looked at first.
const IDLE_LOOK: Duration = Duration::from_millis(400);
/// Ticks a second of `/proc/self/stat`: Linux's USER_HZ on every machine we build for.
const TICKS_PER_S: f64 = 100.0;
/// The rail that feeds a whole Jetson module.
const JETSON_INPUT: &str = "VDD_IN";

/// What can be read here.
#[derive(Debug, Clone, PartialEq)]
enum Sensor {
    /// Counters in microjoules and where each wraps.
    Rapl(Vec<(PathBuf, u64)>),
    /// The rails of a Jetson, below this root.
    Ina {
        /// `/` outside tests.
        root: PathBuf,
    },
    /// Nothing, and why.
    None(String),
}

/// Energy of a stretch of work.
pub struct Meter {
    sensor: Sensor,
    idle_w: Option<f64>,
    started: Instant,
    counters: Vec<u64>,
    samples: Vec<(f64, f64)>,
    cpu_s: Option<f64>,
}

impl Meter {
    /// Finds a sensor below `root` (`/` outside tests), looks at the idle machine, and starts.
    pub fn start(root: &Path) -> Self {
        let sensor = find(root);
        let idle_w = idle(&sensor);
        let counters = counters(&sensor);
        let mut meter =
            Self { sensor, idle_w, started: Instant::now(), counters, samples: Vec::new(), cpu_s: cpu_seconds() };
        meter.tick();
        meter
    }

    /// Takes a sample, where the sensor is sampled; call after every frame.
    pub fn tick(&mut self) {
        if let Some(watts) = watts(&self.sensor) {
            self.samples.push((self.started.elapsed().as_secs_f64(), watts));
        }
    }

    /// The energy of `frames` frames; `core_w` is the declared power of a busy core, for an estimate.
    pub fn finish(mut self, frames: u64, core_w: f64) -> (EnergyReport, Option<f64>) {
        self.tick();
        self.so_far(frames, core_w)
    }

    /// As [`Self::finish`], and it goes on.
    pub fn so_far(&self, frames: u64, core_w: f64) -> (EnergyReport, Option<f64>) {
        let seconds = self.started.elapsed().as_secs_f64();
        let cpu_s = cpu_seconds().zip(self.cpu_s).map(|(now, then)| now - then);
        let report = match &self.sensor {
            Sensor::Rapl(list) => {
                let pairs = list.iter().zip(&self.counters).zip(counters(&self.sensor));
                let joules = pairs.map(|(((_, max), before), after)| joules_from_counter(*before, after, *max)).sum();
                EnergyReport::from_counter(EnergySource::Rapl, joules, seconds, self.idle_w, frames)
            }
            Sensor::Ina { .. } => {
                EnergyReport::from_samples(EnergySource::JetsonIna3221, &self.samples, self.idle_w, frames)
            }
            Sensor::None(why) => match cpu_s {
                Some(cpu_s) => {
                    let mut report = EnergyReport::estimate(cpu_s, core_w, frames);
                    report.notes.push(why.clone());
                    report
                }
                None => EnergyReport::missing(why, frames),
            },
        };
        (report, cpu_s)
    }
}

fn number(path: &Path) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries.map(|e| e.path()).filter(|p| p.is_dir()).collect();
    folders.sort();
    folders
}

fn find(root: &Path) -> Sensor {
    let rapl = rapl(root);
    if !rapl.is_empty() {
        return Sensor::Rapl(rapl);
    }
    ina(root).unwrap_or_else(|| {
        let there = root.join("sys/class/powercap/intel-rapl:0/energy_uj").exists();
        let why = if there { "RAPL is there and not readable (it wants root)" } else { "no RAPL counter, no INA3221" };
        Sensor::None(format!("no power sensor is readable: {why}"))
    })
}

/// Package counters: `intel-rapl:N`, not their parts `intel-rapl:N:M`.
fn rapl(root: &Path) -> Vec<(PathBuf, u64)> {
    let is_package = |p: &PathBuf| {
        let name = p.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        name.strip_prefix("intel-rapl:").is_some_and(|rest| !rest.contains(':'))
    };
    let packages = folders(&root.join("sys/class/powercap")).into_iter().filter(is_package);
    let counter = |p: PathBuf| {
        let file = p.join("energy_uj");
        number(&file)?;
        Some((file, number(&p.join("max_energy_range_uj")).unwrap_or(u64::MAX)))
    };
    packages.filter_map(counter).collect()
}

fn ina(root: &Path) -> Option<Sensor> {
    input_watts(root).map(|_| Sensor::Ina { root: root.to_owned() })
}

/// Watts of the whole module of a Jetson below `root`.
fn input_watts(root: &Path) -> Option<f64> {
    machine::rails(root).into_iter().find(|rail| rail.name == JETSON_INPUT).map(|rail| rail.watts)
}

fn counters(sensor: &Sensor) -> Vec<u64> {
    match sensor {
        Sensor::Rapl(list) => list.iter().map(|(file, _)| number(file).unwrap_or(0)).collect(),
        _ => Vec::new(),
    }
}

fn watts(sensor: &Sensor) -> Option<f64> {
    let Sensor::Ina { root } = sensor else { return None };
    input_watts(root)
}

/// Watts of a machine that does nothing for us.
fn idle(sensor: &Sensor) -> Option<f64> {
    if matches!(sensor, Sensor::None(_)) {
        return None;
    }
    let (before, started) = (counters(sensor), Instant::now());
    std::thread::sleep(IDLE_LOOK);
    match sensor {
        Sensor::Rapl(list) => {
            let pairs = list.iter().zip(before).zip(counters(sensor));
            let joules: f64 = pairs.map(|(((_, max), b), a)| joules_from_counter(b, a, *max)).sum();
            Some(joules / started.elapsed().as_secs_f64())
        }
        _ => watts(sensor),
    }
}

/// CPU seconds of all threads of this process, and of the processes that it waited for, so far.
pub fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name, in brackets, may hold blanks.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok());
    Some((11..=14).map(ticks).sum::<Option<f64>>()? / TICKS_PER_S)
}

/// Largest resident memory of this process so far, megabytes.
pub fn peak_memory_mb() -> Option<f64> {
    own_status_mb("VmHWM:")
}

/// Resident memory of this process now, megabytes.
pub fn memory_mb() -> Option<f64> {
    own_status_mb("VmRSS:")
}

/// A line of this process's status that is told in kilobytes, as megabytes.
fn own_status_mb(name: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok().map(|kb| kb / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn a_jetson_is_read_by_its_input_rail() {
        let root = tempfile::tempdir().unwrap();
        let hwmon = "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3";
        let file = |name: &str| format!("{hwmon}/{name}");
        let (label, mv, ma) = (file("in1_label"), file("in1_input"), file("curr1_input"));
        write(root.path(), &[(&label, "VDD_IN\n"), (&mv, "5000\n"), (&ma, "1200\n")]);
        let mut meter = Meter::start(root.path());
        std::thread::sleep(Duration::from_millis(20));
        meter.tick();
        std::fs::write(root.path().join(&ma), "1800\n").unwrap();
        std::thread::sleep(Duration::from_millis(20));
        let (report, _) = meter.finish(2, 8.0);
        assert_eq!(report.source, Some(EnergySource::JetsonIna3221));
        // 6 W idle, 6 to 9 W at work, some tens of milliseconds.
        assert!(report.joules.unwrap() > 0.2 && report.joules_net.unwrap() > 0.0, "{report:?}");
    }

    #[test]
    fn counters_of_packages_are_summed_and_their_parts_are_not() {
        let root = tempfile::tempdir().unwrap();
        let package = "sys/class/powercap/intel-rapl:0";
        let (energy, max) = (format!("{package}/energy_uj"), format!("{package}/max_energy_range_uj"));
        let part = "sys/class/powercap/intel-rapl:0:0/energy_uj";
        write(root.path(), &[(&energy, "9000000"), (&max, "10000000"), (part, "1")]);
        let meter = Meter::start(root.path());
        // The counter wraps.
        std::fs::write(root.path().join(&energy), "1000000").unwrap();
        let (report, _) = meter.finish(4, 8.0);
        assert_eq!((report.source, report.joules), (Some(EnergySource::Rapl), Some(2.0)));
    }

    #[test]
    fn without_a_sensor_there_is_a_marked_estimate_and_never_0() {
        let root = tempfile::tempdir().unwrap();
        let meter = Meter::start(root.path());
        let until = Instant::now() + Duration::from_millis(60);
        let mut sum = 0_u64;
        while Instant::now() < until {
            sum = sum.wrapping_mul(31).wrapping_add(1);
        }
        let (report, cpu_s) = meter.finish(3, 8.0);
        assert!(sum > 0 && cpu_s.is_some() && report.joules != Some(0.0));
        assert!(report.notes.iter().any(|n| n.contains("ESTIMATE")), "{report:?}");
        assert!(report.notes.iter().any(|n| n.contains("no RAPL")), "{report:?}");
        assert!(peak_memory_mb().unwrap() > 1.0);
    }
}
