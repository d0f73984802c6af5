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

impl Shares {
    /// Of a loaded network. Errors: a file that cannot be taken apart.
    pub fn of(runtime: &Runtime, model: &Model) -> Result<Self> {
        let report = model.network.providers();
        let bytes = std::fs::read(&model.file)?;
        let mut image = Image::empty();
        image.reset(PICTURE.0, PICTURE.1, PixelFormat::Rgb8).fill(0);
        let by_node = macs_by_node(runtime, &model.spec, &bytes, &image)?;
        let all: u64 = by_node.values().sum();
        let share = |macs: u64| if all > 0 { macs as f64 / all as f64 } else { 0.0 };
        let mut named = 0;
        let mut macs = BTreeMap::new();
        for (provider, nodes) in &report.assigned {
            let mine: u64 = nodes.iter().filter_map(|node| by_node.get(&node.name)).sum();
            named += mine;
            macs.insert(provider.clone(), share(mine));
        }
        let first = report.registered.first().copied();
        let left = |provider: &str| first.is_none_or(|first| first.ort_name() != provider);
        let fell_off = report.assigned.iter().filter(|(p, _)| left(p)).flat_map(|(_, n)| n.clone()).collect();
        Ok(Self { macs, unknown: share(all.saturating_sub(named)), fell_off, first })
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
                "  macs       merged into other nodes before they were shared out: {:.1} %",
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
