//! The program's allocator: the system's, with a count per thread beside it, so that what a step allocates can be told.
//!
//! The count costs about a nanosecond an allocation: it is one addition to a thread's own cell, and a look at whether those of
//! all threads are wanted. Threads of other languages' libraries (ONNX Runtime) allocate elsewhere and are not counted.

#![allow(unsafe_code, reason = "an allocator cannot be written without; each call is passed on unchanged")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The system's allocator, counting.
pub struct Counting;

thread_local! {
    // Without a destructor and made at compile time: to touch it never allocates, at any time of a thread's life.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Whether those of all threads are wanted: a cell that all write to would cost every thread of a training.
static EVERYWHERE: AtomicBool = AtomicBool::new(false);
static OF_ALL: AtomicU64 = AtomicU64::new(0);

/// From now on [`on_all_threads`] goes on.
pub fn count_everywhere() {
    EVERYWHERE.store(true, Ordering::Relaxed);
}

/// Allocations (growth included) of all threads since [`count_everywhere`].
pub fn on_all_threads() -> u64 {
    OF_ALL.load(Ordering::Relaxed)
}

/// Allocations (growth included) of the calling thread so far.
pub fn on_this_thread() -> u64 {
    ALLOCATIONS.get()
}

fn count() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
    if EVERYWHERE.load(Ordering::Relaxed) {
        OF_ALL.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: every call goes to the system's allocator with its arguments unchanged; the count touches a thread's own cell alone.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's contract is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thread_counts_its_own_allocations_and_growth() {
        let before = on_this_thread();
        let mut list: Vec<u64> = Vec::with_capacity(1);
        list.extend([1, 2, 3]);
        assert_eq!(list.iter().sum::<u64>(), 6);
        assert_eq!(on_this_thread() - before, 2, "one to make it, one to let it grow");
        let before = on_this_thread();
        list.clear();
        assert_eq!(on_this_thread(), before);
    }
}
