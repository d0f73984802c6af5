//! The ledger: its form, and its balance under contention, panics and forgetfulness.

use ocellus_flow::ledger::{Ledger, LedgerSnapshot};
use ocellus_flow::threads::{Crew, JoinLimits};

use crate::support::Random;

#[test]
fn the_snapshot_has_the_form_of_ledger_json() {
    let ledger = Ledger::new();
    ledger.sensor("image_02").received().processed();
    let sensor = ledger.sensor("image_02");
    let in_flight = sensor.received();
    sensor.received().dropped("queue_full");
    sensor.received().lost("truncated");
    sensor.lost_unseen(3, "driver_gap");
    sensor.lost_unseen(0, "never");
    let text = serde_json::to_string(&ledger.snapshot()).unwrap();
    let expected = concat!(
        r#"{"sensors":{"image_02":{"received":7,"processed":1,"dropped":{"queue_full":1},"#,
        r#""lost":{"driver_gap":3,"truncated":1},"in_flight":1,"balanced":true}}}"#
    );
    assert_eq!(text, expected);
    assert_eq!(serde_json::from_str::<LedgerSnapshot>(&text).unwrap(), ledger.snapshot());
    assert!(!ledger.snapshot().lossless());
    let book = sensor.snapshot();
    assert_eq!((book.dropped_total(), book.lost_total()), (1, 4));
    in_flight.processed();
    assert_eq!(sensor.snapshot().in_flight, 0);
}

#[test]
fn books_balance_in_every_snapshot_while_many_threads_write() {
    const THREADS: u64 = 6;
    const EACH: u64 = 20_000;
    let (crew, ledger) = (Crew::new(), Ledger::new());
    for thread in 0..THREADS {
        let book = ledger.sensor("image_02");
        let work = move || {
            let mut random = Random(thread);
            for _ in 0..EACH {
                let ticket = book.received();
                match random.below(4) {
                    0 => ticket.processed(),
                    1 => ticket.dropped("queue_full"),
                    2 => ticket.lost("truncated"),
                    _ => drop(ticket),
                }
            }
            Ok::<(), String>(())
        };
        crew.spawn(&format!("writer-{thread}"), work).unwrap();
    }
    let sensor = ledger.sensor("image_02");
    while sensor.snapshot().received < THREADS * EACH {
        assert!(ledger.snapshot().balanced());
    }
    assert!(crew.join(JoinLimits::default()).failures.is_empty());
    let book = sensor.snapshot();
    assert_eq!(book.processed + book.dropped_total() + book.lost_total(), THREADS * EACH);
    assert!(book.balanced && book.in_flight == 0 && book.lost["abandoned"] > 0, "{book:?}");
}

#[test]
fn a_panic_books_what_it_held() {
    let (crew, ledger) = (Crew::new(), Ledger::new());
    let book = ledger.sensor("velodyne");
    let work = move || -> Result<(), String> {
        let _held = [book.received(), book.received()];
        panic!("no calibration");
    };
    crew.spawn("lidar", work).unwrap();
    assert_eq!(crew.join(JoinLimits::default()).failures[0].message, "no calibration");
    let book = ledger.sensor("velodyne").snapshot();
    assert_eq!((book.lost["abandoned"], book.in_flight, book.balanced), (2, 0, true));
}
