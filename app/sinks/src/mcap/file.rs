//! The file below a recording: chunks that go to the operating system whole, and a cut back to the last of them when a write
//! fails.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use mcap::records::MessageHeader;
use mcap::{WriteOptions, Writer};

use super::error::RecordError;
use super::summary::sort_summary;
use super::writer::Compression;

/// Logged time a chunk spans at most: what a kill can lose, with a margin for the message that closes it.
const CHUNK_SPAN_NS: u64 = 500_000_000;
/// Bytes after which a chunk is closed whatever its span: a reader unpacks a whole chunk for one message.
const CHUNK_BYTES_MAX: usize = 8 << 20;
/// zstd's fastest level: pictures are compressed already, points gain little from more.
const ZSTD_LEVEL: u32 = 1;

/// A recording's file.
pub(super) struct RecordingFile {
    path: PathBuf,
    writer: Option<Writer<BufWriter<File>>>,
    /// The same file, to cut it back.
    file: File,
    /// Length up to the last whole chunk, and the messages up to there.
    whole: (u64, u64),
    messages: u64,
    /// First logged time of the open chunk.
    chunk_from: Option<u64>,
    chunk_bytes: usize,
}

impl RecordingFile {
    /// Makes the file, and its folder where it is missing.
    pub(super) fn create(path: &Path, compression: Compression) -> Result<Self, RecordError> {
        let failed = |source| RecordError::Create { path: path.to_path_buf(), source };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path).map_err(failed)?;
        let second = file.try_clone().map_err(failed)?;
        let options = WriteOptions::new()
            .profile("ros2")
            .library(concat!("ocellus ", env!("CARGO_PKG_VERSION")))
            // Chunks are closed here, by logged time.
            .chunk_size(None)
            .compression(compression.of_crate())
            .compression_level(ZSTD_LEVEL)
            // No threads of the compressor's own.
            .compression_threads(0)
            // A chunk is built in memory and written in one piece: a killed process leaves no half-written length.
            .disable_seeking(true);
        let writer = options.create(BufWriter::new(file)).map_err(|e| RecordError::of(e, path, 0))?;
        let mut this = Self {
            path: path.to_path_buf(),
            writer: Some(writer),
            file: second,
            whole: (0, 0),
            messages: 0,
            chunk_from: None,
            chunk_bytes: 0,
        };
        this.flush()?;
        Ok(this)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Messages written.
    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    fn ended(&self) -> RecordError {
        RecordError::Ended { path: self.path.clone(), messages: self.messages }
    }

    /// Does `act` on the writer; a failure ends the file after its last whole chunk.
    fn with<R>(
        &mut self,
        act: impl FnOnce(&mut Writer<BufWriter<File>>) -> mcap::McapResult<R>,
    ) -> Result<R, RecordError> {
        let Some(writer) = &mut self.writer else { return Err(self.ended()) };
        match act(writer) {
            Ok(result) => Ok(result),
            Err(error) => {
                self.give_up();
                Err(RecordError::of(error, &self.path, self.messages))
            }
        }
    }

    /// Ends the file after its last whole chunk.
    fn give_up(&mut self) {
        if let Some(writer) = self.writer.take() {
            // Taken apart, so that what is buffered is not tried again.
            let _ = writer.into_inner().into_parts();
        }
        let (bytes, messages) = self.whole;
        self.messages = messages;
        // Where even this fails a reader still uses all whole chunks.
        let _ = self.file.set_len(bytes);
    }

    /// Makes a channel of ROS 2 messages; its id.
    pub(super) fn channel(
        &mut self,
        topic: &str,
        (schema, definition): (&str, &str),
        metadata: &BTreeMap<String, String>,
    ) -> Result<u16, RecordError> {
        self.with(|writer| {
            let schema = writer.add_schema(schema, "ros2msg", definition.as_bytes())?;
            writer.add_channel(schema, topic, "cdr", metadata)
        })
    }

    /// Writes one message; closes the chunk before it where it is due.
    pub(super) fn write(&mut self, header: &MessageHeader, content: &[u8]) -> Result<(), RecordError> {
        let due = self.chunk_from.is_some_and(|from| header.log_time.abs_diff(from) >= CHUNK_SPAN_NS);
        if due || self.chunk_bytes >= CHUNK_BYTES_MAX {
            self.flush()?;
        }
        self.with(|writer| writer.write_to_known_channel(header, content))?;
        self.messages += 1;
        self.chunk_from.get_or_insert(header.log_time);
        self.chunk_bytes += content.len();
        Ok(())
    }

    /// Closes the chunk and gives it to the operating system.
    pub(super) fn flush(&mut self) -> Result<(), RecordError> {
        self.with(Writer::flush)?;
        self.chunk_from = None;
        self.chunk_bytes = 0;
        if let Ok(metadata) = self.file.metadata() {
            self.whole = (metadata.len(), self.messages);
        }
        Ok(())
    }

    /// Closes the file with its summary; the number of messages in it.
    pub(super) fn finish(&mut self) -> Result<u64, RecordError> {
        self.flush()?;
        self.with(|writer| {
            writer.finish()?;
            Ok(())
        })?;
        let Some(writer) = self.writer.take() else { return Err(self.ended()) };
        let mut buffer = writer.into_inner();
        let closed = buffer.flush().and_then(|()| sort_summary(&mut self.file)).and_then(|()| self.file.sync_all());
        if let Err(source) = closed {
            let _ = buffer.into_parts();
            self.give_up();
            return Err(RecordError::of(source.into(), &self.path, self.messages));
        }
        Ok(self.messages)
    }
}

impl Drop for RecordingFile {
    fn drop(&mut self) {
        // A recording nobody finished is closed all the same: its last chunk is not lost by an early return.
        if self.writer.is_some() {
            let _ = self.finish();
        }
    }
}
