//! Where the drive is now, and the log lines that stand there.
//!
//! A line without a time of its own stands at the time of the message before it; those that come before the first
//! message are held until then, since the viewer has no place for them.

use ocellus_percept::time::Timestamp;
use rerun::RecordingStream;
use rerun::archetypes::TextLog;
use rerun::components::TextLogLevel;

use super::message::{LogLevel, LogView};
use super::scene::LOG;
use super::{FRAME, SENSOR_TIME, ViewerError};

/// Lines held before the first message at most: more than any start-up says.
const HELD_MAX: usize = 256;

/// The time now, and lines that wait for one.
#[derive(Debug, Default)]
pub(super) struct Lines {
    now: Option<Timestamp>,
    held: Vec<LogView>,
}

impl Lines {
    /// Sets both timelines for what is logged next, and logs the lines held until now.
    pub(super) fn move_to(&mut self, rec: &RecordingStream, t: Timestamp, seq: Option<u64>) -> Result<(), ViewerError> {
        rec.set_timestamp_nanos_since_epoch(SENSOR_TIME, t.as_nanos());
        if let Some(seq) = seq.and_then(|seq| i64::try_from(seq).ok()) {
            rec.set_time_sequence(FRAME, seq);
        }
        self.now = Some(t);
        std::mem::take(&mut self.held).iter().try_for_each(|line| put(rec, line))
    }

    /// Logs one line, or holds it.
    pub(super) fn log(&mut self, rec: &RecordingStream, line: &LogView) -> Result<(), ViewerError> {
        match (line.t, self.now) {
            (None, None) if self.held.len() < HELD_MAX => {
                self.held.push(line.clone());
                Ok(())
            }
            (Some(t), now) => {
                rec.set_timestamp_nanos_since_epoch(SENSOR_TIME, t.as_nanos());
                let outcome = put(rec, line);
                if let Some(now) = now {
                    rec.set_timestamp_nanos_since_epoch(SENSOR_TIME, now.as_nanos());
                }
                outcome
            }
            _ => put(rec, line),
        }
    }

    /// Logs what is still held: a run that had no frame has its reasons among these lines.
    pub(super) fn end(&mut self, rec: &RecordingStream) -> Result<(), ViewerError> {
        if self.held.is_empty() { Ok(()) } else { self.move_to(rec, Timestamp::default(), Some(0)) }
    }
}

fn put(rec: &RecordingStream, line: &LogView) -> Result<(), ViewerError> {
    let level = match line.level {
        LogLevel::Info => TextLogLevel::INFO,
        LogLevel::Warn => TextLogLevel::WARN,
        LogLevel::Error => TextLogLevel::ERROR,
    };
    let entry = TextLog::new(line.text.as_str()).with_level(level);
    rec.log(LOG, &entry).map_err(ViewerError::rerun(LOG))
}
