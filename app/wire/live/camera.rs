//! A live camera as a feed: the driver's numbers continued from opening to opening, its stamps by the run's clock, and an end to
//! waiting for one that stands still.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use ocellus_sense::Payload;
use ocellus_sense::camera::{self, Camera, CameraFrame, CameraMode, CameraOptions};

use super::clock::LiveClock;
use super::feed::{Captured, Feed, Polled, Unreadable};
use crate::wire::notes::Notes;

/// A camera that was streaming stands still when it gives no frame for so many intervals, and for so long: in the dark some
/// cameras give a few frames a second.
const STALL_INTERVALS: f64 = 10.0;
const STALL_MIN: Duration = Duration::from_secs(1);
/// From opening to the first frame a camera may take longer.
const FIRST_FRAME: Duration = Duration::from_secs(5);
/// The rate of a camera whose driver tells none.
const HZ_DEFAULT: f64 = 10.0;

/// What is kept of a camera from opening to opening.
#[derive(Clone)]
pub struct Kept {
    options: CameraOptions,
    next_seq: Arc<AtomicU64>,
}

impl Kept {
    /// A camera from which nothing has come yet.
    pub fn new(options: CameraOptions) -> Self {
        Self { options, next_seq: Arc::default() }
    }

    /// Opens the camera.
    pub fn open(&self, name: &str, clock: LiveClock, notes: &Notes) -> Result<Looked> {
        let camera = camera::open(&self.options)?;
        notes.say("camera", format!("{name}: {}", describe(camera.mode())));
        let interval = Duration::from_secs_f64(STALL_INTERVALS / camera.mode().hz.unwrap_or(HZ_DEFAULT).max(0.1));
        Ok(Looked {
            camera,
            name: name.to_owned(),
            clock,
            notes: notes.clone(),
            next_seq: Arc::clone(&self.next_seq),
            first_seq: self.next_seq.load(Ordering::Relaxed),
            stall: interval.max(STALL_MIN),
            asked_at: None,
            last_frame: None,
            clock_told: false,
        })
    }
}

/// A camera's mode for people.
pub fn describe(mode: &CameraMode) -> String {
    let (width, height) = mode.size;
    let rate = mode.hz.map_or_else(|| "a rate it does not tell".to_owned(), |hz| format!("{hz:.2} Hz"));
    format!("{}, \"{}\" on {}: {} {width}x{height} at {rate}", mode.path, mode.name, mode.bus, mode.format)
}

/// A camera being looked through.
pub struct Looked {
    camera: Box<dyn Camera>,
    name: String,
    clock: LiveClock,
    notes: Notes,
    /// The number of the next frame, whoever captures it.
    next_seq: Arc<AtomicU64>,
    /// The number of this opening's first frame.
    first_seq: u64,
    stall: Duration,
    asked_at: Option<Instant>,
    last_frame: Option<Instant>,
    clock_told: bool,
}

impl Looked {
    /// An error where no frame has come for too long.
    fn check_stall(&mut self) -> Result<()> {
        let asked_at = *self.asked_at.get_or_insert_with(Instant::now);
        let (since, limit) = match self.last_frame {
            Some(last) => (last, self.stall),
            None => (asked_at, FIRST_FRAME.max(self.stall)),
        };
        let silent = since.elapsed();
        if silent < limit {
            return Ok(());
        }
        let path = &self.camera.mode().path;
        Err(anyhow!("{path}: no frame for {:.1} s: it stands still", silent.as_secs_f64()))
    }

    fn captured(&mut self, frame: CameraFrame) -> Captured {
        if !std::mem::replace(&mut self.clock_told, true)
            && let Some(remark) = self.camera.clock_remark()
        {
            self.notes.say("clock", format!("{}: {remark}", self.name));
        }
        self.last_frame = Some(frame.received_at);
        let seq = self.first_seq + frame.seq;
        self.next_seq.fetch_max(seq + 1, Ordering::Relaxed);
        Captured {
            // No recording has it.
            entry: usize::MAX,
            seq,
            t: self.clock.at(frame.captured_at),
            received_at: frame.received_at,
            read: frame.damaged.map_or(Ok(()), |message| Err(Unreadable { reason: "corrupt", message })),
            missed: frame.missed,
            overrun: 0,
        }
    }
}

impl Feed for Looked {
    fn next(&mut self, patience: Duration, out: &mut Payload) -> Result<Polled> {
        self.check_stall()?;
        let mut picture = out.take_image();
        let polled = self.camera.poll(patience, &mut picture);
        *out = Payload::Image(picture);
        Ok(polled?.map_or(Polled::Nothing, |frame| Polled::Frame(self.captured(frame))))
    }
}

#[cfg(test)]
mod tests {
    use ocellus_sense::EncodedImage;
    use ocellus_sense::camera::{CameraError, PictureFormat};

    use super::*;

    /// Gives the frames it was made with, then none.
    struct Made {
        mode: CameraMode,
        frames: Vec<CameraFrame>,
    }

    impl Camera for Made {
        fn mode(&self) -> &CameraMode {
            &self.mode
        }

        fn clock_remark(&self) -> Option<&'static str> {
            Some("made")
        }

        fn poll(&mut self, _: Duration, out: &mut EncodedImage) -> Result<Option<CameraFrame>, CameraError> {
            out.bytes.push(1);
            Ok(self.frames.pop())
        }
    }

    fn looked(frames: Vec<CameraFrame>, next_seq: &Arc<AtomicU64>) -> Looked {
        let [path, name, bus] = ["/dev/video0", "made", "nowhere"].map(str::to_owned);
        let mode = CameraMode { path, name, bus, format: PictureFormat::Grey, size: (2, 2), hz: Some(30.0) };
        Looked {
            camera: Box::new(Made { mode, frames }),
            name: "front".into(),
            clock: LiveClock::start(),
            notes: Notes::default(),
            next_seq: Arc::clone(next_seq),
            first_seq: next_seq.load(Ordering::Relaxed),
            stall: Duration::from_millis(1),
            asked_at: None,
            last_frame: None,
            clock_told: false,
        }
    }

    fn frame(seq: u64, damaged: Option<&str>) -> CameraFrame {
        let now = Instant::now();
        let damaged = damaged.map(str::to_owned);
        CameraFrame { seq, captured_at: now, received_at: now, missed: 0, damaged }
    }

    fn next(feed: &mut Looked) -> Captured {
        match feed.next(Duration::ZERO, &mut Payload::default()) {
            Ok(Polled::Frame(captured)) => captured,
            _ => panic!("no frame"),
        }
    }

    #[test]
    fn numbers_go_on_when_a_camera_is_opened_again_and_a_damaged_frame_is_one_that_was_lost() {
        let kept = Arc::default();
        let mut first = looked(vec![frame(4, Some("torn")), frame(0, None)], &kept);
        assert_eq!(next(&mut first).seq, 0);
        let torn = next(&mut first);
        assert_eq!((torn.seq, torn.read.unwrap_err().reason), (4, "corrupt"));
        assert_eq!(next(&mut looked(vec![frame(0, None)], &kept)).seq, 5);
    }

    #[test]
    fn a_camera_that_stands_still_is_an_error_after_a_while() {
        let mut feed = looked(vec![frame(0, None)], &Arc::default());
        next(&mut feed);
        std::thread::sleep(feed.stall * 2);
        let error = feed.next(Duration::ZERO, &mut Payload::default()).err().unwrap().to_string();
        assert!(error.contains("/dev/video0") && error.contains("stands still"), "{error}");
    }
}
