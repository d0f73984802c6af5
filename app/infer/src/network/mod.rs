//! One network, loaded and ready to run: its inputs and outputs, metadata, provider report, and the buffers it runs on.
//!
//! Inputs are written into buffers that the network owns and keeps from frame to frame; outputs are handed to a
//! closure as views of ONNX Runtime's own memory. Half-precision tensors look like f32 from outside: narrowed on the
//! way in, widened on the way out. NaN and infinities pass through as they come. A network is `Send` and runs in one
//! thread at a time.

mod bound;
mod io;
mod load;
mod memory;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ocellus_percept::model::IoInfo;
use ocellus_percept::tensor::TensorView;
use ort::session::{Session, SessionInputValue};
use ort::value::DynValue;
use smallvec::SmallVec;

use crate::provider::{Provider, ProviderReport};
use crate::{InferError, Runtime};
use crate::{assignment, profile};
use bound::Bound;
use io::{InputSlot, OutputSlot};
use memory::Memory;
pub use memory::TensorMemory;

/// Outputs whose views need no list of their own in memory: of all head families, those with a head for each stride have most.
const OUTPUTS_USUAL: usize = 16;

/// Threads inside one operator where nobody says otherwise. Fixed, never the number of cores: sums are cut into as
/// many parts as there are threads, so a result must not depend on the machine.
pub const INTRA_THREADS: usize = 2;

/// How a network is to be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionOptions {
    /// Providers in order; each takes the nodes it can of those that are left. The CPU is always the last.
    pub providers: Vec<Provider>,
    /// A provider that must run at least one node.
    pub require: Option<Provider>,
    /// Threads inside one operator; 0 counts as 1.
    pub intra_threads: usize,
    /// Options handed to a provider as they are, by provider and key.
    pub provider_options: BTreeMap<Provider, BTreeMap<String, String>>,
    /// Where a profile of the session is written (the beginning of its file's name), for [`Network::learn_nodes`].
    pub profile: Option<PathBuf>,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            providers: vec![Provider::Cpu],
            require: None,
            intra_threads: INTRA_THREADS,
            provider_options: BTreeMap::new(),
            profile: None,
        }
    }
}

/// Whether `provider` can be registered with `pairs`, or why not. Loads the provider's own libraries and builds nothing, so a
/// provider that registers may still fail at its first network (no device, no kernels for this one).
///
/// # Errors
/// The reason, mostly in ONNX Runtime's words.
pub fn registers(runtime: &Runtime, provider: Provider, pairs: &BTreeMap<String, String>) -> Result<(), String> {
    load::registers(runtime, provider, pairs)
}

/// A loaded network.
pub struct Network {
    name: String,
    /// Made at the first run with inputs of these sizes; `None` inside where it cannot be.
    bound: Option<Option<Bound>>,
    inputs: Vec<InputSlot>,
    outputs: Vec<OutputSlot>,
    memory: Memory,
    // After what lies in its providers' memory.
    session: Session,
    input_infos: Vec<IoInfo>,
    output_infos: Vec<IoInfo>,
    metadata: BTreeMap<String, String>,
    producer: Option<String>,
    digest: String,
    report: ProviderReport,
    profiled: bool,
    // Last, so that it outlives the session.
    _runtime: Runtime,
}

impl Network {
    /// Loads the network in the file at `path`.
    ///
    /// A provider that cannot be registered, or that fails while the network is loaded, is left out and reported; see
    /// [`Network::providers`].
    ///
    /// How long it takes, medians of 5 on a 2-core x86 machine with 1.31.1's CPU provider: nanodet_m_320 21 ms,
    /// yolox_nano 44, yolov8n int8 83, deimv2 atto 416, the same in int8 1,028. (Finding the library takes
    /// 9 ms, starting it 26.) Minutes where TensorRT builds an engine.
    ///
    /// # Errors
    /// A file that is missing, empty, cut short, no ONNX, or refused by ONNX Runtime; `require` not met; an
    /// element type that cannot be moved; a provider option with a NUL byte.
    pub fn load(runtime: &Runtime, path: &Path, options: &SessionOptions) -> Result<Self, InferError> {
        let bytes = std::fs::read(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => InferError::Missing { path: path.to_owned() },
            _ => InferError::Read { path: path.to_owned(), source },
        })?;
        load::load(runtime, &path.display().to_string(), &bytes, path.parent(), options)
    }

    /// Loads the network in `bytes`, called `name` in messages and reports.
    ///
    /// # Errors
    /// As [`Network::load`], but for reading the file.
    pub fn from_bytes(
        runtime: &Runtime,
        name: &str,
        bytes: &[u8],
        options: &SessionOptions,
    ) -> Result<Self, InferError> {
        load::load(runtime, name, bytes, None, options)
    }

    /// The file it came from, or the name it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its inputs as the file declares them, in the file's order.
    pub fn inputs(&self) -> &[IoInfo] {
        &self.input_infos
    }

    /// Its outputs as the file declares them, in the file's order.
    pub fn outputs(&self) -> &[IoInfo] {
        &self.output_infos
    }

    /// The file's metadata (Ultralytics writes `names`, `stride`, `imgsz`, ...).
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The program that wrote the file, where it says so.
    pub fn producer(&self) -> Option<&str> {
        self.producer.as_deref()
    }

    /// SHA-256 of the very bytes that were loaded, lower-case hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Which providers were asked for, which failed and why, and which runs which share of the nodes.
    pub fn providers(&self) -> &ProviderReport {
        &self.report
    }

    /// Ends the profile that was asked for when the network was loaded and, where the library does not tell by itself which
    /// provider runs which node, takes that from it: of what has been run until now. Without a profile nothing changes.
    ///
    /// # Errors
    /// What ONNX Runtime says.
    pub fn learn_nodes(&mut self) -> Result<(), InferError> {
        if !std::mem::take(&mut self.profiled) {
            return Ok(());
        }
        let ended = self.session.end_profiling();
        let written = ended
            .map_err(|error| InferError::Run { network: self.name.clone(), reason: load::summary(error.message()) })?;
        if !self.report.nodes_known
            && let Some(nodes) = profile::nodes(Path::new(&written))
        {
            self.report.nodes = assignment::shares(&nodes);
            self.report.assigned = nodes;
            self.report.nodes_known = true;
        }
        Ok(())
    }

    /// Gives the input `name` a size. Needed where its declared shape has dynamic dimensions besides the batch (which
    /// is 1 where nobody says otherwise). The buffer is zero and counts as not written afterwards; a shape it has
    /// already changes nothing.
    ///
    /// # Errors
    /// No such input; a shape that the declared one does not allow.
    pub fn set_input_shape(&mut self, name: &str, shape: &[usize]) -> Result<(), InferError> {
        let network = self.name.clone();
        self.bound = None;
        let Self { inputs, input_infos, session, memory, .. } = self;
        find(&network, inputs, input_infos, name)?.set_shape(&network, shape, (session, memory))
    }

    /// The shape that the input `name` has now; `None` where it is dynamic and not set.
    ///
    /// # Errors
    /// No such input.
    pub fn input_shape(&mut self, name: &str) -> Result<Option<&[usize]>, InferError> {
        Ok(self.slot(name)?.shape())
    }

    /// The buffer of the input `name`, row-major, of the product of its shape elements; for f32 and f16 inputs. It
    /// keeps what was written last.
    ///
    /// # Errors
    /// No such input; another element type; a dynamic shape that was not set.
    pub fn input_mut(&mut self, name: &str) -> Result<&mut [f32], InferError> {
        let Self { name: network, inputs, .. } = self;
        find(network, inputs, &self.input_infos, name)?.as_f32(network)
    }

    /// As [`Network::input_mut`], for i64 inputs (`orig_target_sizes`).
    ///
    /// # Errors
    /// As [`Network::input_mut`].
    pub fn input_i64_mut(&mut self, name: &str) -> Result<&mut [i64], InferError> {
        let Self { name: network, inputs, .. } = self;
        find(network, inputs, &self.input_infos, name)?.as_i64(network)
    }

    /// As [`Network::input_mut`], for u8 inputs (networks that normalise pictures themselves).
    ///
    /// # Errors
    /// As [`Network::input_mut`].
    pub fn input_u8_mut(&mut self, name: &str) -> Result<&mut [u8], InferError> {
        let Self { name: network, inputs, .. } = self;
        find(network, inputs, &self.input_infos, name)?.as_u8(network)
    }

    /// Runs the network on its input buffers and hands the outputs, in the file's order, to `read`.
    ///
    /// The views borrow ONNX Runtime's memory (or, for element types that were widened, buffers kept here) and end
    /// with the call.
    ///
    /// # Errors
    /// An input that was never written; a failure inside ONNX Runtime; an output whose shape is not the declared one.
    pub fn run<R>(&mut self, read: impl FnOnce(&[TensorView<'_>]) -> R) -> Result<R, InferError> {
        let Self { name: network, session, inputs, outputs, bound, memory, .. } = self;
        inputs.iter_mut().try_for_each(|input| input.ready(network))?;
        let failed = |network: &str, error: ort::Error| InferError::Run {
            network: network.to_owned(),
            reason: load::summary(error.message()),
        };
        let bound = match bound {
            Some(bound) => bound,
            None => {
                let made = Bound::of(session, memory, inputs, outputs).map_err(|error| failed(network, error))?;
                check_graph(network, memory, made.is_some())?;
                bound.insert(made)
            }
        };
        if let Some(bound) = bound {
            bound.run(session, inputs).map_err(|error| failed(network, error))?;
            return read_values(network, outputs, |i| bound.output(i), read);
        }
        let values: Vec<SessionInputValue<'_>> = inputs.iter().filter_map(InputSlot::value).collect();
        let results = session.run(values.as_slice()).map_err(|error| failed(network, error))?;
        // ONNX Runtime gives one value per declared output, in order.
        let count = results.len();
        read_values(network, outputs, |i| (i < count).then(|| &results[i]), read)
    }

    fn slot(&mut self, name: &str) -> Result<&mut InputSlot, InferError> {
        find(&self.name, &mut self.inputs, &self.input_infos, name)
    }
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network").field("name", &self.name).field("providers", &self.report).finish_non_exhaustive()
    }
}

/// Refuses CUDA graphs where they would answer every picture as the first: a graph replays what was captured, at the addresses it
/// was captured with.
fn check_graph(network: &str, memory: &Memory, is_bound: bool) -> Result<(), InferError> {
    let Some((provider, key)) = memory.graph() else { return Ok(()) };
    let reason = match memory.refused() {
        _ if !is_bound => "one of its outputs has no fixed size in the file".to_owned(),
        Some(refused) => format!("pinned memory is refused ({refused})"),
        None => return Ok(()),
    };
    Err(InferError::CudaGraph { network: network.to_owned(), provider, key, reason })
}

/// Hands the outputs that have values to `read`.
fn read_values<'v, R>(
    network: &str,
    outputs: &mut [OutputSlot],
    value: impl Fn(usize) -> Option<&'v DynValue>,
    read: impl FnOnce(&[TensorView<'_>]) -> R,
) -> Result<R, InferError> {
    for (i, slot) in outputs.iter_mut().enumerate() {
        if let Some(value) = value(i) {
            slot.take(network, value)?;
        }
    }
    let mut views: SmallVec<[TensorView<'_>; OUTPUTS_USUAL]> = SmallVec::new();
    for (i, slot) in outputs.iter().enumerate() {
        if let Some(value) = value(i) {
            views.push(slot.view(network, value)?);
        }
    }
    Ok(read(&views))
}

fn find<'a>(
    network: &str,
    inputs: &'a mut [InputSlot],
    infos: &[IoInfo],
    name: &str,
) -> Result<&'a mut InputSlot, InferError> {
    inputs.iter_mut().find(|slot| slot.name() == name).ok_or_else(|| InferError::NoSuchInput {
        network: network.to_owned(),
        name: name.to_owned(),
        known: infos.iter().map(io::describe).collect::<Vec<_>>().join(", "),
    })
}
