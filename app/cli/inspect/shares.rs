//! `inspect MODEL --provider P`: which share of a network's nodes, and of its multiply-accumulates, each provider runs, and
//! which nodes the first one left.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;
use ocellus_infer::{AssignedNode, Provider, Runtime};
use ocellus_percept::image::{Image, PixelFormat};
use serde_json::{Value, json};

use crate::measure::graph::macs_by_node;
use crate::models::{self, Model, ModelRequest};

/// Nodes that fell off which are named; the rest are counted by operator.
const NAMED_MAX: usize = 20;
/// A picture of any size: shapes depend on the network's input alone.
const PICTURE: (usize, usize) = (640, 384);

/// Shares of multiply-accumulates, and what fell off.
pub struct Shares {
    /// By ONNX Runtime's name of a provider: its share of multiply-accumulates.
    macs: BTreeMap<String, f64>,
    /// Multiply-accumulates of nodes that no provider's list names: they were merged into others before.
    unknown: f64,
    /// Nodes that the first provider left to others.
    fell_off: Vec<AssignedNode>,
    /// The first provider.
    first: Option<Provider>,
}

/// Loads a network with a library that does not tell who runs which node, and learns that from a profile of one run.
pub fn load_by_profile(runtime: &Runtime, mut request: ModelRequest) -> Result<Model> {
    let folder = std::env::temp_dir().join(format!("ocellus-inspect-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    request.profile = Some(folder.join("profile"));
    let learn = || -> Result<Model> {
        let mut model = models::load(runtime, &request)?;
        model.network.input_mut(&model.spec.input.name)?.fill(0.0);
        model.network.run(|_| ())?;
        model.network.learn_nodes()?;
        Ok(model)
    };
    let model = learn();
    std::fs::remove_dir_all(&folder)?;
    model
}

/// By provider its share of multiply-accumulates, and the share of those that no single provider's node has the name of: merged
/// into others, or of a name (or of none) that nodes of several providers share.
fn by_provider(
    assigned: &BTreeMap<String, Vec<AssignedNode>>,
    by_node: &BTreeMap<String, u64>,
) -> (BTreeMap<String, f64>, f64) {
    let all: u64 = by_node.values().sum();
    // One that runs every node runs every multiply-accumulate, whatever the nodes became.
    if let (1, Some(alone), true) = (assigned.len(), assigned.keys().next(), all > 0) {
        return (BTreeMap::from([(alone.clone(), 1.0)]), 0.0);
    }
    let mut macs: BTreeMap<String, u64> = assigned.keys().map(|provider| (provider.clone(), 0)).collect();
    for (name, node) in by_node {
        let owns = |(_, nodes): &(&String, &Vec<AssignedNode>)| nodes.iter().any(|n| n.name == *name);
        let mut owners = assigned.iter().filter(owns).map(|(provider, _)| provider);
        if let (Some(owner), None) = (owners.next(), owners.next()) {
            *macs.entry(owner.clone()).or_default() += node;
        }
    }
    let share = |part: u64| part as f64 / all.max(1) as f64;
    let named: u64 = macs.values().sum();
    (macs.into_iter().map(|(provider, part)| (provider, share(part))).collect(), share(all - named))
}

impl Shares {
    /// Of a loaded network. Errors: a file that cannot be taken apart.
    pub fn of(runtime: &Runtime, model: &Model) -> Result<Self> {
        let report = model.network.providers();
        let bytes = std::fs::read(&model.file)?;
        let mut image = Image::empty();
        image.reset(PICTURE.0, PICTURE.1, PixelFormat::Rgb8).fill(0);
        let by_node = macs_by_node(runtime, &model.spec, &bytes, &image)?;
        let (macs, unknown) = by_provider(&report.assigned, &by_node);
        let first = report.registered.first().copied();
        let left = |provider: &str| first.is_none_or(|first| first.ort_name() != provider);
        let fell_off = report.assigned.iter().filter(|(p, _)| left(p)).flat_map(|(_, n)| n.clone()).collect();
        Ok(Self { macs, unknown, fell_off, first })
    }

    /// Lines for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (provider, share) in &self.macs {
            let _ = writeln!(text, "  macs       {provider} {:.1} %", share * 100.0);
        }
        if self.unknown > 0.0005 {
            let _ = writeln!(
                text,
                "  macs       of nodes merged into others before they were shared out, or of one name: {:.1} %",
                self.unknown * 100.0
            );
        }
        let Some(first) = self.first.filter(|first| *first != Provider::Cpu) else { return text };
        let _ = writeln!(text, "  fell off   {} nodes that {first} did not take", self.fell_off.len());
        for node in self.fell_off.iter().take(NAMED_MAX) {
            let _ = writeln!(text, "             {} ({})", node.name, node.operator);
        }
        if self.fell_off.len() > NAMED_MAX {
            let mut operators: BTreeMap<&str, usize> = BTreeMap::new();
            for node in self.fell_off.iter().skip(NAMED_MAX) {
                *operators.entry(&node.operator).or_default() += 1;
            }
            let list: Vec<String> = operators.iter().map(|(operator, n)| format!("{n} {operator}")).collect();
            let _ = writeln!(text, "             and {}", list.join(", "));
        }
        text
    }

    /// The same for a program.
    pub fn to_json(&self) -> Value {
        let nodes: Vec<Value> = self.fell_off.iter().map(|n| json!({"name": n.name, "operator": n.operator})).collect();
        json!({"macs_share": self.macs, "macs_unknown": self.unknown, "fell_off": nodes, "first": self.first})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_counts_once_and_what_several_providers_share_for_none() {
        let node = |name: &str| AssignedNode { name: name.to_owned(), operator: "Conv".to_owned() };
        let assigned = |first: &[&str], second: &[&str]| {
            let nodes = |names: &[&str]| names.iter().map(|name| node(name)).collect();
            BTreeMap::from([("a".to_owned(), nodes(first)), ("b".to_owned(), nodes(second))])
        };
        let by_node = BTreeMap::from([("".to_owned(), 60), ("x".to_owned(), 30), ("gone".to_owned(), 10)]);
        let (macs, unknown) = by_provider(&assigned(&["", "", ""], &["x"]), &by_node);
        assert_eq!((macs["a"], macs["b"], unknown), (0.6, 0.3, 0.1));
        let (macs, unknown) = by_provider(&assigned(&["", "x"], &[""]), &by_node);
        assert_eq!((macs["a"], macs["b"], unknown), (0.3, 0.0, 0.7));
        let alone = BTreeMap::from([("a".to_owned(), vec![node("x merged with y")])]);
        assert_eq!(by_provider(&alone, &by_node), (BTreeMap::from([("a".to_owned(), 1.0)]), 0.0));
        let (macs, unknown) = by_provider(&assigned(&["x"], &[]), &BTreeMap::new());
        assert_eq!((macs["a"], unknown), (0.0, 0.0));
    }
}
