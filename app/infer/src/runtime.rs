//! ONNX Runtime, started once per process from a [`Library`], and what it logs.
//!
//! A process can load one library and make one environment. A second start from the same file gives the same runtime;
//! from another file it is an error. Warnings of ONNX Runtime are kept (the newest [`LOG_KEPT`]) until they are taken,
//! never printed: what is said to people is the binary's to decide.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;

use crate::InferError;
use crate::library::{Library, TELLS_NODES};

/// Lines of ONNX Runtime's log that are kept until somebody takes them; older ones give way.
const LOG_KEPT: usize = 64;

static STARTED: Mutex<Option<Runtime>> = Mutex::new(None);
static LOG: Mutex<VecDeque<LogLine>> = Mutex::new(VecDeque::new());

thread_local! {
    /// The newest error logged by a call made from this thread.
    static LAST_ERROR: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `call`, which calls ONNX Runtime, and gives the last error it logged from this thread. Providers tell their
/// reasons there, and return no more than that they failed.
pub(crate) fn with_last_error<R>(call: impl FnOnce() -> R) -> (R, Option<String>) {
    LAST_ERROR.with(|last| last.borrow_mut().take());
    let result = call();
    (result, LAST_ERROR.with(|last| last.borrow_mut().take()))
}

/// A warning or an error that ONNX Runtime logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Whether it was an error, not a warning.
    pub is_error: bool,
    /// What it said.
    pub message: String,
    /// How many more lines said the same but for numbers (one line per weight is usual).
    pub repeats: usize,
}

impl std::fmt::Display for LogLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.repeats {
            0 => f.write_str(&self.message),
            repeats => write!(f, "{} (and {repeats} more like it)", self.message),
        }
    }
}

/// ONNX Runtime, loaded and started. Cheap to clone; lives until the process ends.
#[derive(Debug, Clone)]
pub struct Runtime {
    library: Library,
    environment: Environment,
}

impl Runtime {
    /// Starts ONNX Runtime from `library`, or gives the one that was started from the same file.
    ///
    /// # Errors
    /// [`InferError::AlreadyStarted`] where another file is in use, [`InferError::Start`] where it does not start.
    pub fn start(library: &Library) -> Result<Self, InferError> {
        let mut started = unpoisoned(&STARTED);
        if let Some(running) = started.as_ref() {
            if same_file(running.library.path(), library.path()) {
                return Ok(running.clone());
            }
            let (running, asked) = (running.library.path().to_owned(), library.path().to_owned());
            return Err(InferError::AlreadyStarted { running, asked });
        }
        let failed = |reason: String| InferError::Start { path: library.path().to_owned(), reason };
        let environment = ort::init_from(library.path())
            .map_err(|error| failed(error.to_string()))?
            .with_name("ocellus")
            .with_telemetry(false)
            .with_logger(Arc::new(keep))
            .build()
            .map_err(|error| failed(error.to_string()))?;
        // The environment begins at its most talkative, which costs time for lines that nobody keeps.
        environment.set_log_level(LogLevel::Warning);
        let runtime = Self { library: library.clone(), environment };
        *started = Some(runtime.clone());
        Ok(runtime)
    }

    /// The library it runs from.
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// Takes the warnings and errors logged since the last time, oldest first.
    pub fn take_log(&self) -> Vec<LogLine> {
        unpoisoned(&LOG).drain(..).collect()
    }

    /// Whether the library tells which provider runs which node.
    pub fn tells_nodes(&self) -> bool {
        self.library.version() >= TELLS_NODES
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }
}

fn keep(level: LogLevel, _category: &str, _id: &str, _location: &str, message: &str) {
    if level < LogLevel::Warning {
        return;
    }
    let is_error = level >= LogLevel::Error;
    let message = message.trim();
    if is_error {
        LAST_ERROR.with(|last| last.borrow_mut().replace(message.to_owned()));
    }
    let mut log = unpoisoned(&LOG);
    if let Some(known) =
        log.iter_mut().find(|line| line.is_error == is_error && same_but_for_digits(&line.message, message))
    {
        known.repeats += 1;
        return;
    }
    if log.len() == LOG_KEPT {
        log.pop_front();
    }
    log.push_back(LogLine { is_error, message: message.to_owned(), repeats: 0 });
}

fn same_but_for_digits(a: &str, b: &str) -> bool {
    a.bytes().filter(|byte| !byte.is_ascii_digit()).eq(b.bytes().filter(|byte| !byte.is_ascii_digit()))
}

/// A panic elsewhere leaves these locks' contents whole: they are replaced or pushed to in one step.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn same_file(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_differ_in_numbers_alone_are_one() {
        for i in 0..100 {
            keep(LogLevel::Warning, "", "", "", &format!("initializer {i} is odd"));
        }
        keep(LogLevel::Error, "", "", "", "initializer 7 is odd");
        keep(LogLevel::Info, "", "", "", "never kept");
        let log: Vec<LogLine> = unpoisoned(&LOG).drain(..).collect();
        assert_eq!(log.len(), 2);
        assert_eq!(log[0].to_string(), "initializer 0 is odd (and 99 more like it)");
        assert!(log[1].is_error && log[1].repeats == 0);
    }
}
