//! `[teacher]` of a recipe: who teaches, and by which losses.
//!
//! Each loss is a table of its own and is left out where the table is absent. Weights are those at full strength: all rise
//! over the first `ramp` of the steps and fall over the last `decay` of them.

use serde::{Deserialize, Serialize};

use crate::loss::teach::schedule::Schedule;
use crate::recipe::{RecipeError, check};

/// `[teacher]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeacherTable {
    /// Name of a finished training, looked for beside this one's folder; its averaged weights teach.
    pub training: String,
    /// SHA-256 of those weights: filled in when a training begins, so that it goes on with the same teacher or not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Share of all steps over which the weights rise.
    #[serde(default = "ramp")]
    pub ramp: f64,
    /// Share of all steps, at the end, over which they fall.
    #[serde(default)]
    pub decay: f64,
    /// Classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<ClassTable>,
    /// Distributions of the boxes' sides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sides: Option<SidesTable>,
    /// Depth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<DepthTable>,
    /// Feature maps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<FeatureTable>,
}

fn ramp() -> f64 {
    Schedule::default().ramp
}

/// How classes are learnt. The heads are sigmoids: softmaxes come in where a cell is known to hold an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassLoss {
    /// Cross-entropy of softened sigmoids.
    Kd,
    /// Quality focal loss with the teacher's scores as targets.
    Quality,
    /// The decoupled loss of GKL/DKL for sigmoids, each cell weighed by its own answer, and the soft cross-entropy.
    Dkl,
    /// DKD, at cells where the teacher is sure.
    Dkd,
    /// CIST, a reconstruction, at cells where the teacher is sure.
    Cist,
}

/// `[teacher.class]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassTable {
    /// Which loss.
    pub loss: ClassLoss,
    /// Weight.
    pub weight: f32,
    /// Temperature; for CIST the divisor that makes temperatures of logits.
    #[serde(default = "one")]
    pub temperature: f64,
}

fn one() -> f64 {
    1.0
}

/// `[teacher.sides]`: localization distillation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SidesTable {
    /// Weight.
    pub weight: f32,
    /// Temperature.
    #[serde(default = "one")]
    pub temperature: f64,
}

/// `[teacher.depth]`, of the logarithm of depth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepthTable {
    /// Weight of the scale-invariant error, as of the task's own.
    #[serde(default)]
    pub metric: f32,
    /// Weight of the loss that forgives scale and shift: for teachers whose depth is relative. Where the student's depth is
    /// still flat its gradient is as large as the student's spread is small, and drowns the task's.
    #[serde(default)]
    pub scale_shift: f32,
    /// Weight of the gradients.
    #[serde(default)]
    pub gradient: f32,
}

/// How feature maps are compared, after an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureLoss {
    /// Mean square difference.
    Plain,
    /// Angle between the channels of a cell.
    Cosine,
    /// Mean square difference, cells weighed by the teacher's score.
    Masked,
    /// FGD: objects and background apart, weighed by the teacher's attention.
    Focal,
    /// Where each channel looks.
    Channelwise,
    /// Correlation of each channel.
    Pearson,
}

/// `[teacher.features]`: what the scales' heads read, strides 8, 16 and 32.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureTable {
    /// Which loss.
    pub loss: FeatureLoss,
    /// Weight.
    pub weight: f32,
    /// Channels of the teacher (its `network.neck`), to which adapters bring the student's.
    pub channels: usize,
    /// Temperature of `channelwise`.
    #[serde(default = "one")]
    pub temperature: f64,
}

impl TeacherTable {
    /// The weights' rise and fall.
    pub fn schedule(&self) -> Schedule {
        Schedule { ramp: self.ramp, decay: self.decay }
    }

    /// Whether values can be.
    pub(crate) fn check(&self) -> Result<(), RecipeError> {
        let (name, share) = (&self.training, "a share, 0 to 1");
        let plain = !name.is_empty() && !name.contains(['/', '\\']) && name != "." && name != "..";
        check(plain, "teacher.training", name, "the name of a training beside this one, no path")?;
        check((0.0..=1.0).contains(&self.ramp), "teacher.ramp", &self.ramp, share)?;
        check((0.0..=1.0).contains(&self.decay), "teacher.decay", &self.decay, share)?;
        let taught = self.class.is_some() || self.sides.is_some() || self.depth.is_some() || self.features.is_some();
        check(taught, "teacher", name, "taught by a loss: [teacher.class], .sides, .depth or .features")?;
        let weight = |key, w: f32| check(w.is_finite() && w >= 0.0, key, &w, "0 or more");
        let warm = |key, t: f64| check(t.is_finite() && t > 0.0, key, &t, "above 0");
        if let Some(t) = &self.class {
            weight("teacher.class.weight", t.weight)?;
            warm("teacher.class.temperature", t.temperature)?;
        }
        if let Some(t) = &self.sides {
            weight("teacher.sides.weight", t.weight)?;
            warm("teacher.sides.temperature", t.temperature)?;
        }
        if let Some(t) = &self.depth {
            weight("teacher.depth.metric", t.metric)?;
            weight("teacher.depth.scale_shift", t.scale_shift)?;
            weight("teacher.depth.gradient", t.gradient)?;
        }
        if let Some(t) = &self.features {
            weight("teacher.features.weight", t.weight)?;
            warm("teacher.features.temperature", t.temperature)?;
            check((1..=1024).contains(&t.channels), "teacher.features.channels", &t.channels, "1 to 1024")?;
        }
        Ok(())
    }
}
