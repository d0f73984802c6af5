//! HOTA (Luiten et al. 2021): detection and association in balance, at 19 localisation thresholds.

use ocellus_percept::track::AssignmentSolver;
use serde::Serialize;

use super::frames::{Frame, Sequence};

/// Localisation thresholds 0.05, 0.10, ... 0.95.
pub const ALPHAS: usize = 19;

/// HOTA and its parts at each threshold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HotaCurve {
    /// Root of detection times association accuracy.
    pub hota: [f64; ALPHAS],
    /// Detection accuracy.
    pub deta: [f64; ALPHAS],
    /// Association accuracy.
    pub assa: [f64; ALPHAS],
    /// Detection recall.
    pub detre: [f64; ALPHAS],
    /// Detection precision.
    pub detpr: [f64; ALPHAS],
    /// Association recall.
    pub assre: [f64; ALPHAS],
    /// Association precision.
    pub asspr: [f64; ALPHAS],
    /// Mean IoU of the matches.
    pub loca: [f64; ALPHAS],
}

/// Sums over the sequence.
struct Counts {
    columns: usize,
    truth_boxes: Vec<f64>,
    found_boxes: Vec<f64>,
    /// Agreement of identities before matching, by true identity and output identity.
    alignment: Vec<f64>,
    /// Matches at each threshold by true identity and output identity.
    matches: Vec<Vec<f64>>,
    hits: [f64; ALPHAS],
    overlap: [f64; ALPHAS],
}

/// `None` where neither side has a box.
pub(super) fn evaluate(sequence: &Sequence) -> Option<HotaCurve> {
    let (objects, predictions) = (sequence.truth_boxes() as f64, sequence.found_boxes() as f64);
    if objects + predictions == 0.0 {
        return None;
    }
    let pairs = sequence.truth_ids * sequence.found_ids;
    let mut counts = Counts {
        columns: sequence.found_ids,
        truth_boxes: vec![0.0; sequence.truth_ids],
        found_boxes: vec![0.0; sequence.found_ids],
        alignment: vec![0.0; pairs],
        matches: vec![vec![0.0; pairs]; ALPHAS],
        hits: [0.0; ALPHAS],
        overlap: [0.0; ALPHAS],
    };
    for frame in &sequence.frames {
        counts.align(frame);
    }
    counts.finish_alignment();
    let mut solver = AssignmentSolver::default();
    for frame in &sequence.frames {
        counts.match_frame(frame, &mut solver);
    }
    Some(counts.curve(objects, predictions))
}

fn alpha(index: usize) -> f64 {
    // As numpy.arange(0.05, 0.99, 0.05) computes it.
    0.05 + index as f64 * 0.05
}

impl Counts {
    fn at(&self, object: usize, track: usize) -> usize {
        object * self.columns + track
    }

    fn align(&mut self, frame: &Frame) {
        let (rows, columns) = (frame.truth.len(), frame.found.len());
        let row_sum: Vec<f64> = (0..rows).map(|t| (0..columns).map(|f| frame.iou(t, f)).sum()).collect();
        let column_sum: Vec<f64> = (0..columns).map(|f| (0..rows).map(|t| frame.iou(t, f)).sum()).collect();
        for (t, &object) in frame.truth.iter().enumerate() {
            self.truth_boxes[object] += 1.0;
            for (f, &track) in frame.found.iter().enumerate() {
                let iou = frame.iou(t, f);
                let either = row_sum[t] + column_sum[f] - iou;
                if either > f64::EPSILON {
                    let at = self.at(object, track);
                    self.alignment[at] += iou / either;
                }
            }
        }
        for &track in &frame.found {
            self.found_boxes[track] += 1.0;
        }
    }

    fn finish_alignment(&mut self) {
        for (object, &truth) in self.truth_boxes.iter().enumerate() {
            for (track, &found) in self.found_boxes.iter().enumerate() {
                let potential = &mut self.alignment[object * self.columns + track];
                *potential /= truth + found - *potential;
            }
        }
    }

    fn match_frame(&mut self, frame: &Frame, solver: &mut AssignmentSolver) {
        let mut cost = Vec::with_capacity(frame.iou.len());
        for (t, &object) in frame.truth.iter().enumerate() {
            for (f, &track) in frame.found.iter().enumerate() {
                cost.push(-self.alignment[self.at(object, track)] * frame.iou(t, f));
            }
        }
        let mut chosen = Vec::new();
        solver.solve_dense((frame.truth.len(), frame.found.len()), &cost, 0.0, &mut chosen);
        for (t, f) in chosen.iter().enumerate().filter_map(|(t, f)| f.map(|f| (t, f))) {
            let iou = frame.iou(t, f);
            let at = self.at(frame.truth[t], frame.found[f]);
            for a in (0..ALPHAS).filter(|&a| iou >= alpha(a) - f64::EPSILON) {
                self.hits[a] += 1.0;
                self.overlap[a] += iou;
                self.matches[a][at] += 1.0;
            }
        }
    }

    fn curve(&self, objects: f64, predictions: f64) -> HotaCurve {
        let each = |f: &dyn Fn(usize) -> f64| std::array::from_fn(f);
        let hits = |a: usize| self.hits[a];
        let deta = each(&|a| hits(a) / (objects + predictions - hits(a)).max(1.0));
        let assa = each(&|a| self.association(a, |truth, found, both| truth + found - both));
        HotaCurve {
            hota: std::array::from_fn(|a| (deta[a] * assa[a]).sqrt()),
            detre: each(&|a| hits(a) / objects.max(1.0)),
            detpr: each(&|a| hits(a) / predictions.max(1.0)),
            assre: each(&|a| self.association(a, |truth, _, _| truth)),
            asspr: each(&|a| self.association(a, |_, found, _| found)),
            // Without a match the definition gives 1.
            loca: each(&|a| self.overlap[a].max(1e-10) / hits(a).max(1e-10)),
            deta,
            assa,
        }
    }

    /// Mean over matches of (boxes the pair shares) / `whole`.
    fn association(&self, a: usize, whole: impl Fn(f64, f64, f64) -> f64) -> f64 {
        let mut sum = 0.0;
        for (object, &truth) in self.truth_boxes.iter().enumerate() {
            for (track, &found) in self.found_boxes.iter().enumerate() {
                let both = self.matches[a][self.at(object, track)];
                sum += both * both / whole(truth, found, both).max(1.0);
            }
        }
        sum / self.hits[a].max(1.0)
    }
}
