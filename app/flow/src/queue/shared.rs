//! The state behind a queue's ends, its rules, and its figures.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::spec::{Policy, QueueSpec, Received, SendOutcome};
use crate::lock;
use crate::stop::Closable;

/// A capacity above this is not allocated in advance but grows with use.
const PREALLOCATED_ELEMENTS_MAX: usize = 1024;
/// A receiver whose last wait was shorter looks on for a while before it sleeps: to sleep and be woken takes 5 to 60 us, and
/// whoever hands over fast is mostly waited for fast. A camera's intervals are far longer, so nobody looks on for those.
const SHORT_WAIT_US: u64 = 100;
/// For so long.
const LOOK_OUT_US: u64 = 50;
/// Pauses of the processor between two looks.
const LOOK_EVERY: u32 = 16;

/// A queue's figures at one moment: `sent == received + dropped + discarded + depth`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueStats {
    /// The queue's name.
    pub name: String,
    /// What it does when full.
    pub policy: Policy,
    /// How many elements it holds at most.
    pub capacity: usize,
    /// Elements taken in.
    pub sent: u64,
    /// Elements given out.
    pub received: u64,
    /// Elements handed back to a sender to make room.
    pub dropped: u64,
    /// Elements still held when the last receiver went.
    pub discarded: u64,
    /// Elements handed back because the queue was closed; they are not in `sent`.
    pub refused: u64,
    /// Elements held now.
    pub depth: usize,
    /// The most elements ever held.
    pub depth_max: usize,
    /// How long senders waited for room, together.
    pub sender_wait_ns: u64,
    /// How long received elements had been in the queue, together.
    pub item_wait_ns: u64,
    /// The longest that a received element had been in the queue.
    pub item_wait_ns_max: u64,
    /// Whether it takes no more elements.
    pub closed: bool,
}

/// A queue seen from outside, without its elements' type: for figures, and to close it.
pub trait QueueHandle: Closable {
    /// The figures now, all of the same moment.
    fn stats(&self) -> QueueStats;
}

#[derive(Default)]
struct Counters {
    sent: u64,
    received: u64,
    dropped: u64,
    discarded: u64,
    refused: u64,
    depth_max: usize,
    sender_wait: Duration,
    item_wait: Duration,
    item_wait_max: Duration,
}

struct State<T> {
    items: VecDeque<(Instant, T)>,
    closed: bool,
    senders: usize,
    receivers: usize,
    senders_waiting: usize,
    receivers_waiting: usize,
    counters: Counters,
}

/// The queue itself; its ends share it.
pub(super) struct Shared<T> {
    name: String,
    policy: Policy,
    capacity: usize,
    state: Mutex<State<T>>,
    not_empty: Condvar,
    not_full: Condvar,
    /// Elements in the queue, and one more once it is closed: for a look without the lock.
    stir: AtomicUsize,
    /// How long the last receiver that found nothing waited, microseconds.
    last_wait_us: AtomicU64,
}

impl<T> Shared<T> {
    /// An empty queue with one sender and one receiver.
    pub(super) fn new(spec: QueueSpec) -> Self {
        let capacity = spec.effective_capacity();
        let state = State {
            items: VecDeque::with_capacity(capacity.min(PREALLOCATED_ELEMENTS_MAX)),
            closed: false,
            senders: 1,
            receivers: 1,
            senders_waiting: 0,
            receivers_waiting: 0,
            counters: Counters::default(),
        };
        Self {
            name: spec.name,
            policy: spec.policy,
            capacity,
            state: Mutex::new(state),
            not_empty: Condvar::new(),
            not_full: Condvar::new(),
            stir: AtomicUsize::new(0),
            last_wait_us: AtomicU64::new(u64::MAX),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn send(&self, element: T) -> SendOutcome<T> {
        let mut state = lock(&self.state);
        if self.policy == Policy::Block {
            state = self.wait_for_room(state);
        }
        if state.closed {
            state.counters.refused += 1;
            return SendOutcome::Closed(element);
        }
        let displaced = if state.items.len() >= self.capacity { state.items.pop_front() } else { None };
        state.items.push_back((Instant::now(), element));
        let depth = state.items.len();
        self.stir.store(depth, Ordering::Release);
        state.counters.sent += 1;
        state.counters.dropped += u64::from(displaced.is_some());
        state.counters.depth_max = state.counters.depth_max.max(depth);
        let wake = state.receivers_waiting > 0;
        drop(state);
        if wake {
            self.not_empty.notify_one();
        }
        displaced.map_or(SendOutcome::Sent, |(_, older)| SendOutcome::Displaced(older))
    }

    /// Waits until a send would find room, or none ever will. What is sent then may wait for room again, where others send too.
    pub(super) fn await_room(&self) {
        let state = self.wait_for_room(lock(&self.state));
        // The wake-up may have been meant for one who has something to send.
        let wake = state.senders_waiting > 0;
        drop(state);
        if wake {
            self.not_full.notify_one();
        }
    }

    fn wait_for_room<'a>(&'a self, mut state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        if state.closed || state.items.len() < self.capacity {
            return state;
        }
        let started = Instant::now();
        state.senders_waiting += 1;
        while !state.closed && state.items.len() >= self.capacity {
            state = self.not_full.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.senders_waiting -= 1;
        state.counters.sender_wait += started.elapsed();
        state
    }

    /// The oldest element and how long it was queued; waits until `deadline`, for ever where there is none.
    pub(super) fn receive(&self, deadline: Option<Instant>) -> Received<(Duration, T)> {
        let mut state = lock(&self.state);
        let mut empty_since: Option<Instant> = None;
        loop {
            if let Some((queued_at, element)) = state.items.pop_front() {
                let waited = queued_at.elapsed();
                self.stir.store(state.items.len() + usize::from(state.closed), Ordering::Release);
                if let Some(since) = empty_since {
                    self.last_wait_us.store(micros(since.elapsed()), Ordering::Relaxed);
                }
                state.counters.received += 1;
                state.counters.item_wait += waited;
                state.counters.item_wait_max = state.counters.item_wait_max.max(waited);
                let wake = state.senders_waiting > 0;
                drop(state);
                if wake {
                    self.not_full.notify_one();
                }
                return Received::Item((waited, element));
            }
            if state.closed {
                return Received::Closed;
            }
            let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                self.last_wait_us.store(u64::MAX, Ordering::Relaxed);
                return Received::Timeout;
            }
            if empty_since.is_none() {
                let since = *empty_since.insert(Instant::now());
                if self.last_wait_us.load(Ordering::Relaxed) < SHORT_WAIT_US {
                    drop(state);
                    self.look_out(since);
                    state = lock(&self.state);
                    continue;
                }
            }
            state.receivers_waiting += 1;
            state = self.wait_for_element(state, left);
            state.receivers_waiting -= 1;
        }
    }

    /// Looks for an element without sleeping, for a little while.
    fn look_out(&self, since: Instant) {
        while self.stir.load(Ordering::Acquire) == 0 && micros(since.elapsed()) < LOOK_OUT_US {
            for _ in 0..LOOK_EVERY {
                std::hint::spin_loop();
            }
        }
    }

    fn wait_for_element<'a>(
        &self,
        state: MutexGuard<'a, State<T>>,
        left: Option<Duration>,
    ) -> MutexGuard<'a, State<T>> {
        match left {
            None => self.not_empty.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(left) => self.not_empty.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
        }
    }

    pub(super) fn add_sender(&self) {
        lock(&self.state).senders += 1;
    }

    pub(super) fn add_receiver(&self) {
        lock(&self.state).receivers += 1;
    }

    pub(super) fn remove_sender(&self) {
        let mut state = lock(&self.state);
        state.senders -= 1;
        if state.senders == 0 {
            self.close_and_wake(state);
        }
    }

    pub(super) fn remove_receiver(&self) {
        let mut state = lock(&self.state);
        state.receivers -= 1;
        if state.receivers > 0 {
            return;
        }
        // Nobody will take these: they go now, so that pooled buffers and tickets in them return at once.
        let unwanted = std::mem::take(&mut state.items);
        state.counters.discarded += unwanted.len() as u64;
        self.close_and_wake(state);
        drop(unwanted);
    }

    fn close_and_wake(&self, mut state: MutexGuard<'_, State<T>>) {
        state.closed = true;
        self.stir.fetch_add(1, Ordering::Release);
        drop(state);
        self.not_empty.notify_all();
        self.not_full.notify_all();
    }
}

impl<T: Send> Closable for Shared<T> {
    fn close(&self) {
        self.close_and_wake(lock(&self.state));
    }
}

impl<T: Send> QueueHandle for Shared<T> {
    fn stats(&self) -> QueueStats {
        let state = lock(&self.state);
        let counters = &state.counters;
        QueueStats {
            name: self.name.clone(),
            policy: self.policy,
            capacity: self.capacity,
            sent: counters.sent,
            received: counters.received,
            dropped: counters.dropped,
            discarded: counters.discarded,
            refused: counters.refused,
            depth: state.items.len(),
            depth_max: counters.depth_max,
            sender_wait_ns: nanos(counters.sender_wait),
            item_wait_ns: nanos(counters.item_wait),
            item_wait_ns_max: nanos(counters.item_wait_max),
            closed: state.closed,
        }
    }
}

/// Coerces to the type-erased handle.
pub(super) fn handle_of<T: Send + 'static>(shared: &Arc<Shared<T>>) -> Arc<dyn QueueHandle> {
    Arc::clone(shared) as Arc<dyn QueueHandle>
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
