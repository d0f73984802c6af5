//! Fetching messages by their place, in any order.
//!
//! A few unpacked chunks are kept, the ones used last: sensors' frames in time order lie in neighbouring chunks.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use super::chunk::{ChunkAt, Unpacked, unpack};
use super::container::Place;
use super::fault::Fault;

/// Unpacked chunks kept: frames of equal time lie at most a chunk before or behind one another.
const CHUNKS_KEPT: usize = 4;
/// Bytes of unpacked chunks kept beyond the newest.
const KEPT_BYTES_MAX: usize = 256 << 20;
/// Bytes of a message record before its content (MCAP specification, "Message (op=0x05)").
const MESSAGE_HEAD_BYTES: usize = 22;

/// The file and the chunks unpacked last.
#[derive(Debug)]
pub(crate) struct Store {
    chunks: Vec<ChunkAt>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    /// Newest first.
    kept: Vec<(usize, Arc<Unpacked>)>,
    body: Vec<u8>,
}

impl Store {
    /// Over an open file and its chunks.
    pub(crate) fn new(file: File, chunks: Vec<ChunkAt>) -> Self {
        Self { chunks, state: Mutex::new(State { file, kept: Vec::new(), body: Vec::new() }) }
    }

    /// Gives the content of the message at `place` to `read`.
    pub(crate) fn with<R>(&self, place: Place, read: impl FnOnce(&[u8]) -> Result<R, Fault>) -> Result<R, Fault> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let content = |body: Option<&[u8]>| match body.and_then(|b| b.get(MESSAGE_HEAD_BYTES..)) {
            Some(content) => read(content),
            None => Err(Fault::value("the recording", "the message found when it was opened", "none")),
        };
        match place {
            Place::Chunk { chunk, ordinal } => {
                let unpacked = self.chunk(&mut state, chunk)?;
                drop(state);
                content(unpacked.record(ordinal).map(|(_, body)| body))
            }
            Place::File { offset, bytes } => {
                let State { file, body, .. } = &mut *state;
                body.resize(bytes, 0);
                let result = file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(body));
                result.map_err(|e| Fault::value(format!("byte {offset}"), format!("{bytes} bytes"), e.to_string()))?;
                content(Some(body))
            }
        }
    }

    fn chunk(&self, state: &mut State, index: usize) -> Result<Arc<Unpacked>, Fault> {
        let unpacked = match state.kept.iter().position(|(kept, _)| *kept == index) {
            Some(position) => state.kept.remove(position).1,
            None => {
                let at = self.chunks.get(index);
                let at = at.ok_or_else(|| Fault::value("chunk", "one of the recording's", index.to_string()))?;
                Arc::new(unpack(&mut state.file, at))
            }
        };
        state.kept.insert(0, (index, Arc::clone(&unpacked)));
        state.kept.truncate(CHUNKS_KEPT);
        while state.kept.len() > 1 && state.kept.iter().map(|(_, u)| u.size()).sum::<usize>() > KEPT_BYTES_MAX {
            state.kept.pop();
        }
        Ok(unpacked)
    }
}
