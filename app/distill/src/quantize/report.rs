//! What quantization measured and decided, layer by layer.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Options;
use super::plan::{Layer, Plan};
use super::scheme::Activation;
use crate::onnx::proto::GraphProto;

/// Why a layer stayed float.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kept {
    /// Whoever asked for the network named it.
    Told,
    /// It loses too much by itself.
    BelowFloor,
    /// Nothing follows that would damp its loss, and it loses more than a last layer may.
    LastLayer,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerLine {
    /// Its name.
    pub name: String,
    /// Its operator.
    pub op: String,
    /// SQNR of the layer alone on integers, dB; absent where it was not tried, has no signal, or lost nothing.
    pub alone_db: Option<f64>,
    /// SQNR of its output in the quantized network, dB.
    pub total_db: Option<f64>,
    /// Why it stayed float; absent where it became integers.
    pub kept: Option<Kept>,
    #[serde(skip)]
    node: usize,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// How ranges were taken.
    pub method: String,
    /// Integers of activations.
    pub activation: Activation,
    /// Bits of a weight.
    pub weight_bits: u8,
    /// Calibration frames.
    pub frames: usize,
    /// Floor for a layer alone, dB.
    pub sqnr_floor_db: f64,
    /// Floor for a last layer alone, dB.
    pub last_floor_db: f64,
    /// Layers in the network's order.
    pub layers: Vec<LayerLine>,
    /// SQNR of the network's outputs, dB, by name.
    pub outputs: Vec<(String, Option<f64>)>,
}

impl Report {
    pub(super) fn new(graph: &GraphProto, layers: &[Layer], options: &Options, frames: usize) -> Self {
        let line = |layer: &Layer| LayerLine {
            name: layer.name.clone(),
            op: graph.node.get(layer.node).map_or_else(String::new, |n| n.op_type().to_owned()),
            alone_db: None,
            total_db: None,
            kept: None,
            node: layer.node,
        };
        Self {
            method: options.method.to_string(),
            activation: options.activation,
            weight_bits: if options.reduce_range { 7 } else { 8 },
            frames,
            sqnr_floor_db: options.sqnr_floor_db,
            last_floor_db: options.last_floor_db,
            layers: layers.iter().map(line).collect(),
            outputs: Vec::new(),
        }
    }

    /// Enters what layers lose alone, and decides which stay float: their nodes.
    pub(super) fn judge(
        &mut self,
        plan: &Plan,
        alone: &[Option<f64>],
        last: &BTreeSet<usize>,
        options: &Options,
    ) -> BTreeSet<usize> {
        for line in &mut self.layers {
            let Some(at) = plan.layers.iter().position(|l| l.node == line.node) else {
                line.kept = Some(Kept::Told);
                continue;
            };
            let measured = alone.get(at).copied().flatten();
            line.alone_db = measured.filter(|db| db.is_finite());
            // A layer without any signal on all frames cannot be judged, and stays what it is.
            let db = measured.unwrap_or(f64::NEG_INFINITY);
            line.kept = if db < options.sqnr_floor_db {
                Some(Kept::BelowFloor)
            } else {
                (last.contains(&line.node) && db < options.last_floor_db).then_some(Kept::LastLayer)
            };
        }
        self.layers.iter().filter(|l| l.kept.is_some()).map(|l| l.node).collect()
    }

    /// Enters what the whole network loses: layers first, then outputs.
    pub(super) fn total(&mut self, graph: &GraphProto, total: Vec<Option<f64>>) {
        let mut total = total.into_iter().map(|db| db.filter(|db| db.is_finite()));
        for line in &mut self.layers {
            line.total_db = total.next().flatten();
        }
        self.outputs = graph.output.iter().map(|o| (o.name().to_owned(), total.next().flatten())).collect();
    }

    /// Layers that became integers.
    pub fn quantized(&self) -> usize {
        self.layers.iter().filter(|l| l.kept.is_none()).count()
    }

    /// Layers with a figure, those that lose most alone first.
    pub fn worst_first(&self) -> Vec<&LayerLine> {
        let mut lines: Vec<&LayerLine> = self.layers.iter().filter(|l| l.alone_db.is_some()).collect();
        lines.sort_by(|a, b| a.alone_db.unwrap_or(f64::MAX).total_cmp(&b.alone_db.unwrap_or(f64::MAX)));
        lines
    }

    pub(super) fn worst(&self, count: usize) -> String {
        let lines = self.worst_first();
        let text = |l: &&LayerLine| format!("{} {:.1} dB", l.name, l.alone_db.unwrap_or(f64::NAN));
        lines.iter().take(count).map(text).collect::<Vec<_>>().join(", ")
    }
}
