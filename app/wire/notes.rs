//! What a run says while it runs: each kind of trouble aloud at first, then counted, and all of it in run.json.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Lines of one kind printed before the rest is only counted.
const ALOUD_MAX: u64 = 5;

/// Where what went wrong, or is worth knowing, is said. Clones say to the same place.
#[derive(Clone, Default)]
pub struct Notes {
    shared: Arc<Mutex<Said>>,
    quiet: bool,
}

#[derive(Default)]
struct Said {
    by_kind: BTreeMap<&'static str, Kind>,
}

#[derive(Default)]
struct Kind {
    count: u64,
    first: Vec<String>,
}

/// One kind of note at the end of a run.
pub struct NoteSummary {
    /// What kind.
    pub kind: &'static str,
    /// How often.
    pub count: u64,
    /// The first ones, as printed.
    pub first: Vec<String>,
}

impl Notes {
    /// Notes that are kept and not printed.
    pub fn quiet() -> Self {
        Self { quiet: true, ..Self::default() }
    }

    /// Says `message`, of a `kind` that groups the like.
    pub fn say(&self, kind: &'static str, message: impl Into<String>) {
        self.say_lazily(kind, || message.into());
    }

    /// The same of what many frames may say: the message is made where it is told, and not where it is counted alone.
    pub fn say_lazily(&self, kind: &'static str, message: impl FnOnce() -> String) {
        let mut said = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = said.by_kind.entry(kind).or_default();
        entry.count += 1;
        let count = entry.count;
        if count > ALOUD_MAX {
            drop(said);
            if count == ALOUD_MAX + 1 && !self.quiet {
                eprintln!("{kind}: more of these are only counted from here on");
            }
            return;
        }
        let message = message();
        entry.first.push(message.clone());
        drop(said);
        if !self.quiet {
            eprintln!("{kind}: {message}");
        }
    }

    /// Everything said, by kind.
    pub fn summary(&self) -> Vec<NoteSummary> {
        let said = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = said.by_kind.iter();
        rows.map(|(kind, k)| NoteSummary { kind, count: k.count, first: k.first.clone() }).collect()
    }
}
