//! A trained network as an ONNX file and the manifest beside it.
//!
//! Norms are folded into the convolutions before them; outputs keep their names; the file says in its metadata what it was
//! made of. Doubling is `Resize` with constant scales, which quantizers understand. ONNX Runtime gives what the trainer's
//! own forward pass gives, to 1e-5 of the largest value.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::data::view::class_names;
use crate::net::engine::{Running, Values, affine};
use crate::net::graph::{Graph, NodeId, Op};
use crate::onnx::proto::{GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, data_type};
use crate::onnx::write;
use crate::recipe::Recipe;
use crate::teacher::table::TeacherTable;

/// Operator set: the oldest whose `Resize` and quantized operators are those of today.
const OPSET: i64 = 13;
/// Name of the input.
const INPUT: &str = "picture";

/// A network ready to be run: its file's bytes and the text of its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The ONNX file.
    pub onnx: Vec<u8>,
    /// `model.toml`.
    pub manifest: String,
    /// Name of the file that the manifest names.
    pub file: String,
}

/// Weights and bias of the convolution `op`, with its norm folded in. Empty for what is no convolution.
pub fn folded(op: &Op, values: &Values, running: &[Running]) -> (Vec<f32>, Vec<f32>) {
    match *op {
        Op::Conv { first, .. } => (values[first].clone(), values[first + 1].clone()),
        Op::ConvNorm { conv, first, norm, .. } => {
            let lines = affine(&running[norm], &values[first + 1], &values[first + 2]);
            let rows = values[first].chunks_exact(conv.patch()).zip(&lines);
            let weights = rows.flat_map(|(row, [slope, _])| row.iter().map(move |w| w * slope)).collect();
            (weights, lines.iter().map(|[_, intercept]| *intercept).collect())
        }
        Op::Input | Op::Add { .. } | Op::Double => (Vec::new(), Vec::new()),
    }
}

/// The network with the values of `recipe` after `steps` steps. `values` may go on after those of `graph`: a student's
/// adapters to its teacher do, and are left behind.
pub fn export(recipe: &Recipe, graph: &Graph, values: &Values, running: &[Running], steps: usize) -> Exported {
    let mut writer = Writer { graph, proto: GraphProto { name: Some(recipe.name.clone()), ..GraphProto::default() } };
    let [_, height, width] = graph.nodes[0].shape;
    let float = |name: &str, [channels, rows, columns]: [usize; 3]| {
        ValueInfoProto::tensor(name, data_type::FLOAT, &[Some(1), Some(channels), Some(rows), Some(columns)])
    };
    writer.proto.input.push(float(INPUT, graph.nodes[0].shape));
    writer.proto.initializer.push(TensorProto::from_f32("twice", &[4], &[1.0, 1.0, 2.0, 2.0]));
    for (id, node) in graph.nodes.iter().enumerate() {
        writer.node(id, node.op, &folded(&node.op, values, running));
    }
    writer.proto.output = graph.outputs.iter().map(|(name, id)| float(name, graph.nodes[*id].shape)).collect();
    let mut model = ModelProto::new(writer.proto, OPSET);
    for (key, value) in metadata(recipe, [height, width], steps) {
        model.set_metadata(key, &value);
    }
    let onnx = write(&model);
    let file = format!("{}.onnx", recipe.name);
    let manifest = manifest(recipe, &file, &onnx, [height, width], steps);
    Exported { onnx, manifest, file }
}

fn names_literal() -> String {
    let names = class_names();
    let entries: Vec<String> = names.iter().enumerate().map(|(i, n)| format!("{i}: '{n}'")).collect();
    format!("{{{}}}", entries.join(", "))
}

fn metadata(recipe: &Recipe, [height, width]: [usize; 2], steps: usize) -> Vec<(&'static str, String)> {
    let text = toml::to_string(recipe).unwrap_or_default();
    let teacher = recipe.teacher.as_ref().map(|t| ("teacher", taught(t)));
    let own = [
        ("author", "Ocellus".to_owned()),
        ("task", "detect".to_owned()),
        ("names", names_literal()),
        ("imgsz", format!("[{height}, {width}]")),
        ("data", format!("streets of the simulated world, seeds from {}", recipe.data.first_seed)),
        ("seed", recipe.seed.to_string()),
        ("steps", steps.to_string()),
        ("views", (steps * recipe.train.batch).to_string()),
        ("recipe_sha256", hex(&Sha256::digest(text.as_bytes()))),
        ("recipe", text),
    ];
    own.into_iter().chain(teacher).collect()
}

/// Who taught, and with which weights.
fn taught(teacher: &TeacherTable) -> String {
    format!("{} (weights sha256 {})", teacher.training, teacher.sha256.as_deref().unwrap_or("not known"))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn manifest(recipe: &Recipe, file: &str, onnx: &[u8], [height, width]: [usize; 2], steps: usize) -> String {
    let classes: Vec<String> = class_names().iter().map(|c| format!("\"{c}\"")).collect();
    format!(
        "name = \"{}\"\nfile = \"{file}\"\nsha256 = \"{}\"\nlicence = \"MIT OR Apache-2.0\"\n\
         provenance = \"trained by `ocellus distill` on {} views of the simulated world (seed {}, {steps} steps){}\"\n\
         head = \"student\"\nclasses = [{}]\nprecision = \"fp32\"\n\n\
         [input]\nname = \"{INPUT}\"\nsize = [{width}, {height}]\nresize = \"letterbox-centre\"\nfill = 114\norder = \"rgb\"\n\
         mean = [0.0, 0.0, 0.0]\nscale = [0.003921569, 0.003921569, 0.003921569]\n\n\
         [thresholds]\nscore = 0.25\nnms_iou = 0.5\nmax_detections = 100\n",
        recipe.name,
        hex(&Sha256::digest(onnx)),
        steps * recipe.train.batch,
        recipe.seed,
        recipe.teacher.as_ref().map_or_else(String::new, |t| format!(", taught by {}", taught(t))),
        classes.join(", "),
    )
}

struct Writer<'a> {
    graph: &'a Graph,
    proto: GraphProto,
}

impl Writer<'_> {
    /// The name of a node's output.
    fn name(&self, id: NodeId) -> String {
        match self.graph.outputs.iter().find(|(_, node)| *node == id) {
            Some((name, _)) => name.clone(),
            None if id == 0 => INPUT.to_owned(),
            None => format!("t{id}"),
        }
    }

    /// The name of the parameter's layer.
    fn layer(&self, first: usize) -> String {
        let name = &self.graph.parameters[first].name;
        name.strip_suffix(".weight").unwrap_or(name).to_owned()
    }

    fn node(&mut self, id: NodeId, op: Op, (weights, bias): &(Vec<f32>, Vec<f32>)) {
        let inputs: Vec<String> = self.graph.nodes[id].inputs.iter().map(|&i| self.name(i)).collect();
        let out = self.name(id);
        let before = format!("{out}_before");
        let relu = matches!(op, Op::ConvNorm { relu: true, .. } | Op::Add { relu: true });
        let target: &str = if relu { &before } else { &out };
        let node = match op {
            Op::Input => return,
            Op::Conv { conv, first } | Op::ConvNorm { conv, first, .. } => {
                let layer = self.layer(first);
                let (w, b) = (format!("{layer}.weight"), format!("{layer}.bias"));
                let shape = [conv.outputs, conv.inputs, conv.kernel, conv.kernel];
                self.proto.initializer.push(TensorProto::from_f32(&w, &shape, weights));
                self.proto.initializer.push(TensorProto::from_f32(&b, &[conv.outputs], bias));
                let (side, step, pad) = (conv.kernel as i64, conv.stride as i64, (conv.kernel / 2) as i64);
                NodeProto::new("Conv", &[&inputs[0], &w, &b], &[target])
                    .with_ints("kernel_shape", &[side, side])
                    .with_ints("strides", &[step, step])
                    .with_ints("pads", &[pad; 4])
            }
            Op::Add { .. } => NodeProto::new("Add", &[&inputs[0], &inputs[1]], &[target]),
            Op::Double => NodeProto::new("Resize", &[&inputs[0], "", "twice"], &[target])
                .with_text("mode", "nearest")
                .with_text("coordinate_transformation_mode", "asymmetric")
                .with_text("nearest_mode", "floor"),
        };
        self.proto.node.push(node);
        if relu {
            self.proto.node.push(NodeProto::new("Relu", &[&before], &[&out]));
        }
    }
}
