//! What a hop between two threads costs, beside `crossbeam-channel` in the same run. Printed, with no bound on time asserted.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ocellus_flow::pool::{Exhausted, Pool};
use ocellus_flow::queue::{QueueSpec, channel};
use ocellus_flow::threads::{Crew, JoinLimits};

const ROUNDS: usize = 5;
const FRAMES: usize = 2_000;
const COLD_FRAMES: usize = 50;
const STREAM: usize = 100_000;
/// A picture of 1280 x 720 in RGB.
const FRAME_BYTES: usize = 1280 * 720 * 3;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Half of the median time for `send` and the echo that `recv` gets.
fn half_round_trip(mut round_trip: impl FnMut()) -> Duration {
    (0..100).for_each(|_| round_trip());
    let times = (0..FRAMES).map(|_| {
        let started = Instant::now();
        round_trip();
        started.elapsed()
    });
    median(times.collect()) / 2
}

fn ours_ping() -> Duration {
    let (crew, pool) = (Crew::new(), Pool::new("frames", 2, Exhausted::Refuse, || vec![0_u8; FRAME_BYTES]));
    let (there, echo_in) = channel(QueueSpec::block("there", 1));
    let (echo_out, back) = channel(QueueSpec::block("back", 1));
    let echo = move || {
        while let Some(frame) = echo_in.recv() {
            assert!(!echo_out.send(frame).is_closed());
        }
        Ok::<(), String>(())
    };
    crew.spawn("echo", echo).unwrap();
    let hop = half_round_trip(|| {
        assert!(!there.send(pool.take().unwrap()).is_closed());
        black_box(back.recv().unwrap());
    });
    drop(there);
    assert!(crew.join(JoinLimits::default()).failures.is_empty());
    hop
}

fn crossbeam_ping() -> Duration {
    let (crew, pool) = (Crew::new(), Pool::new("frames", 2, Exhausted::Refuse, || vec![0_u8; FRAME_BYTES]));
    let (there, echo_in) = crossbeam_channel::bounded(1);
    let (echo_out, back) = crossbeam_channel::bounded(1);
    crew.spawn("echo", move || echo_in.iter().try_for_each(|frame| echo_out.send(frame))).unwrap();
    let hop = half_round_trip(|| {
        there.send(pool.take().unwrap()).unwrap();
        black_box(back.recv().unwrap());
    });
    drop(there);
    assert!(crew.join(JoinLimits::default()).failures.is_empty());
    hop
}

fn ours_stream() -> Duration {
    let crew = Crew::new();
    let (tx, rx) = channel(QueueSpec::block("stream", 64));
    crew.spawn("rx", move || (0..STREAM).try_for_each(|_| rx.recv().map(drop).ok_or("ended early"))).unwrap();
    let started = Instant::now();
    (0..STREAM).for_each(|n| assert!(!tx.send(n).is_closed()));
    assert!(crew.join(JoinLimits::default()).failures.is_empty());
    started.elapsed() / STREAM as u32
}

fn crossbeam_stream() -> Duration {
    let crew = Crew::new();
    let (tx, rx) = crossbeam_channel::bounded(64);
    crew.spawn("rx", move || (0..STREAM).try_for_each(|_| rx.recv().map(drop))).unwrap();
    let started = Instant::now();
    (0..STREAM).for_each(|n| tx.send(n).unwrap());
    assert!(crew.join(JoinLimits::default()).failures.is_empty());
    started.elapsed() / STREAM as u32
}

/// From the send to the receipt, when the receiver has slept for a while, as between two frames of a camera.
fn after_sleep(send: impl Fn(Instant), recv: impl Fn() -> Option<Instant> + Send + 'static) -> Duration {
    let (crew, (report, times)) = (Crew::new(), channel(QueueSpec::block("times", COLD_FRAMES)));
    let sink = move || {
        while let Some(sent_at) = recv() {
            assert!(!report.send(sent_at.elapsed()).is_closed());
        }
        Ok::<(), String>(())
    };
    crew.spawn("sink", sink).unwrap();
    for _ in 0..COLD_FRAMES {
        std::thread::sleep(Duration::from_millis(2));
        send(Instant::now());
    }
    drop(send);
    assert!(crew.join(JoinLimits::default()).failures.is_empty());
    median(std::iter::from_fn(|| times.recv()).collect())
}

fn ours_cold() -> Duration {
    let (tx, rx) = channel(QueueSpec::latest("cold"));
    after_sleep(move |at| assert!(!tx.send(at).is_closed()), move || rx.recv())
}

fn crossbeam_cold() -> Duration {
    let (tx, rx) = crossbeam_channel::bounded(1);
    after_sleep(move |at| tx.send(at).unwrap(), move || rx.recv().ok())
}

/// Runs both in turn and prints the medians of all rounds.
fn compare(what: &str, ours: fn() -> Duration, theirs: fn() -> Duration) {
    let (ours, theirs): (Vec<_>, Vec<_>) = (0..ROUNDS).map(|_| (ours(), theirs())).unzip();
    let (ours, theirs) = (median(ours), median(theirs));
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    println!("{what}: ours {ours:?}, crossbeam bounded {theirs:?}, ratio {ratio:.2}");
    assert!(ratio.is_finite() && ratio > 0.0);
}

#[test]
fn a_hop_beside_crossbeam() {
    compare("hop of a pooled 2.76 MB frame, p50", ours_ping, crossbeam_ping);
    compare("hop to a thread that slept for 2 ms, p50", ours_cold, crossbeam_cold);
    compare("element of a stream, capacity 64", ours_stream, crossbeam_stream);
}

#[test]
fn what_a_frame_pays_to_the_books() {
    let ledger = ocellus_flow::ledger::Ledger::new();
    let latency = ocellus_flow::latency::Latency::new();
    let (book, series) = (ledger.sensor("image_02"), latency.series(ocellus_flow::latency::Kind::Stage, "decode"));
    let per = |started: Instant| started.elapsed() / STREAM as u32;
    let started = Instant::now();
    (0..STREAM).for_each(|_| book.received().processed());
    println!("ledger, both entries of a frame: {:?}", per(started));
    let started = Instant::now();
    (0..STREAM).for_each(|n| series.record(Duration::from_nanos(n as u64 * 100)));
    println!("latency, one measurement: {:?}", per(started));
    assert_eq!(latency.snapshot().stages["decode"].count, STREAM as u64);
}
