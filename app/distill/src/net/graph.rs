//! A network as a list of layers: what is trained, run, folded and exported is this one description.
//!
//! Nodes are in the order they are computed; each has one output (channels, rows, columns) for each picture of a batch.
//! Parameters are named, flat, row-major f32. Deliberately absent: how a layer is computed (`net::engine` on the CPU,
//! `net::reference` in burn, ONNX Runtime after export).

use crate::net::conv::Conv;

/// Index of a node.
pub type NodeId = usize;

/// Rate at which a norm's running statistics follow a batch's.
pub const NORM_MOMENTUM: f32 = 0.05;
/// Added to a norm's variance.
pub const NORM_EPSILON: f32 = 1e-5;

/// What a node computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// The picture.
    Input,
    /// Convolution, then batch norm, then ReLU where `relu`.
    ConvNorm {
        /// The convolution.
        conv: Conv,
        /// Its first parameter: weights, scale, offset follow one another. The norm's number is `norm`.
        first: usize,
        /// Index among the norms.
        norm: usize,
        /// Whether a ReLU follows.
        relu: bool,
    },
    /// Convolution with a bias.
    Conv {
        /// The convolution.
        conv: Conv,
        /// Its first parameter: weights, bias.
        first: usize,
    },
    /// Sum of two, then ReLU where `relu`.
    Add {
        /// Whether a ReLU follows.
        relu: bool,
    },
    /// Rows and columns doubled by repetition.
    Double,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it computes.
    pub op: Op,
    /// What from; two for a sum, none for the input.
    pub inputs: Vec<NodeId>,
    /// Channels, rows, columns.
    pub shape: [usize; 3],
}

impl Node {
    /// Floats for one picture.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a parameter is, which says how it starts and whether it decays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Role {
    /// A convolution's weights: normal with variance `2 / fan_in`, decays.
    Weights,
    /// A head's weights: small, so that the first losses are those of the biases.
    HeadWeights,
    /// A norm's scale: starts at the value given (0 for the last norm before a sum, so that blocks start as identity).
    Scale(f32),
    /// Starts at the value given.
    Offset(f32),
}

/// A parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Unique name: its layer's, then what it is.
    pub name: String,
    /// (outputs, inputs, kernel, kernel), or (channels).
    pub shape: Vec<usize>,
    /// What it is.
    pub role: Role,
}

impl Parameter {
    /// Number of floats.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A network.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Graph {
    /// Layers in order.
    pub nodes: Vec<Node>,
    /// Parameters.
    pub parameters: Vec<Parameter>,
    /// Channels of each norm.
    pub norms: Vec<usize>,
    /// Names of the nodes that are outputs.
    pub outputs: Vec<(String, NodeId)>,
}

impl Graph {
    /// A network of nothing but a picture of (channels, rows, columns).
    pub fn new(shape: [usize; 3]) -> Self {
        Self { nodes: vec![Node { op: Op::Input, inputs: Vec::new(), shape }], ..Self::default() }
    }

    fn push(&mut self, op: Op, inputs: Vec<NodeId>, shape: [usize; 3]) -> NodeId {
        self.nodes.push(Node { op, inputs, shape });
        self.nodes.len() - 1
    }

    fn parameter(&mut self, name: String, shape: Vec<usize>, role: Role) {
        self.parameters.push(Parameter { name, shape, role });
    }

    fn conv_on(&self, from: NodeId, outputs: usize, kernel: usize, stride: usize) -> Conv {
        let [inputs, height, width] = self.nodes[from].shape;
        Conv { inputs, outputs, kernel, stride, height, width }
    }

    /// Convolution of `kernel` and `stride` with norm; `scale` is where the norm's scale starts.
    pub fn conv_norm(&mut self, name: &str, from: NodeId, layer: ConvNorm) -> NodeId {
        let conv = self.conv_on(from, layer.outputs, layer.kernel, layer.stride);
        let (first, norm) = (self.parameters.len(), self.norms.len());
        self.parameter(
            format!("{name}.weight"),
            vec![conv.outputs, conv.inputs, conv.kernel, conv.kernel],
            Role::Weights,
        );
        self.parameter(format!("{name}.scale"), vec![conv.outputs], Role::Scale(layer.scale));
        self.parameter(format!("{name}.offset"), vec![conv.outputs], Role::Offset(0.0));
        self.norms.push(conv.outputs);
        let op = Op::ConvNorm { conv, first, norm, relu: layer.relu };
        self.push(op, vec![from], [conv.outputs, conv.out_height(), conv.out_width()])
    }

    /// A pointwise convolution with bias: an output.
    pub fn head(&mut self, name: &str, from: NodeId, outputs: usize, bias: f32) -> NodeId {
        let node = self.pointwise(name, from, (outputs, bias), Role::HeadWeights);
        self.outputs.push((name.to_owned(), node));
        node
    }

    /// A pointwise convolution with bias that is no output: it brings features to a teacher's channels.
    pub fn adapter(&mut self, name: &str, from: NodeId, outputs: usize) -> NodeId {
        self.pointwise(name, from, (outputs, 0.0), Role::Weights)
    }

    fn pointwise(&mut self, name: &str, from: NodeId, (outputs, bias): (usize, f32), role: Role) -> NodeId {
        let conv = self.conv_on(from, outputs, 1, 1);
        let first = self.parameters.len();
        self.parameter(format!("{name}.weight"), vec![outputs, conv.inputs, 1, 1], role);
        self.parameter(format!("{name}.bias"), vec![outputs], Role::Offset(bias));
        self.push(Op::Conv { conv, first }, vec![from], [outputs, conv.height, conv.width])
    }

    /// The sum of two nodes of one shape.
    pub fn add(&mut self, a: NodeId, b: NodeId, relu: bool) -> NodeId {
        let shape = self.nodes[a].shape;
        self.push(Op::Add { relu }, vec![a, b], shape)
    }

    /// Twice the rows and columns.
    pub fn double(&mut self, from: NodeId) -> NodeId {
        let [channels, height, width] = self.nodes[from].shape;
        self.push(Op::Double, vec![from], [channels, 2 * height, 2 * width])
    }

    /// The node of an output.
    pub fn output(&self, name: &str) -> Option<NodeId> {
        self.outputs.iter().find(|(n, _)| n == name).map(|(_, node)| *node)
    }

    /// The node of a convolution's layer.
    pub fn layer(&self, name: &str) -> Option<NodeId> {
        let named = |first: usize| {
            self.parameters.get(first).is_some_and(|p| p.name.strip_suffix(".weight").is_some_and(|n| n == name))
        };
        self.nodes.iter().position(|node| match node.op {
            Op::ConvNorm { first, .. } | Op::Conv { first, .. } => named(first),
            Op::Input | Op::Add { .. } | Op::Double => false,
        })
    }

    /// Number of trained floats.
    pub fn parameter_count(&self) -> usize {
        self.parameters.iter().map(Parameter::len).sum()
    }

    /// Multiplications for one picture.
    pub fn macs(&self) -> usize {
        let of = |node: &Node| match node.op {
            Op::ConvNorm { conv, .. } | Op::Conv { conv, .. } => conv.macs(),
            _ => 0,
        };
        self.nodes.iter().map(of).sum()
    }

    /// The same network for pictures of another size: everything is convolution, so the parameters stay.
    #[must_use]
    pub fn resized(&self, height: usize, width: usize) -> Self {
        let mut graph = self.clone();
        for index in 0..graph.nodes.len() {
            let from = graph.nodes[index].inputs.first().map(|&i| graph.nodes[i].shape);
            let node = &mut graph.nodes[index];
            node.shape = match (&mut node.op, from) {
                (Op::ConvNorm { conv, .. } | Op::Conv { conv, .. }, Some([_, h, w])) => {
                    (conv.height, conv.width) = (h, w);
                    [conv.outputs, conv.out_height(), conv.out_width()]
                }
                (Op::Add { .. }, Some(shape)) => shape,
                (Op::Double, Some([c, h, w])) => [c, 2 * h, 2 * w],
                _ => [node.shape[0], height, width],
            };
        }
        graph
    }
}

/// How a convolution with norm is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConvNorm {
    /// Channels out.
    pub outputs: usize,
    /// Side of the kernel.
    pub kernel: usize,
    /// Step.
    pub stride: usize,
    /// Whether a ReLU follows.
    pub relu: bool,
    /// Where the norm's scale starts.
    pub scale: f32,
}

impl ConvNorm {
    /// A 3x3 convolution with ReLU.
    pub fn of(outputs: usize, stride: usize) -> Self {
        Self { outputs, kernel: 3, stride, relu: true, scale: 1.0 }
    }

    /// A pointwise one without ReLU.
    pub fn lateral(outputs: usize) -> Self {
        Self { outputs, kernel: 1, stride: 1, relu: false, scale: 1.0 }
    }
}
