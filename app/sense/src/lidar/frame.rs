//! Gathering points into frames: what a frame is, and the one that is being filled.
//!
//! Contract: a frame's points are in the LiDAR's own axes (metres, x ahead, y left, z up) and in order of arrival; times are of
//! the sensor's own clock. A closed frame's `time_offset_s` counts from `last_ns`, the time of its last point: a frame is known
//! once its last point is measured. Buffers are reused: after warm-up nothing is allocated.

use ocellus_percept::cloud::Cloud;
use ocellus_percept::time::Timestamp;

/// Whether a frame has all its points.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Extent {
    /// From cut to cut, no packet missing.
    #[default]
    Whole,
    /// The stream began or ended within the turn: a part, and nothing lost.
    Edge,
    /// Packets are missing inside.
    Incomplete,
}

/// One turn of a spinning LiDAR, or one window of time of another.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Frame {
    /// What tells frames of one stream apart: the sensor's frame number, or the time of the first packet as sent.
    pub key: u64,
    /// The points.
    pub cloud: Cloud,
    /// Sensor clock at the first point, nanoseconds.
    pub first_ns: i64,
    /// Sensor clock at the last point, nanoseconds.
    pub last_ns: i64,
    /// When its last packet arrived.
    pub arrived: Timestamp,
    /// Packets whose points it has, in part or whole.
    pub packets: u32,
    /// Packets missing inside.
    pub missing: u32,
    /// Whether it is all there.
    pub extent: Extent,
}

/// Why a frame is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// The turn or the window is over.
    Cut,
    /// The stream ended.
    End,
    /// No packet for too long, or the sensor started again.
    Broken,
}

/// The frame being filled and the one finished last.
#[derive(Debug, Default)]
pub(super) struct Turn {
    frame: Frame,
    is_open: bool,
    done: Frame,
    /// Frames begun since the stream began or broke.
    begun: u64,
}

impl Turn {
    /// The frame being filled.
    pub(super) fn open(&mut self) -> Option<&mut Frame> {
        self.is_open.then_some(&mut self.frame)
    }

    /// Whether the open frame is the stream's first, or the first after a break.
    pub(super) fn is_first(&self) -> bool {
        self.begun <= 1
    }

    /// The frame finished last; its cloud may be taken out or swapped.
    pub(super) fn done(&mut self) -> &mut Frame {
        &mut self.done
    }

    /// Begins a frame at `first_ns`, in the buffers of the one finished before the last.
    pub(super) fn begin(&mut self, key: u64, first_ns: i64) {
        let mut cloud = std::mem::take(&mut self.frame.cloud);
        cloud.clear();
        self.frame = Frame { key, cloud, first_ns, last_ns: first_ns, ..Frame::default() };
        self.is_open = true;
        self.begun += 1;
    }

    /// Closes the open frame, which then is `done`; false where none was open.
    pub(super) fn close(&mut self, why: Close, lacks: Lacks) -> bool {
        if !std::mem::take(&mut self.is_open) {
            return false;
        }
        let frame = &mut self.frame;
        let lost_an_end = (lacks.beginning && self.begun > 1) || (lacks.end && why != Close::End);
        frame.extent = if frame.missing > 0 || why == Close::Broken || lost_an_end {
            Extent::Incomplete
        } else if lacks.beginning || lacks.end {
            Extent::Edge
        } else {
            Extent::Whole
        };
        if why == Close::Broken {
            self.begun = 0;
        }
        let span_s = (frame.last_ns.saturating_sub(frame.first_ns) as f64 * 1e-9) as f32;
        frame.cloud.time_offset_s.iter_mut().for_each(|offset| *offset -= span_s);
        std::mem::swap(&mut self.frame, &mut self.done);
        true
    }
}

impl Frame {
    /// Adds a point measured `offset_s` after the frame's first.
    pub(super) fn add(&mut self, xyz: [f32; 3], reflectivity: u8, ring: Option<u16>, offset_s: f32) {
        self.cloud.xyz.push(xyz);
        self.cloud.intensity.push(f32::from(reflectivity) * (1.0 / 255.0));
        self.cloud.ring.extend(ring);
        self.cloud.time_offset_s.push(offset_s);
    }

    /// Seconds from the first point to `t_ns`.
    pub(super) fn offset_s(&self, t_ns: i64) -> f32 {
        (t_ns.saturating_sub(self.first_ns) as f64 * 1e-9) as f32
    }

    /// Counts a packet that arrived at `arrived`.
    pub(super) fn enter_packet(&mut self, arrived: Timestamp) {
        self.packets += 1;
        self.arrived = self.arrived.max(arrived);
    }
}

/// Which ends of a turn a frame does not reach.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lacks {
    /// It begins after the cut.
    pub(super) beginning: bool,
    /// It ends before the cut.
    pub(super) end: bool,
}
