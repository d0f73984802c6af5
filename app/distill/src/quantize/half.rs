//! The FP16 twin of a network: weights and tensors in half precision, inputs and outputs float32 as before.
//!
//! Every float constant and every cast to float becomes half; a Cast follows each float input and precedes each float
//! output. Where an operator must read floats (the scales of Resize), its constants stay. Values beyond half's range
//! are cut to it and counted: a network that holds them loses something.

use std::collections::BTreeMap;

use ::half::f16;

use super::{QuantizeError, check_float};
use crate::onnx::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, data_type};
use crate::onnx::{Names, fold, opset};

/// Inputs that stay f32 by the operator's definition: operator, from which input on.
const FLOAT_INPUTS: [(&str, usize); 2] = [("Resize", 1), ("Upsample", 1)];

/// Operators that exist for f32 alone, or whose attributes name a type in ways that are not rewritten here.
const REFUSED: [&str; 8] = [
    "NonMaxSuppression",
    "RoiAlign",
    "RandomNormal",
    "RandomUniform",
    "RandomNormalLike",
    "RandomUniformLike",
    "EyeLike",
    "Bernoulli",
];

/// A network in half precision.
#[derive(Debug, Clone, PartialEq)]
pub struct Half {
    /// The network.
    pub model: ModelProto,
    /// Constants that became half precision.
    pub converted: usize,
    /// Values that lay beyond half precision's range (65,504) and were cut to it.
    pub cut: usize,
}

/// Makes the FP16 twin.
///
/// # Errors
/// A network that is quantized or half precision already, has bodies of If or Loop, or an operator that is defined for
/// f32 alone.
pub fn half(mut model: ModelProto) -> Result<Half, QuantizeError> {
    check_float(model.graph.as_ref().ok_or(crate::onnx::OnnxError::NoGraph)?)?;
    opset::raise(&mut model)?;
    let graph = model.graph.as_mut().ok_or(crate::onnx::OnnxError::NoGraph)?;
    fold::constants_to_initializers(graph);
    fold::batch_norms(graph)?;
    graph.value_info.clear();
    if let Some(node) = graph.node.iter().find(|n| REFUSED.contains(&n.op_type())) {
        let why = "it works on f32 alone: export the network without it".to_owned();
        let (node, op) = (node.label().to_owned(), node.op_type().to_owned());
        return Err(crate::onnx::OnnxError::Node { node, op, why }.into());
    }
    let mut counts = (0, 0);
    constants(graph, &mut counts)?;
    for node in &mut graph.node {
        attributes(node, &mut counts)?;
    }
    casts(graph);
    Ok(Half { model, converted: counts.0, cut: counts.1 })
}

/// Float constants become half, but for the copies that operators must read as floats.
fn constants(graph: &mut GraphProto, counts: &mut (usize, usize)) -> Result<(), QuantizeError> {
    let mut names = Names::new(graph);
    let mut floats = Vec::new();
    for node in &mut graph.node {
        let Some((_, from)) = FLOAT_INPUTS.iter().find(|(op, _)| *op == node.op_type()) else { continue };
        for input in node.input.iter_mut().skip(*from).filter(|i| !i.is_empty()) {
            let Some(tensor) = graph.initializer.iter().find(|t| t.name() == input) else { continue };
            if tensor.data_type() == data_type::FLOAT {
                let name = names.fresh(&format!("{input}_f32"));
                floats.push(TensorProto { name: Some(name.clone()), ..tensor.clone() });
                *input = name;
            }
        }
    }
    for tensor in &mut graph.initializer {
        *tensor = narrowed(tensor, counts)?;
    }
    graph.initializer.extend(floats);
    fold::drop_unread(graph);
    Ok(())
}

fn narrowed(tensor: &TensorProto, counts: &mut (usize, usize)) -> Result<TensorProto, QuantizeError> {
    if tensor.data_type() != data_type::FLOAT {
        return Ok(tensor.clone());
    }
    let values = tensor.to_f32()?;
    let bound = f16::MAX.to_f32();
    // Infinities are meant (masks of attention) and stay.
    counts.1 += values.iter().filter(|v| v.is_finite() && v.abs() > bound).count();
    counts.0 += 1;
    let cut = |v: f32| f16::from_f32(if v.is_finite() { v.clamp(-bound, bound) } else { v });
    let halves: Vec<f16> = values.into_iter().map(cut).collect();
    Ok(TensorProto {
        doc_string: tensor.doc_string.clone(),
        ..TensorProto::from_f16(tensor.name(), &tensor.shape(), &halves)
    })
}

/// Casts to float, and constants inside nodes.
fn attributes(node: &mut NodeProto, counts: &mut (usize, usize)) -> Result<(), QuantizeError> {
    let to_float = |a: &&mut AttributeProto| a.i == Some(i64::from(data_type::FLOAT));
    if node.is("Cast") {
        node.attribute.iter_mut().filter(|a| a.name() == "to").filter(to_float).for_each(|a| {
            a.i = Some(i64::from(data_type::FLOAT16));
        });
    }
    for tensor in node.attribute.iter_mut().filter_map(|a| a.t.as_mut()) {
        **tensor = narrowed(tensor, counts)?;
    }
    Ok(())
}

/// A cast behind each float input and before each float output.
fn casts(graph: &mut GraphProto) {
    let mut names = Names::new(graph);
    let mut renamed = BTreeMap::new();
    let mut first = Vec::new();
    let cast =
        |from: &str, to: &str, element: i32| NodeProto::new("Cast", &[from], &[to]).with_int("to", i64::from(element));
    for input in graph.input.iter().filter(|i| i.element() == data_type::FLOAT) {
        let inner = names.fresh(&format!("{}_half", input.name()));
        first.push(cast(input.name(), &inner, data_type::FLOAT16));
        renamed.insert(input.name().to_owned(), inner);
    }
    let mut last = Vec::new();
    for output in graph.output.iter().filter(|o| o.element() == data_type::FLOAT) {
        let inner = names.fresh(&format!("{}_half", output.name()));
        last.push(cast(&inner, output.name(), data_type::FLOAT));
        renamed.insert(output.name().to_owned(), inner);
    }
    for node in &mut graph.node {
        for name in node.input.iter_mut().chain(&mut node.output) {
            if let Some(inner) = renamed.get(name) {
                name.clone_from(inner);
            }
        }
    }
    graph.node.splice(0..0, first);
    graph.node.extend(last);
}
