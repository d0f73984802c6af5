//! What a manifest or a flag says of a network; the rest is guessed from its file.

use crate::model::{ChannelOrder, DepthKind, HeadFamily, ManifestClip, Resize, ScoreActivation};

/// What is told about a network. `None` is not told. A told value is never second-guessed, only checked against the
/// file's declared shapes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SpecOverrides {
    /// How its outputs are read.
    pub head: Option<HeadFamily>,
    /// Name of the picture's input.
    pub input_name: Option<String>,
    /// Columns of its input.
    pub width: Option<usize>,
    /// Rows of its input.
    pub height: Option<usize>,
    /// How the picture is brought to that size.
    pub resize: Option<Resize>,
    /// Value of padded pixels, 0..255.
    pub fill: Option<u8>,
    /// Channel order of its input.
    pub order: Option<ChannelOrder>,
    /// Subtracted from 0..255 values, in the tensor's channel order.
    pub mean: Option<[f32; 3]>,
    /// Multiplied afterwards.
    pub scale: Option<[f32; 3]>,
    /// Class names.
    pub classes: Option<Vec<String>>,
    /// Whether its class scores need a sigmoid.
    pub activation: Option<ScoreActivation>,
    /// What its depth means.
    pub depth: Option<DepthKind>,
    /// Strides of raw-grid heads, finest first.
    pub strides: Option<Vec<usize>>,
    /// Lowest score kept.
    pub score: Option<f32>,
    /// Intersection over union for suppression.
    pub nms_iou: Option<f32>,
    /// Most detections per picture.
    pub max_detections: Option<usize>,
    /// How its clips are made, and what its answer is worth.
    pub clip: Option<ManifestClip>,
}

impl SpecOverrides {
    /// What `self` says, else what `under` says.
    #[must_use]
    pub fn over(self, under: Self) -> Self {
        Self {
            head: self.head.or(under.head),
            input_name: self.input_name.or(under.input_name),
            width: self.width.or(under.width),
            height: self.height.or(under.height),
            resize: self.resize.or(under.resize),
            fill: self.fill.or(under.fill),
            order: self.order.or(under.order),
            mean: self.mean.or(under.mean),
            scale: self.scale.or(under.scale),
            classes: self.classes.or(under.classes),
            activation: self.activation.or(under.activation),
            depth: self.depth.or(under.depth),
            strides: self.strides.or(under.strides),
            score: self.score.or(under.score),
            nms_iou: self.nms_iou.or(under.nms_iou),
            max_detections: self.max_detections.or(under.max_detections),
            clip: self.clip.or(under.clip),
        }
    }
}
