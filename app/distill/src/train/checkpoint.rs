//! A training's state on disk: written whole or not at all, refused where a byte is missing or changed.
//!
//! Layout: magic, format version, length of the header, header (JSON: recipe, step, sizes), values as little-endian f32,
//! SHA-256 of all before it. A new file replaces the old one by renaming, so a crash or a full disk keeps the old one.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::net::engine::{Running, Values};
use crate::net::graph::Graph;
use crate::train::optimiser::State;

const MAGIC: &[u8; 8] = b"ocdistil";
const VERSION: u32 = 1;
const HASH: usize = 32;

/// Why a checkpoint cannot be written or read.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The file system refused.
    #[error("{path}: {source}; the last good checkpoint stays", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// Not a checkpoint, cut off, or changed.
    #[error("{path}: {what}; delete it to start again", path = path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// Writes `state` to `path`.
pub fn write(path: &Path, recipe: &str, state: &State) -> Result<(), CheckpointError> {
    let mut bytes = Vec::new();
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend((recipe.len() as u32).to_le_bytes());
    bytes.extend(recipe.as_bytes());
    bytes.extend((state.step as u64).to_le_bytes());
    for list in lists(state) {
        bytes.extend(list.iter().flat_map(|v| v.to_le_bytes()));
    }
    let hash = Sha256::digest(&bytes);
    bytes.extend(hash);
    let io = |source| CheckpointError::Io { path: path.to_owned(), source };
    let partial = path.with_extension("partial");
    let written = File::create(&partial).and_then(|mut file| {
        file.write_all(&bytes)?;
        file.sync_all()
    });
    if let Err(error) = written {
        // What is there is no use to anybody and may fill the disk.
        let _ = fs::remove_file(&partial);
        return Err(io(error));
    }
    fs::rename(&partial, path).map_err(io)
}

/// Every list of values in a fixed order.
fn lists(state: &State) -> Vec<&[f32]> {
    let values = [&state.values, &state.first, &state.second, &state.average];
    let norms = [&state.running, &state.average_running];
    let values = values.into_iter().flatten().map(|v| &v[..]);
    let norms = norms.into_iter().flatten().flat_map(|r| [&r.mean[..], &r.variance[..]]);
    values.chain(norms).collect()
}

/// Reads the recipe's text and the state of a training of `graph_of(recipe)`.
pub fn read<E>(
    path: &Path,
    graph_of: impl FnOnce(&str) -> Result<Graph, E>,
) -> Result<Result<(String, State), E>, CheckpointError> {
    let bytes = fs::read(path).map_err(|source| CheckpointError::Io { path: path.to_owned(), source })?;
    let broken = |what: &str| CheckpointError::Broken { path: path.to_owned(), what: what.to_owned() };
    let body = bytes.len().checked_sub(HASH).map(|n| bytes.split_at(n));
    let Some((body, hash)) = body.filter(|(body, _)| body.starts_with(MAGIC)) else {
        return Err(broken("not a checkpoint"));
    };
    if Sha256::digest(body).as_slice() != hash {
        return Err(broken("cut off or changed (its hash is another)"));
    }
    let mut reader = Reader { bytes: body, at: MAGIC.len() };
    let short = || broken("shorter than its header says");
    if reader.u32().ok_or_else(short)? != VERSION {
        return Err(broken("of another version of the trainer"));
    }
    let len = reader.u32().ok_or_else(short)? as usize;
    let text = reader.take(len).and_then(|b| std::str::from_utf8(b).ok()).ok_or_else(short)?.to_owned();
    let step = reader.take(8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes).ok_or_else(short)? as usize;
    let graph = match graph_of(&text) {
        Ok(graph) => graph,
        Err(error) => return Ok(Err(error)),
    };
    let state = reader.state(&graph, step).ok_or_else(|| broken("not the size its recipe makes"))?;
    if reader.at != body.len() {
        return Err(broken("longer than its recipe makes"));
    }
    Ok(Ok((text, state)))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let part = self.bytes.get(self.at..self.at.checked_add(n)?)?;
        self.at += n;
        Some(part)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn floats(&mut self, n: usize) -> Option<Vec<f32>> {
        let bytes = self.take(n.checked_mul(4)?)?;
        Some(bytes.chunks_exact(4).filter_map(|b| b.try_into().ok()).map(f32::from_le_bytes).collect())
    }

    fn values(&mut self, graph: &Graph) -> Option<Values> {
        graph.parameters.iter().map(|p| self.floats(p.len())).collect()
    }

    fn norms(&mut self, graph: &Graph) -> Option<Vec<Running>> {
        let one = |&n: &usize| Some(Running { mean: self.floats(n)?, variance: self.floats(n)? });
        graph.norms.iter().map(one).collect()
    }

    fn state(&mut self, graph: &Graph, step: usize) -> Option<State> {
        Some(State {
            step,
            values: self.values(graph)?,
            first: self.values(graph)?,
            second: self.values(graph)?,
            average: self.values(graph)?,
            running: self.norms(graph)?,
            average_running: self.norms(graph)?,
        })
    }
}
