//! Ends, drains, halts, failures, and threads that are stuck.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ocellus_flow::ledger::Ledger;
use ocellus_flow::queue::{QueueSpec, SendOutcome};
use ocellus_flow::stop::{Phase, StopReason};
use ocellus_flow::threads::{Crew, JoinLimits, OnFailure};

type Work = Result<(), String>;

/// Limits that only a halt or an end reaches.
const PATIENT: JoinLimits = JoinLimits { drain: Duration::from_secs(600), halt: Duration::from_secs(600) };

#[test]
fn a_run_that_nobody_stops_ends_by_itself_with_everything_processed() {
    let (crew, ledger) = (Crew::new(), Ledger::new());
    let (tx, rx) = crew.channel(QueueSpec::block("q", 2));
    let book = ledger.sensor("image_02");
    let source = move || -> Work {
        (0..100).for_each(|_| assert!(!tx.send(book.received()).is_closed()));
        Ok(())
    };
    let sink = move || -> Work {
        while let Some(ticket) = rx.recv() {
            ticket.processed();
        }
        Ok(())
    };
    crew.spawn("source", source).unwrap();
    crew.spawn("sink", sink).unwrap();
    let report = crew.join(PATIENT);
    assert_eq!((report.reason, report.failures.len(), report.abandoned.len()), (StopReason::End, 0, 0));
    assert!(ledger.snapshot().lossless());
    assert!(crew.queue_stats()[0].closed);
}

#[test]
fn an_interrupt_drains_what_is_in_flight() {
    let (crew, ledger) = (Crew::new(), Ledger::new());
    let (tx, rx) = crew.channel(QueueSpec::block("q", 4));
    let (book, stop) = (ledger.sensor("image_02"), crew.stop().clone());
    let source = move || -> Work {
        while !stop.is_stopping() {
            assert!(!tx.send(book.received()).is_closed(), "a drain closes no queue");
        }
        Ok(())
    };
    let (seen, stop) = (Arc::new(AtomicU64::new(0)), crew.stop().clone());
    let sink = move || -> Work {
        while let Some(ticket) = rx.recv() {
            ticket.processed();
            if seen.fetch_add(1, Ordering::Relaxed) == 50 {
                stop.request(StopReason::Interrupt);
            }
        }
        Ok(())
    };
    crew.spawn("source", source).unwrap();
    crew.spawn("sink", sink).unwrap();
    let report = crew.join(PATIENT);
    assert_eq!((report.reason, report.abandoned.len()), (StopReason::Interrupt, 0));
    assert!(report.failures.is_empty(), "{report:?}");
    assert!(ledger.snapshot().lossless());
}

#[test]
fn a_halt_wakes_blocked_senders_and_receivers() {
    let (crew, ledger) = (Crew::new(), Ledger::new());
    let (full_tx, full_rx) = crew.channel(QueueSpec::block("full", 1));
    let (empty_tx, empty_rx) = crew.channel::<u8>(QueueSpec::block("empty", 1));
    for n in 0..3 {
        let (tx, book) = (full_tx.clone(), ledger.sensor("image_02"));
        let work = move || -> Work {
            loop {
                if let SendOutcome::Closed(ticket) = tx.send(book.received()) {
                    ticket.dropped("stopped");
                    return Ok(());
                }
            }
        };
        crew.spawn(&format!("tx{n}"), work).unwrap();
        let rx = empty_rx.clone();
        crew.spawn(&format!("rx{n}"), move || -> Work { rx.recv().map_or(Ok(()), |_| Err("from where?".into())) })
            .unwrap();
    }
    while crew.queue_stats()[0].depth == 0 {
        std::thread::yield_now();
    }
    std::thread::sleep(Duration::from_millis(20));
    crew.stop().halt();
    let report = crew.join(PATIENT);
    assert!(report.failures.is_empty() && report.abandoned.is_empty(), "{report:?}");
    // The main thread still holds both ends: it was the halt that woke them.
    drop((full_rx, empty_tx));
    let book = ledger.sensor("image_02").snapshot();
    assert!(book.balanced);
    assert_eq!((book.received, book.in_flight, book.dropped["stopped"], book.lost["abandoned"]), (4, 0, 3, 1));
}

#[test]
fn a_panic_is_a_stage_failure_that_stops_the_others_and_leaves_the_books_balanced() {
    let (crew, ledger) = (Crew::new(), Ledger::new());
    let (tx, rx) = crew.channel(QueueSpec::block("to-infer", 2));
    let (out, results) = crew.channel(QueueSpec::block("to-sink", 2));
    let (book, stop) = (ledger.sensor("image_02"), crew.stop().clone());
    let source = move || -> Work {
        while !stop.is_stopping() {
            if let SendOutcome::Closed(ticket) = tx.send(book.received()) {
                ticket.dropped("stopped");
                break;
            }
        }
        Ok(())
    };
    let infer = move || -> Work {
        let mut n = 0;
        while let Some(ticket) = rx.recv() {
            n += 1;
            assert!(n < 10, "tensor of frame {n} has a hole");
            if let Some(ticket) = out.send(ticket).handed_back() {
                ticket.dropped("stopped");
            }
        }
        Ok(())
    };
    let sink = move || -> Work {
        while let Some(ticket) = results.recv() {
            ticket.processed();
        }
        Ok(())
    };
    crew.spawn("source", source).unwrap();
    crew.spawn("infer-yolox_nano-cpu", infer).unwrap();
    crew.spawn("sink", sink).unwrap();
    let report = crew.join(PATIENT);
    assert_eq!(report.reason, StopReason::Failure);
    assert!(report.abandoned.is_empty());
    let [failure] = report.failures.as_slice() else { panic!("{report:?}") };
    assert_eq!((failure.thread.as_str(), failure.panicked), ("infer-yolox_nano-cpu", true));
    assert_eq!(failure.message, "tensor of frame 10 has a hole");
    let book = ledger.sensor("image_02").snapshot();
    assert!(book.balanced, "{book:?}");
    assert_eq!(book.in_flight, 0, "{book:?}");
    assert!(book.lost["abandoned"] >= 1, "{book:?}");
    assert!(book.processed <= 9, "{book:?}");
}

#[test]
fn a_failure_may_leave_the_others_running() {
    let crew = Crew::new();
    let stop = crew.stop().clone();
    let went_on = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&went_on);
    let viewer = crew
        .spawn_with("viewer", OnFailure::CarryOn, || -> Work { Err("the viewer closed the connection".into()) })
        .unwrap();
    while !crew.is_finished(viewer) {
        std::thread::yield_now();
    }
    let work = move || -> Work {
        flag.store(!stop.is_stopping(), Ordering::SeqCst);
        Ok(())
    };
    crew.spawn("perception", work).unwrap();
    let report = crew.join(PATIENT);
    assert_eq!(report.reason, StopReason::End);
    assert_eq!(report.failures[0].to_string(), "thread `viewer` failed: the viewer closed the connection");
    assert!(went_on.load(Ordering::SeqCst));
}

#[test]
fn a_stuck_thread_is_abandoned_and_named() {
    let crew = Crew::new();
    let (tx, rx) = std::sync::mpsc::sync_channel::<()>(0);
    // Stands for a driver that never returns: nothing of ours wakes it.
    crew.spawn("camera-driver", move || -> Work { rx.recv().map_err(|e| e.to_string()) }).unwrap();
    crew.stop().request(StopReason::Interrupt);
    let limits = JoinLimits { drain: Duration::from_millis(10), halt: Duration::from_millis(10) };
    let report = crew.join(limits);
    assert_eq!(crew.stop().phase(), Phase::Halting);
    assert_eq!(
        (report.reason, report.abandoned.as_slice()),
        (StopReason::Interrupt, ["camera-driver".to_owned()].as_slice())
    );
    drop(tx);
}

#[test]
fn a_stuck_thread_can_be_given_up_and_replaced_while_the_run_goes_on() {
    let crew = Crew::new();
    let (tx, rx) = std::sync::mpsc::sync_channel::<()>(0);
    let stuck = crew.spawn("camera-1", move || -> Work { rx.recv().map_err(|e| e.to_string()) }).unwrap();
    crew.abandon(stuck);
    crew.spawn("camera-2", || -> Work { Ok(()) }).unwrap();
    let report = crew.join(PATIENT);
    assert_eq!((report.reason, report.abandoned.as_slice()), (StopReason::End, ["camera-1".to_owned()].as_slice()));
    drop(tx);
}

#[test]
fn sleep_ends_with_a_request_and_the_first_reason_stays() {
    let crew = Crew::new();
    let stop = crew.stop().clone();
    assert!(stop.sleep(Duration::from_millis(1)));
    let sleeper = stop.clone();
    crew.spawn("pacer", move || -> Work {
        if sleeper.sleep(Duration::from_secs(3600)) { Err("slept".into()) } else { Ok(()) }
    })
    .unwrap();
    std::thread::sleep(Duration::from_millis(5));
    stop.request(StopReason::Interrupt);
    stop.request(StopReason::Failure);
    let report = crew.join(PATIENT);
    assert_eq!((report.reason, report.failures.len()), (StopReason::Interrupt, 0));
}

#[test]
fn what_is_registered_after_a_halt_is_closed_at_once() {
    let crew = Crew::new();
    crew.stop().halt();
    let (tx, rx) = crew.channel(QueueSpec::block("late", 1));
    assert_eq!(tx.send(1), SendOutcome::Closed(1));
    assert_eq!(rx.recv(), None);
}
