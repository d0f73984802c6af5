//! The `[training]` table of a manifest: the energy that making a network took, as whoever trained it read or estimated it.
//!
//! Joules; what is unknown is left out, and a figure of 0 is none: no training is free. Reading meters is the trainer's,
//! what the figures mean for the network's use is the judge's.

use serde::{Deserialize, Serialize};

/// The `[training]` table of a manifest.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ManifestTraining {
    /// Joules of the training itself.
    pub energy_j: Option<f64>,
    /// Who says so, one of [`SOURCES`].
    pub source: Option<String>,
    /// Pictures it was shown.
    pub views: Option<u64>,
    /// Whether a teacher was asked for its outputs.
    #[serde(default)]
    pub asked_teacher: bool,
    /// Joules of the teacher's outputs, where one was asked and it is known.
    pub teacher_j: Option<f64>,
    /// Joules of training such a network without a teacher, where known.
    pub direct_j: Option<f64>,
    /// What to know when reading the figures.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Meters: package counters, a Jetson's power monitor, and CPU seconds times a declared power, which is an estimate.
pub const SOURCES: [&str; 3] = ["rapl", "jetson_ina3221", "cpu_seconds_estimate"];

pub(super) const TRAINING_KEYS: &[&str] =
    &["energy_j", "source", "views", "asked_teacher", "teacher_j", "direct_j", "notes"];

impl ManifestTraining {
    /// The key whose value cannot be, and what it must be.
    pub(super) fn mistake(&self) -> Option<(&'static str, &'static str)> {
        let energies = [
            ("training.energy_j", self.energy_j),
            ("training.teacher_j", self.teacher_j),
            ("training.direct_j", self.direct_j),
        ];
        let wrong = |value: Option<f64>| value.is_some_and(|v| !v.is_finite() || v <= 0.0);
        let energy = energies.into_iter().find(|(_, value)| wrong(*value));
        let source = self.source.as_ref().filter(|s| !SOURCES.contains(&s.as_str()));
        match (energy, source) {
            (Some((key, _)), _) => Some((key, "above 0 and finite: leave out what is not known")),
            (None, Some(_)) => Some(("training.source", "rapl, jetson_ina3221 or cpu_seconds_estimate")),
            (None, None) if self.teacher_j.is_some() && !self.asked_teacher => {
                Some(("training.asked_teacher", "true where training.teacher_j is given"))
            }
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_named() {
        let told = |toml: &str| toml::from_str::<ManifestTraining>(toml).unwrap().mistake().map(|m| m.0);
        assert_eq!(told("energy_j = 36480.0\nsource = \"rapl\"\nviews = 96000"), None);
        assert_eq!(told("energy_j = 0.0"), Some("training.energy_j"), "no training is free");
        assert_eq!(told("direct_j = nan"), Some("training.direct_j"));
        assert_eq!(told("source = \"a guess\""), Some("training.source"));
        assert_eq!(told("teacher_j = 5.0"), Some("training.asked_teacher"));
        assert_eq!(told("teacher_j = 5.0\nasked_teacher = true"), None);
    }
}
