//! What a network is: its head family, how its input is made, its classes and thresholds. Shapes and names only, no file.

pub mod spec;

pub use spec::{
    ChannelOrder, DepthKind, ElementType, HeadFamily, InputSpec, IoInfo, ModelSpec, Resize, ScoreActivation, Thresholds,
};
