//! Faults made on purpose (`[faults]`): a feed that misbehaves as asked, and what befalls the stages.
//!
//! Whether a fault befalls a frame depends on the seed, the fault and the frame's number alone, so that the same faults
//! meet the same frames however busy the computer is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use ocellus_judge::stats::Rng;
use ocellus_percept::image::PixelFormat;
use ocellus_sense::{ImageEncoding, Payload, size_from_header};

use super::clock::{LiveClock, until};
use super::feed::{Captured, Feed, Polled};
use crate::launch::{Fault, FaultKind, FaultPlan};
use crate::wire::machine::Sample;

/// A stalled driver looks at the time this often.
const STALL_STEP: Duration = Duration::from_millis(20);
/// Bytes of a picture's beginning that corruption damages: its headers.
const CORRUPT_BYTES: usize = 64;

/// The faults of a run. Clones are the same.
#[derive(Clone)]
pub struct Faults {
    plan: Arc<FaultPlan>,
    clock: LiveClock,
}

impl Faults {
    /// The faults of a plan, by the run's clock.
    pub fn new(plan: FaultPlan, clock: LiveClock) -> Self {
        Self { plan: Arc::new(plan), clock }
    }

    /// Whether `sensor`'s feed is touched at all.
    pub fn touches(&self, sensor: &str) -> bool {
        self.plan.make.iter().any(|f| f.befalls(sensor))
    }

    /// The fault of `kind` that lasts now, for what depends on the host's time.
    fn lasting(&self, kind: FaultKind, sensor: &str) -> Option<&Fault> {
        self.all_lasting(kind, sensor).next()
    }

    fn all_lasting(&self, kind: FaultKind, sensor: &str) -> impl Iterator<Item = &Fault> {
        let now_s = self.clock.seconds(self.clock.now());
        let lasts = move |f: &Fault| (f.from_s..f.to_s).contains(&now_s);
        self.plan.make.iter().filter(move |f| f.kind == kind && f.befalls(sensor) && lasts(f))
    }

    /// The fault of `kind` that befalls frame `seq` of `sensor` stamped `at_s` seconds into the run.
    fn of_frame(&self, kind: FaultKind, sensor: &str, (seq, at_s): (u64, f64)) -> Option<&Fault> {
        let candidates = self.plan.make.iter().enumerate();
        let mut met = candidates.filter(|(_, f)| f.kind == kind && f.befalls(sensor));
        let happens = |index: usize, fault: &Fault| {
            let mut chance = Rng::part(self.plan.seed ^ (index as u64) << 32, seq);
            (fault.from_s..fault.to_s).contains(&at_s) && chance.unit() < fault.chance
        };
        met.find(|(index, fault)| happens(*index, fault)).map(|(_, fault)| fault)
    }

    /// Refuses to open a device that is gone.
    pub fn check_open(&self, sensor: &str) -> Result<()> {
        match self.lasting(FaultKind::Disconnect, sensor) {
            Some(_) => Err(anyhow!("no such device (a fault that was asked for)")),
            None => Ok(()),
        }
    }

    /// What befalls the preparing of a frame: it takes longer, or panics.
    pub fn prepare(&self, sensor: &str, seq: u64, at_s: f64) {
        if let Some(fault) = self.of_frame(FaultKind::SlowStage, sensor, (seq, at_s)) {
            std::thread::sleep(Duration::from_secs_f64(fault.ms * 1e-3));
        }
        if self.of_frame(FaultKind::Panic, sensor, (seq, at_s)).is_some() {
            // The fault is the panic itself; supervision is what it tests.
            #[allow(clippy::panic)]
            {
                panic!("a panic that was asked for");
            }
        }
    }

    /// What befalls an answer of the network of this index: it takes longer.
    pub fn network(&self, index: usize) {
        let met = |fault: &&Fault| fault.model.is_none_or(|model| model == index);
        if let Some(fault) = self.all_lasting(FaultKind::SlowNetwork, "").find(met) {
            std::thread::sleep(Duration::from_secs_f64(fault.ms * 1e-3));
        }
    }

    /// What the computer says of itself: that it is held down.
    pub fn machine(&self, sample: Option<Sample>) -> Option<Sample> {
        if self.lasting(FaultKind::HeldDown, "").is_none() {
            return sample;
        }
        sample.map(|sample| Sample { throttled: vec!["by a fault that was asked for".to_owned()], ..sample })
    }

    /// Refuses to write to a disk that is full.
    pub fn check_disk(&self) -> std::io::Result<()> {
        match self.lasting(FaultKind::FullDisk, "") {
            Some(_) => Err(std::io::Error::new(std::io::ErrorKind::StorageFull, "a full disk that was asked for")),
            None => Ok(()),
        }
    }
}

impl Fault {
    fn befalls(&self, sensor: &str) -> bool {
        self.sensor.as_deref().is_none_or(|name| name == sensor || sensor.is_empty())
    }
}

/// A feed to which faults happen.
pub struct Faulty {
    inner: Box<dyn Feed>,
    sensor: String,
    faults: Faults,
    /// Frames held back, with the moment each is let go.
    held: VecDeque<(Instant, Captured, Payload)>,
    frozen: Option<Payload>,
    /// Frames lost here since the last one given out.
    missed: u64,
    /// Frames not made in time since then.
    overrun: u64,
}

impl Faulty {
    /// Lets `faults` happen to `inner`, the feed of `sensor`.
    pub fn new(inner: Box<dyn Feed>, sensor: &str, faults: Faults) -> Self {
        let (sensor, held) = (sensor.to_owned(), VecDeque::new());
        Self { inner, sensor, faults, held, frozen: None, missed: 0, overrun: 0 }
    }

    /// A held frame whose moment has come.
    fn let_go(&mut self, out: &mut Payload) -> Option<Captured> {
        let (due, _, _) = self.held.front()?;
        if *due > Instant::now() {
            return None;
        }
        let (_, mut captured, payload) = self.held.pop_front()?;
        captured.received_at = Instant::now();
        *out = payload;
        Some(captured)
    }

    /// Lets the faults happen to a frame; `None` where it does not come, or not yet.
    fn befall(&mut self, mut captured: Captured, payload: &mut Payload) -> Option<Captured> {
        let at_s = self.faults.clock.seconds(captured.t);
        let frame = (captured.seq, at_s);
        let Self { faults, sensor, frozen, .. } = self;
        let met = |kind| faults.of_frame(kind, sensor, frame).map(|f| Duration::from_secs_f64(f.ms.max(0.0) * 1e-3));
        if met(FaultKind::Drop).is_some() {
            self.missed += 1 + captured.missed;
            self.overrun += captured.overrun;
            return None;
        }
        if met(FaultKind::Freeze).is_some() {
            *payload = frozen.get_or_insert_with(|| payload.clone()).clone();
        } else {
            *frozen = None;
        }
        if met(FaultKind::Blacken).is_some() {
            blacken(payload);
        }
        if met(FaultKind::Corrupt).is_some() {
            corrupt(payload);
        }
        if let Some(fault) = faults.of_frame(FaultKind::ClockJump, sensor, frame) {
            captured.t = captured.t.plus_seconds(fault.ms * 1e-3);
        }
        captured.missed += std::mem::take(&mut self.missed);
        captured.overrun += std::mem::take(&mut self.overrun);
        let again = met(FaultKind::Duplicate).is_some();
        let due = captured.received_at + met(FaultKind::Delay).unwrap_or_default();
        if again {
            let copy = Captured { missed: 0, overrun: 0, ..captured.clone() };
            self.held.push_back((due, copy, payload.clone()));
        }
        if due <= Instant::now() {
            return Some(captured);
        }
        self.held.push_front((due, captured, payload.clone()));
        self.held.make_contiguous().sort_by_key(|(due, _, _)| *due);
        None
    }
}

impl Feed for Faulty {
    fn next(&mut self, patience: Duration, out: &mut Payload) -> Result<Polled> {
        self.faults.check_open(&self.sensor)?;
        while self.faults.lasting(FaultKind::Stall, &self.sensor).is_some() {
            std::thread::sleep(STALL_STEP);
        }
        if let Some(captured) = self.let_go(out) {
            return Ok(Polled::Frame(captured));
        }
        let patience = self.held.front().map_or(patience, |(due, _, _)| until(*due).min(patience));
        let came = match self.inner.next(patience, out)? {
            Polled::Frame(captured) => self.befall(captured, out),
            Polled::Nothing => None,
            Polled::Ended if self.held.is_empty() => return Ok(Polled::Ended),
            Polled::Ended => {
                std::thread::sleep(patience);
                None
            }
        };
        Ok(came.or_else(|| self.let_go(out)).map_or(Polled::Nothing, Polled::Frame))
    }
}

fn blacken(payload: &mut Payload) {
    match payload {
        Payload::Image(picture) => match picture.encoding {
            ImageEncoding::Raw { format: PixelFormat::Yuyv | PixelFormat::Nv12, .. } => {}
            ImageEncoding::Raw { .. } => picture.bytes.fill(0),
            ImageEncoding::Jpeg | ImageEncoding::Png => {
                let Some((width, height)) = size_from_header(&picture.bytes) else { return };
                picture.bytes = vec![0; width as usize * height as usize];
                picture.encoding = ImageEncoding::Raw { format: PixelFormat::Gray8, width, height };
            }
        },
        Payload::Cloud(cloud) => cloud.clear(),
    }
}

fn corrupt(payload: &mut Payload) {
    match payload {
        Payload::Image(picture) => match picture.encoding {
            ImageEncoding::Raw { .. } => picture.bytes.truncate(picture.bytes.len() / 2),
            ImageEncoding::Jpeg | ImageEncoding::Png => {
                picture.bytes.iter_mut().take(CORRUPT_BYTES).for_each(|b| *b = !*b);
            }
        },
        Payload::Cloud(cloud) => cloud.xyz.iter_mut().step_by(2).for_each(|p| *p = [f32::NAN; 3]),
    }
}
