//! A recipe: everything a training depends on, in one TOML file.
//!
//! Two trainings of one recipe give the same bytes on one kind of machine. Unknown keys and impossible shapes are errors
//! that name the key. Deliberately absent: where results go, how many threads (results do not depend on either).

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::teacher::table::TeacherTable;

/// Coarsest stride: a picture's sides are multiples of it.
const COARSEST: usize = 32;

/// Why a recipe cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecipeError {
    /// Not TOML, an unknown key, or a value of the wrong type; the text has line and column.
    #[error("{0}")]
    Toml(String),
    /// A value that cannot be.
    #[error("{key} is {got}; it must be {expected}")]
    Value {
        /// The key.
        key: &'static str,
        /// What it is.
        got: String,
        /// What it must be.
        expected: &'static str,
    },
}

/// A recipe as written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Name of the network.
    pub name: String,
    /// Seed of everything random.
    pub seed: u64,
    /// The network.
    #[serde(default)]
    pub network: NetworkTable,
    /// The pictures.
    #[serde(default)]
    pub data: DataTable,
    /// The steps.
    #[serde(default)]
    pub train: TrainTable,
    /// Weights of the losses.
    #[serde(default)]
    pub loss: LossTable,
    /// Who teaches; nobody where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<TeacherTable>,
}

/// `[network]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkTable {
    /// Channels at strides 2, 4, 8, 16, 32.
    pub widths: [usize; 5],
    /// Residual blocks at strides 4, 8, 16, 32.
    pub depths: [usize; 4],
    /// Channels where scales 8, 16, 32 are joined.
    pub neck: usize,
    /// Channels at stride 4 there.
    pub fine: usize,
    /// Channels before the heads.
    pub head: usize,
    /// Mask prototypes.
    pub prototypes: usize,
    /// Distances a box side is a distribution over, in strides: 0 to `bins - 1`. With 8 the coarsest scale reaches 224
    /// pixels to each side, more than half of a picture 384 wide; 16 would double the head's work for nothing.
    pub bins: usize,
}

impl Default for NetworkTable {
    fn default() -> Self {
        Self {
            widths: [16, 32, 64, 96, 128],
            depths: [1, 1, 1, 1],
            neck: 64,
            fine: 32,
            head: 48,
            prototypes: 16,
            bins: 8,
        }
    }
}

/// `[data]`: streets of the simulated world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataTable {
    /// Rows and columns.
    pub size: [usize; 2],
    /// Horizontal fields of view, degrees: from, to.
    pub fov_deg: [f64; 2],
    /// Heights of the camera over the ground, metres: from, to.
    pub height_m: [f64; 2],
    /// First seed of the streets trained on; those of the test lie below it.
    pub first_seed: u64,
    /// Views held in memory at once: each is seen some times, differently augmented, before a new one replaces it.
    pub pool: usize,
    /// New views rendered for each batch.
    pub fresh: usize,
    /// Windows (crops and flips) that a view is seen through; 0 for another one each time. With a few, a teacher is asked
    /// once about each and its answers are kept, for colours, blur and noise leave them valid.
    #[serde(skip_serializing_if = "is_zero")]
    pub windows: usize,
    /// Weights of day, dusk, night.
    pub time: [f32; 3],
    /// Weights of clear, cloudy, rain, fog, snow.
    pub weather: [f32; 5],
}

impl Default for DataTable {
    fn default() -> Self {
        Self {
            size: [192, 320],
            fov_deg: [50.0, 95.0],
            height_m: [1.0, 2.2],
            first_seed: 1_000_000,
            pool: 1200,
            fresh: 4,
            windows: 0,
            time: [0.6, 0.15, 0.25],
            weather: [0.45, 0.25, 0.12, 0.09, 0.09],
        }
    }
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// `[train]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainTable {
    /// Name of a finished training of the same network, on pictures of whatever size, whose averaged weights this one
    /// starts from; none for random ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Steps in all.
    pub steps: usize,
    /// Pictures a step.
    pub batch: usize,
    /// Highest learning rate.
    pub rate: f32,
    /// Share of it at the end.
    pub rate_end: f32,
    /// Steps over which it rises.
    pub warmup: usize,
    /// Share of all steps, at the end, over which it falls.
    pub cooldown: f32,
    /// Decoupled weight decay.
    pub decay: f32,
    /// Gradients longer than this are shortened to it.
    pub clip: f32,
    /// Share of the averaged weights kept at each step, once warmed up.
    pub average: f32,
    /// Steps between checkpoints.
    pub checkpoint: usize,
}

impl Default for TrainTable {
    fn default() -> Self {
        Self {
            start: None,
            steps: 2000,
            batch: 16,
            rate: 2e-3,
            rate_end: 0.02,
            warmup: 100,
            cooldown: 0.6,
            decay: 0.02,
            clip: 10.0,
            average: 0.998,
            checkpoint: 100,
        }
    }
}

/// `[loss]`: weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossTable {
    /// Classes.
    pub class: f32,
    /// Exponent of the quality focal loss; 0 for plain cross-entropy.
    pub class_focus: f32,
    /// CIoU of the boxes.
    pub iou: f32,
    /// Distribution of the boxes' sides.
    pub sides: f32,
    /// Cross-entropy and Dice of the masks.
    pub mask: f32,
    /// Depth: scale-invariant logarithmic.
    pub depth: f32,
    /// Depth: its gradients.
    pub depth_gradient: f32,
}

impl Default for LossTable {
    fn default() -> Self {
        Self { class: 1.0, class_focus: 0.0, iou: 2.0, sides: 0.5, mask: 1.0, depth: 1.0, depth_gradient: 0.5 }
    }
}

impl Recipe {
    /// Parses and checks the text of a recipe.
    pub fn parse(text: &str) -> Result<Self, RecipeError> {
        let recipe: Self = toml::from_str(text).map_err(|e| RecipeError::Toml(e.to_string().trim_end().to_owned()))?;
        recipe.check()?;
        Ok(recipe)
    }

    fn check(&self) -> Result<(), RecipeError> {
        let [height, width] = self.data.size;
        let sized = |n: usize| n > 0 && n.is_multiple_of(COARSEST);
        check(sized(height) && sized(width), "data.size", &self.data.size, "[rows, columns], multiples of 32")?;
        let n = &self.network;
        check(n.widths.iter().all(|w| (1..=1024).contains(w)), "network.widths", &n.widths, "1 to 1024 channels each")?;
        check(n.depths.iter().all(|&d| d <= 32), "network.depths", &n.depths, "at most 32 blocks each")?;
        for (key, value) in [("network.neck", n.neck), ("network.head", n.head)] {
            check((1..=1024).contains(&value), key, &value, "1 to 1024")?;
        }
        check((2..=1024).contains(&n.fine), "network.fine", &n.fine, "2 to 1024")?;
        check((1..=64).contains(&n.prototypes), "network.prototypes", &n.prototypes, "1 to 64")?;
        check((2..=32).contains(&n.bins), "network.bins", &n.bins, "2 to 32")?;
        let d = &self.data;
        let range = |r: [f64; 2], low: f64, high: f64| r[0] >= low && r[1] <= high && r[0] <= r[1];
        check(range(d.fov_deg, 10.0, 150.0), "data.fov_deg", &d.fov_deg, "[from, to] within 10 to 150")?;
        check(range(d.height_m, 0.2, 5.0), "data.height_m", &d.height_m, "[from, to] within 0.2 to 5")?;
        let t = &self.train;
        check(t.batch > 0 && t.batch <= 256, "train.batch", &t.batch, "1 to 256")?;
        check(d.pool >= t.batch && d.pool <= 100_000, "data.pool", &d.pool, "at least train.batch, at most 100000")?;
        check(d.fresh >= 1 && d.fresh <= t.batch, "data.fresh", &d.fresh, "1 to train.batch")?;
        check(t.steps > 0, "train.steps", &t.steps, "at least 1")?;
        check(t.rate > 0.0 && t.rate < 1.0, "train.rate", &t.rate, "between 0 and 1")?;
        check((0.0..1.0).contains(&t.average), "train.average", &t.average, "0 up to 1")?;
        check(t.checkpoint > 0, "train.checkpoint", &t.checkpoint, "at least 1")?;
        check(d.windows <= 64, "data.windows", &d.windows, "at most 64; 0 for another window each time")?;
        self.teacher.as_ref().map_or(Ok(()), TeacherTable::check)
    }
}

pub(crate) fn check(
    holds: bool,
    key: &'static str,
    got: &impl std::fmt::Debug,
    expected: &'static str,
) -> Result<(), RecipeError> {
    if holds { Ok(()) } else { Err(RecipeError::Value { key, got: format!("{got:?}"), expected }) }
}
