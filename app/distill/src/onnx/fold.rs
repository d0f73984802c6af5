//! Constants brought to their place: BatchNormalization into the convolution before it, Constant nodes to initializers.

use std::collections::{BTreeMap, BTreeSet};

use super::OnnxError;
use super::graph::{Links, Names};
use super::proto::{GraphProto, NodeProto, TensorProto};

/// What BatchNormalization adds to the variance where the file does not say.
const EPSILON: f32 = 1e-5;

/// Constant nodes with a tensor become initializers, and initializers are no inputs (old files list them as such, which
/// keeps runtimes from treating them as constants). Returns how many inputs were taken away.
pub fn constants_to_initializers(graph: &mut GraphProto) -> usize {
    let mut constants = Vec::new();
    graph.node.retain(|node| {
        let tensor = node.attribute("value").and_then(|a| a.t.as_deref());
        let (true, Some(tensor), Some(output)) = (node.is("Constant"), tensor, node.output.first()) else {
            return true;
        };
        constants.push(TensorProto { name: Some(output.clone()), ..tensor.clone() });
        false
    });
    graph.initializer.extend(constants);
    let names: BTreeSet<&str> = graph.initializer.iter().map(TensorProto::name).collect();
    let before = graph.input.len();
    graph.input.retain(|input| !names.contains(input.name()));
    before - graph.input.len()
}

/// Folds each BatchNormalization into the Conv or ConvTranspose whose only reader it is. Returns how many were folded.
///
/// With weight W and bias b: `W * s` and `(b - mean) * s + shift`, where `s = scale / sqrt(variance + epsilon)` for each
/// output channel.
pub fn batch_norms(graph: &mut GraphProto) -> Result<usize, OnnxError> {
    let mut folded = BTreeMap::new();
    let mut fresh = Vec::new();
    let mut names = Names::new(graph);
    let links = Links::new(graph);
    for (index, norm) in graph.node.iter().enumerate().filter(|(_, n)| n.is("BatchNormalization")) {
        let Some(conv_at) = norm.input.first().and_then(|t| links.producer(t)) else { continue };
        let Some(conv) = graph.node.get(conv_at) else { continue };
        let Some((weight, bias)) = fold(&links, conv, norm)? else { continue };
        let (weight_name, bias_name) = (names.fresh(&folded_name(conv, 1)), names.fresh(&folded_name(norm, 2)));
        let mut merged = conv.clone();
        merged.input.truncate(1);
        merged.input.extend([weight_name.clone(), bias_name.clone()]);
        merged.output.clone_from(&norm.output);
        fresh.push(TensorProto { name: Some(weight_name), ..weight });
        fresh.push(TensorProto { name: Some(bias_name), ..bias });
        folded.insert(conv_at, None);
        folded.insert(index, Some(merged));
    }
    let count = folded.len() / 2;
    let nodes = std::mem::take(&mut graph.node).into_iter().enumerate();
    // The merged node stands where the normalization stood, so the order stays topological.
    graph.node = nodes.filter_map(|(i, node)| folded.remove(&i).unwrap_or(Some(node))).collect();
    graph.initializer.extend(fresh);
    drop_unread(graph);
    Ok(count)
}

fn folded_name(node: &NodeProto, input: usize) -> String {
    let base = node.input.get(input).map_or("", String::as_str);
    format!("{base}_folded")
}

/// Weight and bias with the normalization in them; `None` where the two cannot be folded.
fn fold(
    links: &Links<'_>,
    conv: &NodeProto,
    norm: &NodeProto,
) -> Result<Option<(TensorProto, TensorProto)>, OnnxError> {
    let transposed = conv.is("ConvTranspose");
    let between = conv.output.first().map_or("", String::as_str);
    let alone = links.consumers(between).len() == 1 && !links.is_output(between) && norm.output.len() == 1;
    let grouped = conv.int("group").unwrap_or(1) != 1;
    if !(conv.is("Conv") || transposed && !grouped) || !alone || norm.int("training_mode").unwrap_or(0) != 0 {
        return Ok(None);
    }
    let constant = |node: &NodeProto, i: usize| node.input.get(i).and_then(|name| links.initializer(name));
    let Some(weight) = constant(conv, 1) else { return Ok(None) };
    let (Some(scale), Some(shift), Some(mean), Some(variance)) =
        (constant(norm, 1), constant(norm, 2), constant(norm, 3), constant(norm, 4))
    else {
        return Ok(None);
    };
    let bias = match conv.input.get(2).filter(|name| !name.is_empty()) {
        Some(name) => match links.initializer(name) {
            Some(bias) => bias.to_f32()?,
            None => return Ok(None),
        },
        None => vec![0.0; scale.len()],
    };
    let [scale, shift, mean, variance] = [scale.to_f32()?, shift.to_f32()?, mean.to_f32()?, variance.to_f32()?];
    let epsilon = norm.float("epsilon").unwrap_or(EPSILON);
    let factor: Vec<f32> = scale.iter().zip(&variance).map(|(s, v)| s / (v + epsilon).sqrt()).collect();
    let axis = usize::from(transposed);
    let shape = weight.shape();
    let channels = shape.get(axis).copied().unwrap_or(0);
    if [factor.len(), shift.len(), mean.len(), bias.len()].iter().any(|n| *n != channels) {
        return Err(OnnxError::Node {
            node: norm.label().to_owned(),
            op: norm.op_type().to_owned(),
            why: format!("its constants do not fit the {channels} channels of {}: export it again", conv.label()),
        });
    }
    let inner: usize = shape.iter().skip(axis + 1).product();
    let mut values = weight.to_f32()?;
    for (i, value) in values.iter_mut().enumerate() {
        *value *= factor[i / inner.max(1) % channels.max(1)];
    }
    let new_bias: Vec<f32> = (0..channels).map(|c| (bias[c] - mean[c]) * factor[c] + shift[c]).collect();
    Ok(Some((TensorProto::from_f32("", &shape, &values), TensorProto::from_f32("", &[channels], &new_bias))))
}

/// Takes away initializers that nothing reads.
pub fn drop_unread(graph: &mut GraphProto) {
    let mut read: BTreeSet<&str> = graph.node.iter().flat_map(|n| n.input.iter().map(String::as_str)).collect();
    read.extend(graph.output.iter().map(|o| o.name()));
    let bodies = graph.node.iter().any(NodeProto::has_body);
    // A body reads names of the graph around it, which are not looked into here.
    if !bodies {
        let keep: Vec<bool> = graph.initializer.iter().map(|t| read.contains(t.name())).collect();
        let mut keep = keep.into_iter();
        graph.initializer.retain(|_| keep.next().unwrap_or(true));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::ValueInfoProto;

    #[test]
    fn a_normalization_becomes_part_of_its_convolution() {
        let t = |name: &str, dims: &[usize], v: &[f32]| TensorProto::from_f32(name, dims, v);
        let mut graph = GraphProto {
            node: vec![
                NodeProto::new("Conv", &["x", "w", "b"], &["a"]),
                NodeProto::new("BatchNormalization", &["a", "s", "t", "m", "v"], &["y"]).with_float("epsilon", 0.0),
            ],
            initializer: vec![
                t("w", &[2, 1, 1, 2], &[1.0, 2.0, 3.0, 4.0]),
                t("b", &[2], &[1.0, -1.0]),
                t("s", &[2], &[2.0, 3.0]),
                t("t", &[2], &[0.5, 0.25]),
                t("m", &[2], &[1.0, 2.0]),
                t("v", &[2], &[4.0, 9.0]),
            ],
            output: vec![ValueInfoProto::untyped("y")],
            ..GraphProto::default()
        };
        assert_eq!(batch_norms(&mut graph).unwrap(), 1);
        assert_eq!((graph.node.len(), graph.initializer.len()), (1, 2));
        let conv = &graph.node[0];
        assert_eq!((conv.op_type(), conv.output[0].as_str()), ("Conv", "y"));
        assert_eq!(graph.initializer(&conv.input[1]).unwrap().to_f32().unwrap(), [1.0, 2.0, 3.0, 4.0]);
        // (1 - 1) * 1 + 0.5 and (-1 - 2) * 1 + 0.25.
        assert_eq!(graph.initializer(&conv.input[2]).unwrap().to_f32().unwrap(), [0.5, -2.75]);
    }

    #[test]
    fn a_convolution_that_others_read_stays() {
        let mut graph = GraphProto {
            node: vec![
                NodeProto::new("Conv", &["x", "w"], &["a"]),
                NodeProto::new("BatchNormalization", &["a", "s", "s", "s", "s"], &["y"]),
                NodeProto::new("Relu", &["a"], &["z"]),
            ],
            initializer: vec![
                TensorProto::from_f32("w", &[1, 1, 1, 1], &[1.0]),
                TensorProto::from_f32("s", &[1], &[1.0]),
            ],
            ..GraphProto::default()
        };
        let before = graph.node.clone();
        assert_eq!(batch_norms(&mut graph).unwrap(), 0);
        assert_eq!(graph.node, before);
    }
}
