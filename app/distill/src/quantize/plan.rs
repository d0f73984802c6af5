//! What of a network becomes integers: layers with weights, and what lies between them.
//!
//! A *layer* is a Conv, ConvTranspose, Gemm or MatMul with constant weights. What stands between two layers (additions,
//! concatenations, pools, activations, reshapes) is computed on integers too, so that they need not become floats and
//! integers again on the way; what comes after the last layer (sigmoids of scores, softmax of distances, decoding) stays
//! float: it costs little and its errors go straight into the result. A ReLU or Clip behind a layer is one with it.

use std::collections::{BTreeMap, BTreeSet};

use crate::onnx::Links;
use crate::onnx::proto::{GraphProto, NodeProto, data_type};

/// Operators that move elements without changing them: output and input share scale and zero point.
const MOVING: [&str; 12] = [
    "Reshape",
    "Transpose",
    "Slice",
    "Split",
    "Squeeze",
    "Unsqueeze",
    "Flatten",
    "MaxPool",
    "Resize",
    "Gather",
    "DepthToSpace",
    "SpaceToDepth",
];

/// Operators that have an integer form in ONNX Runtime and TensorRT.
const ARITHMETIC: [&str; 7] = ["Add", "Mul", "Concat", "Sigmoid", "LeakyRelu", "AveragePool", "GlobalAveragePool"];

/// Bounds that vanish in the range of the integers behind them.
const BOUNDING: [&str; 2] = ["Relu", "Clip"];

/// Further operators whose result is float where their input is.
const FLOAT: [&str; 22] = [
    "BatchNormalization",
    "Div",
    "Elu",
    "Erf",
    "Exp",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LayerNormalization",
    "Log",
    "MatMul",
    "Mish",
    "PRelu",
    "Pad",
    "Pow",
    "ReduceMean",
    "Softmax",
    "Softplus",
    "Sqrt",
    "Sub",
    "Tanh",
];

/// A layer to be quantized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Its node.
    pub node: usize,
    /// Its name for people and for `keep`.
    pub name: String,
    /// The activation it reads.
    pub input: String,
    /// What it writes, behind its ReLU where it has one.
    pub output: String,
    /// The ReLU or Clip that is one with it.
    pub bound: Option<usize>,
    /// The axis of its weights along which output channels lie; `None` quantizes them as one.
    pub axis: Option<usize>,
    /// Whether its bias can be integers too.
    pub integer_bias: bool,
    /// Whether its output must become integers for it to be computed on integers.
    pub integer_output: bool,
}

/// The parts of a graph that become integers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Layers in the graph's order.
    pub layers: Vec<Layer>,
    /// Activations that become integers, each with the representative of those that share its scale.
    pub tensors: BTreeMap<String, String>,
}

/// All layers of `graph`, quantized or not.
pub fn layers(graph: &GraphProto) -> Vec<Layer> {
    let links = Links::new(graph);
    let float = float_tensors(graph);
    let nodes = graph.node.iter().enumerate();
    nodes.filter_map(|(i, node)| layer(graph, &links, i, node).filter(|l| float.contains(l.input.as_str()))).collect()
}

/// What becomes integers where all layers do but those whose nodes are in `kept`.
pub fn plan(graph: &GraphProto, kept: &BTreeSet<usize>) -> Plan {
    let links = Links::new(graph);
    let float = float_tensors(graph);
    let layers: Vec<Layer> = layers(graph).into_iter().filter(|l| !kept.contains(&l.node)).collect();
    let mut integer = vec![false; graph.node.len()];
    layers.iter().for_each(|l| integer[l.node] = true);
    layers.iter().filter_map(|l| l.bound).for_each(|b| integer[b] = true);
    let is_layer = integer.clone();
    grow(graph, &links, &float, &mut integer);
    shrink(graph, &links, &is_layer, &mut integer);
    let mut groups = Groups::default();
    for layer in &layers {
        groups.add(&layer.input);
        if layer.integer_output {
            groups.add(&layer.output);
        }
    }
    for (i, node) in graph.node.iter().enumerate().filter(|(i, _)| integer[*i] && !is_layer[*i]) {
        let inner = bound_of(graph, &links, i).is_some();
        let outputs = if inner { &[][..] } else { node.output.as_slice() };
        let bounds = BOUNDING.contains(&node.op_type());
        let inputs = activations(&links, node).take(if bounds { 0 } else { usize::MAX });
        inputs.chain(outputs.iter().map(String::as_str)).for_each(|t| groups.add(t));
        if let (true, Some(input)) = (MOVING.contains(&node.op_type()), node.input.first()) {
            outputs.iter().for_each(|output| groups.join(input, output));
        }
    }
    Plan { layers, tensors: groups.representatives() }
}

fn layer(graph: &GraphProto, links: &Links<'_>, index: usize, node: &NodeProto) -> Option<Layer> {
    if !node.domain().is_empty() {
        return None;
    }
    let (input, weight, output) = (node.input.first()?, node.input.get(1)?, node.output.first()?);
    let weight = links.initializer(weight).filter(|w| w.data_type() == data_type::FLOAT)?;
    let rank = weight.dims.len();
    let grouped = node.int("group").unwrap_or(1) != 1;
    let (axis, conv) = match node.op_type() {
        "Conv" => (Some(0), true),
        // Channels of a grouped transposed convolution lie along two axes.
        "ConvTranspose" => ((!grouped).then_some(1), true),
        "Gemm" if rank == 2 && node.int("transA").unwrap_or(0) == 0 => {
            (Some(usize::from(node.int("transB").unwrap_or(0) == 0)), false)
        }
        "MatMul" if rank == 2 => (Some(1), false),
        _ => return None,
    };
    if links.initializer(input).is_some() {
        return None;
    }
    let bias = node.input.get(2).filter(|b| !b.is_empty());
    let constant_bias = bias.is_none_or(|b| links.initializer(b).is_some_and(|t| t.dims.len() == 1));
    let plain = |name: &str| node.float(name).unwrap_or(1.0) == 1.0;
    let bound = bound_of(graph, links, index);
    let output = bound.and_then(|b| graph.node.get(b)?.output.first()).unwrap_or(output);
    Some(Layer {
        node: index,
        name: node.label().to_owned(),
        input: input.clone(),
        output: output.clone(),
        bound,
        axis,
        integer_bias: constant_bias && plain("alpha") && plain("beta") && axis.is_some(),
        integer_output: conv,
    })
}

/// The ReLU or Clip that alone reads what node `index` makes, and can vanish in its range.
fn bound_of(graph: &GraphProto, links: &Links<'_>, index: usize) -> Option<usize> {
    let node = graph.node.get(index)?;
    let [output] = node.output.as_slice() else { return None };
    let [reader] = links.consumers(output) else { return None };
    let bound = graph.node.get(*reader)?;
    let bounds = BOUNDING.iter().any(|op| bound.is(op)) && bound.input.first() == Some(output);
    let foldable = ["Conv", "ConvTranspose", "Gemm", "Add"].iter().any(|op| node.is(op));
    (bounds && foldable && !links.is_output(output)).then_some(*reader)
}

/// Takes in, from the end on, what integers flow through on their way to a layer.
fn grow(graph: &GraphProto, links: &Links<'_>, float: &BTreeSet<&str>, integer: &mut [bool]) {
    for (i, node) in graph.node.iter().enumerate().rev() {
        if integer[i] || !node.domain().is_empty() {
            continue;
        }
        let read = node.output.iter().flat_map(|o| links.consumers(o)).any(|&c| integer[c]);
        let op = node.op_type();
        let all_flow = || {
            let count = if MOVING.contains(&op) { 1 } else { node.input.len() };
            let mut flowing = node.input.iter().take(count);
            flowing.all(|t| float.contains(t.as_str()) && links.initializer(t).is_none())
        };
        let may = MOVING.contains(&op) || ARITHMETIC.contains(&op) || is_bound(graph, links, node);
        integer[i] = read && may && (BOUNDING.contains(&op) || all_flow());
    }
}

/// Whether `node` is a ReLU or Clip that can be one with an addition before it.
fn is_bound(graph: &GraphProto, links: &Links<'_>, node: &NodeProto) -> bool {
    let before = node.input.first().and_then(|t| links.producer(t));
    let add = before.filter(|p| graph.node.get(*p).is_some_and(|n| n.is("Add")));
    BOUNDING.contains(&node.op_type()) && add.is_some_and(|p| bound_of(graph, links, p).is_some())
}

/// Gives back arithmetic that would have to make integers of floats first: that costs more than it saves.
fn shrink(graph: &GraphProto, links: &Links<'_>, is_layer: &[bool], integer: &mut [bool]) {
    loop {
        let mut changed = false;
        for (i, node) in graph.node.iter().enumerate() {
            if !integer[i] || is_layer[i] {
                continue;
            }
            let moving = MOVING.contains(&node.op_type());
            let read = node.output.iter().flat_map(|o| links.consumers(o)).any(|&c| integer[c]);
            let fed = moving || activations(links, node).all(|t| links.producer(t).is_none_or(|p| integer[p]));
            // An addition goes with the ReLU behind it, or neither does.
            let bound = bound_of(graph, links, i).is_none_or(|b| integer[b]);
            if !(read && fed && bound) {
                integer[i] = false;
                changed = true;
            }
        }
        if !changed {
            return;
        }
    }
}

/// The tensors with values that a node reads: all inputs of arithmetic, the first of what moves elements.
fn activations<'a>(links: &'a Links<'_>, node: &'a NodeProto) -> impl Iterator<Item = &'a str> + 'a {
    let count = if ARITHMETIC.contains(&node.op_type()) { usize::MAX } else { 1 };
    node.input.iter().take(count).map(String::as_str).filter(|t| !t.is_empty() && links.initializer(t).is_none())
}

/// Tensors that are surely f32.
fn float_tensors(graph: &GraphProto) -> BTreeSet<&str> {
    let is_float = |t: i32| t == data_type::FLOAT;
    let inputs = graph.input.iter().filter(|i| is_float(i.element())).map(|i| i.name());
    let mut float: BTreeSet<&str> = inputs.collect();
    float.extend(graph.initializer.iter().filter(|t| is_float(t.data_type())).map(|t| t.name()));
    for node in &graph.node {
        let op = node.op_type();
        let follows = ["Conv", "ConvTranspose", "Gemm"].contains(&op)
            || [&MOVING[..], &ARITHMETIC, &BOUNDING, &FLOAT].iter().any(|list| list.contains(&op));
        let first = node.input.first().is_some_and(|t| float.contains(t.as_str()));
        if follows && first && node.domain().is_empty() {
            let outputs = if op == "MaxPool" { 1 } else { node.output.len() };
            float.extend(node.output.iter().take(outputs).map(String::as_str));
        }
    }
    float
}

/// Tensors that share a scale, as a forest of names.
#[derive(Debug, Default)]
struct Groups {
    parent: BTreeMap<String, String>,
}

impl Groups {
    fn add(&mut self, tensor: &str) {
        self.parent.entry(tensor.to_owned()).or_insert_with(|| tensor.to_owned());
    }

    fn root(&self, tensor: &str) -> String {
        let mut at = tensor;
        while let Some(parent) = self.parent.get(at).filter(|p| *p != at) {
            at = parent;
        }
        at.to_owned()
    }

    fn join(&mut self, a: &str, b: &str) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent.insert(b, a);
    }

    fn representatives(&self) -> BTreeMap<String, String> {
        self.parent.keys().map(|t| (t.clone(), self.root(t))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::{TensorProto, ValueInfoProto};

    /// conv - relu - conv - (sigmoid) * - add(with the relu) - maxpool - conv - sigmoid
    fn graph() -> GraphProto {
        let conv = |x: &str, y: &str| NodeProto::new("Conv", &[x, "w"], &[y]);
        GraphProto {
            node: vec![
                conv("x", "a"),
                NodeProto::new("Relu", &["a"], &["b"]),
                conv("b", "c"),
                NodeProto::new("Sigmoid", &["c"], &["s"]),
                NodeProto::new("Mul", &["c", "s"], &["m"]),
                NodeProto::new("Add", &["m", "b"], &["r"]),
                NodeProto::new("MaxPool", &["r"], &["p"]),
                conv("p", "h"),
                NodeProto::new("Sigmoid", &["h"], &["y"]),
            ],
            initializer: vec![TensorProto::from_f32("w", &[1, 1, 1, 1], &[1.0])],
            input: vec![ValueInfoProto::tensor("x", data_type::FLOAT, &[None; 4])],
            output: vec![ValueInfoProto::untyped("y")],
            ..GraphProto::default()
        }
    }

    #[test]
    fn what_lies_between_layers_goes_with_them_and_the_tail_stays_float() {
        let graph = graph();
        let plan = plan(&graph, &BTreeSet::new());
        assert_eq!(plan.layers.len(), 3);
        assert_eq!((plan.layers[0].output.as_str(), plan.layers[0].bound), ("b", Some(1)));
        let tensors: Vec<&str> = plan.tensors.keys().map(String::as_str).collect();
        // Neither "a", which lies inside conv and ReLU, nor "y" behind the last layer.
        assert_eq!(tensors, ["b", "c", "h", "m", "p", "r", "s", "x"]);
        assert_eq!(plan.tensors["p"], plan.tensors["r"]);
        assert_ne!(plan.tensors["m"], plan.tensors["c"]);
    }

    #[test]
    fn a_kept_layer_takes_its_neighbours_arithmetic_along() {
        let graph = graph();
        let plan = plan(&graph, &BTreeSet::from([2]));
        let tensors: Vec<&str> = plan.tensors.keys().map(String::as_str).collect();
        // The float conv's sigmoid, product and sum stay float; the pool before the last layer moves integers.
        assert_eq!(tensors, ["b", "h", "p", "r", "x"]);
    }

    #[test]
    fn shapes_and_indices_are_never_touched() {
        let mut graph = graph();
        graph.node.insert(7, NodeProto::new("Shape", &["p"], &["shape"]));
        graph.node.insert(8, NodeProto::new("Concat", &["shape", "shape"], &["two"]));
        graph.node.insert(9, NodeProto::new("Conv", &["two", "w"], &["nonsense"]));
        let plan = plan(&graph, &BTreeSet::new());
        assert!(!plan.tensors.contains_key("two") && plan.layers.len() == 3);
    }
}
