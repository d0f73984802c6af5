//! One recording stream to one place, with a bound on what is on its way there.
//!
//! `rerun` blocks in `log` once 100 MiB are on their way, tries for ever to reach a viewer that is not there, never
//! comes back to one that went away, and waits for ever when dropped before a stalled one. So a live stream is asked
//! first ([`Stream::ready`]): a marker that follows each message through rerun's own threads says how much has arrived,
//! and while too much has not, messages are shed. A viewer that was lost is looked for again, and a stream that cannot
//! be flushed in time is left to the end of the process instead of being dropped.

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rerun::RecordingStream;
use rerun::external::re_uri::ProxyUri;
use rerun::log::ChunkBatcherConfig;
use rerun::sink::{GrpcSink, GrpcSinkConnectionState, LogSink};

use super::connect::probe;
use super::error::ViewerError;
use super::file::{Failure, RrdFile};

/// Bytes on their way to a live viewer before messages are shed: about ten frames of a camera and a LiDAR, and far
/// below the 50 MiB at which rerun blocks.
const IN_FLIGHT_MAX_BYTES: u64 = 24 * 1024 * 1024;
/// How often a lost viewer is looked for: an attempt may take half a second.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// What a live viewer is given at the end to take the last frames.
const FLUSH_LIVE: Duration = Duration::from_secs(3);
/// What a disk is given at the end.
const FLUSH_FILE: Duration = Duration::from_secs(60);

/// Name of the program in the viewer.
const APPLICATION_ID: &str = "ocellus";

/// Why a message was not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shed {
    /// The viewer takes messages more slowly than they come, or not at all.
    Stalled,
    /// The viewer went away; it is looked for again.
    Lost,
}

/// Whether a message may be logged now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readiness {
    /// Yes.
    Ready,
    /// Yes, and all that is static must be logged again first: the viewer is a new one.
    New,
    /// No.
    Shed(Shed),
}

/// Where a stream goes.
enum Target {
    File { path: PathBuf, failure: Failure },
    Live { uri: ProxyUri, arrived: Arc<Arrived>, logged_bytes: u64, next_try: Instant },
}

/// What has come through rerun's threads to the connection.
#[derive(Default)]
struct Arrived {
    bytes: AtomicU64,
    lost: AtomicBool,
}

/// A recording stream and its place.
pub(super) struct Stream {
    rec: Option<RecordingStream>,
    target: Target,
    identity: Identity,
}

/// What all streams of a run share.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    /// The run's name in the viewer.
    pub(super) name: String,
    /// The same for the file and the live viewer, so that both are one recording.
    pub(super) recording_id: String,
}

impl Stream {
    /// A stream into a new file.
    pub(super) fn to_file(path: PathBuf, identity: Identity) -> Result<Self, ViewerError> {
        let (sink, failure) = RrdFile::create(&path)?;
        let rec = open(Box::new(sink), &identity)?;
        Ok(Self { rec: Some(rec), target: Target::File { path, failure }, identity })
    }

    /// A stream to the viewer at `uri`, which must be there.
    pub(super) fn to_viewer(uri: ProxyUri, identity: Identity) -> Result<Self, ViewerError> {
        probe(&uri).map_err(|source| ViewerError::NoViewer { url: uri.to_string(), source })?;
        let rec = open_live(&uri, &identity)?;
        let target = Target::Live { uri, arrived: Arc::default(), logged_bytes: 0, next_try: Instant::now() };
        Ok(Self { rec: Some(rec), target, identity })
    }

    /// The stream to log to; none while a lost viewer is looked for.
    pub(super) fn rec(&self) -> Option<&RecordingStream> {
        self.rec.as_ref()
    }

    /// Whether `bytes` more may be logged now. For a file: always, until it failed.
    pub(super) fn ready(&mut self, bytes: u64) -> Result<Readiness, ViewerError> {
        match &mut self.target {
            Target::File { path, failure } => match failure.get() {
                Some(reason) => Err(ViewerError::File { path: path.clone(), reason: reason.clone() }),
                None => Ok(Readiness::Ready),
            },
            Target::Live { uri, arrived, logged_bytes, next_try } => {
                if arrived.lost.load(Ordering::Acquire) {
                    if Instant::now() < *next_try || probe(uri).is_err() {
                        if Instant::now() >= *next_try {
                            *next_try = Instant::now() + RETRY_INTERVAL;
                        }
                        return Ok(Readiness::Shed(Shed::Lost));
                    }
                    // The connection is gone, so rerun has nothing to wait for when the old stream is dropped.
                    self.rec = Some(open_live(uri, &self.identity)?);
                    *arrived = Arc::default();
                    *logged_bytes = 0;
                    return Ok(Readiness::New);
                }
                let waiting = logged_bytes.saturating_sub(arrived.bytes.load(Ordering::Acquire));
                let full = waiting > 0 && waiting + bytes > IN_FLIGHT_MAX_BYTES;
                Ok(if full { Readiness::Shed(Shed::Stalled) } else { Readiness::Ready })
            }
        }
    }

    /// Says that `bytes` have been logged, and sends the marker after them.
    pub(super) fn logged(&mut self, bytes: u64) {
        let (Target::Live { arrived, logged_bytes, .. }, Some(rec)) = (&mut self.target, &self.rec) else { return };
        *logged_bytes += bytes;
        let (arrived, total) = (Arc::clone(arrived), *logged_bytes);
        rec.inspect_sink(move |sink| {
            arrived.bytes.store(total, Ordering::Release);
            if let Some(sink) = (sink as &dyn Any).downcast_ref::<GrpcSink>() {
                let lost = matches!(sink.status(), GrpcSinkConnectionState::Disconnected(_));
                arrived.lost.store(lost, Ordering::Release);
            }
        });
    }

    /// Sends what is still on its way and closes; in bounded time whatever the viewer or the disk does.
    pub(super) fn finish(mut self) -> Result<(), ViewerError> {
        let Some(rec) = self.rec.take() else { return Ok(()) };
        let (timeout, target) = match &self.target {
            Target::File { path, .. } => (FLUSH_FILE, path.display().to_string()),
            Target::Live { uri, .. } => (FLUSH_LIVE, format!("the viewer at {uri}")),
        };
        let flushed = rec.flush_with_timeout(timeout);
        match (&self.target, flushed) {
            (Target::File { path, failure }, Ok(()) | Err(rerun::sink::SinkFlushError::Failed { .. })) => {
                drop(rec);
                failure
                    .get()
                    .map_or(Ok(()), |reason| Err(ViewerError::File { path: path.clone(), reason: reason.clone() }))
            }
            (Target::Live { .. }, Ok(())) => {
                drop(rec);
                Ok(())
            }
            (_, Err(reason)) => {
                // Dropping would wait for ever.
                std::mem::forget(rec);
                Err(ViewerError::Unflushed { target, seconds: timeout.as_secs(), reason: reason.to_string() })
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let (Target::Live { .. }, Some(rec)) = (&self.target, self.rec.take()) {
            // Without `finish` nobody waits for the viewer.
            std::mem::forget(rec);
        }
    }
}

fn open_live(uri: &ProxyUri, identity: &Identity) -> Result<RecordingStream, ViewerError> {
    open(Box::new(GrpcSink::new(uri.clone())), identity)
}

fn open(sink: Box<dyn LogSink>, identity: &Identity) -> Result<RecordingStream, ViewerError> {
    let builder = rerun::RecordingStreamBuilder::new(APPLICATION_ID).recording_id(identity.recording_id.as_str());
    let (_, store_info, _, _, hooks, _) = builder.into_args();
    let info = rerun::RecordingInfo::new().with_name(identity.name.as_str());
    let config: ChunkBatcherConfig = sink.default_batcher_config();
    let rec = RecordingStream::new(store_info, Some(info), Some(config), hooks, sink)
        .map_err(ViewerError::rerun("a new recording"))?;
    // Host time would differ from run to run, and says nothing about the drive.
    rec.set_log_time_enabled(false);
    rec.set_log_tick_enabled(false);
    Ok(rec)
}
