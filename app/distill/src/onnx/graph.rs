//! Who writes a tensor and who reads it: the shape of a graph, by names.

use std::collections::{BTreeMap, BTreeSet};

use super::proto::{GraphProto, TensorProto};

/// Indexes into the nodes and initializers of one graph. Holds as long as the graph is not changed.
#[derive(Debug, Clone)]
pub struct Links<'a> {
    graph: &'a GraphProto,
    producers: BTreeMap<&'a str, usize>,
    consumers: BTreeMap<&'a str, Vec<usize>>,
    initializers: BTreeMap<&'a str, usize>,
    outputs: BTreeSet<&'a str>,
}

impl<'a> Links<'a> {
    /// Of `graph`. Bodies of If and Loop are not looked into.
    pub fn new(graph: &'a GraphProto) -> Self {
        let mut links = Self {
            graph,
            producers: BTreeMap::new(),
            consumers: BTreeMap::new(),
            initializers: graph.initializer.iter().enumerate().map(|(i, t)| (t.name(), i)).collect(),
            outputs: graph.output.iter().map(|o| o.name()).collect(),
        };
        for (i, node) in graph.node.iter().enumerate() {
            links.producers.extend(node.output.iter().filter(|o| !o.is_empty()).map(|o| (o.as_str(), i)));
            for input in node.input.iter().filter(|o| !o.is_empty()) {
                links.consumers.entry(input).or_default().push(i);
            }
        }
        links
    }

    /// The node that writes `tensor`.
    pub fn producer(&self, tensor: &str) -> Option<usize> {
        self.producers.get(tensor).copied()
    }

    /// The nodes that read `tensor`, in order; one that reads it twice stands twice.
    pub fn consumers(&self, tensor: &str) -> &[usize] {
        self.consumers.get(tensor).map_or(&[], Vec::as_slice)
    }

    /// The constant called `tensor`.
    pub fn initializer(&self, tensor: &str) -> Option<&'a TensorProto> {
        self.initializers.get(tensor).and_then(|i| self.graph.initializer.get(*i))
    }

    /// Whether `tensor` leaves the graph.
    pub fn is_output(&self, tensor: &str) -> bool {
        self.outputs.contains(tensor)
    }

    /// For each node, whether any of `targets` reads what it makes, directly or over others.
    pub fn reaches(&self, targets: &[bool]) -> Vec<bool> {
        let mut reaches = vec![false; self.graph.node.len()];
        // Nodes stand in topological order, so one pass from the end settles all.
        for (i, node) in self.graph.node.iter().enumerate().rev() {
            let read_by = node.output.iter().flat_map(|o| self.consumers(o));
            reaches[i] = read_by.into_iter().any(|&c| targets.get(c) == Some(&true) || reaches.get(c) == Some(&true));
        }
        reaches
    }
}

/// Makes names that a graph does not use yet.
#[derive(Debug, Clone, Default)]
pub struct Names {
    taken: BTreeSet<String>,
}

impl Names {
    /// Knows all names of `graph`.
    pub fn new(graph: &GraphProto) -> Self {
        let mut taken: BTreeSet<String> = graph.initializer.iter().map(|t| t.name().to_owned()).collect();
        for node in &graph.node {
            taken.extend(node.input.iter().chain(&node.output).cloned());
            taken.insert(node.name().to_owned());
        }
        taken.extend(graph.input.iter().chain(&graph.output).map(|v| v.name().to_owned()));
        Self { taken }
    }

    /// `wanted`, or with a number behind it where that is taken.
    pub fn fresh(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut number = 1;
        while !self.taken.insert(name.clone()) {
            number += 1;
            name = format!("{wanted}_{number}");
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::{NodeProto, ValueInfoProto};

    fn graph() -> GraphProto {
        GraphProto {
            node: vec![
                NodeProto::new("Conv", &["x", "w"], &["a"]),
                NodeProto::new("Relu", &["a"], &["b"]),
                NodeProto::new("Add", &["b", "b"], &["c"]),
                NodeProto::new("Sigmoid", &["a"], &["d"]),
            ],
            initializer: vec![TensorProto::from_f32("w", &[1], &[1.0])],
            output: vec![ValueInfoProto::untyped("c"), ValueInfoProto::untyped("d")],
            ..GraphProto::default()
        }
    }

    #[test]
    fn writers_and_readers_are_known() {
        let graph = graph();
        let links = Links::new(&graph);
        assert_eq!((links.producer("b"), links.producer("x")), (Some(1), None));
        assert_eq!((links.consumers("a"), links.consumers("b")), (&[1, 3][..], &[2, 2][..]));
        assert!(links.initializer("w").is_some() && links.is_output("d") && !links.is_output("a"));
        assert_eq!(links.reaches(&[false, false, true, false]), [true, true, false, false]);
    }

    #[test]
    fn fresh_names_are_fresh() {
        let mut names = Names::new(&graph());
        assert_eq!([names.fresh("a"), names.fresh("a"), names.fresh("new")], ["a_2", "a_3", "new"]);
    }
}
