//! Where inputs and outputs lie: ordinary memory, or, for a GPU's provider, pinned memory that the GPU reads and writes itself.
//!
//! Pinned memory is never moved by the kernel, so the GPU's copies of it need no stop in between. It is asked of the session's own
//! provider; where that refuses, ordinary memory stands in and the report says why.
//!
//! ONNX Runtime copies an input to the GPU when it is bound, not when the session runs. So on a GPU inputs are bound before
//! each run, but for CUDA graphs: a graph replays what was captured, at the addresses it was captured with, and copies nothing in
//! or out. There the pinned memory itself is bound as the GPU's: CUDA gives it one address for both (unified addressing).

use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::fmt;
use std::ptr::NonNull;

use ort::AsPointer;
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::Session;
use ort::sys::OrtValue;
use ort::value::{DynValue, PrimitiveTensorElementType};
use serde::{Deserialize, Serialize};

use crate::provider::Provider;

/// The option that asks a provider for CUDA graphs.
const GRAPH_KEYS: [(Provider, &str); 2] =
    [(Provider::Tensorrt, "trt_cuda_graph_enable"), (Provider::Cuda, "enable_cuda_graph")];
/// The option that says which GPU a provider takes; the first unless told.
const DEVICE_KEY: &str = "device_id";

/// Where inputs and outputs of a network on a GPU lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum TensorMemory {
    /// In pinned memory, copied to the GPU and back at each run.
    Pinned,
    /// In pinned memory that the GPU reads and writes itself, as CUDA graphs need it.
    Mapped,
    /// In ordinary memory, since pinned memory was refused.
    Ordinary {
        /// Why, in ONNX Runtime's words.
        reason: String,
    },
}

impl fmt::Display for TensorMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pinned => f.write_str("inputs and outputs in pinned memory"),
            Self::Mapped => {
                f.write_str("inputs and outputs in pinned memory that the GPU reads and writes (CUDA graph)")
            }
            Self::Ordinary { reason } => {
                write!(f, "inputs and outputs in ordinary memory, since pinned memory is refused: {reason}")
            }
        }
    }
}

/// How a GPU's provider takes part in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GpuUse {
    /// Which GPU.
    device: c_int,
    /// Whether CUDA graphs were asked for: of whom, with which option.
    pub(super) graph: Option<(Provider, &'static str)>,
}

impl GpuUse {
    /// `None` where no provider of a GPU is registered.
    pub(super) fn of(registered: &[Provider], options: &BTreeMap<Provider, BTreeMap<String, String>>) -> Option<Self> {
        let option = |provider: Provider, key: &str| options.get(&provider).and_then(|pairs| pairs.get(key));
        let mut gpus =
            registered.iter().copied().filter(|p| matches!(p, Provider::Tensorrt | Provider::Cuda)).peekable();
        let device = option(*gpus.peek()?, DEVICE_KEY).and_then(|id| id.trim().parse().ok()).unwrap_or(0);
        let mut asked = gpus.flat_map(|gpu| GRAPH_KEYS.into_iter().filter(move |(provider, _)| *provider == gpu));
        let graph = asked.find(|(provider, key)| option(*provider, key).is_some_and(|value| is_yes(value)));
        Some(Self { device, graph })
    }
}

/// Yes as ONNX Runtime's providers read it.
fn is_yes(value: &str) -> bool {
    value == "1" || value.eq_ignore_ascii_case("true")
}

/// Where a session's tensors lie.
#[derive(Debug)]
pub(super) struct Memory {
    gpu: Option<GpuUse>,
    /// Why pinned memory is refused.
    refused: Option<String>,
}

impl Memory {
    /// Asks the session for a little pinned memory, where a GPU is in use.
    pub(super) fn of(session: &Session, gpu: Option<GpuUse>) -> Self {
        let asked = gpu.map(|gpu| Block::pinned(session, gpu.device, size_of::<f32>()));
        let refused = asked.and_then(|asked| asked.err()).map(|error| super::load::summary(error.message()));
        Self { gpu, refused }
    }

    /// For the report; `None` where there is no GPU.
    pub(super) fn told(&self) -> Option<TensorMemory> {
        let gpu = self.gpu?;
        Some(match (&self.refused, gpu.graph) {
            (Some(reason), _) => TensorMemory::Ordinary { reason: reason.clone() },
            (None, Some(_)) => TensorMemory::Mapped,
            (None, None) => TensorMemory::Pinned,
        })
    }

    /// Who was asked for CUDA graphs, with which option.
    pub(super) fn graph(&self) -> Option<(Provider, &'static str)> {
        self.gpu.and_then(|gpu| gpu.graph)
    }

    /// Why pinned memory is refused, where it is.
    pub(super) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// Whether what is written into an input reaches the provider only when it is bound anew.
    pub(super) fn is_copied_when_bound(&self) -> bool {
        self.gpu.is_some_and(|gpu| gpu.graph.is_none())
    }

    /// A tensor of `shape` filled with `zero`.
    pub(super) fn tensor<T>(&self, session: &Session, shape: &[i64], zero: T) -> ort::Result<Held>
    where
        T: PrimitiveTensorElementType + Copy,
    {
        let length = shape.iter().try_fold(1_usize, |product, &dim| product.checked_mul(usize::try_from(dim).ok()?));
        let bytes = length.and_then(|length| length.checked_mul(size_of::<T>()));
        let (Some(length), Some(bytes)) = (length, bytes) else {
            return Err(ort::Error::new(format!("a tensor of shape {shape:?} does not fit into memory")));
        };
        let block = match self.gpu {
            Some(gpu) if self.refused.is_none() => Block::pinned(session, gpu.device, bytes)?,
            _ => Block::ordinary(bytes)?,
        };
        let start = block.start.cast::<T>();
        // SAFETY: the block has room for `length` elements of T, aligned for any of ONNX Runtime's, and both kinds of memory are the
        // processor's to write. It must be written before it is first seen as a slice.
        (0..length).for_each(|i| unsafe { start.add(i).write(zero) });
        let declared = |device, id| MemoryInfo::new(device, id, AllocatorType::Device, MemoryType::Default);
        let value = block.value::<T>(&declared(AllocationDevice::CPU, 0)?, shape, bytes)?;
        let mapped = match self.gpu {
            Some(gpu) if gpu.graph.is_some() && self.refused.is_none() => {
                Some(block.value::<T>(&declared(AllocationDevice::CUDA, gpu.device)?, shape, bytes)?)
            }
            _ => None,
        };
        Ok(Held { value, mapped, _block: block })
    }
}

/// A tensor and the memory it lies in.
#[derive(Debug)]
pub(super) struct Held {
    /// As the processor sees it.
    pub(super) value: DynValue,
    /// As the GPU sees it, where that reads and writes the same memory.
    mapped: Option<DynValue>,
    // Last, so that it outlives the values.
    _block: Block,
}

impl Held {
    /// The address of the value that is bound.
    pub(super) fn bound(&self) -> *const OrtValue {
        self.mapped.as_ref().unwrap_or(&self.value).ptr()
    }
}

/// Memory of an allocator of ONNX Runtime, given back in the end.
#[derive(Debug)]
struct Block {
    start: NonNull<c_void>,
    allocator: Allocator,
}

// SAFETY: the block belongs to whoever holds it; its allocator, which is this block's own, is `Send` itself.
unsafe impl Send for Block {}

impl Block {
    fn ordinary(bytes: usize) -> ort::Result<Self> {
        Self::of(Allocator::default(), bytes)
    }

    fn pinned(session: &Session, device: c_int, bytes: usize) -> ort::Result<Self> {
        let pinned = AllocationDevice::CUDA_PINNED;
        let info = MemoryInfo::new(pinned, device, AllocatorType::Device, MemoryType::CPUOutput)?;
        Self::of(Allocator::new(session, info)?, bytes)
    }

    fn of(allocator: Allocator, bytes: usize) -> ort::Result<Self> {
        let start = NonNull::new(allocator.alloc::<u8>(bytes)?.into_raw());
        let start = start.ok_or_else(|| ort::Error::new(format!("the allocator gave no memory for {bytes} bytes")))?;
        Ok(Self { start, allocator })
    }

    /// A tensor over this block's first `bytes` bytes, declared as `info` says.
    fn value<T: PrimitiveTensorElementType>(
        &self,
        info: &MemoryInfo<'_>,
        shape: &[i64],
        bytes: usize,
    ) -> ort::Result<DynValue> {
        let create = ort::api().CreateTensorWithDataAsOrtValue;
        let (start, dims, element) = (self.start.as_ptr(), shape.as_ptr(), T::into_tensor_element_type().into());
        let mut made: *mut OrtValue = std::ptr::null_mut();
        // SAFETY: `start` points to at least `bytes` bytes, which `shape` and the element type add up to (`Memory::tensor` counted);
        // shape and info live during the call. The block outlives the value: `Held` keeps both, the value first. The status is
        // released by `result_from_status`.
        unsafe {
            let status = create(info.ptr(), start, bytes, dims, shape.len(), element, &raw mut made);
            ort::Error::result_from_status(status)?;
        }
        let made = NonNull::new(made).ok_or_else(|| ort::Error::new("ONNX Runtime made no tensor"))?;
        // SAFETY: `made` is a tensor that nobody else owns.
        Ok(unsafe { DynValue::from_ptr(made, Some(&self.allocator)) })
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: `start` came from this allocator and is given back once.
        unsafe { self.allocator.free(self.start.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::{Network, SessionOptions, load};
    use super::*;
    use crate::library::{LocateOptions, ensure};
    use crate::provider::ProviderReport;
    use crate::{InferError, Runtime};

    fn runtime() -> Runtime {
        let library = ensure(&LocateOptions::from_environment(None), &mut |event| eprintln!("{event}")).unwrap();
        Runtime::start(&library).unwrap()
    }

    fn made_here(name: &str) -> PathBuf {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/networks")).join(format!("{name}.onnx"))
    }

    /// A network of tests/data/networks on the CPU, with its tensors treated as those of a GPU.
    fn as_on_a_gpu(name: &str, gpu: GpuUse) -> Network {
        let (runtime, bytes) = (runtime(), std::fs::read(made_here(name)).unwrap());
        let session = Session::builder(runtime.environment()).unwrap().commit_from_memory(&bytes).unwrap();
        load::assemble(&runtime, name, &bytes, (session, Some(gpu)), ProviderReport::default()).unwrap()
    }

    /// Outputs for a picture whose values are all `grey`.
    fn answer(network: &mut Network, grey: f32) -> Vec<Vec<u32>> {
        network.input_mut("images").unwrap().fill(grey);
        let bits = |view: &ocellus_percept::tensor::TensorView<'_>| match view.data {
            ocellus_percept::tensor::TensorData::F32(values) => values.iter().map(|v| v.to_bits()).collect(),
            ocellus_percept::tensor::TensorData::I64(values) => values.iter().map(|v| *v as u32).collect(),
        };
        network.run(|views| views.iter().map(bits).collect()).unwrap()
    }

    #[test]
    fn providers_of_a_gpu_take_pinned_memory_and_the_options_say_which_gpu_and_whether_graphs() {
        let of = |registered: &[Provider], provider, pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            GpuUse::of(registered, &[(provider, pairs)].into())
        };
        use Provider::{Cpu, Cuda, Openvino, Tensorrt};
        assert_eq!(of(&[Openvino, Cpu], Openvino, &[("device_id", "1")]), None);
        assert_eq!(of(&[Cuda, Cpu], Cuda, &[]), Some(GpuUse { device: 0, graph: None }));
        let all = [Tensorrt, Cuda, Cpu];
        let graph = Some((Tensorrt, "trt_cuda_graph_enable"));
        let told = of(&all, Tensorrt, &[("device_id", "1"), ("trt_cuda_graph_enable", "1")]);
        assert_eq!(told, Some(GpuUse { device: 1, graph }));
        assert_eq!(of(&all, Tensorrt, &[("trt_cuda_graph_enable", "0")]).unwrap().graph, None);
        assert_eq!(of(&all, Cuda, &[("enable_cuda_graph", "True")]).unwrap().graph, Some((Cuda, "enable_cuda_graph")));
        // An option of a provider that is not registered asks nobody.
        assert_eq!(of(&[Cuda, Cpu], Tensorrt, &[("trt_cuda_graph_enable", "1")]).unwrap().graph, None);
    }

    #[test]
    fn where_pinned_memory_is_refused_ordinary_memory_stands_in_and_answers_are_the_same() {
        for name in ["yolov8_nonsquare_fp32", "yolov8_nonsquare_fp16"] {
            let mut plain = Network::load(&runtime(), &made_here(name), &SessionOptions::default()).unwrap();
            assert_eq!(plain.providers().memory, None);
            // The CPU's session has no such allocator, so ONNX Runtime itself refuses.
            let mut network = as_on_a_gpu(name, GpuUse { device: 0, graph: None });
            let told = network.providers().memory.clone().unwrap();
            let TensorMemory::Ordinary { reason } = &told else { panic!("{told:?}") };
            assert!(
                !reason.is_empty() && network.providers().to_string().contains("pinned memory is refused"),
                "{reason}"
            );
            // Inputs that are bound anew show what was written last, run for run.
            assert!(network.memory.is_copied_when_bound());
            let answers: Vec<_> = [0.25, 0.75, 0.25].iter().map(|grey| answer(&mut network, *grey)).collect();
            assert_ne!(answers[0], answers[1]);
            assert_eq!(answers[0], answers[2]);
            assert_eq!(answers[..2], [answer(&mut plain, 0.25), answer(&mut plain, 0.75)]);
        }
    }

    #[test]
    fn graphs_are_refused_where_every_answer_would_be_the_first() {
        let graph = Some((Provider::Cuda, "enable_cuda_graph"));
        let refused = |name: &str, shape: Option<[usize; 4]>| {
            let mut network = as_on_a_gpu(name, GpuUse { device: 0, graph });
            if let Some(shape) = shape {
                network.set_input_shape("images", &shape).unwrap();
            }
            network.input_mut("images").unwrap().fill(0.5);
            let error = network.run(|_| ()).unwrap_err();
            assert!(matches!(error, InferError::CudaGraph { key: "enable_cuda_graph", .. }), "{error}");
            error.to_string()
        };
        assert!(refused("yolov8_nonsquare_fp32", None).contains("pinned memory is refused"));
        assert!(refused("depth_relative", Some([1, 3, 8, 8])).contains("no fixed size"));
    }

    #[test]
    fn where_tensors_lie_is_written_down_and_read_again() {
        for (memory, text) in [
            (TensorMemory::Pinned, r#"{"kind":"pinned"}"#),
            (TensorMemory::Mapped, r#"{"kind":"mapped"}"#),
            (TensorMemory::Ordinary { reason: "no".to_owned() }, r#"{"kind":"ordinary","reason":"no"}"#),
        ] {
            assert_eq!(serde_json::to_string(&memory).unwrap(), text);
            assert_eq!(serde_json::from_str::<TensorMemory>(text).unwrap(), memory);
        }
    }
}
