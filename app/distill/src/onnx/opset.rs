//! Brings a network of operator set 11 or 12 to 13, the first whose quantization is by channel.
//!
//! What changed between them: axes and splits became inputs (Squeeze, Unsqueeze, ReduceSum, Split), and Softmax works
//! along one axis where it had flattened all axes behind it. Everything else reads the same.

use super::OnnxError;
use super::graph::Names;
use super::proto::{GraphProto, ModelProto, NodeProto, TensorProto};

/// The operator set needed.
pub const PER_CHANNEL: i64 = 13;

/// The oldest that can be raised.
const OLDEST: i64 = 11;

/// The format version that operator set 13 came with.
const IR_VERSION: i64 = 7;

/// Operators whose attribute became their second input.
const ATTRIBUTE_TO_INPUT: [(&str, &str); 4] =
    [("Squeeze", "axes"), ("Unsqueeze", "axes"), ("ReduceSum", "axes"), ("Split", "split")];

/// Operators that flattened everything from their axis on, which was 1 where nothing was said.
const FLATTENED: [&str; 3] = ["Softmax", "LogSoftmax", "Hardmax"];

/// Raises `model` to operator set 13 where it is of 11 or 12; newer ones stay as they are. Returns whether it changed.
pub fn raise(model: &mut ModelProto) -> Result<bool, OnnxError> {
    let got = model.opset();
    if got >= PER_CHANNEL {
        return Ok(false);
    }
    let needed = format!("{PER_CHANNEL} or newer (quantization by channel)");
    if got < OLDEST {
        let advice = "export the network with opset_version=17";
        return Err(OnnxError::Opset { got, needed, advice });
    }
    let graph = model.graph.as_mut().ok_or(OnnxError::NoGraph)?;
    if graph.node.iter().any(NodeProto::has_body) {
        let advice = "it holds If or Loop, which are not raised here: export it with opset_version=17";
        return Err(OnnxError::Opset { got, needed, advice });
    }
    let mut names = Names::new(graph);
    let mut fresh = Vec::new();
    let mut nodes = std::mem::take(&mut graph.node);
    for node in &mut nodes {
        raise_node(node, graph, &mut names, &mut fresh)?;
    }
    graph.node = nodes;
    graph.initializer.extend(fresh);
    model.opset_import.iter_mut().filter(|o| matches!(o.domain(), "" | "ai.onnx")).for_each(|o| {
        o.version = Some(PER_CHANNEL);
    });
    model.ir_version = Some(model.ir_version().max(IR_VERSION));
    Ok(true)
}

fn raise_node(
    node: &mut NodeProto,
    graph: &GraphProto,
    names: &mut Names,
    fresh: &mut Vec<TensorProto>,
) -> Result<(), OnnxError> {
    if !node.domain().is_empty() {
        return Ok(());
    }
    if let Some((_, attribute)) = ATTRIBUTE_TO_INPUT.iter().find(|(op, _)| node.is(op)) {
        if let Some(values) = node.ints(attribute).map(<[i64]>::to_vec) {
            let name = names.fresh(&format!("{}_{attribute}", node.label()));
            fresh.push(TensorProto::from_i64(&name, &[values.len()], &values));
            node.attribute.retain(|a| a.name() != *attribute);
            node.input.push(name);
        }
    } else if node.is("Dropout") {
        // Its ratio means nothing outside training.
        node.attribute.retain(|a| a.name() != "ratio");
    } else if FLATTENED.iter().any(|op| node.is(op)) {
        let axis = node.int("axis").unwrap_or(1);
        let rank = node.input.first().and_then(|name| rank(graph, name));
        let rank = rank.or_else(|| node.output.first().and_then(|name| self::rank(graph, name)));
        if axis != -1 && rank.is_none_or(|rank| axis != rank as i64 - 1) {
            return Err(OnnxError::Node {
                node: node.label().to_owned(),
                op: node.op_type().to_owned(),
                why: format!(
                    "along axis {axis}, which is not known to be the last, it means something else in operator set 13: export the network with opset_version=17"
                ),
            });
        }
        *node = std::mem::take(node).with_int("axis", -1);
    }
    Ok(())
}

fn rank(graph: &GraphProto, name: &str) -> Option<usize> {
    let mut values = graph.value_info.iter().chain(&graph.output).chain(&graph.input);
    values.find(|v| v.name() == name)?.rank()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::{ValueInfoProto, data_type};

    fn model(nodes: Vec<NodeProto>, opset: i64) -> ModelProto {
        let value_info = vec![ValueInfoProto::tensor("four", data_type::FLOAT, &[Some(1); 4])];
        ModelProto::new(GraphProto { node: nodes, value_info, ..GraphProto::default() }, opset)
    }

    #[test]
    fn axes_become_inputs_and_softmax_keeps_its_meaning() {
        let nodes = vec![
            NodeProto::new("Unsqueeze", &["x"], &["y"]).with_ints("axes", &[0, 2]),
            NodeProto::new("Split", &["y"], &["a", "b"]).with_int("axis", 1),
            NodeProto::new("Softmax", &["four"], &["s"]).with_int("axis", 3),
        ];
        let mut model = model(nodes, 11);
        assert!(raise(&mut model).unwrap());
        assert_eq!(model.opset(), 13);
        let graph = model.graph.as_ref().unwrap();
        assert_eq!(graph.initializer(&graph.node[0].input[1]).unwrap().to_i64().unwrap(), [0, 2]);
        assert!(graph.node[0].attribute.is_empty());
        assert_eq!((graph.node[1].input.len(), graph.node[1].int("axis")), (1, Some(1)));
        assert_eq!(graph.node[2].int("axis"), Some(-1));
        assert!(!raise(&mut model).unwrap());
    }

    #[test]
    fn what_cannot_be_raised_says_so() {
        let softmax = |name| vec![NodeProto::new("Softmax", &[name], &["s"])];
        for (nodes, opset) in [(softmax("four"), 11), (softmax("unknown"), 12), (vec![], 10), (vec![], 0)] {
            let error = raise(&mut model(nodes, opset)).unwrap_err().to_string();
            assert!(error.contains("opset_version=17"), "{error}");
        }
    }
}
