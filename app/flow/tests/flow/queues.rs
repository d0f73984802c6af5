//! Queues: exact counters under contention, exact policies, closing, bounded memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use ocellus_flow::ledger::Ledger;
use ocellus_flow::queue::{Policy, QueueSpec, Received, SendOutcome, channel};
use ocellus_flow::threads::{Crew, JoinLimits};

const SENDERS: u64 = 4;
const EACH: u64 = 20_000;

/// `SENDERS` threads send distinct numbers, `receivers` threads take them. Returns how often and what: (sum got, count got, sum handed back, count handed back).
fn contend(spec: QueueSpec, receivers: usize) -> (ocellus_flow::queue::QueueStats, [u64; 4]) {
    let (crew, totals) = (Crew::new(), Arc::new([const { AtomicU64::new(0) }; 4]));
    let (tx, rx) = crew.channel::<u64>(spec);
    for r in 0..receivers {
        let (rx, totals) = (rx.clone(), Arc::clone(&totals));
        let work = move || {
            while let Some(n) = rx.recv() {
                totals[0].fetch_add(n, Ordering::Relaxed);
                totals[1].fetch_add(1, Ordering::Relaxed);
            }
            Ok::<(), String>(())
        };
        crew.spawn(&format!("rx{r}"), work).unwrap();
    }
    drop(rx);
    for s in 0..SENDERS {
        let (tx, totals) = (tx.clone(), Arc::clone(&totals));
        let work = move || {
            for n in s * EACH..(s + 1) * EACH {
                if let Some(back) = tx.send(n).handed_back() {
                    totals[2].fetch_add(back, Ordering::Relaxed);
                    totals[3].fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok::<(), String>(())
        };
        crew.spawn(&format!("tx{s}"), work).unwrap();
    }
    let handle = tx.handle();
    drop(tx);
    let report = crew.join(JoinLimits::default());
    assert!(report.failures.is_empty() && report.abandoned.is_empty(), "{report:?}");
    (handle.stats(), [0, 1, 2, 3].map(|i| totals[i].load(Ordering::Relaxed)))
}

#[test]
fn counters_are_exact_under_contention_for_every_policy() {
    let all = SENDERS * EACH;
    for spec in [QueueSpec::block("b", 3), QueueSpec::drop_oldest("d", 3), QueueSpec::latest("l")] {
        let policy = spec.policy;
        let (stats, [sum_got, got, sum_back, back]) = contend(spec, 3);
        assert_eq!(stats.sent, all, "{policy:?}");
        assert_eq!((stats.received, stats.dropped), (got, back), "{policy:?}");
        assert_eq!(got + back, all, "{policy:?}");
        assert_eq!(sum_got + sum_back, all * (all - 1) / 2, "{policy:?}: each element exactly once");
        assert_eq!((stats.depth, stats.discarded, stats.refused), (0, 0, 0), "{policy:?}");
        assert!(stats.depth_max <= stats.capacity, "{policy:?}");
        assert!(policy != Policy::Block || back == 0, "Block loses nothing");
    }
}

#[test]
fn one_sender_and_one_receiver_keep_the_order() {
    let (crew, (tx, rx)) = (Crew::new(), channel::<u64>(QueueSpec::block("q", 2)));
    let produce = move || {
        (0..5000).for_each(|n| assert_eq!(tx.send(n), SendOutcome::Sent));
        Ok::<(), String>(())
    };
    crew.spawn("tx", produce).unwrap();
    for n in 0..5000 {
        assert_eq!(rx.recv(), Some(n));
    }
    assert_eq!(rx.recv(), None);
    assert!(crew.join(JoinLimits::default()).failures.is_empty());
}

#[test]
fn the_newest_wins_exactly() {
    let (tx, rx) = channel(QueueSpec { name: "video".into(), capacity: 9, policy: Policy::Latest });
    assert_eq!(tx.stats().capacity, 1);
    assert_eq!(tx.send(1), SendOutcome::Sent);
    assert_eq!(tx.send(2), SendOutcome::Displaced(1));
    assert_eq!(tx.send(3), SendOutcome::Displaced(2));
    assert_eq!(rx.recv(), Some(3));
    assert_eq!(rx.recv_timeout(Duration::ZERO), Received::Timeout);
    assert_eq!(tx.send(4), SendOutcome::Sent);
    drop(tx);
    assert_eq!(rx.recv(), Some(4));
    assert_eq!(rx.recv(), None);
    assert_eq!(rx.recv_timeout(Duration::from_secs(9)), Received::Closed);
}

#[test]
fn a_receiver_never_sees_an_older_element_after_a_newer_one() {
    let (crew, (tx, rx)) = (Crew::new(), channel::<u64>(QueueSpec::latest("video")));
    let produce = move || {
        for n in 0..100_000 {
            let back = tx.send(n);
            assert!(!back.is_closed());
            if let Some(older) = back.handed_back() {
                assert!(older < n, "what is displaced is older");
            }
        }
        Ok::<(), String>(())
    };
    crew.spawn("tx", produce).unwrap();
    let mut last = None;
    while let Some(n) = rx.recv() {
        assert!(last < Some(n), "{n} after {last:?}");
        last = Some(n);
    }
    assert_eq!(last, Some(99_999), "the last one sent always arrives");
    assert!(crew.join(JoinLimits::default()).failures.is_empty());
}

#[test]
fn drop_oldest_hands_back_in_order() {
    let (tx, rx) = channel(QueueSpec::drop_oldest("log", 2));
    let outcomes: Vec<_> = (0..4).map(|n| tx.send(n)).collect();
    assert_eq!(outcomes, [SendOutcome::Sent, SendOutcome::Sent, SendOutcome::Displaced(0), SendOutcome::Displaced(1)]);
    assert_eq!((rx.recv(), rx.recv()), (Some(2), Some(3)));
}

#[test]
fn a_closed_queue_refuses_and_still_gives_out_what_it_holds() {
    let (tx, rx) = channel(QueueSpec::block("q", 4));
    assert_eq!(tx.send('a'), SendOutcome::Sent);
    rx.close();
    assert_eq!(tx.send('b'), SendOutcome::Closed('b'));
    assert_eq!((rx.recv(), rx.recv()), (Some('a'), None));
    let stats = rx.stats();
    assert_eq!((stats.sent, stats.received, stats.refused, stats.closed), (1, 1, 1, true));
}

#[test]
fn when_the_last_receiver_goes_tickets_in_the_queue_are_booked() {
    let ledger = Ledger::new();
    let (tx, rx) = channel(QueueSpec::block("q", 4));
    for _ in 0..3 {
        assert!(!tx.send(ledger.sensor("image_02").received()).is_closed());
    }
    drop(rx);
    let book = ledger.sensor("image_02").snapshot();
    assert_eq!((book.lost["abandoned"], book.in_flight, book.balanced), (3, 0, true));
    let stats = tx.stats();
    assert_eq!((stats.discarded, stats.depth), (3, 0));
    assert!(tx.send(ledger.sensor("image_02").received()).is_closed());
}

/// An element that knows how many of it are alive.
struct Counted(Arc<[AtomicI64; 2]>);

impl Counted {
    fn new(alive: &Arc<[AtomicI64; 2]>) -> Self {
        let now = alive[0].fetch_add(1, Ordering::SeqCst) + 1;
        alive[1].fetch_max(now, Ordering::SeqCst);
        Self(Arc::clone(alive))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0[0].fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn a_slow_receiver_bounds_memory() {
    for (spec, beside) in
        [(QueueSpec::block("b", 3), 2), (QueueSpec::drop_oldest("d", 3), 3), (QueueSpec::latest("l"), 3)]
    {
        let (crew, alive) = (Crew::new(), Arc::new([const { AtomicI64::new(0) }; 2]));
        let capacity = spec.effective_capacity() as i64;
        let (tx, rx) = channel(spec);
        let made = Arc::clone(&alive);
        let produce = move || {
            (0..500).for_each(|_| drop(tx.send(Counted::new(&made)).handed_back()));
            Ok::<(), String>(())
        };
        crew.spawn("tx", produce).unwrap();
        while let Some(element) = rx.recv() {
            std::thread::sleep(Duration::from_micros(50));
            drop(element);
        }
        assert!(crew.join(JoinLimits::default()).failures.is_empty());
        assert_eq!(alive[0].load(Ordering::SeqCst), 0, "none is leaked");
        // Beside those queued: one with the sender, one with the receiver, one handed back.
        assert!(alive[1].load(Ordering::SeqCst) <= capacity + beside, "{alive:?} of {capacity}");
    }
}

#[test]
fn time_waited_is_counted() {
    let (crew, (tx, rx)) = (Crew::new(), channel(QueueSpec::block("q", 1)));
    let handle = tx.handle();
    let produce = move || {
        (0..3).for_each(|n| assert_eq!(tx.send(n), SendOutcome::Sent));
        Ok::<(), String>(())
    };
    crew.spawn("tx", produce).unwrap();
    let mut got = Vec::new();
    std::thread::sleep(Duration::from_millis(20));
    while let Some(n) = rx.recv() {
        got.push(n);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(got, [0, 1, 2]);
    let stats = handle.stats();
    assert!(stats.sender_wait_ns > 0 && stats.item_wait_ns > 10_000_000, "{stats:?}");
    assert!(stats.item_wait_ns_max <= stats.item_wait_ns, "{stats:?}");
    assert!(crew.join(JoinLimits::default()).failures.is_empty());
}

#[test]
fn who_waits_for_room_takes_none_from_those_who_send() {
    for round in 0..200_u64 {
        let (crew, (tx, rx)) = (Crew::new(), channel::<u64>(QueueSpec::block("full", 1)));
        assert_eq!(tx.send(round), SendOutcome::Sent);
        // One that never sends waits beside one that does, first or second.
        let (waits, sends) = (tx.clone(), tx.clone());
        let wait = move || {
            waits.wait_for_room();
            Ok::<(), String>(())
        };
        let send = move || if sends.send(round + 1).is_closed() { Err("closed".to_owned()) } else { Ok(()) };
        if round % 2 == 0 {
            crew.spawn("waits", wait).unwrap();
            crew.spawn("sends", send).unwrap();
        } else {
            crew.spawn("sends", send).unwrap();
            crew.spawn("waits", wait).unwrap();
        }
        drop(tx);
        assert_eq!(rx.recv(), Some(round));
        assert_eq!(rx.recv(), Some(round + 1));
        // Empty again, so that both get through; closed, nobody would wait either.
        assert_eq!(rx.recv(), None);
        let report = crew.join(JoinLimits::default());
        assert!(report.failures.is_empty() && report.abandoned.is_empty(), "{report:?}");
    }
}

/// Answers within microseconds make a receiver look on without sleeping; it must see what comes then, and the end.
#[test]
fn a_receiver_that_looks_on_sees_elements_and_the_end() {
    let crew = Crew::new();
    let (ask, asked) = crew.channel(QueueSpec::block("there", 1));
    let (answer, answered) = crew.channel(QueueSpec::block("back", 1));
    let echo = move || {
        while let Some(n) = asked.recv() {
            let _ = answer.send(n + 1);
        }
        Ok::<(), String>(())
    };
    crew.spawn("echo", echo).unwrap();
    for n in 0..2_000_u64 {
        assert_eq!(ask.send(n), SendOutcome::Sent);
        assert_eq!(answered.recv(), Some(n + 1));
    }
    // The echo looks on for the next when the queue is closed.
    ask.close();
    assert_eq!(answered.recv(), None);
    assert!(crew.join(JoinLimits::default()).failures.is_empty());
    assert_eq!((ask.stats().received, answered.stats().received), (2_000, 2_000));
}
