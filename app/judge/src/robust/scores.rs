//! Figures that sum up robustness, and scores of every subset of sensors.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Severity;

/// One run on corrupted input. Scores are 0 to 1, larger is better (AP, recall, mIoU).
#[derive(Debug, Clone, PartialEq)]
pub struct Corrupted {
    /// Name of the corruption.
    pub corruption: String,
    /// Its severity.
    pub severity: Severity,
    /// Score of the system under test.
    pub score: f64,
    /// Score of the reference system on the same input, for mCE.
    pub reference: Option<f64>,
}

/// mPC, rPC, mCE and mRR. `None` where the figure is undefined.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RobustScores {
    /// Score on clean input.
    pub clean: f64,
    /// Mean performance under corruption (Michaelis et al. 2019).
    pub mpc: Option<f64>,
    /// mPC / clean; `None` where the clean score is 0.
    pub rpc: Option<f64>,
    /// Mean corruption error (Hendrycks and Dietterich 2019), percent: below 100 is sturdier than the reference.
    pub mce: Option<f64>,
    /// Mean resilience rate (Kong et al. 2023): mean over corruptions of mean score / clean score.
    pub mrr: Option<f64>,
    /// Mean score by corruption.
    pub per_corruption: BTreeMap<String, f64>,
    /// Mean score by severity, mild to severe.
    pub per_severity: BTreeMap<Severity, f64>,
    /// Whether the mean falls (or stays) from mild to severe: else the corruptions say little.
    pub severity_monotone: bool,
    /// Why figures are undefined, by name.
    pub undefined: BTreeMap<&'static str, &'static str>,
}

/// Sums up runs on corrupted input; scores that are not finite are left out.
pub fn robust_scores(clean: f64, runs: &[Corrupted]) -> RobustScores {
    let runs: Vec<&Corrupted> = runs.iter().filter(|r| r.score.is_finite()).collect();
    let mut by_corruption: BTreeMap<&str, Vec<&Corrupted>> = BTreeMap::new();
    let mut by_severity: BTreeMap<Severity, Vec<f64>> = BTreeMap::new();
    for run in &runs {
        by_corruption.entry(&run.corruption).or_default().push(run);
        by_severity.entry(run.severity).or_default().push(run.score);
    }
    let mpc = mean(runs.iter().map(|r| r.score));
    let score = |runs: &[&Corrupted]| mean(runs.iter().map(|r| r.score)).unwrap_or(0.0);
    let resilience = |runs: &Vec<&Corrupted>| (clean > 0.0).then(|| score(runs) / clean);
    let per_severity: BTreeMap<Severity, f64> =
        by_severity.iter().filter_map(|(s, scores)| Some((*s, mean(scores.iter().copied())?))).collect();
    let means: Vec<f64> = per_severity.values().copied().collect();
    let rpc = mpc.filter(|_| clean > 0.0).map(|m| m / clean);
    let mce = mean_corruption_error(&by_corruption);
    let mrr = by_corruption.values().map(resilience).collect::<Option<Vec<_>>>().and_then(|r| mean(r.into_iter()));
    let why = |reason: &'static str| if runs.is_empty() { "no run gave a score" } else { reason };
    let all = [
        ("mpc", mpc, why("")),
        ("rpc", rpc, why("the score on clean input is 0")),
        ("mrr", mrr, why("the score on clean input is 0")),
        ("mce", mce, why("it needs a reference's scores on the same corruptions, as a statement has the teacher's")),
    ];
    RobustScores {
        clean,
        mpc,
        rpc,
        mce,
        mrr,
        undefined: all.into_iter().filter(|(_, v, _)| v.is_none()).map(|(name, _, why)| (name, why)).collect(),
        per_corruption: by_corruption.iter().map(|(name, runs)| ((*name).to_owned(), score(runs))).collect(),
        per_severity,
        severity_monotone: means.windows(2).all(|w| w[0] >= w[1]),
    }
}

/// Mean over corruptions of (sum of errors) / (sum of the reference's errors), percent; `None` unless every run has a
/// reference and no reference is without error.
fn mean_corruption_error(by_corruption: &BTreeMap<&str, Vec<&Corrupted>>) -> Option<f64> {
    let ratio = |runs: &Vec<&Corrupted>| {
        let own: f64 = runs.iter().map(|r| 1.0 - r.score).sum();
        let reference: f64 = runs.iter().map(|r| r.reference.map(|s| 1.0 - s)).sum::<Option<f64>>()?;
        (reference > 0.0).then(|| 100.0 * own / reference)
    };
    let ratios: Option<Vec<f64>> = by_corruption.values().map(ratio).collect();
    mean(ratios?.into_iter())
}

/// Every non-empty subset of the sensors, largest first, in order of the names given.
pub fn sensor_subsets(sensors: &[String]) -> Vec<Vec<String>> {
    // A rig of more than 12 sensors has more subsets than anyone will run.
    let n = sensors.len().min(12);
    let member = |mask: usize| (0..n).filter(|i| mask >> i & 1 == 1).filter_map(|i| sensors.get(i).cloned()).collect();
    let mut subsets: Vec<Vec<String>> = (1..1_usize << n).rev().map(member).collect();
    subsets.sort_by_key(|s| std::cmp::Reverse(s.len()));
    subsets
}

/// Score of a subset of sensors beside the full rig's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SubsetScore {
    /// Sensors that were on.
    pub sensors: Vec<String>,
    /// Score; `None` where nothing could be scored.
    pub score: Option<f64>,
    /// Full rig minus this.
    pub loss: Option<f64>,
}

/// Ranks scored subsets, best first, with what each loses against the largest subset (the full rig).
pub fn subset_scores(scored: &[(Vec<String>, Option<f64>)]) -> Vec<SubsetScore> {
    let full = scored.iter().max_by_key(|(sensors, _)| sensors.len()).and_then(|s| s.1);
    let mut list: Vec<SubsetScore> = scored
        .iter()
        .map(|(sensors, score)| SubsetScore {
            sensors: sensors.clone(),
            score: *score,
            loss: full.zip(*score).map(|(full, own)| full - own),
        })
        .collect();
    let key = |s: &SubsetScore| s.score.unwrap_or(f64::NEG_INFINITY);
    list.sort_by(|a, b| key(b).total_cmp(&key(a)));
    list
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (n, sum) = values.fold((0_usize, 0.0), |(n, sum), v| (n + 1, sum + v));
    (n > 0).then(|| sum / n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(corruption: &str, severity: Severity, score: f64, reference: Option<f64>) -> Corrupted {
        Corrupted { corruption: corruption.into(), severity, score, reference }
    }

    #[test]
    fn figures_follow_their_definitions() {
        let runs = [
            run("fog", Severity::Mild, 0.4, Some(0.2)),
            run("fog", Severity::Severe, 0.2, Some(0.2)),
            run("noise", Severity::Mild, 0.3, Some(0.5)),
            run("noise", Severity::Severe, 0.1, Some(0.5)),
        ];
        let got = robust_scores(0.5, &runs);
        assert!((got.mpc.unwrap() - 0.25).abs() < 1e-12 && (got.rpc.unwrap() - 0.5).abs() < 1e-12);
        assert!((got.mce.unwrap() - 100.0 * (1.4 / 1.6 + 1.6 / 1.0) / 2.0).abs() < 1e-9);
        assert!((got.mrr.unwrap() - 0.5).abs() < 1e-12 && got.severity_monotone);
        let none = robust_scores(0.0, &[run("fog", Severity::Mild, 0.1, None)]);
        assert_eq!((none.rpc, none.mce, none.mrr), (None, None, None));
        assert_eq!(none.undefined.keys().copied().collect::<Vec<_>>(), ["mce", "mrr", "rpc"]);
        assert!(got.undefined.is_empty());
        assert_eq!(robust_scores(0.5, &[]).mpc, None);
    }

    #[test]
    fn all_subsets_are_listed_once() {
        let subsets = sensor_subsets(&["cam".into(), "lidar".into(), "radar".into()]);
        assert_eq!(subsets.len(), 7);
        assert_eq!(subsets[0].len(), 3);
        let scored: Vec<_> = subsets.iter().map(|s| (s.clone(), Some(s.len() as f64 / 10.0))).collect();
        let ranked = subset_scores(&scored);
        assert_eq!(ranked[0].loss, Some(0.0));
        assert!((ranked[6].loss.unwrap() - 0.2).abs() < 1e-12);
    }
}
