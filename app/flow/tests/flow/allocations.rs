//! A counting allocator, and proof that the hot path does not allocate once it is warm.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};

use ocellus_flow::join::Join;
use ocellus_flow::latency::{FrameClock, Kind, Latency};
use ocellus_flow::ledger::Ledger;
use ocellus_flow::pool::{Exhausted, Pool};
use ocellus_flow::queue::{QueueSpec, channel};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting per thread, so that tests beside this one do not disturb it.
struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; the counter is a thread-local cell without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations_in(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations_in(|| drop(std::hint::black_box(Box::new(1_u64)))), 1);
}

#[test]
fn a_frame_costs_no_allocation_once_warm() {
    let pool = Pool::new("frames", 4, Exhausted::Refuse, || vec![0_u8; 640 * 480]);
    let (ledger, latency) = (Ledger::new(), Latency::new());
    let (book, work) = (ledger.sensor("image_02"), latency.series(Kind::Stage, "preprocess"));
    let (tx, mut rx) = channel(QueueSpec::latest("to-infer"));
    rx.record_waits(latency.series(Kind::Queue, "to-infer"));
    let mut join = Join::<u64, 2>::new(4);
    let mut frame = |seq: u64| {
        let mut clock = FrameClock::<4>::new(Instant::now());
        let mut buffer = pool.take().unwrap();
        buffer[0] = seq as u8;
        for _ in 0..2 {
            let element = (book.received(), pool.take().unwrap().share());
            if let Some((ticket, _)) = tx.send(element).handed_back() {
                ticket.dropped("queue_full");
            }
        }
        let (ticket, shared) = rx.recv().unwrap();
        let second = shared.clone();
        clock.mark(0);
        work.record(clock.since_received(0).unwrap() + Duration::from_millis(u64::from(second[0])));
        join.put(0, seq, seq).unwrap();
        join.put(1, seq, seq).unwrap();
        assert!(join.pop().is_some_and(|joined| joined.is_complete()));
        ticket.processed();
    };
    (0..3).for_each(&mut frame);
    assert_eq!(allocations_in(|| (3..1000).for_each(&mut frame)), 0);
    let stats = pool.stats();
    assert_eq!((stats.taken, stats.in_use, stats.refused), (3000, 0, 0));
    assert!(ledger.snapshot().balanced());
}
