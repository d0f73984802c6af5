//! The threads of a run: named, joined, their panics caught.
//!
//! A [`Crew`] owns the threads, the [`Stop`] token they share, and the queues between them. The stop protocol is in the
//! crate's documentation. No other crate of ours spawns a thread.

use std::any::Any;
use std::fmt::Display;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::lock;
use crate::queue::{QueueHandle, QueueSpec, QueueStats, Receiver, Sender, channel};
use crate::stop::{Phase, Stop, StopReason};

/// Linux keeps 15 bytes of a thread's name.
const OS_NAME_BYTES_MAX: usize = 15;
/// How long the joining thread sleeps at most between two looks; requests and ends wake it earlier.
const JOIN_LOOK: Duration = Duration::from_millis(200);
/// However short the limits are, a join does not spin.
const JOIN_LOOK_MIN: Duration = Duration::from_millis(1);

/// A thread that did not end well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("thread `{thread}` {}: {message}", if *.panicked { "panicked" } else { "failed" })]
pub struct StageFailure {
    /// The thread's name as it was given.
    pub thread: String,
    /// What it said.
    pub message: String,
    /// Whether it panicked, rather than returned an error.
    pub panicked: bool,
}

/// What the failure of a thread means for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The run cannot go on: halt.
    Halt,
    /// The run goes on without it (a viewer, one sensor of several); it is reported at the end.
    CarryOn,
}

/// How long a join waits once a stop was asked for.
#[derive(Debug, Clone, Copy)]
pub struct JoinLimits {
    /// For what is in flight to be finished, before all queues are closed.
    pub drain: Duration,
    /// For threads to return after that, before they are abandoned.
    pub halt: Duration,
}

impl Default for JoinLimits {
    /// 10 s to drain (a slow network finishes its frames), 5 s to flush: well within systemd's 90 s.
    fn default() -> Self {
        Self { drain: Duration::from_secs(10), halt: Duration::from_secs(5) }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CrewReport {
    /// Why: [`StopReason::End`] also where nobody asked and all threads returned.
    pub reason: StopReason,
    /// Threads that failed, in the order in which they did.
    pub failures: Vec<StageFailure>,
    /// Threads that did not return in time, or were given up earlier, and were left behind.
    pub abandoned: Vec<String>,
}

/// One thread of a crew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadId(usize);

/// The threads of a run. Clones are the same crew, so that a supervisor can spawn a replacement while the run goes on.
#[derive(Clone, Default)]
pub struct Crew {
    stop: Stop,
    shared: Arc<Shared>,
}

/// Lock order: [`Stop`]'s own lock before `threads`, none of these three inside another.
#[derive(Default)]
struct Shared {
    threads: Mutex<Vec<Member>>,
    failures: Mutex<Vec<StageFailure>>,
    queues: Mutex<Vec<Arc<dyn QueueHandle>>>,
}

struct Member {
    name: String,
    state: MemberState,
}

enum MemberState {
    Running(Option<JoinHandle<()>>),
    Finished(Option<JoinHandle<()>>),
    Abandoned,
}

impl Crew {
    /// A crew without threads.
    pub fn new() -> Self {
        Self::default()
    }

    /// The token its threads share.
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// A queue that a halt closes and whose figures are in [`Crew::queue_stats`].
    pub fn channel<T: Send + 'static>(&self, spec: QueueSpec) -> (Sender<T>, Receiver<T>) {
        let (sender, receiver) = channel(spec);
        self.stop.register(sender.handle());
        lock(&self.shared.queues).push(sender.handle());
        (sender, receiver)
    }

    /// The figures of all queues now, in the order in which they were made.
    pub fn queue_stats(&self) -> Vec<QueueStats> {
        lock(&self.shared.queues).iter().map(|queue| queue.stats()).collect()
    }

    /// Starts a thread whose failure halts the run.
    ///
    /// # Errors
    /// Where the system gives no thread; `work` is dropped then.
    pub fn spawn<E: Display>(
        &self,
        name: &str,
        work: impl FnOnce() -> Result<(), E> + Send + 'static,
    ) -> io::Result<ThreadId> {
        self.spawn_with(name, OnFailure::Halt, work)
    }

    /// Starts a thread, and says what its failure means.
    ///
    /// # Errors
    /// Where the system gives no thread; `work` is dropped then.
    pub fn spawn_with<E: Display>(
        &self,
        name: &str,
        on_failure: OnFailure,
        work: impl FnOnce() -> Result<(), E> + Send + 'static,
    ) -> io::Result<ThreadId> {
        self.reap();
        // Held until the handle is stored: a thread that ends at once waits for it.
        let mut threads = lock(&self.shared.threads);
        let id = ThreadId(threads.len());
        let (crew, full_name) = (self.clone(), name.to_owned());
        let handle = Builder::new().name(os_name(name)).spawn(move || {
            if let Err(failure) = run_caught(&full_name, work) {
                crew.failed(failure, on_failure);
            }
            crew.finished(id);
        })?;
        threads.push(Member { name: name.to_owned(), state: MemberState::Running(Some(handle)) });
        Ok(id)
    }

    /// Whether the thread has returned.
    pub fn is_finished(&self, id: ThreadId) -> bool {
        lock(&self.shared.threads).get(id.0).is_some_and(|member| matches!(member.state, MemberState::Finished(_)))
    }

    /// Gives up a thread that is stuck where nothing reaches it: nobody waits for it any more. It is named in the report.
    pub fn abandon(&self, id: ThreadId) {
        if let Some(member) = lock(&self.shared.threads).get_mut(id.0)
            && matches!(member.state, MemberState::Running(_))
        {
            member.state = MemberState::Abandoned;
        }
        self.stop.nudge();
    }

    /// The failures so far.
    pub fn failures(&self) -> Vec<StageFailure> {
        lock(&self.shared.failures).clone()
    }

    /// Waits until all threads have returned: for ever while nobody asks for a stop, within `limits` from then on.
    pub fn join(&self, limits: JoinLimits) -> CrewReport {
        let mut halted_at = None;
        while self.any_running() {
            let now = Instant::now();
            match self.stop.phase() {
                Phase::Running => {}
                Phase::Draining => {
                    if self.stop.since().is_some_and(|since| now.duration_since(since) >= limits.drain) {
                        self.stop.halt();
                    }
                }
                Phase::Halting => {
                    if now.duration_since(*halted_at.get_or_insert(now)) >= limits.halt {
                        self.abandon_running();
                        break;
                    }
                }
            }
            let look = limits.drain.min(limits.halt).clamp(JOIN_LOOK_MIN, JOIN_LOOK);
            self.stop.wait_unless(look, || !self.any_running());
        }
        self.reap();
        self.report()
    }

    fn report(&self) -> CrewReport {
        let (reason, failures) = (self.stop.reason().unwrap_or(StopReason::End), self.failures());
        let threads = lock(&self.shared.threads);
        let abandoned = threads.iter().filter(|member| matches!(member.state, MemberState::Abandoned));
        CrewReport { reason, failures, abandoned: abandoned.map(|member| member.name.clone()).collect() }
    }

    fn failed(&self, failure: StageFailure, on_failure: OnFailure) {
        lock(&self.shared.failures).push(failure);
        if on_failure == OnFailure::Halt {
            self.stop.request(StopReason::Failure);
        }
    }

    fn finished(&self, id: ThreadId) {
        if let Some(member) = lock(&self.shared.threads).get_mut(id.0)
            && let MemberState::Running(handle) = &mut member.state
        {
            member.state = MemberState::Finished(handle.take());
        }
        self.stop.nudge();
    }

    fn any_running(&self) -> bool {
        lock(&self.shared.threads).iter().any(|member| matches!(member.state, MemberState::Running(_)))
    }

    fn abandon_running(&self) {
        for member in lock(&self.shared.threads).iter_mut() {
            if matches!(member.state, MemberState::Running(_)) {
                member.state = MemberState::Abandoned;
            }
        }
    }

    /// Joins those that have finished: an ended thread keeps its stack until then.
    fn reap(&self) {
        let mut handles = Vec::new();
        for member in lock(&self.shared.threads).iter_mut() {
            if let MemberState::Finished(handle) = &mut member.state {
                handles.extend(handle.take());
            }
        }
        for handle in handles {
            // The thread catches its own panics, so there is nothing in this result.
            drop(handle.join());
        }
    }
}

/// Starts a named thread outside any crew, which nobody joins: for what lives as long as the process (a signal listener).
///
/// # Errors
/// Where the system gives no thread.
pub fn detach(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    Builder::new().name(os_name(name)).spawn(work).map(drop)
}

/// Runs `work` as the thread `thread`; an error or a panic in it is a failure that says so.
///
/// # Errors
/// What `work` returned, or its panic.
pub fn run_caught<E: Display>(thread: &str, work: impl FnOnce() -> Result<(), E>) -> Result<(), StageFailure> {
    let (message, panicked) = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => (error.to_string(), false),
        Err(payload) => (panic_message(payload.as_ref()), true),
    };
    Err(StageFailure { thread: thread.to_owned(), message, panicked })
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a text").to_owned()
}

/// The name as the system shows it: a long one keeps both its ends, since names tend to differ in the last part
/// (`preprocess-image_02` becomes `preproc~mage_02`).
fn os_name(name: &str) -> String {
    let clean: Vec<char> = name.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect();
    if clean.len() <= OS_NAME_BYTES_MAX {
        return clean.into_iter().collect();
    }
    let half = OS_NAME_BYTES_MAX / 2;
    let (head, tail) = (clean.iter().take(half), clean.iter().skip(clean.len() - half));
    head.chain(std::iter::once(&'~')).chain(tail).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_keep_both_ends_and_fit_the_system() {
        assert_eq!(os_name("infer"), "infer");
        assert_eq!(os_name("exactly_fifteen"), "exactly_fifteen");
        assert_eq!(os_name("preprocess-image_02"), "preproc~mage_02");
        assert_eq!(os_name("a\0b ü"), "a_b__");
        assert!(os_name(&"ü".repeat(40)).len() <= OS_NAME_BYTES_MAX);
    }

    #[test]
    fn both_kinds_of_failure_say_what_happened() {
        let failed = run_caught("decode", || Err("frame 3 is truncated")).unwrap_err();
        assert_eq!(failed.to_string(), "thread `decode` failed: frame 3 is truncated");
        let panicked = run_caught::<String>("decode", || panic!("index {}", 7)).unwrap_err();
        assert_eq!(panicked.to_string(), "thread `decode` panicked: index 7");
    }
}
