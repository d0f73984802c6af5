//! Which provider runs which node, out of the profile of a session: for libraries before 1.24, which do not tell otherwise.
//!
//! A profile is what ONNX Runtime writes when it is asked to: JSON, an event for every node of every run, with the provider
//! among its arguments. Nodes that were merged into others appear as what they became.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use crate::provider::AssignedNode;

/// What an event's name ends with where it is the work of a node.
const KERNEL: &str = "_kernel_time";

#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    name: String,
    #[serde(default)]
    args: Arguments,
}

#[derive(Default, Deserialize)]
struct Arguments {
    provider: Option<String>,
    op_name: Option<String>,
}

/// Nodes by provider in the profile at `path`; `None` where it cannot be read or names no provider.
pub(crate) fn nodes(path: &Path) -> Option<BTreeMap<String, Vec<AssignedNode>>> {
    nodes_in(&std::fs::read(path).ok()?)
}

fn nodes_in(bytes: &[u8]) -> Option<BTreeMap<String, Vec<AssignedNode>>> {
    let events: Vec<Event> = serde_json::from_slice(bytes).ok()?;
    let mut seen = BTreeSet::new();
    let mut nodes: BTreeMap<String, Vec<AssignedNode>> = BTreeMap::new();
    for Event { name, args } in events {
        let (Some(provider), Some(operator)) = (args.provider, args.op_name) else { continue };
        let Some(name) = name.strip_suffix(KERNEL) else { continue };
        // Every run names its nodes again.
        if seen.insert((provider.clone(), name.to_owned())) {
            nodes.entry(provider).or_default().push(AssignedNode { name: name.to_owned(), operator });
        }
    }
    (!nodes.is_empty()).then_some(nodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_of_several_runs_are_counted_once() {
        let event = |name: &str, provider: &str| {
            format!(
                r#"{{"cat":"Node","ph":"X","dur":5,"name":"{name}_kernel_time","args":{{"op_name":"Conv","provider":"{provider}","node_index":"3"}}}}"#
            )
        };
        let session = r#"{"cat":"Session","ph":"X","name":"model_run","args":{}}"#.to_owned();
        let events = [session, event("a", "X"), event("b", "CPU"), event("a", "X"), event("c", "X")];
        let found = nodes_in(format!("[{}]", events.join(",")).as_bytes()).unwrap();
        let names = |provider: &str| -> Vec<&str> { found[provider].iter().map(|n| n.name.as_str()).collect() };
        assert_eq!((names("X"), names("CPU")), (vec!["a", "c"], vec!["b"]));
        assert!(nodes_in(b"[]").is_none() && nodes_in(b"{").is_none());
    }
}
