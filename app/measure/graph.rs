//! What a network's file says and what its layers give: bytes, parameters, multiply-accumulates, and the tensors between.
//!
//! To see the tensors between, they are made outputs of the graph, which is run as it is otherwise.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use ocellus_distill::onnx;
use ocellus_distill::onnx::proto::{GraphProto, NodeProto, TensorProto, data_type};
use ocellus_infer::Runtime;
use ocellus_percept::image::Image;
use ocellus_percept::model::ModelSpec;
use ocellus_percept::tensor::{TensorData, TensorView};
use serde::Serialize;

use crate::models::PictureRunner;

/// What a file weighs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Weight {
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes of every tensor in it.
    pub tensor_bytes: u64,
    /// Elements of every tensor but whole numbers of 64 bits, which are shapes and indices.
    pub parameters: u64,
}

/// Weighs a file.
pub fn weigh(bytes: &[u8]) -> Result<Weight> {
    let model = onnx::read(bytes)?;
    let graph = model.graph.unwrap_or_default();
    let constants = graph.node.iter().flat_map(|n| &n.attribute).filter_map(|a| a.t.as_deref());
    let mut weight = Weight { file_bytes: bytes.len() as u64, ..Weight::default() };
    for tensor in graph.initializer.iter().chain(constants) {
        weight.tensor_bytes += (tensor.len() * element_bytes(tensor)) as u64;
        if tensor.data_type != Some(data_type::INT64) {
            weight.parameters += tensor.len() as u64;
        }
    }
    Ok(weight)
}

fn element_bytes(tensor: &TensorProto) -> usize {
    match tensor.data_type.unwrap_or(0) {
        data_type::INT64 | data_type::DOUBLE | 13 => 8,
        data_type::FLOAT | data_type::INT32 | 12 => 4,
        data_type::FLOAT16 | 4 | 5 | 16 => 2,
        _ => 1,
    }
}

/// Operators whose outputs are layers.
const LAYERS: [&str; 6] = ["Conv", "ConvTranspose", "Gemm", "MatMul", "ConvInteger", "MatMulInteger"];

fn is_layer(node: &NodeProto) -> bool {
    LAYERS.iter().any(|op| node.is(op))
}

/// Names of the layers' outputs, in the network's order.
pub fn layers(bytes: &[u8]) -> Result<Vec<String>> {
    let graph = onnx::read(bytes)?.graph.unwrap_or_default();
    Ok(graph.node.iter().filter(|n| is_layer(n)).filter_map(|n| n.output.first().cloned()).collect())
}

/// Names of all tensors that nodes give.
pub fn tensors(bytes: &[u8]) -> Result<Vec<String>> {
    let graph = onnx::read(bytes)?.graph.unwrap_or_default();
    Ok(graph.node.into_iter().flat_map(|n| n.output).collect())
}

/// A tensor between layers.
pub struct Between {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values; empty where they are no floats.
    pub values: Vec<f32>,
}

/// A network that shows tensors between its layers.
pub struct Tapped {
    runner: PictureRunner,
    wanted: Vec<String>,
}

impl Tapped {
    /// The network in `bytes`, fed as `spec` says, with the tensors `wanted` as outputs.
    pub fn new(runtime: &Runtime, spec: &ModelSpec, bytes: &[u8], wanted: &[String]) -> Result<Self> {
        let mut model = onnx::read(bytes)?;
        let graph = model.graph.take().unwrap_or_default();
        let bytes = onnx::with_outputs(&model, graph, wanted.iter().map(String::as_str));
        let runner = PictureRunner::of_bytes(runtime, spec, &format!("{} (tapped)", spec.name), &bytes)?;
        Ok(Self { runner, wanted: wanted.to_vec() })
    }

    /// Runs on a picture.
    pub fn run(&mut self, image: &Image) -> Result<Vec<Between>> {
        let wanted = &self.wanted;
        self.runner.run(image.view(), |outputs, _| {
            let of = |view: &&TensorView<'_>| wanted.iter().any(|name| name == view.name);
            let between = |view: &TensorView<'_>| Between {
                name: view.name.to_owned(),
                shape: view.shape.to_vec(),
                values: if let TensorData::F32(values) = view.data { values.to_vec() } else { Vec::new() },
            };
            outputs.iter().filter(of).map(between).collect()
        })
    }
}

/// Multiply-accumulates of one run on `image`, from the shapes its layers really have.
pub fn macs(runtime: &Runtime, spec: &ModelSpec, bytes: &[u8], image: &Image) -> Result<u64> {
    Ok(macs_by_node(runtime, spec, bytes, image)?.values().sum())
}

/// The same by the names of nodes.
pub fn macs_by_node(runtime: &Runtime, spec: &ModelSpec, bytes: &[u8], image: &Image) -> Result<BTreeMap<String, u64>> {
    let graph = onnx::read(bytes)?.graph.unwrap_or_default();
    let nodes: Vec<&NodeProto> = graph.node.iter().filter(|n| is_layer(n)).collect();
    let produced: Vec<&String> = graph.node.iter().flat_map(|n| &n.output).collect();
    let mut wanted: Vec<String> = Vec::new();
    for node in &nodes {
        let sides = node.output.first().into_iter().chain(node.input.first());
        wanted.extend(sides.filter(|name| produced.contains(name)).cloned());
    }
    wanted.sort();
    wanted.dedup();
    // Some tensors are of types that cannot be shown (signed bytes): then inputs are left out.
    let outputs: Vec<String> = nodes.iter().filter_map(|n| n.output.first().cloned()).collect();
    let tapped = Tapped::new(runtime, spec, bytes, &wanted).or_else(|_| Tapped::new(runtime, spec, bytes, &outputs));
    let shapes: BTreeMap<String, Vec<usize>> = tapped?.run(image)?.into_iter().map(|b| (b.name, b.shape)).collect();
    let mut by_node = BTreeMap::new();
    for node in nodes {
        // Nodes without a name share one: their sum is right.
        let macs = of_node(node, &graph, &shapes).with_context(|| node.label().to_owned())?;
        *by_node.entry(node.name.clone().unwrap_or_default()).or_default() += macs;
    }
    Ok(by_node)
}

/// Output elements times the products that each sums.
fn of_node(node: &NodeProto, graph: &GraphProto, shapes: &BTreeMap<String, Vec<usize>>) -> Result<u64> {
    let shape = |name: Option<&String>| name.and_then(|n| shapes.get(n));
    let elements = |shape: &Vec<usize>| shape.iter().product::<usize>() as u64;
    let output = shape(node.output.first()).context("its output has no shape")?;
    let weights = node.input.get(1).and_then(|name| weights_of(name, graph)).map(TensorProto::shape);
    let each = |dims: &[usize]| dims.iter().product::<usize>() as u64;
    if node.is("ConvTranspose") {
        let (weights, input) = weights.zip(shape(node.input.first())).context("its weights are computed")?;
        return Ok(elements(input) * each(weights.get(1..).unwrap_or_default()));
    }
    let inner = match (&weights, shape(node.input.first())) {
        (Some(w), _) if node.is("Conv") || node.is("ConvInteger") => each(w.get(1..).unwrap_or_default()),
        (Some(w), _) if node.is("Gemm") => {
            w.get(usize::from(node.int("transB") == Some(1))).copied().unwrap_or(0) as u64
        }
        (Some(w), _) if w.len() >= 2 => w[w.len() - 2] as u64,
        (_, Some(a)) => a.last().copied().unwrap_or(0) as u64,
        _ => return Err(anyhow::anyhow!("neither its weights nor its input have a shape")),
    };
    Ok(elements(output) * inner)
}

/// The constant behind a name, through a DequantizeLinear where there is one.
fn weights_of<'a>(name: &str, graph: &'a GraphProto) -> Option<&'a TensorProto> {
    graph.initializer(name).or_else(|| {
        let giver = graph.node.iter().find(|n| n.output.iter().any(|o| o == name))?;
        let constant = || giver.attribute.iter().find_map(|a| a.t.as_deref());
        let through = ["DequantizeLinear", "Cast", "Identity"].iter().any(|op| giver.is(op));
        if giver.is("Constant") {
            constant()
        } else if through {
            weights_of(giver.input.first()?, graph)
        } else {
            None
        }
    })
}
