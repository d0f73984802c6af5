//! Stages and ordered pools: order whatever the delays, ends, failures, bounded memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ocellus_flow::latency::{Kind, Latency};
use ocellus_flow::ledger::{Ledger, Ticket};
use ocellus_flow::ordered::{OrderedIo, ordered_pool};
use ocellus_flow::queue::{QueueSpec, Receiver};
use ocellus_flow::stage::{Refusal, Stage, StageLoop};
use ocellus_flow::stop::StopReason;
use ocellus_flow::supervise::Heartbeats;
use ocellus_flow::threads::{Crew, CrewReport, JoinLimits};

use crate::support::Random;

struct Double;

impl Stage<u64, u64> for Double {
    type Error = String;

    fn step(&mut self, input: u64) -> Result<u64, String> {
        if input == 1000 { Err("1000 is too much".into()) } else { Ok(2 * input) }
    }
}

fn feed(crew: &Crew, numbers: std::ops::Range<u64>, spec: QueueSpec) -> Receiver<u64> {
    let (tx, rx) = crew.channel(spec);
    let work = move || {
        for n in numbers {
            if tx.send(n).is_closed() {
                break;
            }
        }
        Ok::<(), String>(())
    };
    crew.spawn("source", work).unwrap();
    rx
}

#[test]
fn a_stage_runs_until_its_input_ends() {
    let (crew, latency, hearts) = (Crew::new(), Latency::new(), Heartbeats::new());
    let input = feed(&crew, 0..100, QueueSpec::block("in", 2));
    let (output, results) = crew.channel(QueueSpec::block("out", 2));
    let mut stage_loop = StageLoop::new(input, output);
    stage_loop.work = Some(latency.series(Kind::Stage, "double"));
    stage_loop.heart = Some(hearts.watch("double", Duration::from_secs(1)));
    crew.spawn("double", move || stage_loop.run(Double, |_, _| {})).unwrap();
    let got: Vec<u64> = std::iter::from_fn(|| results.recv()).collect();
    assert_eq!(got, (0..100).map(|n| 2 * n).collect::<Vec<_>>());
    assert_eq!(crew.join(JoinLimits::default()).reason, StopReason::End);
    assert_eq!(latency.snapshot().stages["double"].count, 100);
    assert_eq!(hearts.overdue(u64::MAX), []);
}

#[test]
fn a_stages_error_halts_the_run_and_what_was_done_before_arrives() {
    let crew = Crew::new();
    let input = feed(&crew, 990..2000, QueueSpec::block("in", 2));
    let (output, results) = crew.channel(QueueSpec::block("out", 20));
    crew.spawn("double", move || StageLoop::new(input, output).run(Double, |_, _| {})).unwrap();
    let report = crew.join(JoinLimits::default());
    assert_eq!(report.failures[0].to_string(), "thread `double` failed: 1000 is too much");
    let got: Vec<u64> = std::iter::from_fn(|| results.recv()).collect();
    assert_eq!(got, (990..1000).map(|n| 2 * n).collect::<Vec<_>>());
}

#[test]
fn a_stage_whose_output_closes_books_what_it_holds_and_ends() {
    let (crew, ledger) = (Crew::new(), Ledger::new());
    let (tx, input) = crew.channel(QueueSpec::block("in", 1));
    let (output, results) = crew.channel(QueueSpec::block("out", 1));
    drop(results);
    let pass = |ticket: Ticket| Ok::<_, String>(ticket);
    let refused = |ticket: Ticket, why: Refusal| ticket.dropped(why.reason());
    crew.spawn("pass", move || StageLoop::new(input, output).run(pass, refused)).unwrap();
    let book = ledger.sensor("image_02");
    while !tx.send(book.received()).is_closed() {}
    assert_eq!(crew.join(JoinLimits::default()).failures, []);
    let book = book.snapshot();
    assert_eq!((book.dropped["stopped"], book.balanced, book.in_flight), (1, true, 0));
}

/// Runs `count` numbers through `workers` threads that each take a random time; what left, in which order, and how the run ended.
fn through_pool(workers: usize, count: u64, fail_at: Option<u64>) -> (Vec<u64>, CrewReport, u64) {
    let crew = Crew::new();
    let input = feed(&crew, 0..count, QueueSpec::block("in", 3));
    let (output, results) = crew.channel(QueueSpec::block("out", 2));
    let (taken, left) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let ahead_max = Arc::new(AtomicU64::new(0));
    let stages = (0..workers).map(|worker| {
        let (mut random, taken, left) = (Random(worker as u64 + 17), Arc::clone(&taken), Arc::clone(&left));
        let ahead_max = Arc::clone(&ahead_max);
        move |n: u64| {
            let ahead = taken.fetch_add(1, Ordering::SeqCst) + 1 - left.load(Ordering::SeqCst).min(n);
            ahead_max.fetch_max(ahead, Ordering::SeqCst);
            std::thread::sleep(Duration::from_micros(random.below(200)));
            match fail_at {
                Some(at) if at == n && n.is_multiple_of(2) => Err(format!("{n} is broken")),
                Some(at) if at == n => panic!("{n} is broken"),
                _ => Ok(n),
            }
        }
    });
    let io = OrderedIo { input, output, refused: Box::new(|_, _| {}) };
    ordered_pool(&crew, "decode", stages.collect(), io).unwrap();
    let mut got = Vec::new();
    while let Some(n) = results.recv() {
        left.fetch_add(1, Ordering::SeqCst);
        got.push(n);
    }
    let report = crew.join(JoinLimits::default());
    (got, report, ahead_max.load(Ordering::SeqCst))
}

#[test]
fn outputs_leave_in_the_order_of_inputs_for_any_number_of_workers() {
    for workers in [1, 2, 3, 8] {
        let (got, report, ahead_max) = through_pool(workers, 1500, None);
        assert_eq!(got, (0..1500).collect::<Vec<_>>(), "{workers} workers");
        assert_eq!((report.reason, report.failures.len()), (StopReason::End, 0));
        // Window, one in each worker, the queue behind, one in the emitter's and one in the receiver's hand.
        let bound = (2 * workers + workers + 2 + 2) as u64;
        assert!(ahead_max <= bound, "{ahead_max} in flight, {workers} workers");
    }
}

#[test]
fn a_worker_that_fails_or_panics_stops_the_pool_and_the_order_holds_up_to_there() {
    for (fail_at, panicked) in [(700, false), (701, true)] {
        for workers in [1, 4] {
            let (got, report, _) = through_pool(workers, 1_000_000, Some(fail_at));
            assert!(got.len() as u64 <= fail_at);
            assert_eq!(got, (0..got.len() as u64).collect::<Vec<_>>());
            let [failure] = report.failures.as_slice() else { panic!("{report:?}") };
            assert_eq!(
                (failure.panicked, failure.message.as_str()),
                (panicked, format!("{fail_at} is broken").as_str())
            );
            assert_eq!(report.abandoned, Vec::<String>::new());
        }
    }
}

#[test]
fn a_pool_whose_output_closes_refuses_all_it_holds() {
    let (crew, ledger) = (Crew::new(), Ledger::new());
    let (tx, input) = crew.channel(QueueSpec::block("in", 2));
    let (output, results) = crew.channel(QueueSpec::block("out", 2));
    let io =
        OrderedIo { input, output, refused: Box::new(|ticket: Ticket, why: Refusal| ticket.dropped(why.reason())) };
    let pass = |ticket: Ticket| Ok::<_, String>(ticket);
    ordered_pool(&crew, "decode", vec![pass; 4], io).unwrap();
    let book = ledger.sensor("image_02");
    for _ in 0..100 {
        assert!(!tx.send(book.received()).is_closed());
        results.recv().unwrap().processed();
    }
    drop(results);
    while !tx.send(book.received()).is_closed() {}
    let report = crew.join(JoinLimits::default());
    assert_eq!(report.failures, []);
    let book = book.snapshot();
    assert!(book.balanced && book.in_flight == 0, "{book:?}");
    assert_eq!(book.processed, 100);
    assert!(book.dropped["stopped"] >= 1, "{book:?}");
}
