//! What travels between the stages of a run.

use std::time::{Duration, Instant};

use ocellus_flow::ledger::Ticket;
use ocellus_flow::pool::{Pooled, PooledShared};
use ocellus_percept::blind::{Blindness, Look};
use ocellus_percept::cloud::Cloud;
use ocellus_percept::depth::DepthMap;
use ocellus_percept::detection::Detection;
use ocellus_percept::tensor::Letterbox;
use ocellus_percept::time::Timestamp;
use ocellus_sense::EncodedImage;
use smallvec::SmallVec;

/// One entry of the drive on its way. Items have dense indices from 0 in the order in which they are perceived.
pub struct Item {
    /// Place in that order.
    pub index: u64,
    /// Where it comes from.
    pub origin: Origin,
    /// What it carries.
    pub content: Content,
    /// What the frame alone tells of whether its sensor sees; none before it is prepared.
    pub look: Option<Look>,
}

/// Where an item comes from, and its place in the books.
pub struct Origin {
    /// Index of the entry in the drive.
    pub entry: usize,
    /// Index into the run's sensors.
    pub sensor: usize,
    /// Sequence number of that sensor.
    pub seq: u64,
    /// Sensor time.
    pub t: Timestamp,
    /// When it entered the program (host's monotonic clock).
    pub received_at: Instant,
    /// From its stamp to its arrival where sensors are live; zero in a replay, whose age counts from reading.
    pub delay: Duration,
    /// Its place in the ledger.
    pub ticket: Ticket,
}

impl Origin {
    /// How old it is now: from its stamp where sensors are live, else from its reading.
    pub fn age(&self) -> Duration {
        self.delay + self.received_at.elapsed()
    }
}

/// What an item carries.
// Boxing frames would allocate once a frame to save bytes in a queue of sixteen.
#[allow(clippy::large_enum_variant)]
pub enum Content {
    /// A camera frame.
    Frame(Frame),
    /// A LiDAR sweep.
    Sweep(Pooled<Cloud>),
    /// An entry that could not be read or decoded, with the ledger's reason; what happened was said where it happened.
    Lost(&'static str),
}

/// A camera frame; the pictures of its inputs leave it when they are sent to the networks.
pub struct Frame {
    /// The picture as recorded.
    pub picture: PooledShared<EncodedImage>,
    /// Size of the decoded picture, columns and rows; (0, 0) before it is decoded.
    pub size: (usize, usize),
    /// A prepared input per network that looks at this camera.
    pub inputs: Inputs,
    /// How many networks will answer for this frame, of those that are waited for.
    pub parts: usize,
    /// Why it shows nothing, where it does not: a camera may be covered or frozen.
    pub blind: Option<Blindness>,
    /// Whether it is the frame before once more: what it shows is as old as that.
    pub repeated: bool,
    /// The drive's own labels where they stand in for a detector, their classes indexing [`super::truth::Truth::classes`].
    pub truth: Vec<Detection>,
}

impl Frame {
    /// A frame of which nothing but its picture is known yet.
    pub fn of(picture: PooledShared<EncodedImage>) -> Self {
        Self { picture, size: (0, 0), inputs: Inputs::new(), parts: 0, blind: None, repeated: false, truth: Vec::new() }
    }
}

/// Networks that a camera is usually looked at by: the lists of their inputs and answers need no memory of their own.
const NETWORKS_USUAL: usize = 2;
/// What networks are asked of one frame.
pub type Inputs = SmallVec<[ModelInput; NETWORKS_USUAL]>;
/// What they answer, each with its network's index.
pub type Answers = SmallVec<[(usize, Answer); NETWORKS_USUAL]>;

/// A network's input for one frame.
pub struct ModelInput {
    /// Index of the network.
    pub model: usize,
    /// NCHW float32 of the network's size.
    pub tensor: Pooled<Vec<f32>>,
    /// The way back to source pixels.
    pub geometry: Letterbox,
}

/// What one network says of one frame.
pub struct Part {
    /// The frame's index.
    pub index: u64,
    /// Index of the network.
    pub model: usize,
    /// Its answer.
    pub answer: Answer,
}

/// A network's answer.
pub enum Answer {
    /// Detections in source pixels, their classes indexing the network's own list.
    Detections(Pooled<Vec<Detection>>),
    /// A depth map.
    Depth(Pooled<DepthMap>),
    /// None: the network failed on this frame (live only; a replay ends there).
    Failed,
    /// Both, of one network.
    Both(Pooled<Vec<Detection>>, Pooled<DepthMap>),
    /// Of a network on clips; none for a frame that completes no clip.
    Clip(Option<ClipAnswer>),
}

/// What a network says of a clip.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClipAnswer {
    /// Index of the network.
    pub model: usize,
    /// Index of the camera among the run's sensors.
    pub sensor: usize,
    /// The clip's end.
    pub t: Timestamp,
    /// Its probability.
    pub probability: f64,
}

/// What the perceiving thread receives.
// Boxing items would allocate once a frame to save bytes in a queue of sixteen.
#[allow(clippy::large_enum_variant)]
pub enum Message {
    /// An item, with its pictures sent on.
    Item(Item),
    /// An answer for an item that may come before or after it.
    Part(Part),
    /// An answer that no frame waits for (live).
    Clip(ClipAnswer),
}
