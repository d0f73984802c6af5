//! The thread that sends reports to CAN, and what it is opened from. First in line: it waits for no disk but its own log, and
//! for no viewer.

use std::time::Duration;

use anyhow::Result;
use ocellus_flow::queue::{Received, Receiver};
use ocellus_sinks::can::{CanBus, CanReport, CanSink};

use crate::exit;
use crate::launch::CanPlan;

use super::live::LiveClock;
use super::notes::Notes;

/// Before the first report there is no cycle: how long to wait for it at a time.
const IDLE: Duration = Duration::from_secs(1);

/// Opens the log and the interface of a plan.
pub fn open(plan: &CanPlan) -> Result<CanSink> {
    let log = plan.file.as_deref().map(CanBus::log);
    let socket = plan.interface.as_deref().map(CanBus::socket);
    let buses = log.into_iter().chain(socket).collect::<Result<Vec<_>, _>>().map_err(exit::usage)?;
    Ok(CanSink::new(plan.config, buses))
}

/// Sends what comes until its queue ends: a replay by its sensor time, a live run by the `clock`, whether anything comes or not. In a live
/// run an interface that takes nothing is said, and tried again with every cycle.
pub fn feed(mut sink: CanSink, input: &Receiver<CanReport>, clock: Option<LiveClock>, notes: &Notes) -> Result<()> {
    let mut refused = false;
    match clock {
        None => {
            while let Some(report) = input.recv() {
                sink.step(report)?;
            }
            sink.finish()?;
        }
        Some(clock) => loop {
            let patience = sink.next_cycle().map_or(IDLE, |due| due.saturating_since(clock.now()).min(IDLE));
            match input.recv_timeout(patience) {
                Received::Item(report) => sink.hear(report),
                Received::Timeout => {}
                Received::Closed => break,
            }
            if sink.cycle(clock.now())? {
                let refusal = sink.take_refusal();
                match &refusal {
                    Some(error) if !refused => notes.say("can", error.to_string()),
                    None if refused => notes.say("can", "the interface takes messages again"),
                    _ => {}
                }
                refused = refusal.is_some();
            }
        },
    }
    if sink.unsent() > 0 {
        notes.say("can", format!("{} messages in all were not sent", sink.unsent()));
    }
    sink.flush()?;
    Ok(())
}
