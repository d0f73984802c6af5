//! Pools: bounded, exact, and each buffer with one writer at a time.

use ocellus_flow::pool::{Exhausted, Pool};
use ocellus_flow::queue::{QueueSpec, channel};
use ocellus_flow::threads::{Crew, JoinLimits};

#[test]
fn an_empty_pool_refuses_and_counts() {
    let pool = Pool::new("frames", 2, Exhausted::Refuse, Vec::<u8>::new);
    let (first, second) = (pool.take().unwrap(), pool.take().unwrap());
    assert!(pool.take().is_none());
    let stats = pool.stats();
    assert_eq!((stats.capacity, stats.in_use, stats.in_use_max, stats.taken, stats.refused), (2, 2, 2, 2, 1));
    drop(first);
    assert!(pool.take().is_some());
    drop(second);
    assert_eq!(pool.stats().in_use, 0);
}

#[test]
fn a_shared_buffer_comes_back_with_its_last_reader_and_keeps_its_content() {
    let pool = Pool::new("frames", 1, Exhausted::Refuse, Vec::new);
    let mut buffer = pool.take().unwrap();
    buffer.push(42_u8);
    let first = buffer.share();
    let second = first.clone();
    assert_eq!(*first, [42]);
    drop(first);
    assert!(pool.take().is_none(), "one still reads");
    assert_eq!(*second, [42]);
    drop(second);
    assert_eq!(*pool.take().unwrap(), [42]);
}

#[test]
fn buffers_outlive_the_pools_own_handle() {
    let buffer = Pool::new("frames", 1, Exhausted::Wait, || 7).take().unwrap();
    assert_eq!(*buffer, 7);
}

#[test]
fn many_threads_never_share_a_writer_and_all_buffers_come_back() {
    const TURNS: u64 = 5_000;
    let (crew, pool) = (Crew::new(), Pool::new("frames", 3, Exhausted::Wait, || [0_u64; 64]));
    let (tx, rx) = channel(QueueSpec::block("readers", 2));
    for writer in 1..=4_u64 {
        let (pool, tx) = (pool.clone(), tx.clone());
        let work = move || {
            for turn in 0..TURNS {
                let mut buffer = pool.take().ok_or("the pool closed")?;
                buffer.fill(writer << 32 | turn);
                assert!(!tx.send(buffer.share()).is_closed());
            }
            Ok::<(), &str>(())
        };
        crew.spawn(&format!("writer-{writer}"), work).unwrap();
    }
    for reader in 0..2 {
        let rx = rx.clone();
        let work = move || {
            while let Some(shared) = rx.recv() {
                let second = shared.clone();
                drop(shared);
                assert!(second.iter().all(|word| *word == second[0]), "torn: two writers at once");
            }
            Ok::<(), String>(())
        };
        crew.spawn(&format!("reader-{reader}"), work).unwrap();
    }
    drop((tx, rx));
    let report = crew.join(JoinLimits::default());
    assert!(report.failures.is_empty(), "{report:?}");
    let stats = pool.stats();
    assert_eq!((stats.in_use, stats.taken, stats.refused), (0, 4 * TURNS, 0));
    assert!(stats.in_use_max <= 3);
}

#[test]
fn a_halt_wakes_who_waits_for_a_buffer() {
    let (crew, pool) = (Crew::new(), Pool::new("frames", 1, Exhausted::Wait, || 0));
    crew.stop().register(pool.handle());
    let held = pool.take().unwrap();
    let waiting = pool.clone();
    crew.spawn("source", move || waiting.take().map_or(Ok(()), |_| Err("from where?"))).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(10));
    crew.stop().halt();
    assert!(crew.join(JoinLimits::default()).failures.is_empty());
    drop(held);
    assert!(pool.take().is_none(), "a closed pool gives nothing out");
    assert_eq!(pool.stats().refused, 2);
}
