//! The tensors of a network: input buffers that stay from frame to frame, output views and their widening.
//!
//! Element types that move: f32, f16 (as f32), i64, i32 (as i64, outputs only), u8 (outputs as i64). A declared
//! dimension of -1 is dynamic, `None` in [`IoInfo`].

use half::f16;
use half::slice::HalfFloatSliceExt as _;
use ocellus_percept::model::{ElementType, IoInfo};
use ocellus_percept::tensor::{TensorData, TensorView};
use ort::session::{Session, SessionInputValue};
use ort::sys::OrtValue;
use ort::value::{DynValue, Outlet, PrimitiveTensorElementType, TensorElementType};

use super::memory::{Held, Memory};
use crate::InferError;

/// What the file declares of one input or output. A value that is no tensor has no element type and no shape.
pub(super) fn info_of(outlet: &Outlet) -> IoInfo {
    let dtype = outlet.dtype();
    let shape = dtype.tensor_shape().map(|dims| dims.iter().map(|&dim| usize::try_from(dim).ok()).collect());
    let element = dtype.tensor_type().and_then(element_of);
    IoInfo { name: outlet.name().to_owned(), element, shape: shape.unwrap_or_default() }
}

fn element_of(element: TensorElementType) -> Option<ElementType> {
    match element {
        TensorElementType::Float32 => Some(ElementType::F32),
        TensorElementType::Float16 => Some(ElementType::F16),
        TensorElementType::Uint8 => Some(ElementType::U8),
        TensorElementType::Int32 => Some(ElementType::I32),
        TensorElementType::Int64 => Some(ElementType::I64),
        _ => None,
    }
}

/// A tensor for people: `images f32 [1, 3, ?, ?]`.
pub(super) fn describe(info: &IoInfo) -> String {
    format!("{} {} {}", info.name, info.element.map_or("?", element_name), shape_text(&info.shape))
}

pub(super) fn element_name(element: ElementType) -> &'static str {
    match element {
        ElementType::F32 => "f32",
        ElementType::F16 => "f16",
        ElementType::U8 => "u8",
        ElementType::I32 => "i32",
        ElementType::I64 => "i64",
    }
}

fn shape_text(shape: &[Option<usize>]) -> String {
    let dims: Vec<String> = shape.iter().map(|dim| dim.map_or_else(|| "?".to_owned(), |d| d.to_string())).collect();
    format!("[{}]", dims.join(", "))
}

fn known_shape_text(shape: &[usize]) -> String {
    format!("{shape:?}")
}

/// Whether `shape` is one that `declared` allows.
fn allows(declared: &[Option<usize>], shape: &[usize]) -> bool {
    declared.len() == shape.len() && declared.iter().zip(shape).all(|(want, got)| want.is_none_or(|w| w == *got))
}

/// A buffer in ONNX Runtime's memory, and for f16 the f32 twin that callers write.
#[derive(Debug)]
enum Buffer {
    F32(Held),
    F16 { wide: Vec<f32>, narrow: Held },
    I64(Held),
    U8(Held),
}

impl Buffer {
    /// What ONNX Runtime reads.
    fn held(&self) -> &Held {
        match self {
            Self::F32(held) | Self::F16 { narrow: held, .. } | Self::I64(held) | Self::U8(held) => held,
        }
    }
}

/// One input and its buffer.
#[derive(Debug)]
pub(super) struct InputSlot {
    info: IoInfo,
    element: ElementType,
    shape: Option<Vec<usize>>,
    buffer: Option<Buffer>,
    written: bool,
}

impl InputSlot {
    /// The slot for a declared input. Its buffer is made at once where the shape is known, a dynamic first dimension
    /// (the batch) counting as 1.
    pub(super) fn new(
        network: &str,
        info: &IoInfo,
        declared_type: &str,
        (session, memory): (&Session, &Memory),
    ) -> Result<Self, InferError> {
        let element = match info.element {
            Some(ElementType::I32) | None => {
                return Err(InferError::UnsupportedType {
                    network: network.to_owned(),
                    direction: "input",
                    name: info.name.clone(),
                    element: declared_type.to_owned(),
                });
            }
            Some(element) => element,
        };
        let mut slot = Self { info: info.clone(), element, shape: None, buffer: None, written: false };
        let dims = info.shape.iter().enumerate().map(|(i, dim)| dim.or((i == 0).then_some(1)));
        if let Some(shape) = dims.collect::<Option<Vec<usize>>>() {
            slot.set_shape(network, &shape, (session, memory))?;
        }
        Ok(slot)
    }

    pub(super) fn name(&self) -> &str {
        &self.info.name
    }

    pub(super) fn shape(&self) -> Option<&[usize]> {
        self.shape.as_deref()
    }

    pub(super) fn set_shape(
        &mut self,
        network: &str,
        shape: &[usize],
        (session, memory): (&Session, &Memory),
    ) -> Result<(), InferError> {
        if self.shape.as_deref() == Some(shape) {
            return Ok(());
        }
        let misfit = || InferError::InputShape {
            network: network.to_owned(),
            name: self.info.name.clone(),
            expected: shape_text(&self.info.shape),
            got: known_shape_text(shape),
        };
        let length = shape.iter().try_fold(1usize, |product, dim| product.checked_mul(*dim));
        let dims: Option<Vec<i64>> = shape.iter().map(|dim| i64::try_from(*dim).ok()).collect();
        let (Some(length), Some(dims)) = (length, dims) else { return Err(misfit()) };
        if length == 0 || !allows(&self.info.shape, shape) {
            return Err(misfit());
        }
        let made = match self.element {
            ElementType::F16 => {
                let narrow = memory.tensor(session, &dims, f16::ZERO);
                narrow.map(|narrow| Buffer::F16 { wide: vec![0.0; length], narrow })
            }
            ElementType::I64 => memory.tensor(session, &dims, 0_i64).map(Buffer::I64),
            ElementType::U8 => memory.tensor(session, &dims, 0_u8).map(Buffer::U8),
            ElementType::F32 | ElementType::I32 => memory.tensor(session, &dims, 0_f32).map(Buffer::F32),
        };
        let buffer = made.map_err(|error| failure(network, &error))?;
        self.shape = Some(shape.to_owned());
        self.buffer = Some(buffer);
        self.written = false;
        Ok(())
    }

    pub(super) fn as_f32(&mut self, network: &str) -> Result<&mut [f32], InferError> {
        self.open(network, "f32", &[ElementType::F32, ElementType::F16])?;
        match &mut self.buffer {
            Some(Buffer::F32(tensor)) => elements(network, tensor),
            Some(Buffer::F16 { wide, .. }) => Ok(wide),
            _ => Ok(&mut []),
        }
    }

    pub(super) fn as_i64(&mut self, network: &str) -> Result<&mut [i64], InferError> {
        self.open(network, "i64", &[ElementType::I64])?;
        if let Some(Buffer::I64(tensor)) = &mut self.buffer { elements(network, tensor) } else { Ok(&mut []) }
    }

    pub(super) fn as_u8(&mut self, network: &str) -> Result<&mut [u8], InferError> {
        self.open(network, "u8", &[ElementType::U8])?;
        if let Some(Buffer::U8(tensor)) = &mut self.buffer { elements(network, tensor) } else { Ok(&mut []) }
    }

    /// Makes the buffer ready for a run: written at least once, and narrowed where it is f16.
    pub(super) fn ready(&mut self, network: &str) -> Result<(), InferError> {
        if !self.written {
            let name = self.info.name.clone();
            return Err(match self.buffer {
                Some(_) => InferError::InputNotWritten { network: network.to_owned(), name },
                None => self.shape_unknown(network),
            });
        }
        if let Some(Buffer::F16 { wide, narrow }) = &mut self.buffer {
            elements::<f16>(network, narrow)?.convert_from_f32_slice(wide);
        }
        Ok(())
    }

    /// The value handed to ONNX Runtime, without a copy; `None` before the shape is known.
    pub(super) fn value(&self) -> Option<SessionInputValue<'_>> {
        Some((&self.buffer.as_ref()?.held().value).into())
    }

    /// The address of the value that is bound; `None` before the shape is known.
    pub(super) fn pointer(&self) -> Option<*const OrtValue> {
        Some(self.buffer.as_ref()?.held().bound())
    }

    /// Checks that there is a buffer, of an element type that is written as `asked`; it counts as written from now on.
    fn open(&mut self, network: &str, asked: &'static str, written_so: &[ElementType]) -> Result<(), InferError> {
        if self.buffer.is_none() {
            return Err(self.shape_unknown(network));
        }
        self.written = true;
        if !written_so.contains(&self.element) {
            return Err(self.wrong_type(network, asked));
        }
        Ok(())
    }

    fn shape_unknown(&self, network: &str) -> InferError {
        InferError::ShapeUnknown {
            network: network.to_owned(),
            name: self.info.name.clone(),
            declared: shape_text(&self.info.shape),
        }
    }

    fn wrong_type(&self, network: &str, asked: &'static str) -> InferError {
        InferError::InputType {
            network: network.to_owned(),
            name: self.info.name.clone(),
            asked,
            element: element_name(self.element),
        }
    }
}

/// One output, and what its last value was turned into where its element type is not handed on as it is.
#[derive(Debug)]
pub(super) struct OutputSlot {
    info: IoInfo,
    shape: Vec<usize>,
    wide: Vec<f32>,
    long: Vec<i64>,
}

impl OutputSlot {
    pub(super) fn new(network: &str, info: &IoInfo, declared_type: &str) -> Result<Self, InferError> {
        if info.element.is_none() {
            return Err(InferError::UnsupportedType {
                network: network.to_owned(),
                direction: "output",
                name: info.name.clone(),
                element: declared_type.to_owned(),
            });
        }
        Ok(Self { info: info.clone(), shape: Vec::new(), wide: Vec::new(), long: Vec::new() })
    }

    pub(super) fn name(&self) -> &str {
        &self.info.name
    }

    /// A tensor for its value; `None` where the file does not tell the size, or it has none.
    pub(super) fn tensor(&self, session: &Session, memory: &Memory) -> Option<Result<Held, ort::Error>> {
        let dims = self.info.shape.iter().map(|dim| i64::try_from((*dim)?).ok().filter(|d| *d > 0));
        let dims: Vec<i64> = dims.collect::<Option<_>>()?;
        if dims.is_empty() {
            return None;
        }
        Some(match self.info.element? {
            ElementType::F32 => memory.tensor(session, &dims, 0_f32),
            ElementType::F16 => memory.tensor(session, &dims, f16::ZERO),
            ElementType::I64 => memory.tensor(session, &dims, 0_i64),
            ElementType::I32 => memory.tensor(session, &dims, 0_i32),
            ElementType::U8 => memory.tensor(session, &dims, 0_u8),
        })
    }

    /// Takes the shape of `value`, checks it, and widens its elements where that is needed.
    pub(super) fn take(&mut self, network: &str, value: &DynValue) -> Result<(), InferError> {
        let dims: &[i64] = value.dtype().tensor_shape().map_or(&[], |shape| shape);
        self.shape.clear();
        self.shape.extend(dims.iter().map(|&dim| usize::try_from(dim).unwrap_or(0)));
        // Without a declared rank (`[]` is also what a scalar declares) there is nothing to hold the shape against.
        if !self.info.shape.is_empty() && !allows(&self.info.shape, &self.shape) {
            return Err(InferError::OutputShape {
                network: network.to_owned(),
                name: self.info.name.clone(),
                expected: shape_text(&self.info.shape),
                got: known_shape_text(&self.shape),
            });
        }
        match self.info.element {
            Some(ElementType::F16) => {
                let narrow = extract::<f16>(network, value)?;
                self.wide.resize(narrow.len(), 0.0);
                narrow.convert_to_f32_slice(&mut self.wide);
            }
            Some(ElementType::I32) => lengthen(&mut self.long, extract::<i32>(network, value)?),
            Some(ElementType::U8) => lengthen(&mut self.long, extract::<u8>(network, value)?),
            Some(ElementType::F32 | ElementType::I64) | None => {}
        }
        Ok(())
    }

    /// The view of `value`, which [`OutputSlot::take`] has taken.
    pub(super) fn view<'a>(&'a self, network: &str, value: &'a DynValue) -> Result<TensorView<'a>, InferError> {
        let data = match self.info.element {
            Some(ElementType::F16) => TensorData::F32(&self.wide),
            Some(ElementType::I32 | ElementType::U8) => TensorData::I64(&self.long),
            Some(ElementType::I64) => TensorData::I64(extract(network, value)?),
            Some(ElementType::F32) | None => TensorData::F32(extract(network, value)?),
        };
        Ok(TensorView { name: &self.info.name, shape: &self.shape, data })
    }
}

fn lengthen<T: Copy + Into<i64>>(long: &mut Vec<i64>, short: &[T]) {
    long.clear();
    long.extend(short.iter().map(|&element| element.into()));
}

fn elements<'a, T: PrimitiveTensorElementType>(network: &str, held: &'a mut Held) -> Result<&'a mut [T], InferError> {
    held.value.try_extract_tensor_mut::<T>().map(|(_, elements)| elements).map_err(|error| failure(network, &error))
}

fn extract<'a, T: PrimitiveTensorElementType>(network: &str, value: &'a DynValue) -> Result<&'a [T], InferError> {
    value.try_extract_tensor::<T>().map(|(_, elements)| elements).map_err(|error| failure(network, &error))
}

fn failure(network: &str, error: &ort::Error) -> InferError {
    InferError::Run { network: network.to_owned(), reason: super::load::summary(error.message()) }
}
