//! What integers cost, layer by layer, measured on calibration frames: signal to quantization noise (SQNR).
//!
//! *alone*: the layer by itself on integers, fed with what it reads in the float network: how ill the layer takes it.
//! *total*: the layer's output in the quantized network against the float one: what has piled up until there.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use ocellus_judge::precision::Sqnr;
use ocellus_percept::tensor::{TensorData, TensorView};

use super::QuantizeError;
use super::engine::Engine;
use crate::onnx::proto::{GraphProto, ModelProto};
use crate::onnx::with_outputs;

/// Runs `graph` on `frames` and compares `pairs` of its tensors: (of the float network, of the quantized one).
pub(super) fn compare(
    engine: &mut dyn Engine,
    (model, graph): (&ModelProto, GraphProto),
    pairs: &[(String, String)],
    frames: Range<usize>,
) -> Result<Vec<Option<f64>>, QuantizeError> {
    let mut powers = vec![Sqnr::default(); pairs.len()];
    let wanted = pairs.iter().flat_map(|(a, b)| [a.as_str(), b.as_str()]);
    let bytes = with_outputs(model, graph, wanted);
    let mut missing = None;
    let mut read = |_: usize, views: &[TensorView<'_>]| {
        let by_name: BTreeMap<&str, &[f32]> = views.iter().filter_map(floats).collect();
        for (power, (float, integer)) in powers.iter_mut().zip(pairs) {
            match (by_name.get(float.as_str()), by_name.get(integer.as_str())) {
                (Some(x), Some(y)) if x.len() == y.len() => power.add(x, y),
                (None, _) => missing = Some(float.clone()),
                _ => missing = Some(integer.clone()),
            }
        }
    };
    engine.run(&bytes, frames, &mut read).map_err(QuantizeError::Engine)?;
    match missing {
        Some(tensor) => Err(QuantizeError::Missing { tensor }),
        None => Ok(powers.iter().map(Sqnr::db).collect()),
    }
}

/// Name and elements of a view of floats.
pub(super) fn floats<'a>(view: &TensorView<'a>) -> Option<(&'a str, &'a [f32])> {
    match view.data {
        TensorData::F32(values) => Some((view.name, values)),
        TensorData::I64(_) => None,
    }
}

/// Both networks in one graph on the same inputs; all names of the second but those inputs get `prefix`.
pub(super) fn side_by_side(first: &GraphProto, second: &GraphProto, prefix: &str) -> GraphProto {
    let inputs: BTreeSet<&str> = first.input.iter().map(|i| i.name()).collect();
    let renamed = |name: &mut String| {
        if !name.is_empty() && !inputs.contains(name.as_str()) {
            name.insert_str(0, prefix);
        }
    };
    let mut both = first.clone();
    both.value_info.clear();
    for tensor in &second.initializer {
        let mut tensor = tensor.clone();
        tensor.name.as_mut().map(renamed);
        both.initializer.push(tensor);
    }
    for node in &second.node {
        let mut node = node.clone();
        node.name.as_mut().map(renamed);
        node.input.iter_mut().chain(&mut node.output).for_each(renamed);
        both.node.push(node);
    }
    both
}
