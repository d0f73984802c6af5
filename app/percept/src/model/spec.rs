//! The validated specification of a network, whether it came from a manifest or was guessed from a bare file.

use serde::{Deserialize, Serialize};

use super::clip::ClipSpec;

/// Element type of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ElementType {
    /// 32-bit float.
    F32,
    /// 16-bit float.
    F16,
    /// Unsigned byte.
    U8,
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
}

/// A network's input or output as its file declares it. A dynamic dimension is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IoInfo {
    /// The tensor's name.
    pub name: String,
    /// Element type; `None` for one we cannot use (strings, ...).
    pub element: Option<ElementType>,
    /// Dimensions, outermost first.
    pub shape: Vec<Option<usize>>,
}

/// How the outputs are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadFamily {
    /// (1, N, 5+C): centre x, y, w, h in input pixels, objectness, class scores.
    Yolov5,
    /// (1, 4+C, N): centre x, y, w, h in input pixels, class scores. YOLOv8, YOLO11.
    Yolov8,
    /// (1, 4+C+32, N) and prototypes (1, 32, h, w).
    Yolov8Seg,
    /// (1, N, 5+C) raw grid offsets, log sizes, objectness, class scores.
    Yolox,
    /// (1, M, 6): x0, y0, x1, y1, score, class. YOLOv10, YOLO26.
    EndToEnd,
    /// Logits (1, Q, C) and boxes cx cy w h (1, Q, 4), both relative. RT-DETR, D-FINE, DEIM.
    Detr,
    /// labels, boxes, scores already in pixels of `orig_target_sizes`. Exported DETR with its post-processor.
    DetrDecoded,
    /// Per stride: classes (N, C) and distances (N, 4*bins). NanoDet, PicoDet.
    Nanodet,
    /// One map (1, 5+C, h, w): objectness, box, class scores. FastestDet.
    Fastestdet,
    /// One map of depth.
    Depth,
    /// Per stride S maps `class_S`, `box_S`, `mask_S`; `prototypes`; `log_depth`. Our own networks.
    Student,
    /// One probability of a clip: see [`crate::model::clip`].
    Anticipation,
}

/// What a depth network's numbers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DepthKind {
    /// Inverse depth up to scale and shift (MiDaS, Depth Anything).
    RelativeInverse,
    /// Metres along the optical axis.
    Metric,
}

/// How the source picture is brought to the network's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resize {
    /// Aspect ratio kept, padded on both sides.
    LetterboxCentre,
    /// Aspect ratio kept, padded right and below.
    LetterboxTopLeft,
    /// Aspect ratio given up.
    Stretch,
}

/// Channel order of the input tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelOrder {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// Whether class scores are already probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScoreActivation {
    /// Probabilities as they come.
    None,
    /// Logits, to be put through a sigmoid.
    Sigmoid,
}

/// How the input tensor is made of a picture: `(value - mean) * scale` per channel, in the tensor's channel order, on 0..255.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputSpec {
    /// Name of the picture's tensor.
    pub name: String,
    /// Columns of the network's input.
    pub width: usize,
    /// Rows of the network's input.
    pub height: usize,
    /// Element type of the tensor.
    pub element: ElementType,
    /// How the picture is brought to that size.
    pub resize: Resize,
    /// Value of padded pixels, 0..255, before normalisation.
    pub fill: u8,
    /// Channel order of the tensor.
    pub order: ChannelOrder,
    /// Subtracted from 0..255 values, in the tensor's channel order.
    pub mean: [f32; 3],
    /// Multiplied afterwards, in the tensor's channel order.
    pub scale: [f32; 3],
}

/// Which detections are kept.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// Lowest score kept.
    pub score: f32,
    /// Intersection over union above which the weaker of two boxes of one class is dropped.
    pub nms_iou: f32,
    /// Most detections kept per picture.
    pub max_detections: usize,
}

/// Everything needed to feed a network and to read it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelSpec {
    /// Name for people and for files.
    pub name: String,
    /// How its outputs are read.
    pub head: HeadFamily,
    /// How its input is made.
    pub input: InputSpec,
    /// Class names; a detection's class indexes this list. Empty for a depth network.
    pub classes: Vec<String>,
    /// Whether its class scores need a sigmoid.
    pub activation: ScoreActivation,
    /// What its depth means, for heads that give depth.
    pub depth: Option<DepthKind>,
    /// Strides of raw-grid heads, finest first; empty for others.
    pub strides: Vec<usize>,
    /// Which detections are kept.
    pub thresholds: Thresholds,
    /// How its clips are made, for networks that look at clips.
    pub clip: Option<ClipSpec>,
    /// What was guessed rather than told, a line each, to be printed.
    pub guesses: Vec<String>,
}
