//! What the viewer is shown: one message per camera frame, sweep, set of figures or log line. Large parts are shared, so
//! that a message can stand in two queues, one before a file and one before a live viewer.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use ocellus_percept::assess::Way;
use ocellus_percept::cloud::Cloud;
use ocellus_percept::depth::DepthMap;
use ocellus_percept::image::Image;
use ocellus_percept::report::{FrameReport, SensorState};
use ocellus_percept::time::Timestamp;

use crate::anticipation::Anticipation;

/// One thing to show.
#[derive(Debug, Clone)]
pub enum ViewMsg {
    /// A camera frame, or a report without a picture (a LiDAR alone, a tick, an unreadable frame).
    Frame(FrameView),
    /// A LiDAR sweep.
    Sweep(SweepView),
    /// A sensor's state that no report tells.
    State(StateView),
    /// What a network on clips foresees.
    Anticipation(Arc<Anticipation>),
    /// Latencies and queue depths.
    Metrics(MetricsView),
    /// A line for the log panel.
    Log(LogView),
}

/// A large part that several hold: an [`Arc`], or a handle of the caller's own that gives the buffer back when the last
/// one is dropped.
pub struct Shared<T>(Arc<dyn AsRef<T> + Send + Sync>);

impl<T> Shared<T> {
    /// Shares what `handle` refers to.
    pub fn new(handle: impl AsRef<T> + Send + Sync + 'static) -> Self {
        Self(Arc::new(handle))
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        (*self.0).as_ref()
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A report with what it was made from.
#[derive(Debug, Clone)]
pub struct FrameView {
    /// What perception says; names the camera, the time and the sequence number.
    pub report: Arc<FrameReport>,
    /// The picture, where there is one and it could be read.
    pub picture: Option<Picture>,
    /// Columns and rows of the source picture; `None` where unknown.
    pub size_px: Option<[u32; 2]>,
    /// The depth network's output for this picture.
    pub depth: Option<Shared<DepthMap>>,
    /// The way ahead.
    pub way: Option<Way>,
}

/// A picture as the recording has it, or as pixels.
#[derive(Debug, Clone)]
pub enum Picture {
    /// The bytes of a JPEG or PNG file, shown as they are.
    Encoded(Arc<[u8]>),
    /// Pixels; RGB, BGR and gray are compressed to JPEG before they are shown.
    Raw(Arc<Image>),
}

/// One sweep of one LiDAR.
#[derive(Debug, Clone)]
pub struct SweepView {
    /// The LiDAR's name in the rig.
    pub lidar: String,
    /// Sensor time of the sweep.
    pub t: Timestamp,
    /// Its sequence number.
    pub seq: u64,
    /// Points in the LiDAR's own frame, metres.
    pub cloud: Shared<Cloud>,
}

/// A sensor's state from now on.
#[derive(Debug, Clone)]
pub struct StateView {
    /// The sensor's name.
    pub sensor: String,
    /// Sensor time.
    pub t: Timestamp,
    /// Its state.
    pub state: SensorState,
}

/// Figures at one moment, plotted over sensor time.
#[derive(Debug, Clone, Default)]
pub struct MetricsView {
    /// Sensor time of the frame that the figures are about.
    pub t: Timestamp,
    /// Its sequence number.
    pub seq: u64,
    /// Milliseconds by stage; `total` (see [`TOTAL`]) is drawn thicker.
    pub latency_ms: Vec<(String, f64)>,
    /// Waiting messages by queue.
    pub queue_depth: Vec<(String, f64)>,
    /// What the computer tells of itself, by name with unit; empty where it tells nothing.
    pub machine: Vec<(String, f64)>,
}

/// The name under which [`MetricsView::latency_ms`] holds the whole age of an output.
pub const TOTAL: &str = "total";

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Good to know.
    Info,
    /// Something was lost or is not as asked for.
    Warn,
    /// Something failed.
    Error,
}

/// One line for the log panel.
#[derive(Debug, Clone)]
pub struct LogView {
    /// Sensor time; `None` stands where the drive is now, or at its first frame.
    pub t: Option<Timestamp>,
    /// How much it matters.
    pub level: LogLevel,
    /// The line.
    pub text: String,
}

/// What a message weighs besides its large parts, bytes: text, boxes, the frame around each chunk.
const SMALL_PARTS_BYTES: usize = 4096;
/// What a point weighs in the viewer: 12 bytes of position, 4 of colour.
const POINT_BYTES: usize = 16;

impl ViewMsg {
    /// About how many bytes the message adds to what is on its way to a viewer that shows at most `points_max` points.
    pub(super) fn bytes(&self, points_max: usize) -> u64 {
        let large = match self {
            Self::Frame(frame) => {
                let picture = match &frame.picture {
                    Some(Picture::Encoded(bytes)) => bytes.len(),
                    Some(Picture::Raw(image)) => image.data().len(),
                    None => 0,
                };
                picture + frame.depth.as_ref().map_or(0, |depth| depth.values.len() * 4)
            }
            Self::Sweep(sweep) => sweep.cloud.len().min(points_max) * POINT_BYTES,
            Self::State(_) | Self::Anticipation(_) | Self::Metrics(_) | Self::Log(_) => 0,
        };
        (large + SMALL_PARTS_BYTES) as u64
    }
}
