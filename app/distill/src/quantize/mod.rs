//! Smaller twins of a network: INT8 in ONNX's QDQ form by static quantization, and FP16.
//!
//! [`quantize`] folds BatchNormalization, measures the ranges of activations on calibration frames ([`Method`]), measures
//! what each layer loses on integers (`noise`), keeps in float those that lose too much, and writes the rest as
//! integers: weights as signed bytes by channel, activations as bytes, biases as 32-bit integers. [`half`] makes
//! the FP16 twin. Everything measured is in the [`Report`].
//!
//! Networks are run by an [`Engine`], which the caller brings; this module reads no file and decodes no picture.

mod engine;
mod error;
pub mod half;
mod noise;
mod plan;
mod ranges;
mod report;
mod rewrite;
mod scheme;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use engine::{Engine, EngineError};
pub use error::QuantizeError;
pub use ranges::Method;
pub use report::{Kept, LayerLine, Report};
pub use scheme::{Activation, Params};

use crate::onnx::proto::{GraphProto, ModelProto, data_type};
use crate::onnx::{Links, fold, opset, with_outputs};
use plan::{Layer, Plan};
use ranges::Observed;
use rewrite::Scheme;

/// Frames that noise is measured on: SQNR is a sum over hundreds of thousands of elements in each of them.
const NOISE_FRAMES: usize = 8;

/// Names of the quantized network's tensors where it is compared with its twin begin with this.
const PREFIX: &str = "quantized/";

/// Operators that tell a quantized network.
const INTEGER_OPERATORS: [&str; 7] = [
    "QuantizeLinear",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "ConvInteger",
    "MatMulInteger",
    "QLinearConv",
    "QLinearMatMul",
];

/// How to quantize.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// How ranges of activations are taken.
    pub method: Method,
    /// Integers of activations.
    pub activation: Activation,
    /// Weights in 7 bits: for x86 processors without VNNI, whose 16-bit sums overflow with 8.
    pub reduce_range: bool,
    /// Names of layers that stay float whatever is measured.
    pub keep: Vec<String>,
    /// A layer that alone falls below this many dB stays float.
    pub sqnr_floor_db: f64,
    /// The same for layers that no other follows: their errors are the result's.
    pub last_floor_db: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            method: Method::default(),
            activation: Activation::default(),
            reduce_range: false,
            keep: Vec::new(),
            // Below it errors pile up: with layers of 20 to 28 dB on integers yolox_nano lost a fifth of its AP, without none.
            sqnr_floor_db: 28.0,
            last_floor_db: 40.0,
        }
    }
}

/// A quantized network.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantized {
    /// The network.
    pub model: ModelProto,
    /// What was measured.
    pub report: Report,
}

/// The float network made ready: constants in place, normalizations folded, operator set 13 or newer.
///
/// # Errors
/// A network that is quantized already, has bodies of If or Loop, or is of an operator set that cannot be raised.
pub fn prepare(mut model: ModelProto) -> Result<ModelProto, QuantizeError> {
    let graph = model.graph.as_ref().ok_or(crate::onnx::OnnxError::NoGraph)?;
    check_float(graph)?;
    opset::raise(&mut model)?;
    if let Some(graph) = model.graph.as_mut() {
        fold::constants_to_initializers(graph);
        fold::batch_norms(graph)?;
        graph.value_info.clear();
    }
    Ok(model)
}

fn check_float(graph: &GraphProto) -> Result<(), QuantizeError> {
    let told = |node: &crate::onnx::proto::NodeProto| (node.label().to_owned(), node.op_type().to_owned());
    if let Some(node) = graph.node.iter().find(|n| INTEGER_OPERATORS.contains(&n.op_type())) {
        let (node, op) = told(node);
        return Err(QuantizeError::Already { what: "quantized", node, op });
    }
    if let Some(node) = graph.node.iter().find(|n| n.has_body()) {
        let (node, op) = told(node);
        return Err(QuantizeError::Body { node, op });
    }
    let links = Links::new(graph);
    let is_half = |name: &String| links.initializer(name).is_some_and(|t| t.data_type() == data_type::FLOAT16);
    match graph.node.iter().find(|n| n.input.iter().any(is_half)) {
        Some(node) => {
            let (node, op) = told(node);
            Err(QuantizeError::Already { what: "half precision", node, op })
        }
        None => Ok(()),
    }
}

/// Quantizes `model` by `frames` calibration frames of `engine`, of which any first few should be spread over all.
///
/// # Errors
/// See [`QuantizeError`].
pub fn quantize(
    model: ModelProto,
    engine: &mut dyn Engine,
    frames: usize,
    options: &Options,
) -> Result<Quantized, QuantizeError> {
    if frames == 0 {
        return Err(QuantizeError::NoFrames);
    }
    let model = prepare(model)?;
    let graph = model.graph.as_ref().ok_or(crate::onnx::OnnxError::NoGraph)?;
    let layers = plan::layers(graph);
    let told = told_to_keep(&layers, &options.keep)?;
    let whole = plan::plan(graph, &told);
    if whole.layers.is_empty() {
        let why = if layers.is_empty() { "the network has none" } else { "all are kept" };
        return Err(QuantizeError::NothingToDo { why: why.to_owned() });
    }
    let observed = observe(engine, &model, graph, (&whole, options.method), frames)?;
    let scheme = Scheme { activation: options.activation, weight_limit: if options.reduce_range { 63 } else { 127 } };
    let noise_frames = 0..frames.min(NOISE_FRAMES);
    let params = parameters(&whole, &observed, options);
    let (with_twins, twins) = rewrite::with_twins(graph, &whole, &params, scheme)?;
    let pairs: Vec<_> = whole.layers.iter().map(|l| l.output.clone()).zip(twins).collect();
    let alone = noise::compare(engine, (&model, with_twins), &pairs, noise_frames.clone())?;

    let mut report = Report::new(graph, &layers, options, frames);
    let kept = report.judge(&whole, &alone, &last_layers(graph, &layers), options);
    let final_plan = plan::plan(graph, &kept);
    if final_plan.layers.is_empty() {
        let why = format!("all fall below the floor of {} dB; the worst: {}", options.sqnr_floor_db, report.worst(3));
        return Err(QuantizeError::NothingToDo { why });
    }
    let params = parameters(&final_plan, &observed, options);
    let quantized = rewrite::rewrite(graph, &final_plan, &params, scheme)?;
    let outputs = layers.iter().map(|l| l.output.as_str()).chain(graph.output.iter().map(|o| o.name()));
    let pairs: Vec<_> = outputs.map(|t| (t.to_owned(), format!("{PREFIX}{t}"))).collect();
    let both = noise::side_by_side(graph, &quantized, PREFIX);
    let total = noise::compare(engine, (&model, both), &pairs, noise_frames);
    report.total(graph, total?);
    let bare = ModelProto { graph: None, ..model.clone() };
    Ok(Quantized { model: ModelProto { graph: Some(quantized), ..bare }, report })
}

fn told_to_keep(layers: &[Layer], names: &[String]) -> Result<BTreeSet<usize>, QuantizeError> {
    let find = |name: &String| {
        layers.iter().find(|l| l.name == *name).map(|l| l.node).ok_or_else(|| QuantizeError::UnknownLayer {
            name: name.clone(),
            known: layers.iter().map(|l| l.name.as_str()).collect::<Vec<_>>().join(", "),
        })
    };
    names.iter().map(find).collect()
}

/// Nodes of the layers that no other layer follows.
fn last_layers(graph: &GraphProto, layers: &[Layer]) -> BTreeSet<usize> {
    let mut is_layer = vec![false; graph.node.len()];
    layers.iter().for_each(|l| is_layer[l.node] = true);
    let followed = Links::new(graph).reaches(&is_layer);
    layers.iter().map(|l| l.node).filter(|n| !followed[*n]).collect()
}

/// The ranges of all activations of `plan` over all frames.
fn observe(
    engine: &mut dyn Engine,
    model: &ModelProto,
    graph: &GraphProto,
    (plan, method): (&Plan, Method),
    frames: usize,
) -> Result<Observed, QuantizeError> {
    let mut observed: Observed = plan.tensors.keys().map(|t| (t.clone(), ranges::Seen::default())).collect();
    let bytes = with_outputs(model, graph.clone(), plan.tensors.keys().map(String::as_str));
    let (mut shown, mut broken) = (BTreeSet::new(), None);
    let mut extremes = |frame: usize, views: &[ocellus_percept::tensor::TensorView<'_>]| {
        for (name, values) in views.iter().filter_map(noise::floats) {
            let Some(seen) = observed.get_mut(name) else { continue };
            shown.insert(name.to_owned());
            if !seen.extend(values) && broken.is_none() {
                broken = Some((name.to_owned(), frame));
            }
        }
    };
    engine.run(&bytes, 0..frames, &mut extremes).map_err(QuantizeError::Engine)?;
    if let Some((tensor, frame)) = broken {
        return Err(QuantizeError::NotFinite { tensor, frame });
    }
    if let Some(tensor) = plan.tensors.keys().find(|t| !shown.contains(*t)) {
        return Err(QuantizeError::Missing { tensor: tensor.clone() });
    }
    // The picture's own range is known and short: nothing of it is cut.
    let pictures: BTreeSet<&str> = graph.input.iter().map(|i| i.name()).collect();
    if method != Method::MinMax {
        let mut counts = |_: usize, views: &[ocellus_percept::tensor::TensorView<'_>]| {
            for (name, values) in views.iter().filter_map(noise::floats) {
                if let Some(seen) = observed.get_mut(name).filter(|_| !pictures.contains(name)) {
                    seen.count(values);
                }
            }
        };
        engine.run(&bytes, 0..frames, &mut counts).map_err(QuantizeError::Engine)?;
    }
    Ok(observed)
}

/// Scale and zero point of each activation; those that share take the range of all of them.
fn parameters(plan: &Plan, observed: &Observed, options: &Options) -> BTreeMap<String, Params> {
    let mut ranges: BTreeMap<&str, ranges::Range> = BTreeMap::new();
    for (tensor, group) in &plan.tensors {
        let Some(seen) = observed.get(tensor) else { continue };
        let range = seen.range(options.method);
        ranges.entry(group).and_modify(|r| *r = r.joined(range)).or_insert(range);
    }
    let params = |group: &String| {
        let range = ranges.get(group.as_str())?;
        Some(Params::from_range(range.low, range.high, options.activation))
    };
    plan.tensors.iter().filter_map(|(tensor, group)| Some((tensor.clone(), params(group)?))).collect()
}
