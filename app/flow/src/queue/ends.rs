//! The two ends of a queue.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::shared::{QueueHandle, QueueStats, Shared, handle_of};
use super::spec::{QueueSpec, Received, SendOutcome};
use crate::latency::Series;
use crate::stop::Closable;

/// A new queue. [`crate::threads::Crew::channel`] makes one that the run's halt closes, too.
pub fn channel<T: Send>(spec: QueueSpec) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared::new(spec));
    (Sender { shared: Arc::clone(&shared) }, Receiver { shared, waits: None })
}

/// The end that puts elements in. Clones feed the same queue; it closes when the last one is dropped.
pub struct Sender<T: Send> {
    shared: Arc<Shared<T>>,
}

impl<T: Send> Sender<T> {
    /// Puts `element` in. Waits for room under [`crate::queue::Policy::Block`] only, until the queue closes.
    pub fn send(&self, element: T) -> SendOutcome<T> {
        self.shared.send(element)
    }

    /// Closes the queue: no more elements in, those in it may still be taken out, whoever is blocked wakes.
    pub fn close(&self) {
        self.shared.close();
    }

    /// The queue's name.
    pub fn name(&self) -> &str {
        self.shared.name()
    }

    /// Waits until there is room, or the queue is closed: for a sender that would rather send what is newest then than what it
    /// has now.
    pub fn wait_for_room(&self) {
        self.shared.await_room();
    }

    /// The queue's figures now.
    pub fn stats(&self) -> QueueStats {
        self.shared.stats()
    }

    /// The queue without its elements' type, for a thread that watches figures. Does not keep the queue open.
    pub fn handle(&self) -> Arc<dyn QueueHandle>
    where
        T: 'static,
    {
        handle_of(&self.shared)
    }
}

impl<T: Send> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.add_sender();
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T: Send> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.remove_sender();
    }
}

/// The end that takes elements out. Clones share the elements, each of which goes to one of them.
pub struct Receiver<T: Send> {
    shared: Arc<Shared<T>>,
    waits: Option<Series>,
}

impl<T: Send> Receiver<T> {
    /// The oldest element; waits for one. `None` when the queue is closed and empty.
    pub fn recv(&self) -> Option<T> {
        match self.receive(None) {
            Received::Item(element) => Some(element),
            Received::Timeout | Received::Closed => None,
        }
    }

    /// The oldest element; waits for at most `timeout`, not at all where it is zero.
    pub fn recv_timeout(&self, timeout: Duration) -> Received<T> {
        self.receive(Instant::now().checked_add(timeout))
    }

    /// From now on this end records how long each element it takes had been queued.
    pub fn record_waits(&mut self, series: Series) {
        self.waits = Some(series);
    }

    /// Closes the queue: no more elements in, those in it may still be taken out, whoever is blocked wakes.
    pub fn close(&self) {
        self.shared.close();
    }

    /// The queue's name.
    pub fn name(&self) -> &str {
        self.shared.name()
    }

    /// The queue's figures now.
    pub fn stats(&self) -> QueueStats {
        self.shared.stats()
    }

    fn receive(&self, deadline: Option<Instant>) -> Received<T> {
        match self.shared.receive(deadline) {
            Received::Item((waited, element)) => {
                if let Some(series) = &self.waits {
                    series.record(waited);
                }
                Received::Item(element)
            }
            Received::Timeout => Received::Timeout,
            Received::Closed => Received::Closed,
        }
    }
}

impl<T: Send> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.add_receiver();
        Self { shared: Arc::clone(&self.shared), waits: self.waits.clone() }
    }
}

impl<T: Send> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.remove_receiver();
    }
}
