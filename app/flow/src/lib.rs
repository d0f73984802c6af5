//! The runtime: stages, bounded queues with a policy, named threads, ledger, latency, shutdown, supervision.
//!
//! Generic: knows no perception type and imports none of our crates. It alone spawns threads. It reads the host's
//! monotonic clock, and writes no file and no log: everything it counts can be asked for while it runs.
//!
//! # The stop protocol
//!
//! A pipeline is threads joined by queues, and it ends from its sources on. There are three ways, one after the other:
//!
//! 1. **End.** A source that has no more data returns. Its [`queue::Sender`] drops; a queue whose last sender is gone
//!    gives out what it still holds, then `None`; the next thread returns on `None`, and so on to the sinks, which
//!    flush. Nothing is lost and no token is needed. It works the other way round too: when the last
//!    [`queue::Receiver`] is gone, a send gives the element back as [`queue::SendOutcome::Closed`] and the producer returns.
//! 2. **Drain.** [`stop::Stop::request`] with [`stop::StopReason::End`] or [`stop::StopReason::Interrupt`] (Ctrl-C)
//!    asks the *sources* to return: they look at [`stop::Stop::is_stopping`] between two frames and sleep only in
//!    [`stop::Stop::sleep`], which wakes. Then everything goes as under 1: what is in flight is finished.
//! 3. **Halt.** [`stop::Stop::halt`], or the failure of a stage, closes every queue and pool of the crew: whoever is blocked
//!    in a send, a receive or a take wakes at once. Sends hand their element back, to be booked as dropped; receivers
//!    still get what was queued, so that sinks can flush. [`threads::Crew::join`] halts by itself when draining outlasts its
//!    limit, and *abandons* (counts, names, no longer waits for) a thread that outlasts the halt: a thread stuck in a
//!    driver cannot be killed.
//!
//! The panic of a thread is caught and becomes a [`threads::StageFailure`]. While it unwinds, its ends of the queues
//! drop, so its neighbours stop too, and [`ledger::Ticket`]s it held are booked as lost, "abandoned".

pub mod clock;
pub mod join;
pub mod latency;
pub mod ledger;
pub mod ordered;
pub mod pool;
pub mod queue;
pub mod stage;
pub mod stop;
pub mod supervise;
pub mod threads;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after a panic under the lock: no code of a caller runs under a lock of ours, so what it guards is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
