//! The one token by which a run ends; the protocol is in the crate's documentation.
//!
//! Owns: the reason of the stop, how far it has gone, and what a halt must close. Cheap to look at (one relaxed load), so sources may
//! ask between any two frames. Not async-signal-safe: a signal handler hands over to a thread, which calls [`Stop::request`].

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::lock;

/// Something that blocks threads until it is closed: a queue, a pool.
pub trait Closable: Send + Sync {
    /// Wakes whoever is blocked, and blocks nobody any more. May be called more than once.
    fn close(&self);
}

/// Why a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The work is done, or somebody asked for an orderly end.
    End,
    /// The user or the system asked for it (Ctrl-C, `SIGTERM`).
    Interrupt,
    /// A stage failed; what is in flight cannot all be finished.
    Failure,
}

/// How far a stop has gone. A later phase is never followed by an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Nobody has asked for a stop.
    Running,
    /// Sources return; what is in flight is finished.
    Draining,
    /// Queues and pools are closed; nothing waits.
    Halting,
}

/// A shared stop token. Clones are the same token.
#[derive(Clone, Default)]
pub struct Stop {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    phase: AtomicU8,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    reason: Option<StopReason>,
    since: Option<Instant>,
    /// What is gone needs no closing, and a token that outlives its run (a signal listener has one) keeps no buffers.
    closables: Vec<Weak<dyn Closable>>,
}

const RUNNING: u8 = 0;
const DRAINING: u8 = 1;
const HALTING: u8 = 2;

impl Stop {
    /// A token that nobody has stopped.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for a stop. The first reason stays. [`StopReason::Failure`] halts, the others drain.
    pub fn request(&self, reason: StopReason) {
        match reason {
            StopReason::End | StopReason::Interrupt => self.advance(reason, DRAINING),
            StopReason::Failure => self.advance(reason, HALTING),
        }
    }

    /// Does not wait for what is in flight any longer (a second Ctrl-C, a time limit): closes all that blocks.
    pub fn halt(&self) {
        self.advance(StopReason::Interrupt, HALTING);
    }

    /// Whether a source should return.
    pub fn is_stopping(&self) -> bool {
        self.phase() != Phase::Running
    }

    /// How far the stop has gone.
    pub fn phase(&self) -> Phase {
        match self.shared.phase.load(Ordering::Acquire) {
            RUNNING => Phase::Running,
            DRAINING => Phase::Draining,
            _ => Phase::Halting,
        }
    }

    /// Why, once a stop was asked for.
    pub fn reason(&self) -> Option<StopReason> {
        lock(&self.shared.state).reason
    }

    /// Sleeps for `duration`, or less when a stop is asked for. True where the whole time passed without one.
    pub fn sleep(&self, duration: Duration) -> bool {
        let started = Instant::now();
        let mut state = lock(&self.shared.state);
        while !self.is_stopping() {
            let left = duration.saturating_sub(started.elapsed());
            if left.is_zero() {
                return true;
            }
            state = self.wait(state, left);
        }
        false
    }

    /// Lets a halt close `closable`, as long as somebody else holds it; at once where it has come already.
    pub fn register(&self, closable: Arc<dyn Closable>) {
        let mut state = lock(&self.shared.state);
        if self.phase() == Phase::Halting {
            drop(state);
            closable.close();
        } else {
            state.closables.push(Arc::downgrade(&closable));
        }
    }

    /// When the first request came.
    pub(crate) fn since(&self) -> Option<Instant> {
        lock(&self.shared.state).since
    }

    /// Waits, at most for `timeout`, for a request or for [`Stop::nudge`], unless `settled` already holds.
    /// `settled` is asked under the lock that a nudge takes, so that none is missed.
    pub(crate) fn wait_unless(&self, timeout: Duration, settled: impl Fn() -> bool) {
        let state = lock(&self.shared.state);
        if !settled() {
            drop(self.wait(state, timeout));
        }
    }

    /// Wakes whoever waits here.
    pub(crate) fn nudge(&self) {
        drop(lock(&self.shared.state));
        self.shared.changed.notify_all();
    }

    fn advance(&self, reason: StopReason, phase: u8) {
        let mut state = lock(&self.shared.state);
        let before = self.shared.phase.fetch_max(phase, Ordering::AcqRel);
        if before >= phase {
            return;
        }
        state.reason.get_or_insert(reason);
        state.since.get_or_insert_with(Instant::now);
        let closables = if phase == HALTING { std::mem::take(&mut state.closables) } else { Vec::new() };
        drop(state);
        self.shared.changed.notify_all();
        for closable in closables.iter().filter_map(Weak::upgrade) {
            closable.close();
        }
    }

    fn wait<'a>(&'a self, state: MutexGuard<'a, State>, timeout: Duration) -> MutexGuard<'a, State> {
        self.shared.changed.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner).0
    }
}
