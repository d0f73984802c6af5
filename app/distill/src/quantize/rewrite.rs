//! The network with QuantizeLinear and DequantizeLinear around everything of the plan, in ONNX's QDQ form.
//!
//! Weights are stored as integers with a DequantizeLinear behind them; an activation gets the pair, and all its readers
//! read what comes out of it. Runtimes fuse the pairs into integer operators; one that does not computes the same in floats.

use std::collections::BTreeMap;

use super::plan::{Layer, Plan};
use super::scheme::{self, Activation, Params};
use crate::onnx::proto::{GraphProto, NodeProto, TensorProto};
use crate::onnx::{Names, OnnxError};

/// How integers are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scheme {
    /// Integers of activations.
    pub(super) activation: Activation,
    /// Largest integer of a weight.
    pub(super) weight_limit: i8,
}

/// `graph` with the plan's parts as integers.
pub(super) fn rewrite(
    graph: &GraphProto,
    plan: &Plan,
    params: &BTreeMap<String, Params>,
    scheme: Scheme,
) -> Result<GraphProto, OnnxError> {
    let mut writer = Writer::new(graph, params, scheme);
    for input in &graph.input {
        writer.pair(input.name());
    }
    let mut layers = plan.layers.iter().peekable();
    for (index, node) in graph.node.iter().enumerate() {
        let mut node = node.clone();
        if let Some(layer) = layers.next_if(|l| l.node == index) {
            writer.constants(layer, &mut node)?;
        }
        for input in &mut node.input {
            if let Some(integer) = writer.dequantized.get(input) {
                input.clone_from(integer);
            }
        }
        let outputs = node.output.clone();
        writer.nodes.push(node);
        outputs.iter().for_each(|output| writer.pair(output));
    }
    Ok(writer.finish(graph.clone()))
}

/// `graph` as it is, and beside each layer its twin on integers, fed with what the layer itself reads. Returns also, for
/// each layer, the name of its twin's output.
pub(super) fn with_twins(
    graph: &GraphProto,
    plan: &Plan,
    params: &BTreeMap<String, Params>,
    scheme: Scheme,
) -> Result<(GraphProto, Vec<String>), OnnxError> {
    let mut writer = Writer::new(graph, params, scheme);
    writer.nodes.clone_from(&graph.node);
    let mut twins = Vec::new();
    for layer in &plan.layers {
        writer.pair(&layer.input);
        let input = writer.dequantized.get(&layer.input).cloned().unwrap_or_else(|| layer.input.clone());
        let mut last = String::new();
        for index in [Some(layer.node), layer.bound].into_iter().flatten() {
            let Some(node) = graph.node.get(index) else { continue };
            let mut node = node.clone();
            if index == layer.node {
                writer.constants(layer, &mut node)?;
            }
            let input = if last.is_empty() { input.clone() } else { last };
            node.input.iter_mut().take(1).for_each(|i| i.clone_from(&input));
            last = writer.names.fresh(&format!("{}_twin", layer.output));
            node.output = vec![last.clone()];
            node.name = Some(writer.names.fresh(&format!("{}_twin", node.name())));
            writer.nodes.push(node);
        }
        if layer.integer_output
            && let Some(own) = params.get(&layer.output)
        {
            last = writer.pair_of(&last, *own);
        }
        twins.push(last);
    }
    Ok((writer.finish(graph.clone()), twins))
}

struct Writer<'a> {
    graph: &'a GraphProto,
    params: &'a BTreeMap<String, Params>,
    scheme: Scheme,
    names: Names,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    dequantized: BTreeMap<String, String>,
}

impl<'a> Writer<'a> {
    fn new(graph: &'a GraphProto, params: &'a BTreeMap<String, Params>, scheme: Scheme) -> Self {
        let (nodes, constants) = (Vec::new(), Vec::new());
        Self { graph, params, scheme, names: Names::new(graph), nodes, constants, dequantized: BTreeMap::new() }
    }

    /// The pair behind `tensor`, where it is one of those that become integers and has none yet.
    fn pair(&mut self, tensor: &str) {
        if let (Some(params), false) = (self.params.get(tensor), self.dequantized.contains_key(tensor)) {
            let out = self.pair_of(tensor, *params);
            self.dequantized.insert(tensor.to_owned(), out);
        }
    }

    fn pair_of(&mut self, tensor: &str, params: Params) -> String {
        let [scale, zero, integer, out] = ["scale", "zero_point", "quantized", "dequantized"]
            .map(|what| self.names.fresh(&format!("{tensor}_{what}")));
        self.constants.push(TensorProto::from_f32(&scale, &[], &[params.scale]));
        self.constants.push(match self.scheme.activation {
            Activation::U8 => TensorProto::from_u8(&zero, &[], &[params.zero_point.clamp(0, 255) as u8]),
            Activation::S8 => TensorProto::from_i8(&zero, &[], &[params.zero_point.clamp(-128, 127) as i8]),
        });
        self.nodes.push(NodeProto::new("QuantizeLinear", &[tensor, &scale, &zero], &[&integer]));
        self.nodes.push(NodeProto::new("DequantizeLinear", &[&integer, &scale, &zero], &[&out]));
        out
    }

    /// Weight and bias of `layer` as integers; `node`, its node, reads them from now on.
    fn constants(&mut self, layer: &Layer, node: &mut NodeProto) -> Result<(), OnnxError> {
        let constant = |i: usize| node.input.get(i).and_then(|name| self.graph.initializer(name));
        let Some(weight) = constant(1) else { return Ok(()) };
        let bias = match constant(2) {
            Some(bias) if layer.integer_bias => Some(bias.to_f32()?),
            _ => None,
        };
        let input_scale = self.params.get(&layer.input).map_or(1.0, |p| p.scale);
        let (shape, values) = (weight.shape(), weight.to_f32()?);
        // An axis beyond the last makes one channel of all.
        let axis = layer.axis.unwrap_or(shape.len());
        let limit = self.scheme.weight_limit;
        let fits = bias.as_deref().map(|b| (b, input_scale));
        let weights = scheme::weights(&values, (&shape, axis), limit, fits);
        let of = |what: &str, this: &mut Self| this.names.fresh(&format!("{}_{what}", weight.name()));
        let names = ["quantized", "scale", "zero_point", "dequantized"].map(|what| of(what, self));
        let scale_dims: &[usize] = if layer.axis.is_some() { &[weights.scales.len()] } else { &[] };
        self.constants.push(TensorProto::from_i8(&names[0], &shape, &weights.values));
        self.constants.push(TensorProto::from_f32(&names[1], scale_dims, &weights.scales));
        self.constants.push(TensorProto::from_i8(&names[2], scale_dims, &vec![0; weights.scales.len()]));
        self.dequantize(&names, layer.axis);
        node.input[1].clone_from(&names[3]);
        if let Some(bias) = bias {
            let (integers, steps) = scheme::bias(&bias, input_scale, &weights.scales);
            let name = node.input[2].clone();
            let names = ["quantized", "scale", "zero_point", "dequantized"]
                .map(|what| self.names.fresh(&format!("{name}_{what}")));
            self.constants.push(TensorProto::from_i32(&names[0], &[integers.len()], &integers));
            self.constants.push(TensorProto::from_f32(&names[1], &[steps.len()], &steps));
            self.constants.push(TensorProto::from_i32(&names[2], &[steps.len()], &vec![0; steps.len()]));
            self.dequantize(&names, Some(0));
            node.input[2].clone_from(&names[3]);
        }
        Ok(())
    }

    fn dequantize(&mut self, [integer, scale, zero, out]: &[String; 4], axis: Option<usize>) {
        let node = NodeProto::new("DequantizeLinear", &[integer, scale, zero], &[out]);
        self.nodes.push(match axis {
            Some(axis) => node.with_int("axis", axis as i64),
            None => node,
        });
    }

    fn finish(self, mut graph: GraphProto) -> GraphProto {
        graph.node = self.nodes;
        graph.initializer.extend(self.constants);
        crate::onnx::fold::drop_unread(&mut graph);
        graph
    }
}
