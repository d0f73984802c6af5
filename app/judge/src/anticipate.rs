//! Collision anticipation on clips of known outcome: who warned, how early, and of what never happened.
//!
//! A clip is a series of scores by time; it collides at a time or it does not. What is said at or after the collision does not
//! count. Average precision ranks clips by their highest score; the time to alert is measured at the threshold that has the best
//! recall of those whose precision is high enough, as the anticipation literature does.

use serde::Serialize;

/// One clip.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    /// (seconds, score), in time order; higher is more urgent.
    pub scores: Vec<(f64, f64)>,
    /// When it collides, seconds; `None` where it does not.
    pub collides_s: Option<f64>,
}

impl Clip {
    /// Scores that count: before the collision.
    fn counted(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let end = self.collides_s.unwrap_or(f64::INFINITY);
        self.scores.iter().copied().filter(move |(t, score)| *t < end && score.is_finite())
    }

    /// The highest score.
    pub fn peak(&self) -> f64 {
        self.counted().map(|(_, score)| score).fold(0.0, f64::max)
    }

    /// Seconds from the first score at or above `threshold` to the collision.
    pub fn time_to_accident(&self, threshold: f64) -> Option<f64> {
        let first = self.counted().find(|(_, score)| *score >= threshold)?.0;
        Some(self.collides_s? - first)
    }
}

/// How well collisions were anticipated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Anticipation {
    /// Clips judged.
    pub clips: usize,
    /// Of them, clips that collide.
    pub colliding: usize,
    /// Average precision over clips; `None` without clips that collide.
    pub average_precision: Option<f64>,
    /// The threshold of the figures below; `None` where no threshold has the precision asked for.
    pub threshold: Option<f64>,
    /// Precision at that threshold.
    pub precision: Option<f64>,
    /// Recall at that threshold.
    pub recall: Option<f64>,
    /// Mean time from the first alert to the collision over the clips it was raised in, seconds.
    pub mean_time_to_accident_s: Option<f64>,
}

/// Judges clips; of thresholds with at least `precision_min` the one with the best recall.
pub fn anticipation(clips: &[Clip], precision_min: f64) -> Anticipation {
    let colliding = clips.iter().filter(|c| c.collides_s.is_some()).count();
    let mut peaks: Vec<(f64, bool)> = clips.iter().map(|c| (c.peak(), c.collides_s.is_some())).collect();
    peaks.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut hits, mut alarms, mut average, mut best) = (0usize, 0usize, 0.0, None);
    let mut rest = peaks.as_slice();
    // Equal scores share a threshold: none of them comes before another.
    while let Some(&(threshold, _)) = rest.first().filter(|(score, _)| *score > 0.0) {
        let same = rest.iter().take_while(|(score, _)| *score == threshold).count();
        let (group, after) = rest.split_at(same);
        let new = group.iter().filter(|(_, collides)| *collides).count();
        hits += new;
        alarms += same;
        let precision = hits as f64 / alarms as f64;
        average += precision * new as f64;
        if precision >= precision_min {
            // Any threshold above the next clip's peak tells the same clips apart: the lowest alerts earliest.
            let lowest = after.first().map_or(f64::MIN_POSITIVE, |(next, _)| next.next_up().max(f64::MIN_POSITIVE));
            best = Some((lowest, precision));
        }
        rest = after;
    }
    let share = |n: f64| (colliding > 0).then(|| n / colliding as f64);
    let times: Vec<f64> =
        best.map_or_else(Vec::new, |(t, _)| clips.iter().filter_map(|c| c.time_to_accident(t)).collect());
    Anticipation {
        clips: clips.len(),
        colliding,
        average_precision: share(average),
        threshold: best.map(|b| b.0),
        precision: best.map(|b| b.1),
        recall: best.and_then(|_| share(times.len() as f64)),
        mean_time_to_accident_s: (!times.is_empty()).then(|| times.iter().sum::<f64>() / times.len() as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(scores: &[(f64, f64)], collides_s: Option<f64>) -> Clip {
        Clip { scores: scores.to_vec(), collides_s }
    }

    #[test]
    fn perfect_anticipation_is_one_and_its_time_is_from_the_first_alert() {
        let clips = [
            clip(&[(0.0, 0.1), (1.0, 0.8), (2.0, 0.9)], Some(3.0)),
            clip(&[(0.0, 0.7), (1.0, 0.7)], Some(2.5)),
            clip(&[(0.0, 0.2), (1.0, 0.3)], None),
        ];
        let judged = anticipation(&clips, 0.9);
        assert_eq!((judged.average_precision, judged.recall), (Some(1.0), Some(1.0)));
        assert!((0.3..0.301).contains(&judged.threshold.unwrap()), "just above what does not collide: {judged:?}");
        assert_eq!(judged.mean_time_to_accident_s, Some((2.0 + 2.5) / 2.0));
    }

    #[test]
    fn what_is_said_too_late_does_not_count_and_alarms_cost() {
        let clips =
            [clip(&[(0.0, 0.1), (3.0, 0.9)], Some(3.0)), clip(&[(0.0, 0.5)], None), clip(&[(1.0, 0.6)], Some(2.0))];
        let judged = anticipation(&clips, 0.9);
        // Ranked 0.6 (collides), 0.5 (does not), 0.1 (collides).
        assert!((judged.average_precision.unwrap() - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
        assert_eq!((judged.recall, judged.mean_time_to_accident_s), (Some(0.5), Some(1.0)));
    }

    #[test]
    fn ties_are_shared_and_nothing_said_is_no_precision() {
        let clips = [clip(&[(0.0, 0.5)], Some(1.0)), clip(&[(0.0, 0.5)], None)];
        let judged = anticipation(&clips, 0.9);
        assert_eq!((judged.average_precision, judged.threshold), (Some(0.5), None));
        let silent = anticipation(&[clip(&[(0.0, 0.0)], Some(1.0))], 0.9);
        assert_eq!((silent.average_precision, silent.mean_time_to_accident_s), (Some(0.0), None));
    }
}
