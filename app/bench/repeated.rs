//! A short drive over and over, as long as a measurement needs, that looks at the clocks when it is read at two places.
//!
//! What lies between the two is a run in full swing: queues are as full at one as at the other, so that a frame's cost is
//! what passed between them by the frames between. Stamps go on from turn to turn by the drive's own length.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use ocellus_percept::space::{Odom, Rig, Transform, Vehicle};
use ocellus_percept::time::Timestamp;
use ocellus_sense::labels::Label;
use ocellus_sense::{Drive, DriveInfo, Entry, Payload, ReadError, SensorKind};

use super::counting;
use super::cpu::ByThread;

/// Between the last frame of a turn and the first of the next, where the drive has one frame alone.
const STEP_NS: i64 = 100_000_000;

/// The clocks at one moment.
#[derive(Debug, Clone)]
struct Clocks {
    wall: Instant,
    cpu: ByThread,
    allocations: u64,
}

impl Clocks {
    fn now() -> Result<Self> {
        Ok(Self { allocations: counting::on_all_threads(), cpu: ByThread::now()?, wall: Instant::now() })
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
}

/// A drive many times in a row.
pub struct Repeated {
    inner: Arc<dyn Drive>,
    entries: Vec<Entry>,
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
        Ok(Self { inner, entries, first_ns, period_ns, marks, pictures: pictures as u64 })
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
        })
    }

    fn own_index(&self, index: usize) -> usize {
        index % self.inner.entries().len().max(1)
    }
}

impl Drive for Repeated {
    fn info(&self) -> &DriveInfo {
        self.inner.info()
    }

    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn read_into(&self, index: usize, out: &mut Payload) -> Result<(), ReadError> {
        if let Some((_, clocks)) = self.marks.iter().find(|(at, _)| *at == index) {
            clocks.get_or_init(Clocks::now);
        }
        self.inner.read_into(self.own_index(index), out)
    }

    fn rig_at(&self, index: usize) -> &Rig {
        self.inner.rig_at(self.own_index(index))
    }

    fn odom_from_vehicle(&self, t: Timestamp) -> Option<Transform<Odom, Vehicle>> {
        let since = (t.as_nanos() - self.first_ns).rem_euclid(self.period_ns.max(1));
        self.inner.odom_from_vehicle(Timestamp::from_nanos(self.first_ns + since))
    }

    fn labels_at(&self, index: usize) -> Option<&[Label]> {
        self.inner.labels_at(self.own_index(index))
    }
}
