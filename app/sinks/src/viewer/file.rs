//! The `.rrd` file. rerun's own file sink keeps up to 1024 messages of any size waiting and tells nobody when the disk
//! is full; this one writes on the stream's own thread, so that a slow disk slows the caller, and keeps the first
//! error.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use rerun::external::re_log_encoding::{Encoder, EncodingOptions};
use rerun::log::{ChunkBatcherConfig, LogMsg};
use rerun::sink::{LogSink, SinkFlushError};

use super::ViewerError;

/// The first write error, for the thread that steps the viewer.
pub(super) type Failure = Arc<OnceLock<String>>;

/// Bytes on their way to the disk before the caller is slowed down: about ten frames of a camera and a LiDAR.
const IN_FLIGHT_MAX_BYTES: u64 = 32 * 1024 * 1024;

/// Writes messages to a file as they come; the footer when dropped.
pub(super) struct RrdFile {
    encoder: Mutex<Encoder<File>>,
    failure: Failure,
}

impl RrdFile {
    /// Makes the file and its folder; an old one is replaced.
    pub(super) fn create(path: &Path) -> Result<(Self, Failure), ViewerError> {
        let failed = |reason: String| ViewerError::File { path: PathBuf::from(path), reason };
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(|e| failed(e.to_string()))?;
        }
        let file = File::create(path).map_err(|e| failed(e.to_string()))?;
        let version = rerun::build_info().version;
        let encoder = Encoder::new_eager(version, EncodingOptions::PROTOBUF_COMPRESSED, file)
            .map_err(|e| failed(e.to_string()))?;
        let failure = Failure::default();
        Ok((Self { encoder: Mutex::new(encoder), failure: Arc::clone(&failure) }, failure))
    }

    /// Runs `write` unless an earlier write failed: a file with a gap must not look whole.
    fn attempt<E: std::error::Error>(&self, write: impl FnOnce(&mut Encoder<File>) -> Result<(), E>) {
        if self.failure.get().is_some() {
            return;
        }
        let outcome = match self.encoder.lock() {
            Ok(mut encoder) => write(&mut encoder).map_err(|e| chain(&e)),
            Err(_) => Err("the thread that wrote it ended early".to_owned()),
        };
        if let Err(reason) = outcome {
            let _ = self.failure.set(reason);
        }
    }
}

/// An error with its causes: the operating system's reason is at the end of it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

impl LogSink for RrdFile {
    fn send(&self, msg: LogMsg) {
        self.attempt(|encoder| encoder.append(&msg).map(|_| ()));
    }

    fn flush_blocking(&self, _timeout: Duration) -> Result<(), SinkFlushError> {
        self.attempt(Encoder::flush_blocking);
        self.failure.get().map_or(Ok(()), |reason| Err(SinkFlushError::failed(reason.clone())))
    }

    fn default_batcher_config(&self) -> ChunkBatcherConfig {
        ChunkBatcherConfig { max_bytes_in_flight: IN_FLIGHT_MAX_BYTES, ..ChunkBatcherConfig::DEFAULT }
    }

    fn defers_finalization_to_shutdown(&self) -> bool {
        true
    }
}

impl Drop for RrdFile {
    fn drop(&mut self) {
        self.attempt(Encoder::finish);
    }
}
