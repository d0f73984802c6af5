//! A short drive over and over, as long as a measurement needs, that looks at the clocks when it is read at two places.
//!
//! What lies between the two is a run in full swing: queues are as full at one as at the other, so that a frame's cost is
//! what passed between them by the frames between. Stamps go on from turn to turn by the drive's own length.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use ocellus_flow::latency;
use ocellus_percept::space::{Odom, Rig, Transform, Vehicle};
use ocellus_percept::time::Timestamp;
use ocellus_sense::labels::Label;
use ocellus_sense::{Drive, DriveInfo, Entry, Payload, ReadError, SensorInfo, SensorKind};

use super::counting;
use super::cpu::ByThread;
use crate::measure::power::memory_mb;

/// Between the last frame of a turn and the first of the next, where the drive has one frame alone.
const STEP_NS: i64 = 100_000_000;

/// The clocks at one moment.
#[derive(Debug, Clone)]
struct Clocks {
    wall: Instant,
    cpu: ByThread,
    allocations: u64,
    memory_mb: Option<f64>,
}

impl Clocks {
    fn now() -> Result<Self> {
        let (allocations, memory_mb) = (counting::on_all_threads(), memory_mb());
        Ok(Self { allocations, memory_mb, cpu: ByThread::now()?, wall: Instant::now() })
    }
}

/// What passed between the two places.
#[derive(Debug, Clone)]
pub struct Passed {
    /// Pictures read.
    pub pictures: u64,
    /// CPU time of all threads.
    pub cpu: ByThread,
    /// Seconds.
    pub wall_s: f64,
    /// Allocations of all threads.
    pub allocations: u64,
    /// Resident memory of the process at each of the two, megabytes.
    pub memory_mb: [Option<f64>; 2],
}

/// A drive many times in a row.
pub struct Repeated {
    inner: Arc<dyn Drive>,
    /// In place of the drive's own, where cameras were added.
    info: Option<DriveInfo>,
    entries: Vec<Entry>,
    /// By entry: which of the drive's own it is.
    sources: Vec<usize>,
    first_ns: i64,
    period_ns: i64,
    /// Entries at which the clocks are looked at, and what they said.
    marks: [(usize, OnceLock<Result<Clocks>>); 2],
    /// Pictures between them.
    pictures: u64,
}

impl Repeated {
    /// `inner` so often that `pictures` of the sensors named (all where empty) lie between the two places, and `before` ahead of
    /// the first.
    pub fn new(inner: Arc<dyn Drive>, sensors: &[String], (before, pictures): (usize, usize)) -> Result<Self> {
        let own = inner.entries();
        let (Some(first), Some(last)) = (own.first(), own.last()) else { return Err(anyhow!("the drive is empty")) };
        let infos = &inner.info().sensors;
        let takes_part = |e: &Entry| {
            infos
                .get(e.sensor)
                .is_some_and(|s| s.kind == SensorKind::Camera && (sensors.is_empty() || sensors.contains(&s.name)))
        };
        let each = own.iter().filter(|e| takes_part(e)).count();
        if each == 0 {
            return Err(anyhow!("the drive has no pictures of the sensors named"));
        }
        let (first_ns, span_ns) = (first.t.as_nanos(), last.t.as_nanos() - first.t.as_nanos());
        let period_ns = span_ns + if each > 1 { span_ns / (each as i64 - 1) } else { STEP_NS };
        let turns = (before + pictures + 1).div_ceil(each);
        let numbers: Vec<u64> = (0..infos.len()).map(|s| own.iter().filter(|e| e.sensor == s).count() as u64).collect();
        let mut entries = Vec::with_capacity(turns * own.len());
        let sources = (0..turns).flat_map(|_| 0..own.len()).collect();
        for turn in 0..turns {
            entries.extend(own.iter().map(|e| Entry {
                t: Timestamp::from_nanos(e.t.as_nanos() + turn as i64 * period_ns),
                seq: e.seq + turn as u64 * numbers.get(e.sensor).copied().unwrap_or(0),
                sensor: e.sensor,
            }));
        }
        let at = |count: usize| {
            let mut of_pictures = entries.iter().enumerate().filter(|(_, e)| takes_part(e));
            of_pictures.nth(count).map(|(i, _)| i).context("a picture of the drive")
        };
        let marks = [(at(before)?, OnceLock::new()), (at(before + pictures)?, OnceLock::new())];
        Ok(Self { inner, info: None, entries, sources, first_ns, period_ns, marks, pictures: pictures as u64 })
    }

    /// As many cameras as told, which all see what the first one sees, at the same moments; to be measured by their pictures
    /// together.
    pub fn with_cameras(mut self, count: usize) -> Self {
        let mut info = self.inner.info().clone();
        let Some(first) = info.sensors.iter().position(|s| s.kind == SensorKind::Camera) else { return self };
        let own = info.sensors.len();
        for number in 1..count {
            let Some(camera) = info.sensors.get(first).cloned() else { return self };
            let name = format!("{}-{number}", camera.name);
            if let Some(mount) = info.rig.cameras.get(&camera.name).copied() {
                info.rig.cameras.insert(name.clone(), mount);
            }
            info.sensors.push(SensorInfo { name, ..camera });
        }
        let mut of_new = Vec::with_capacity(self.entries.len());
        let (mut entries, mut sources) = (Vec::new(), Vec::new());
        for (index, (entry, source)) in self.entries.iter().zip(&self.sources).enumerate() {
            of_new.push((index, entries.len()));
            let more = if entry.sensor == first { count - 1 } else { 0 };
            for added in 0..=more {
                let sensor = if added == 0 { entry.sensor } else { own + added - 1 };
                entries.push(Entry { sensor, ..*entry });
                sources.push(*source);
            }
        }
        for (mark, _) in &mut self.marks {
            *mark = of_new.get(*mark).map_or(*mark, |(_, new)| *new);
        }
        self.pictures *= count as u64;
        Self { info: Some(info), entries, sources, ..self }
    }

    /// The first camera's pictures over and over, `count` of them, `hz` a second.
    pub fn paced(inner: Arc<dyn Drive>, count: usize, hz: f64) -> Result<Self> {
        let of_cameras =
            |e: &&(usize, &Entry)| inner.info().sensors.get(e.1.sensor).is_some_and(|s| s.kind == SensorKind::Camera);
        let own: Vec<(usize, Entry)> =
            inner.entries().iter().enumerate().filter(|e| of_cameras(&e)).map(|(i, e)| (i, *e)).collect();
        let camera = own.first().map(|(_, e)| e.sensor).ok_or_else(|| anyhow!("the drive has no pictures"))?;
        let own: Vec<(usize, Entry)> = own.into_iter().filter(|(_, e)| e.sensor == camera).collect();
        let first_ns = own.first().map_or(0, |(_, e)| e.t.as_nanos());
        let step_ns = 1e9 / hz;
        let made = (0..count).zip(own.iter().cycle());
        let entries = made.map(|(i, (at, e))| {
            let t = Timestamp::from_nanos(first_ns + (i as f64 * step_ns) as i64);
            (*at, Entry { t, seq: i as u64, sensor: e.sensor })
        });
        let (sources, entries) = entries.unzip();
        let period_ns = (count as f64 * step_ns) as i64;
        let marks = [(usize::MAX, OnceLock::new()), (usize::MAX, OnceLock::new())];
        Ok(Self { inner, info: None, entries, sources, first_ns, period_ns, marks, pictures: count as u64 })
    }

    /// What passed between the two places; an error where the drive was not read so far.
    pub fn passed(&self) -> Result<Passed> {
        let at = |mark: &(usize, OnceLock<Result<Clocks>>)| match mark.1.get() {
            Some(Ok(clocks)) => Ok(clocks.clone()),
            Some(Err(error)) => Err(anyhow!("{error:#}")),
            None => Err(anyhow!("the run ended before the drive was measured")),
        };
        let [from, to] = [at(&self.marks[0])?, at(&self.marks[1])?];
        Ok(Passed {
            pictures: self.pictures,
            cpu: to.cpu.since(&from.cpu),
            wall_s: (to.wall - from.wall).as_secs_f64(),
            allocations: to.allocations - from.allocations,
            memory_mb: [from.memory_mb, to.memory_mb],
        })
    }

    /// The name of the camera that is played.
    pub fn camera(&self) -> Option<String> {
        let of_camera =
            |e: &&Entry| self.inner.info().sensors.get(e.sensor).is_some_and(|s| s.kind == SensorKind::Camera);
        let entry = self.entries.iter().find(of_camera)?;
        self.inner.info().sensors.get(entry.sensor).map(|s| s.name.clone())
    }

    fn own_index(&self, index: usize) -> usize {
        self.sources.get(index).copied().unwrap_or(index)
    }
}

impl Drive for Repeated {
    fn info(&self) -> &DriveInfo {
        self.info.as_ref().unwrap_or(self.inner.info())
    }

    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn read_into(&self, index: usize, out: &mut Payload) -> Result<(), ReadError> {
        if let Some(place) = self.marks.iter().position(|(at, _)| *at == index) {
            latency::count(place == 0);
            self.marks[place].1.get_or_init(Clocks::now);
        }
        self.inner.read_into(self.own_index(index), out)
    }

    fn rig_at(&self, index: usize) -> &Rig {
        self.info.as_ref().map_or_else(|| self.inner.rig_at(self.own_index(index)), |info| &info.rig)
    }

    fn odom_from_vehicle(&self, t: Timestamp) -> Option<Transform<Odom, Vehicle>> {
        let since = (t.as_nanos() - self.first_ns).rem_euclid(self.period_ns.max(1));
        self.inner.odom_from_vehicle(Timestamp::from_nanos(self.first_ns + since))
    }

    fn labels_at(&self, index: usize) -> Option<&[Label]> {
        self.inner.labels_at(self.own_index(index))
    }
}
