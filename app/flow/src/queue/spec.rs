//! What a queue is to be, and what its operations answer.

use serde::Serialize;

/// What a full queue does with one element more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The sender waits: nothing is lost, and pressure goes back to the source.
    Block,
    /// The oldest element makes room and is handed back to the sender, who never waits.
    DropOldest,
    /// `DropOldest` with room for one: the receiver always gets the newest.
    Latest,
}

/// The specification of a queue.
#[derive(Debug, Clone)]
pub struct QueueSpec {
    /// Its name in figures and messages.
    pub name: String,
    /// How many elements it holds at most; at least 1, and 1 under [`Policy::Latest`].
    pub capacity: usize,
    /// What it does when full.
    pub policy: Policy,
}

impl QueueSpec {
    /// A queue that makes its sender wait when it holds `capacity` elements.
    pub fn block(name: impl Into<String>, capacity: usize) -> Self {
        Self { name: name.into(), capacity, policy: Policy::Block }
    }

    /// A queue that hands back its oldest element when it holds `capacity` of them.
    pub fn drop_oldest(name: impl Into<String>, capacity: usize) -> Self {
        Self { name: name.into(), capacity, policy: Policy::DropOldest }
    }

    /// A queue that holds the newest element only.
    pub fn latest(name: impl Into<String>) -> Self {
        Self { name: name.into(), capacity: 1, policy: Policy::Latest }
    }

    /// The capacity in force. Zero is taken as 1: a queue without room would starve its receiver.
    pub fn effective_capacity(&self) -> usize {
        match self.policy {
            Policy::Latest => 1,
            Policy::Block | Policy::DropOldest => self.capacity.max(1),
        }
    }
}

/// What became of an element that was sent. An element that is handed back must be booked by the caller.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an element that is handed back must be booked in the ledger"]
pub enum SendOutcome<T> {
    /// It is in the queue.
    Sent,
    /// It is in the queue, and this older element is not any more.
    Displaced(T),
    /// The queue is closed; this is the element itself.
    Closed(T),
}

impl<T> SendOutcome<T> {
    /// Whether the queue takes no more elements.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }

    /// The element that was handed back, displaced or refused.
    pub fn handed_back(self) -> Option<T> {
        match self {
            Self::Sent => None,
            Self::Displaced(element) | Self::Closed(element) => Some(element),
        }
    }
}

/// What a receive that does not wait for ever found.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<T> {
    /// The oldest element.
    Item(T),
    /// Nothing came in time; the queue is still open.
    Timeout,
    /// The queue is closed and empty: nothing will come any more.
    Closed,
}
