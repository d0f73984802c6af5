//! `[governor]`: what a live run may do less of to hold a budget of latency, or to cool down, in steps and in order.
//!
//! A step says all of what holds while it lasts: cameras' rates, and which networks are asked. Without the table nothing
//! is ever stepped down.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, anyhow};
use serde::{Deserialize, Serialize};

use super::live::number;
use super::plan::{ModelPlan, in_range, is_called, listed};

/// Budgets that mean something for a moving machine, milliseconds.
const BUDGET_MS: (f64, f64) = (1.0, 60_000.0);
/// Rates that may be asked for: the slowest is a look every two seconds.
const HZ: (f64, f64) = (0.5, 1000.0);
/// Temperatures at which electronics are warm and not yet off, degrees Celsius.
const CELSIUS: (f64, f64) = (30.0, 120.0);
/// Peace before a step up: long against the seconds in which a step down is decided.
const CALM_S_DEFAULT: f64 = 10.0;
/// Steps there may be: each costs seconds to reach.
const STEPS_MAX: usize = 8;

/// `[governor]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GovernorTable {
    /// What 19 of 20 frames must be younger than when they are reported, milliseconds from their stamp.
    pub budget_ms: Option<f64>,
    /// The hottest zone at which it steps down, too, degrees Celsius; besides what the kernel or the board holds down.
    pub celsius_max: Option<f64>,
    /// Seconds of peace before it steps up again.
    pub calm_s: Option<f64>,
    /// `[[governor.step]]`: from the mildest to the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub step: Vec<StepTable>,
}

/// `[[governor.step]]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepTable {
    /// Frames a second of each camera; its own rate where absent.
    pub hz: Option<f64>,
    /// The networks that are asked, by path or file name; all but the spare ones where absent.
    pub models: Option<Vec<String>>,
}

/// What may be done less of, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct GovernorPlan {
    /// What 19 of 20 frames must be younger than.
    pub budget: Duration,
    /// The hottest zone at which it steps down.
    pub celsius_max: Option<f64>,
    /// Peace before it steps up again.
    pub calm: Duration,
    /// From everything, which is step 0, to the last.
    pub steps: Vec<StepPlan>,
}

/// What holds while a step lasts.
#[derive(Debug, Clone, PartialEq)]
pub struct StepPlan {
    /// Frames a second of each camera; its own rate where `None`.
    pub hz: Option<f64>,
    /// By network: whether it is asked.
    pub asked: Vec<bool>,
    /// The same in words.
    pub words: String,
}

impl GovernorPlan {
    /// Validates the table; `None` where nothing is governed.
    pub(super) fn new(table: &GovernorTable, models: &[ModelPlan], live: bool) -> Result<Option<Self>> {
        if *table == GovernorTable::default() {
            return match models.iter().position(|m| m.spare) {
                Some(i) => Err(anyhow!("model.{i}.spare: nothing ever asks it: name it in a [[governor.step]]")),
                None => Ok(None),
            };
        }
        if !live {
            return Err(anyhow!("[governor] is about live sensors: add a [[camera]], or leave it out of a replay"));
        }
        let budget_ms =
            table.budget_ms.ok_or_else(|| anyhow!("governor.budget_ms is missing: say how old frames may be"))?;
        in_range("governor.budget_ms", budget_ms, BUDGET_MS.0, BUDGET_MS.1)?;
        if let Some(celsius) = table.celsius_max {
            in_range("governor.celsius_max", celsius, CELSIUS.0, CELSIUS.1)?;
        }
        in_range("governor.step (how many)", table.step.len() as f64, 1.0, STEPS_MAX as f64)?;
        let usual: Vec<bool> = models.iter().map(|m| !m.spare).collect();
        if !models.is_empty() && !usual.contains(&true) {
            return Err(anyhow!("every [[model]] is spare: one must be asked when nothing is stepped down"));
        }
        let full = StepPlan { hz: None, asked: usual, words: "everything".to_owned() };
        let given = table.step.iter().enumerate().map(|(i, step)| StepPlan::new(i, step, (models, &full.asked)));
        let steps: Vec<StepPlan> = std::iter::once(Ok(full.clone())).chain(given).collect::<Result<_>>()?;
        if let Some(i) = (0..models.len()).find(|&i| !steps.iter().any(|s| s.asked[i])) {
            return Err(anyhow!("model.{i}.spare: nothing ever asks it: name it in a [[governor.step]]"));
        }
        let calm_s = number("governor.calm_s", table.calm_s, CALM_S_DEFAULT, (0.5, 3600.0))?;
        let (budget, calm) = (Duration::from_secs_f64(budget_ms * 1e-3), Duration::from_secs_f64(calm_s));
        Ok(Some(Self { budget, celsius_max: table.celsius_max, calm, steps }))
    }
}

impl StepPlan {
    fn new(index: usize, table: &StepTable, (models, usual): (&[ModelPlan], &[bool])) -> Result<Self> {
        let key = |name: &str| format!("governor.step.{index}.{name}");
        if let Some(hz) = table.hz {
            in_range(&key("hz"), hz, HZ.0, HZ.1)?;
        }
        let mut words: Vec<String> = table.hz.iter().map(|hz| format!("{hz} Hz")).collect();
        let asked = match &table.models {
            None if table.hz.is_none() => return Err(anyhow!("governor.step.{index}: say hz, models or both")),
            None => usual.to_vec(),
            Some(names) => {
                if let Some(unknown) = names.iter().find(|name| !models.iter().any(|m| is_called(&m.path, name))) {
                    let known: Vec<&Path> = models.iter().map(|m| m.path.as_path()).collect();
                    return Err(anyhow!("{}: {unknown} is none of {}", key("models"), listed(&known)));
                }
                words.push(if names.is_empty() { "no network".to_owned() } else { names.join(" and ") });
                models.iter().map(|m| names.iter().any(|name| is_called(&m.path, name))).collect()
            }
        };
        Ok(Self { hz: table.hz, asked, words: words.join(", ") })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LaunchFile, Plan};
    use super::*;

    fn plan(text: &str) -> Result<Plan> {
        let base = "output.dir='o'\ncamera=[{world='w'}]\nmodel=[{path='big.onnx'},{path='m/small.onnx',spare=true}]\n";
        Plan::from_file(&LaunchFile::parse(&format!("{base}{text}"), &[])?)
    }

    #[test]
    fn a_step_says_all_of_what_holds() {
        let text = "[governor]\nbudget_ms=100\nstep=[{hz=10},{hz=10,models=['small']},{models=['m/small.onnx']}]";
        let governor = plan(text).unwrap().governor.unwrap();
        let steps: Vec<(Option<f64>, &[bool], &str)> =
            governor.steps.iter().map(|s| (s.hz, s.asked.as_slice(), s.words.as_str())).collect();
        let expected: [(Option<f64>, &[bool], &str); 4] = [
            (None, &[true, false], "everything"),
            (Some(10.0), &[true, false], "10 Hz"),
            (Some(10.0), &[false, true], "10 Hz, small"),
            (None, &[false, true], "m/small.onnx"),
        ];
        assert_eq!(steps, expected);
        assert_eq!((governor.budget, governor.calm), (Duration::from_millis(100), Duration::from_secs(10)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let slow =
            "governor={budget_ms=9,step=[{models=['small']}]}\nfaults.make=[{fault='slow_network',ms=9,model='tiny'}]";
        for (text, needle) in [
            (slow, "faults.make.0.model: tiny is none of big.onnx, m/small.onnx"),
            ("", "model.1.spare"),
            ("governor={budget_ms=100,step=[{hz=5}]}", "model.1.spare"),
            ("governor={step=[{models=['small']}]}", "governor.budget_ms"),
            ("governor={budget_ms=100}", "governor.step"),
            ("governor={budget_ms=100,step=[{}]}", "governor.step.0: say hz"),
            ("governor={budget_ms=100,step=[{models=['tiny']}]}", "tiny is none of big.onnx, m/small.onnx"),
            ("governor={budget_ms=100,step=[{hz=0}]}", "governor.step.0.hz"),
            ("governor={budget=100}", "did you mean `budget_ms`"),
        ] {
            let error = format!("{:#}", plan(text).unwrap_err());
            assert!(error.contains(needle), "{text}: {error}");
        }
        let replay = "source.drive='d'\noutput.dir='o'\ngovernor={budget_ms=9,step=[{hz=5}]}";
        let error = Plan::from_file(&LaunchFile::parse(replay, &[]).unwrap()).unwrap_err();
        assert!(format!("{error:#}").contains("live sensors"), "{error:#}");
    }
}
