//! Verdicts: preserved, lost, accepted because ..., not measured, or merely reported.

use serde::{Deserialize, Serialize};

use super::properties::PropertyInfo;
use super::targets::Target;
use crate::stats::{Direction, Interval};

/// What became of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Within its target.
    Preserved,
    /// Beyond its target.
    Lost,
    /// Beyond its target, and accepted with a reason.
    Accepted,
    /// It has a target and no figure.
    NotMeasured,
    /// It has a target that requires a figure, and none.
    RequiredNotMeasured,
    /// It has no target.
    Reported,
}

impl Verdict {
    /// Whether it forbids shipping.
    pub fn blocks(self) -> bool {
        matches!(self, Self::Lost | Self::RequiredNotMeasured)
    }

    /// As a reader sees it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Preserved => "preserved",
            Self::Lost => "lost",
            Self::Accepted => "accepted",
            Self::NotMeasured => "not measured",
            Self::RequiredNotMeasured => "required, not measured",
            Self::Reported => "reported",
        }
    }
}

/// A verdict and its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in words and numbers; empty where the figures say it.
    pub reason: String,
}

type Figures = (Option<f64>, Option<f64>, Option<Interval>);

/// Judges (teacher, student, interval of the difference) against a target, of a student that has a teacher or is `alone`.
pub(super) fn judge(
    info: &PropertyInfo,
    figures: Figures,
    (target, alone): (Option<&Target>, bool),
    note: Option<&str>,
) -> Judgement {
    let reported = |reason: &str| Judgement { verdict: Verdict::Reported, reason: reason.to_owned() };
    let Some(target) = target else { return reported("") };
    let accepted = |what: String| {
        let why = target.accept.as_ref()?;
        Some(Judgement { verdict: Verdict::Accepted, reason: format!("{what}; accepted because {why}") })
    };
    match broken(info, figures, (target, alone)) {
        Err(missing) => {
            // A note beside a figure speaks of the figure; without one it says why there is none.
            let reason = note.filter(|_| figures.1.is_none()).unwrap_or(missing).to_owned();
            let verdict = if target.required { Verdict::RequiredNotMeasured } else { Verdict::NotMeasured };
            let bare = || Judgement { verdict, reason: reason.clone() };
            accepted(format!("not measured: {reason}")).filter(|_| target.required).unwrap_or_else(bare)
        }
        Ok(_) if alone && !target.asks_alone() => reported(if target.compares() { ALONE } else { "" }),
        Ok(broken) if broken.is_empty() => Judgement { verdict: Verdict::Preserved, reason: String::new() },
        Ok(broken) => {
            let reason = broken.join("; ");
            accepted(reason.clone()).unwrap_or(Judgement { verdict: Verdict::Lost, reason })
        }
    }
}

/// What is said of a target that only a teacher can give.
const ALONE: &str = "trained alone: there is no teacher to lose it to";

/// The limits that do not hold, in words; an error where a figure they need is missing.
fn broken(
    info: &PropertyInfo,
    (teacher, student, interval): Figures,
    (target, alone): (&Target, bool),
) -> Result<Vec<String>, &'static str> {
    let student = student.ok_or("there is no figure of the student")?;
    let mut broken = Vec::new();
    if target.compares() && !alone {
        let teacher = teacher.ok_or("there is no figure of the teacher to compare with")?;
        let mut loss = match info.direction {
            Direction::HigherIsBetter => teacher - student,
            Direction::LowerIsBetter => student - teacher,
        };
        if target.certain {
            let interval = interval.ok_or("the target asks for an interval, and there is none")?;
            loss = loss.max(match info.direction {
                Direction::HigherIsBetter => -interval.low,
                Direction::LowerIsBetter => interval.high,
            });
        }
        let may = if target.certain { "may have lost" } else { "lost" };
        // A hair of tolerance, so that a loss equal to its limit is within it.
        if let Some(limit) = target.max_loss.filter(|limit| loss > limit + 1e-12) {
            broken.push(format!("{may} {}, limit {}", info.number(loss), info.number(limit)));
        }
        if let Some(limit) = target.max_loss_rel {
            if teacher.abs() > 0.0 && loss / teacher.abs() > limit + 1e-12 {
                broken.push(format!("{may} {:.1} %, limit {:.1} %", 100.0 * loss / teacher.abs(), 100.0 * limit));
            } else if teacher == 0.0 && loss > 1e-12 {
                broken.push(format!("{may} {} against a teacher of 0", info.number(loss)));
            }
        }
    }
    let bound = |always: Option<f64>, lonely: Option<f64>| always.or(lonely.filter(|_| alone));
    if let Some(min) = bound(target.min, target.alone_min).filter(|min| student < *min) {
        broken.push(format!("{} is below {}", info.number(student), info.number(min)));
    }
    if let Some(max) = bound(target.max, target.alone_max).filter(|max| student > *max) {
        broken.push(format!("{} is above {}", info.number(student), info.number(max)));
    }
    Ok(broken)
}
