//! What was odd about the input of an evaluation: each kind counted, with the first case named and what was done.
//!
//! Nothing is dropped in silence: an evaluation that leaves something out says so here.

use serde::Serialize;

/// One kind of oddity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is odd, in words.
    pub what: String,
    /// How many there are.
    pub count: usize,
    /// Where the first one is.
    pub first: String,
    /// What the evaluation did with them.
    pub effect: String,
}

/// Findings in the order their kinds were first met.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Findings {
    list: Vec<Finding>,
}

impl Findings {
    /// Counts one case of `what`; `first` is asked for the place only when the kind is new.
    pub fn note(&mut self, what: &str, effect: &str, first: impl FnOnce() -> String) {
        match self.list.iter_mut().find(|f| f.what == what) {
            Some(finding) => finding.count += 1,
            None => self.list.push(Finding { what: what.into(), count: 1, first: first(), effect: effect.into() }),
        }
    }

    /// Adds all of `other`'s findings.
    pub fn extend(&mut self, other: &Self) {
        for finding in &other.list {
            match self.list.iter_mut().find(|f| f.what == finding.what) {
                Some(own) => own.count += finding.count,
                None => self.list.push(finding.clone()),
            }
        }
    }

    /// The findings.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.list.iter()
    }

    /// How many cases of the kinds whose description contains `part` there are.
    pub fn count_of(&self, part: &str) -> usize {
        self.list.iter().filter(|f| f.what.contains(part)).map(|f| f.count).sum()
    }

    /// Whether nothing was odd.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} x {}: {} (first: {})", self.count, self.what, self.effect, self.first)
    }
}
