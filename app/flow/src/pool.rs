//! Buffers that are made once and used again.
//!
//! Contract: a [`Pool`] makes all its buffers when it is built; taking, sharing and returning one allocates nothing. A buffer
//! comes back by dropping its last handle, with the content it had. There are never more buffers than the capacity:
//! when all are out, a take answers `None` or waits, as the pool was told.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use serde::Serialize;

use crate::lock;
use crate::stop::Closable;

/// What an empty pool does with a take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhausted {
    /// Answers `None` at once: the caller drops its newest frame and counts it.
    Refuse,
    /// Waits until a buffer comes back or the pool closes.
    Wait,
}

/// A pool's figures at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PoolStats {
    /// The pool's name.
    pub name: String,
    /// How many buffers there are.
    pub capacity: usize,
    /// How many are out now.
    pub in_use: usize,
    /// The most that were ever out.
    pub in_use_max: usize,
    /// How often one was taken.
    pub taken: u64,
    /// How often there was none to take.
    pub refused: u64,
}

/// A fixed set of buffers. Clones are the same pool.
pub struct Pool<T> {
    inner: Arc<Inner<T>>,
}

/// A buffer out of a pool, for one owner, who may write. Comes back when dropped.
pub struct Pooled<T>(Handle<T>);

/// A buffer out of a pool that several read. Comes back when the last clone is dropped.
pub struct PooledShared<T>(Handle<T>);

struct Inner<T> {
    name: String,
    when_exhausted: Exhausted,
    slots: Box<[Slot<T>]>,
    free: Mutex<Free>,
    returned: Condvar,
}

struct Free {
    /// Slots that are not out; allocated for all of them.
    indices: Vec<usize>,
    closed: bool,
    waiting: usize,
    in_use_max: usize,
    taken: u64,
    refused: u64,
}

/// A buffer and the number of its handles. A slot's index is either in `Free::indices`, with no handle, or out, with one
/// [`Pooled`] or any number of [`PooledShared`].
struct Slot<T> {
    handles: AtomicUsize,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached through handles only: mutably through the one `Pooled`, or by shared reference through
// `PooledShared`s. `T: Send` lets the one owner be on any thread, `T: Sync` the several readers.
unsafe impl<T: Send + Sync> Sync for Slot<T> {}

impl<T: Send + Sync> Pool<T> {
    /// A pool of `capacity` buffers (at least 1), each made by `make`.
    pub fn new(name: &str, capacity: usize, when_exhausted: Exhausted, mut make: impl FnMut() -> T) -> Self {
        let capacity = capacity.max(1);
        let slot = |_| Slot { handles: AtomicUsize::new(0), value: UnsafeCell::new(make()) };
        let free = Free {
            indices: (0..capacity).rev().collect(),
            closed: false,
            waiting: 0,
            in_use_max: 0,
            taken: 0,
            refused: 0,
        };
        let slots = (0..capacity).map(slot).collect();
        let name = name.to_owned();
        let inner = Inner { name, when_exhausted, slots, free: Mutex::new(free), returned: Condvar::new() };
        Self { inner: Arc::new(inner) }
    }

    /// A buffer, with the content that it had when it came back. `None` where there is none, or the pool is closed.
    pub fn take(&self) -> Option<Pooled<T>> {
        let inner = &self.inner;
        let mut free = lock(&inner.free);
        while inner.when_exhausted == Exhausted::Wait && free.indices.is_empty() && !free.closed {
            free.waiting += 1;
            free = inner.returned.wait(free).unwrap_or_else(PoisonError::into_inner);
            free.waiting -= 1;
        }
        let Some(index) = (if free.closed { None } else { free.indices.pop() }) else {
            free.refused += 1;
            return None;
        };
        free.taken += 1;
        free.in_use_max = free.in_use_max.max(inner.slots.len() - free.indices.len());
        drop(free);
        inner.slots[index].handles.store(1, Ordering::Relaxed);
        Some(Pooled(Handle { pool: Arc::clone(inner), index }))
    }

    /// The figures now.
    pub fn stats(&self) -> PoolStats {
        let (free, capacity) = (lock(&self.inner.free), self.inner.slots.len());
        PoolStats {
            name: self.inner.name.clone(),
            capacity,
            in_use: capacity - free.indices.len(),
            in_use_max: free.in_use_max,
            taken: free.taken,
            refused: free.refused,
        }
    }

    /// The pool for [`crate::stop::Stop::register`]: once closed, a take answers `None` and whoever waits wakes.
    pub fn handle(&self) -> Arc<dyn Closable>
    where
        T: 'static,
    {
        Arc::clone(&self.inner) as Arc<dyn Closable>
    }
}

impl<T> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T: Send + Sync> Closable for Inner<T> {
    fn close(&self) {
        lock(&self.free).closed = true;
        self.returned.notify_all();
    }
}

/// One of the handles that a slot's `handles` counts.
struct Handle<T> {
    pool: Arc<Inner<T>>,
    index: usize,
}

impl<T> Handle<T> {
    fn slot(&self) -> &Slot<T> {
        &self.pool.slots[self.index]
    }

    fn value(&self) -> &T {
        // SAFETY: this handle is counted, so the slot is out. The only mutable reference to a slot's value comes from `Pooled::deref_mut`,
        // whose borrow of its handle, the slot's only one, excludes this borrow.
        unsafe { &*self.slot().value.get() }
    }
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        self.slot().handles.fetch_add(1, Ordering::Relaxed);
        Self { pool: Arc::clone(&self.pool), index: self.index }
    }
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        // As `Arc` does it: the last handle sees all that the others did before the slot is taken again.
        if self.slot().handles.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        fence(Ordering::Acquire);
        let mut free = lock(&self.pool.free);
        free.indices.push(self.index);
        let wake = free.waiting > 0;
        drop(free);
        if wake {
            self.pool.returned.notify_one();
        }
    }
}

impl<T> Pooled<T> {
    /// Gives up writing for handles that can be cloned.
    pub fn share(self) -> PooledShared<T> {
        PooledShared(self.0)
    }
}

impl<T> Deref for Pooled<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.value()
    }
}

impl<T> DerefMut for Pooled<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: a `Pooled` is its slot's only handle (it cannot be cloned, and `share` consumes it), and it is borrowed mutably.
        unsafe { &mut *self.0.slot().value.get() }
    }
}

impl<T> Deref for PooledShared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.value()
    }
}

impl<T> AsRef<T> for PooledShared<T> {
    fn as_ref(&self) -> &T {
        self
    }
}

impl<T> Clone for PooledShared<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
