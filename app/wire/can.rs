//! The thread that sends reports to CAN, and what it is opened from. First in line: it waits for no disk but its own log, and
//! for no viewer.

use anyhow::Result;
use ocellus_flow::queue::Receiver;
use ocellus_sinks::can::{CanBus, CanReport, CanSink};

use crate::exit;
use crate::launch::CanPlan;

/// Opens the log and the interface of a plan.
pub fn open(plan: &CanPlan) -> Result<CanSink> {
    let log = plan.file.as_deref().map(CanBus::log);
    let socket = plan.interface.as_deref().map(CanBus::socket);
    let buses = log.into_iter().chain(socket).collect::<Result<Vec<_>, _>>().map_err(exit::usage)?;
    Ok(CanSink::new(plan.config, buses))
}

/// Sends what comes until its queue ends.
pub fn feed(mut sink: CanSink, input: &Receiver<CanReport>) -> Result<()> {
    while let Some(report) = input.recv() {
        sink.step(report)?;
    }
    sink.finish()?;
    Ok(())
}
