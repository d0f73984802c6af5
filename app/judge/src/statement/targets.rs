//! Targets: what a student may lose, as TOML.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::properties::{PROPERTIES, PropertyInfo, property_info};

/// Targets that ship with the program.
const SHIPPED: &str = include_str!("../../../../launch/targets.toml");

/// Those of a twin of lower precision.
const SHIPPED_TWIN: &str = include_str!("../../../../launch/targets_twin.toml");

/// The target of one property; every limit that is given must hold.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Target {
    /// Largest loss against the teacher, in the property's unit.
    pub max_loss: Option<f64>,
    /// Largest loss over the teacher's figure.
    pub max_loss_rel: Option<f64>,
    /// Least figure of the student.
    pub min: Option<f64>,
    /// Largest figure of the student.
    pub max: Option<f64>,
    /// Least figure of a student that has no teacher to be compared with.
    pub alone_min: Option<f64>,
    /// Largest figure of such a student.
    pub alone_max: Option<f64>,
    /// The bad end of the interval must hold too.
    pub certain: bool,
    /// Without a measurement nothing ships.
    pub required: bool,
    /// Why a loss, or a required figure that nobody measured, is accepted.
    pub accept: Option<String>,
}

/// Targets by property.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(transparent)]
pub struct Targets {
    by_property: BTreeMap<String, Target>,
}

/// Why a targets file cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TargetError {
    /// No TOML, or a key that does not exist.
    #[error("the targets file cannot be read: {detail}")]
    Toml {
        /// The parser's message with its place.
        detail: String,
    },
    /// A property that does not exist.
    #[error("[{got}] is no property; did you mean [{nearest}]?")]
    Unknown {
        /// As written.
        got: String,
        /// The nearest known one.
        nearest: &'static str,
    },
    /// A limit that is no number, or a reason without words.
    #[error("[{property}] {key}: {problem}")]
    Value {
        /// Property.
        property: String,
        /// Key.
        key: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl Targets {
    /// The targets that ship with the program, as TOML text.
    pub fn shipped_toml() -> &'static str {
        SHIPPED
    }

    /// The targets that ship with the program.
    pub fn shipped() -> Self {
        // A test parses the text; were it broken all the same, nothing could be judged as preserved by accident,
        // because a property without a target is only reported.
        Self::parse(SHIPPED).unwrap_or_default()
    }

    /// Those that ship for a twin of lower precision beside the network it was made of.
    pub fn shipped_twin() -> Self {
        Self::parse(SHIPPED_TWIN).unwrap_or_default()
    }

    /// Reads targets.
    pub fn parse(toml: &str) -> Result<Self, TargetError> {
        let by_property: BTreeMap<String, Target> =
            toml::from_str(toml).map_err(|e| TargetError::Toml { detail: e.to_string() })?;
        for (property, target) in &by_property {
            if property_info(property).is_none() {
                return Err(TargetError::Unknown { got: property.clone(), nearest: nearest(property) });
            }
            target.check(property)?;
        }
        Ok(Self { by_property })
    }

    /// Accepts the loss of a property because of `why`, whatever its target.
    pub fn accept(&mut self, property: &str, why: &str) -> Result<(), TargetError> {
        if property_info(property).is_none() {
            return Err(TargetError::Unknown { got: property.to_owned(), nearest: nearest(property) });
        }
        let target = self.by_property.entry(property.to_owned()).or_default();
        target.accept = Some(why.to_owned());
        target.check(property)
    }

    /// The target of a property.
    pub fn get(&self, id: &str) -> Option<&Target> {
        self.by_property.get(id)
    }
}

impl Target {
    fn check(&self, property: &str) -> Result<(), TargetError> {
        let error = |key, problem| Err(TargetError::Value { property: property.into(), key, problem });
        for (key, value, signed) in [
            ("max_loss", self.max_loss, false),
            ("max_loss_rel", self.max_loss_rel, false),
            ("min", self.min, true),
            ("max", self.max, true),
            ("alone_min", self.alone_min, true),
            ("alone_max", self.alone_max, true),
        ] {
            if value.is_some_and(|v| !v.is_finite()) {
                return error(key, "must be a finite number");
            }
            if value.is_some_and(|v| !signed && v < 0.0) {
                return error(key, "must not be negative: it is the largest loss allowed");
            }
        }
        if self.accept.as_ref().is_some_and(|why| why.trim().len() < 10) {
            return error("accept", "must give a reason that a reader understands (10 letters or more)");
        }
        Ok(())
    }

    /// Whether it limits a loss against a teacher.
    pub(super) fn compares(&self) -> bool {
        self.max_loss.is_some() || self.max_loss_rel.is_some()
    }

    /// Whether anything of it can be asked of a student without a teacher.
    pub(super) fn asks_alone(&self) -> bool {
        [self.min, self.max, self.alone_min, self.alone_max].iter().any(Option::is_some)
    }

    /// The target as a reader sees it: of a student beside its teacher, or `alone`.
    pub(super) fn in_words(&self, info: &PropertyInfo, alone: bool) -> String {
        let unit = |text: String| if info.unit.is_empty() { text } else { format!("{text} {}", info.unit) };
        let beside = |v: Option<f64>| v.filter(|_| !alone);
        let parts = [
            beside(self.max_loss).map(|v| format!("loss ≤ {}", unit(info.number(v)))),
            beside(self.max_loss_rel).map(|v| format!("loss ≤ {:.0} %", 100.0 * v)),
            self.min.or(self.alone_min.filter(|_| alone)).map(|v| format!("≥ {}", unit(info.number(v)))),
            self.max.or(self.alone_max.filter(|_| alone)).map(|v| format!("≤ {}", unit(info.number(v)))),
        ];
        let mut words = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
        if self.certain && !alone {
            words.push_str(", surely");
        }
        words
    }
}

/// The known id with the fewest edits.
fn nearest(got: &str) -> &'static str {
    let distance = |known: &str| {
        let (a, b): (Vec<char>, Vec<char>) = (got.chars().collect(), known.chars().collect());
        let mut row: Vec<usize> = (0..=b.len()).collect();
        for (i, x) in a.iter().enumerate() {
            let mut corner = std::mem::replace(&mut row[0], i + 1);
            for (j, y) in b.iter().enumerate() {
                let change = corner + usize::from(x != y);
                corner = row[j + 1];
                row[j + 1] = change.min(corner + 1).min(row[j] + 1);
            }
        }
        row.last().copied().unwrap_or(0)
    };
    PROPERTIES.iter().map(|p| p.id).min_by_key(|id| distance(id)).unwrap_or("ap")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_targets_are_sound() {
        let targets = Targets::parse(Targets::shipped_toml()).unwrap();
        assert!(targets.by_property.len() >= 8);
        assert!(targets.get("ap").unwrap().required);
        assert_eq!(Targets::shipped(), targets);
        assert!(targets.get("ap").unwrap().asks_alone() && targets.get("d_ece").unwrap().asks_alone());
        let twin = Targets::parse(SHIPPED_TWIN).unwrap();
        assert_eq!(Targets::shipped_twin(), twin);
        // Whoever makes a twin and whoever gates one ask the same of it.
        let gate = crate::precision::GateTargets::default();
        assert_eq!(twin.get("ap").unwrap().max_loss_rel, Some(gate.ap_drop_rel_max));
        assert_eq!(twin.get("fppi").unwrap().max_loss_rel, Some(gate.false_alarm_rise_max));
        assert_eq!(twin.get("d_ece").unwrap().max_loss, Some(gate.d_ece_rise_max));
        assert_eq!(twin.get("agreement").unwrap().min, Some(gate.agreement_min));
    }

    #[test]
    fn mistakes_are_named() {
        let unknown = Targets::parse("[app]\nmin = 0.1").unwrap_err();
        assert_eq!(unknown, TargetError::Unknown { got: "app".into(), nearest: "ap" });
        assert!(matches!(Targets::parse("[ap]\nmaxloss = 1"), Err(TargetError::Toml { .. })));
        assert!(matches!(Targets::parse("[ap]\nmax_loss = -1"), Err(TargetError::Value { key: "max_loss", .. })));
        assert!(matches!(Targets::parse("[ap]\nmin = nan"), Err(TargetError::Value { key: "min", .. })));
        assert!(matches!(Targets::parse("[ap]\naccept = 'ok'"), Err(TargetError::Value { key: "accept", .. })));
    }
}
