//! The family of our own networks: one picture in; boxes, classes, masks and depth out.
//!
//! Dense 3x3 convolutions with ReLU (they quantize well and run 1.7 times faster in INT8 on a CPU), residual blocks, sums
//! instead of concatenations where scales meet. All outputs are raw; `ocellus_percept` decodes them (`head = "student"`).
//!
//! | output | shape | holds |
//! |---|---|---|
//! | `box_S` | (4 * bins, h/S, w/S) | logits over `bins` distances in strides, for left, top, right, bottom |
//! | `class_S` | (classes, h/S, w/S) | logits |
//! | `mask_S` | (prototypes, h/S, w/S) | coefficients |
//! | `prototypes` | (prototypes, h/4, w/4) | maps that coefficients weigh |
//! | `log_depth` | (1, h/4, w/4) | natural logarithm of metres for a camera of the reference focal length |

use crate::net::graph::{ConvNorm, Graph, NodeId};
use crate::recipe::NetworkTable;

/// Strides of the boxes' scales.
pub const STRIDES: [usize; 3] = [8, 16, 32];
/// Stride of prototypes and depth.
pub const FINE_STRIDE: usize = 4;
/// Score every cell starts with: about the share of cells that hold an object.
const CLASS_PRIOR: f32 = 0.01;
/// Where log-depth starts: the middle of a street.
const LOG_DEPTH_PRIOR: f32 = 2.7;

/// Builds a network of the family for pictures of `height` x `width` with `classes` classes.
pub fn student(table: &NetworkTable, classes: usize, [height, width]: [usize; 2]) -> Graph {
    let mut g = Graph::new([3, height, width]);
    let widths = table.widths;
    let mut at = g.conv_norm("stem", 0, ConvNorm::of(widths[0], 2));
    let mut levels = Vec::new();
    for (level, &depth) in table.depths.iter().enumerate() {
        let stride = FINE_STRIDE << level;
        at = g.conv_norm(&format!("down_{stride}"), at, ConvNorm::of(widths[level + 1], 2));
        for block in 0..depth {
            at = residual(&mut g, &format!("block_{stride}_{block}"), at);
        }
        levels.push(at);
    }
    let scales = neck(&mut g, table, &levels);
    for (stride, from) in STRIDES.into_iter().zip(scales[1..].iter().copied()) {
        let class = g.conv_norm(&format!("to_class_{stride}"), from, ConvNorm::of(table.head, 1));
        g.head(&format!("class_{stride}"), class, classes, -((1.0 - CLASS_PRIOR) / CLASS_PRIOR).ln());
        let shape = g.conv_norm(&format!("to_shape_{stride}"), from, ConvNorm::of(table.head, 1));
        g.head(&format!("box_{stride}"), shape, 4 * table.bins, 0.0);
        g.head(&format!("mask_{stride}"), shape, table.prototypes, 0.0);
    }
    let fine = scales[0];
    g.head("prototypes", fine, table.prototypes, 0.0);
    let depth = g.conv_norm("to_depth", fine, ConvNorm::of(table.fine / 2, 1));
    g.head("log_depth", depth, 1, LOG_DEPTH_PRIOR);
    g
}

/// Two 3x3 convolutions through half the channels, added to what came in.
fn residual(g: &mut Graph, name: &str, from: NodeId) -> NodeId {
    let channels = g.nodes[from].shape[0];
    let inner = g.conv_norm(&format!("{name}_in"), from, ConvNorm::of(channels.div_ceil(2), 1));
    let out = ConvNorm { relu: false, scale: 0.0, ..ConvNorm::of(channels, 1) };
    let out = g.conv_norm(&format!("{name}_out"), inner, out);
    g.add(from, out, true)
}

/// Joins the levels from coarse to fine; the finest first.
fn neck(g: &mut Graph, table: &NetworkTable, levels: &[NodeId]) -> Vec<NodeId> {
    let mut scales = Vec::new();
    let mut above: Option<NodeId> = None;
    for (level, &from) in levels.iter().enumerate().rev() {
        let stride = FINE_STRIDE << level;
        let channels = if level == 0 { table.fine } else { table.neck };
        let mut joined = g.conv_norm(&format!("lateral_{stride}"), from, ConvNorm::lateral(channels));
        if let Some(above) = above {
            let narrowed = if g.nodes[above].shape[0] == channels {
                above
            } else {
                g.conv_norm(&format!("narrow_{stride}"), above, ConvNorm::lateral(channels))
            };
            let doubled = g.double(narrowed);
            joined = g.add(joined, doubled, true);
        }
        let out = g.conv_norm(&format!("neck_{stride}"), joined, ConvNorm::of(channels, 1));
        above = Some(out);
        scales.push(out);
    }
    scales.reverse();
    scales
}
