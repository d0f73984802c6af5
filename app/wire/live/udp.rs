//! A LiDAR heard over UDP as a feed. What became of its packets is said when it is closed; what is odd, when it is noticed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ocellus_sense::Payload;
use ocellus_sense::lidar::{
    Extent, FrameOptions, LidarModel, ModelName, OusterMetadata, UdpFrame, UdpLidar, UdpOptions,
};

use super::feed::{Captured, Feed, Polled};
use crate::launch::UdpPlan;
use crate::wire::notes::Notes;

/// What to listen to, by the plan.
pub fn options(plan: &UdpPlan) -> Result<UdpOptions> {
    let model = match (plan.model, &plan.meta) {
        (ModelName::Vlp16, _) => LidarModel::Vlp16,
        (ModelName::Hdl32e, _) => LidarModel::Hdl32e,
        (ModelName::LivoxMid360, _) => LidarModel::LivoxMid360,
        (ModelName::Ouster, meta) => {
            let meta = meta.as_deref().context("an Ouster needs its metadata")?;
            LidarModel::Ouster(Arc::new(OusterMetadata::read(meta)?))
        }
    };
    let defaults = UdpOptions::new(plan.address, model);
    let cut_deg = plan.cut_deg.map_or(defaults.frames.cut_deg, |cut| cut as f32);
    Ok(UdpOptions {
        from: plan.from,
        group: plan.group,
        buffer_bytes: plan.buffer_bytes.unwrap_or(defaults.buffer_bytes),
        frames: FrameOptions { cut_deg, ..defaults.frames },
        ..defaults
    })
}

/// A LiDAR being heard.
pub struct Heard {
    lidar: UdpLidar,
    name: String,
    notes: Notes,
    clock_told: bool,
}

impl Heard {
    /// Begins to listen.
    pub fn open(options: &UdpOptions, name: &str, notes: Notes) -> Result<Self> {
        let lidar = UdpLidar::open(options)?;
        notes.say("udp", format!("{name}: {} on {}", options.model, lidar.address()));
        if let Some(warning) = lidar.warning() {
            notes.say("udp", format!("{name}: {warning}"));
        }
        Ok(Self { lidar, name: name.to_owned(), notes, clock_told: false })
    }

    fn say(&mut self, frame: &UdpFrame) {
        let name = &self.name;
        if !std::mem::replace(&mut self.clock_told, true)
            && let Some(remark) = self.lidar.clock_remark()
        {
            self.notes.say("clock", format!("{name}: {remark}"));
        }
        if frame.extent == Extent::Incomplete {
            let (seq, missing, packets) = (frame.seq, frame.missing, frame.packets);
            self.notes.say("incomplete", format!("{name} frame {seq}: {missing} packets missing, {packets} came"));
        }
    }
}

impl Feed for Heard {
    fn next(&mut self, patience: Duration, out: &mut Payload) -> Result<Polled> {
        let mut cloud = out.take_cloud();
        let heard = self.lidar.poll(patience, &mut cloud);
        *out = Payload::Cloud(cloud);
        let Some(frame) = heard? else { return Ok(Polled::Nothing) };
        self.say(&frame);
        Ok(Polled::Frame(Captured {
            // No recording has it.
            entry: usize::MAX,
            seq: frame.seq,
            t: frame.t,
            received_at: Instant::now(),
            read: Ok(()),
            missed: 0,
            overrun: 0,
        }))
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        let counts = self.lidar.counts();
        let p = counts.packets;
        let fault = self.lidar.last_fault().map(|f| format!("; the last fault: {f}")).unwrap_or_default();
        self.notes.say(
            "packets",
            format!(
                "{}: {} received: {} used, {} late, {} duplicate, {} foreign, {} malformed, {} without points; {} from \
                 strangers; {} lost, {} of them thrown away by the kernel{fault}",
                self.name,
                p.received,
                p.used,
                p.late,
                p.duplicate,
                p.foreign,
                p.malformed,
                p.auxiliary,
                counts.strangers,
                p.lost,
                counts.kernel_dropped
            ),
        );
    }
}
