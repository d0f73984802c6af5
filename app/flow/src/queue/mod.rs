//! Named, bounded queues between threads; what a full queue does is part of its specification.
//!
//! Contract: first in, first out. Each element that is sent is received once, or handed back to a sender
//! ([`SendOutcome`]), or discarded when the last receiver goes; so at every moment
//! `sent == received + dropped + discarded + depth`, exactly, in every snapshot. No element is dropped (as a Rust value)
//! under the queue's lock. Memory is bounded by the capacity; nothing is allocated after warm-up.
//!
//! A queue closes when its last sender or last receiver is gone, by [`Sender::close`], or when the run halts. A closed queue takes
//! no element; what it holds can still be received.
//!
//! Several senders and several receivers are allowed. Between blocked senders no order is promised.
//! A mutex and two condition variables, not a lock-free ring: the policies are then exact (newest wins can be shown, not only
//! hoped for), and a system call is made only when somebody sleeps.

mod ends;
mod shared;
mod spec;

pub use ends::{Receiver, Sender, channel};
pub use shared::{QueueHandle, QueueStats};
pub use spec::{Policy, QueueSpec, Received, SendOutcome};
