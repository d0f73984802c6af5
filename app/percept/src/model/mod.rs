//! What a network is: its head family, how its input is made, its classes and thresholds. Shapes and names only, no file.

pub mod clip;
pub mod coco;
pub mod manifest;
pub mod overrides;
pub mod recognise;
pub mod score_map;
pub mod spec;
pub mod training;

pub use clip::{ClipLayout, ClipSpec, ManifestClip};
pub use manifest::{ManifestError, ModelManifest};
pub use overrides::SpecOverrides;
pub use recognise::{RecogniseError, recognise, recognise_with};
pub use score_map::{KNOTS_MAX, ScoreMap, ScoreTable, ScoreTableError};
pub use spec::{
    ChannelOrder, DepthKind, ElementType, HeadFamily, InputSpec, IoInfo, ModelSpec, Resize, ScoreActivation, Thresholds,
};
pub use training::ManifestTraining;
