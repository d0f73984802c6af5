//! Inputs that a network wants besides the picture.

use crate::model::{ElementType, IoInfo, ModelSpec};
use crate::tensor::decode::{DecodeError, shape_text};

/// A constant input, to be fed at every run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraInput {
    /// The tensor's name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its elements.
    pub data: Vec<i64>,
}

/// What to feed the inputs other than the picture. DETR exports with their post-processor inside want
/// `orig_target_sizes`, i64 (1, 2), width first: the size their boxes are to be in. They are given the *network's*
/// size, a constant, and the decoder moves the boxes to the source as for every head.
pub fn extra_inputs(spec: &ModelSpec, inputs: &[IoInfo]) -> Result<Vec<ExtraInput>, DecodeError> {
    let extra = inputs.iter().filter(|i| i.name != spec.input.name);
    extra.map(|input| extra_input(spec, input)).collect()
}

fn extra_input(spec: &ModelSpec, input: &IoInfo) -> Result<ExtraInput, DecodeError> {
    let is_size = matches!(input.shape[..], [Some(1) | None, Some(2) | None]) && input.name.contains("size");
    if !is_size || input.element != Some(ElementType::I64) {
        return Err(DecodeError::UnknownInput { name: input.name.clone(), shape: shape_text(&input.shape) });
    }
    let data = vec![spec.input.width as i64, spec.input.height as i64];
    Ok(ExtraInput { name: input.name.clone(), shape: vec![1, 2], data })
}
