//! Execution providers: their names, how they are registered, and the report of what was asked for and what runs.
//!
//! ONNX Runtime drops a provider that cannot be registered without a word, and a list of providers compiled into the
//! library says nothing about what runs. Here each provider is registered on its own, each failure is kept with its
//! reason, and the share of nodes per provider is read back from the session.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use ort::ep::{self, ArbitrarilyConfigurableExecutionProvider as _, ExecutionProviderDispatch};
use serde::{Deserialize, Serialize};

use crate::network::TensorMemory;

/// An execution provider that the bindings can register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// NVIDIA TensorRT: engines built for one GPU.
    Tensorrt,
    /// NVIDIA CUDA.
    Cuda,
    /// Intel OpenVINO.
    Openvino,
    /// XNNPACK, kernels for ARM and x86 processors.
    Xnnpack,
    /// ONNX Runtime's own kernels; always there, and takes every node that no other provider took.
    Cpu,
}

impl Provider {
    /// Every provider, fastest kind first.
    pub const ALL: [Provider; 5] =
        [Provider::Tensorrt, Provider::Cuda, Provider::Openvino, Provider::Xnnpack, Provider::Cpu];

    /// Its name in launch files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Provider::Tensorrt => "tensorrt",
            Provider::Cuda => "cuda",
            Provider::Openvino => "openvino",
            Provider::Xnnpack => "xnnpack",
            Provider::Cpu => "cpu",
        }
    }

    /// ONNX Runtime's name for it, as node assignments give it.
    pub fn ort_name(self) -> &'static str {
        match self {
            Provider::Tensorrt => "TensorrtExecutionProvider",
            Provider::Cuda => "CUDAExecutionProvider",
            Provider::Openvino => "OpenVINOExecutionProvider",
            Provider::Xnnpack => "XnnpackExecutionProvider",
            Provider::Cpu => "CPUExecutionProvider",
        }
    }

    /// Whether it builds engines: minutes of work that are kept in files, and wrong where the files are stale.
    pub fn builds_engines(self) -> bool {
        matches!(self, Provider::Tensorrt | Provider::Openvino)
    }

    /// Every key and value that is handed to it: `options` as they are and, where it has threads of its own, `threads` of them
    /// unless an option says otherwise.
    pub fn pairs(self, options: &BTreeMap<String, String>, threads: usize) -> BTreeMap<String, String> {
        let own_threads = match self {
            Provider::Openvino => Some("num_of_threads"),
            Provider::Xnnpack => Some("intra_op_num_threads"),
            Provider::Tensorrt | Provider::Cuda | Provider::Cpu => None,
        };
        let mut pairs: BTreeMap<String, String> =
            own_threads.map(|key| (key.to_owned(), threads.to_string())).into_iter().collect();
        pairs.extend(options.iter().map(|(key, value)| (key.clone(), value.clone())));
        pairs
    }

    /// What ort registers, with `pairs` handed on as they are; `None` for the CPU, which is always there. Neither key nor
    /// value may hold a NUL byte.
    pub(crate) fn dispatch(self, pairs: &BTreeMap<String, String>) -> Option<ExecutionProviderDispatch> {
        macro_rules! with_pairs {
            ($provider:expr) => {
                pairs
                    .iter()
                    .fold($provider, |provider, (key, value)| provider.with_arbitrary_config(key, value))
                    .build()
            };
        }
        let dispatch = match self {
            Provider::Tensorrt => with_pairs!(ep::TensorRT::default()),
            Provider::Cuda => with_pairs!(ep::CUDA::default()),
            Provider::Openvino => with_pairs!(ep::OpenVINO::default()),
            Provider::Xnnpack => with_pairs!(ep::XNNPACK::default()),
            Provider::Cpu => return None,
        };
        Some(dispatch.error_on_failure())
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that is no provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown provider {text:?}; did you mean {nearest}? known: tensorrt, cuda, openvino, xnnpack, cpu")]
pub struct UnknownProvider {
    /// The word.
    pub text: String,
    /// The provider whose name is nearest.
    pub nearest: Provider,
}

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(text: &str) -> Result<Self, UnknownProvider> {
        let word = text.trim().to_ascii_lowercase();
        let exact = Self::ALL.into_iter().find(|p| p.name() == word || p.ort_name().eq_ignore_ascii_case(&word));
        exact.ok_or_else(|| {
            let distance = |provider: &Provider| strsim::damerau_levenshtein(provider.name(), &word);
            let nearest = Self::ALL.into_iter().min_by_key(distance).unwrap_or(Provider::Cpu);
            UnknownProvider { text: text.to_owned(), nearest }
        })
    }
}

/// A provider that was asked for and does not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderFailure {
    /// The provider.
    pub provider: Provider,
    /// Why not, mostly in ONNX Runtime's words.
    pub reason: String,
}

/// What one provider runs of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeShare {
    /// Nodes of the graph assigned to it.
    pub nodes: usize,
    /// Those as a share of all assigned nodes, 0 to 1.
    pub share: f64,
    /// Nodes per operator type.
    pub operators: BTreeMap<String, usize>,
}

/// One node of the graph, as the file names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignedNode {
    /// Its name; empty where the file gives it none.
    pub name: String,
    /// Its operator.
    pub operator: String,
}

/// What was asked for and what runs a network.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProviderReport {
    /// Providers asked for, in order.
    pub requested: Vec<Provider>,
    /// Providers registered, in order; the CPU is always the last.
    pub registered: Vec<Provider>,
    /// Providers asked for that do not run, and why.
    pub failed: Vec<ProviderFailure>,
    /// Nodes per provider, by ONNX Runtime's names. Empty where the library does not tell (before 1.24).
    pub nodes: BTreeMap<String, NodeShare>,
    /// Whether the library told which provider runs which node.
    pub nodes_known: bool,
    /// Where inputs and outputs lie, where a GPU's provider is registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<TensorMemory>,
    /// The nodes themselves, by provider; they are not written down.
    #[serde(skip)]
    pub assigned: BTreeMap<String, Vec<AssignedNode>>,
}

impl ProviderReport {
    /// The share of nodes that `provider` runs, 0 to 1; `None` where the library does not tell.
    pub fn share_of(&self, provider: Provider) -> Option<f64> {
        self.nodes_known.then(|| self.nodes.get(provider.ort_name()).map_or(0.0, |node| node.share))
    }

    /// Why `provider` does not run the network, or `None` where it runs at least one node.
    pub fn why_not(&self, provider: Provider) -> Option<String> {
        if let Some(failure) = self.failed.iter().find(|failure| failure.provider == provider) {
            return Some(failure.reason.clone());
        }
        if !self.registered.contains(&provider) {
            return Some("it was not asked for".to_owned());
        }
        match self.share_of(provider) {
            Some(share) if share > 0.0 => None,
            Some(_) => Some("it was registered but took no node of this network".to_owned()),
            // Where nothing but the CPU was registered there is nothing to prove.
            None if self.registered == [Provider::Cpu] && provider == Provider::Cpu => None,
            None => Some("this library does not tell which provider runs which node (1.24 and later do)".to_owned()),
        }
    }
}

/// One line for people: what runs, and what was asked for in vain.
impl fmt::Display for ProviderReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nodes_known {
            let mut shares: Vec<_> = self.nodes.iter().collect();
            shares.sort_by(|a, b| b.1.nodes.cmp(&a.1.nodes).then(a.0.cmp(b.0)));
            for (i, (name, node)) in shares.iter().enumerate() {
                let comma = if i == 0 { "" } else { ", " };
                write!(f, "{comma}{name} runs {} nodes ({:.1} %)", node.nodes, 100.0 * node.share)?;
            }
        } else {
            let names: Vec<_> = self.registered.iter().map(|provider| provider.name()).collect();
            write!(f, "registered: {} (this library does not tell shares)", names.join(", "))?;
        }
        if let Some(memory) = &self.memory {
            write!(f, "; {memory}")?;
        }
        self.failed.iter().try_for_each(|failure| write!(f, "; {} failed: {}", failure.provider, failure.reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_the_nearest_is_named() {
        for provider in Provider::ALL {
            assert_eq!(provider.name().parse(), Ok(provider));
            assert_eq!(provider.ort_name().parse(), Ok(provider));
            assert_eq!(serde_json::to_string(&provider).unwrap(), format!("\"{provider}\""));
        }
        assert_eq!(" TensorRT ".parse(), Ok(Provider::Tensorrt));
        let error = "tensort".parse::<Provider>().unwrap_err();
        assert_eq!(error.nearest, Provider::Tensorrt);
        assert!(error.to_string().contains("did you mean tensorrt?"));
        assert_eq!("opnevino".parse::<Provider>().unwrap_err().nearest, Provider::Openvino);
    }

    #[test]
    fn options_are_handed_on_as_they_are_and_win_over_our_threads() {
        let told: BTreeMap<String, String> = [("num_of_threads".to_owned(), "7".to_owned())].into();
        assert_eq!(Provider::Openvino.pairs(&told, 2), told);
        assert_eq!(Provider::Openvino.pairs(&BTreeMap::new(), 2)["num_of_threads"], "2");
        assert_eq!(Provider::Xnnpack.pairs(&BTreeMap::new(), 3)["intra_op_num_threads"], "3");
        assert!(Provider::Tensorrt.pairs(&BTreeMap::new(), 2).is_empty());
    }

    #[test]
    fn a_report_says_why_a_provider_does_not_run() {
        let share = |nodes, share| NodeShare { nodes, share, operators: BTreeMap::new() };
        let report = ProviderReport {
            requested: vec![Provider::Tensorrt, Provider::Xnnpack],
            registered: vec![Provider::Xnnpack, Provider::Cpu],
            failed: vec![ProviderFailure { provider: Provider::Tensorrt, reason: "not in this build".to_owned() }],
            nodes: [("CPUExecutionProvider".to_owned(), share(4, 1.0))].into(),
            nodes_known: true,
            ..ProviderReport::default()
        };
        assert_eq!(report.why_not(Provider::Cpu), None);
        assert_eq!(report.why_not(Provider::Tensorrt).unwrap(), "not in this build");
        assert!(report.why_not(Provider::Xnnpack).unwrap().contains("took no node"));
        assert!(report.why_not(Provider::Cuda).unwrap().contains("not asked for"));
        assert_eq!(
            report.to_string(),
            "CPUExecutionProvider runs 4 nodes (100.0 %); tensorrt failed: not in this build"
        );
        let blind = ProviderReport { nodes_known: false, ..report };
        assert!(blind.why_not(Provider::Xnnpack).unwrap().contains("1.24"));
        assert_eq!(blind.share_of(Provider::Cpu), None);
    }
}
