//! Multiple object tracking against ground truth: CLEAR MOT, identity (IDF1) and HOTA.
//!
//! [`evaluate`] takes two texts in MOTChallenge form (`frame,id,x,y,width,height,confidence,...`). CLEAR and identity
//! figures follow py-motmetrics (matches need IoU >= 0.5; `motp` is its mean distance 1 - IoU, smaller is better), HOTA
//! follows TrackEval. All boxes count as one class. Not here: MOTChallenge's removal of distractor classes.

mod clear;
mod frames;
mod hota;
mod identity;
mod parse;

pub use hota::{ALPHAS, HotaCurve};
pub use parse::MotError;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::findings::Findings;

/// Figures of one sequence. Undefined figures are `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MotResult {
    /// 1 - (misses + false positives + switches) / objects.
    pub mota: Option<f64>,
    /// Mean distance 1 - IoU of the matches (py-motmetrics).
    pub motp: Option<f64>,
    /// Mean IoU of the matches (TrackEval's MOTP).
    pub motp_iou: Option<f64>,
    /// F1 of identities.
    pub idf1: Option<f64>,
    /// Identity precision.
    pub idp: Option<f64>,
    /// Identity recall.
    pub idr: Option<f64>,
    /// Mean of HOTA over the 19 localisation thresholds.
    pub hota: Option<f64>,
    /// Mean detection accuracy over the thresholds.
    pub deta: Option<f64>,
    /// Mean association accuracy over the thresholds.
    pub assa: Option<f64>,
    /// Mean localisation accuracy over the thresholds.
    pub loca: Option<f64>,
    /// True boxes found, over all.
    pub recall: Option<f64>,
    /// Output boxes that are right, over all.
    pub precision: Option<f64>,
    /// Identity switches.
    pub id_switches: u64,
    /// Output boxes without an object.
    pub fp: u64,
    /// Objects without an output box.
    #[serde(rename = "fn")]
    pub fn_: u64,
    /// Times a track was lost and found again.
    pub fragmentations: u64,
    /// Output tracks that moved to another object.
    pub transfers: u64,
    /// Switches to a track never seen before.
    pub ascends: u64,
    /// Transfers to an object never seen before.
    pub migrates: u64,
    /// Objects tracked for at least 80 % of their boxes.
    pub mostly_tracked: u64,
    /// Objects tracked for 20 to 80 %.
    pub partially_tracked: u64,
    /// Objects tracked for less than 20 %.
    pub mostly_lost: u64,
    /// Frames with any box.
    pub frames: u64,
    /// Boxes of the ground truth.
    pub objects: u64,
    /// Boxes of the output.
    pub predictions: u64,
    /// Identities in the ground truth.
    pub gt_ids: u64,
    /// Identities in the output.
    pub dt_ids: u64,
    /// Identity true positives.
    pub idtp: u64,
    /// Identity false positives.
    pub idfp: u64,
    /// Identity false negatives.
    pub idfn: u64,
    /// HOTA and its parts at each threshold; `None` without a box on either side.
    pub hota_curve: Option<HotaCurve>,
    /// What was odd about the input.
    pub findings: Findings,
}

impl MotResult {
    /// Why figures are undefined, by name.
    pub fn undefined(&self) -> BTreeMap<&'static str, &'static str> {
        const NO_TRUTH: &str = "the ground truth has no box";
        const NO_OUTPUT: &str = "the tracker has no box";
        const NEITHER: &str = "neither has a box";
        const NO_MATCH: &str = "no box was matched";
        let all = [
            ("mota", self.mota, NO_TRUTH),
            ("recall", self.recall, NO_TRUTH),
            ("idr", self.idr, NO_TRUTH),
            ("precision", self.precision, NO_OUTPUT),
            ("idp", self.idp, NO_OUTPUT),
            ("idf1", self.idf1, NEITHER),
            ("hota", self.hota, NEITHER),
            ("deta", self.deta, NEITHER),
            ("assa", self.assa, NEITHER),
            ("loca", self.loca, NEITHER),
            ("motp", self.motp, NO_MATCH),
            ("motp_iou", self.motp_iou, NO_MATCH),
        ];
        all.into_iter().filter(|(_, value, _)| value.is_none()).map(|(name, _, why)| (name, why)).collect()
    }
}

/// Evaluates one sequence.
pub fn evaluate(gt: &str, dt: &str) -> Result<MotResult, MotError> {
    let mut findings = Findings::default();
    let truth = parse::parse(gt, parse::Role::GroundTruth, &mut findings)?;
    let found = parse::parse(dt, parse::Role::Output, &mut findings)?;
    parse::note_strays(&truth, &found, &mut findings);
    let sequence = frames::Sequence::new(&truth, &found);
    let clear = clear::evaluate(&sequence);
    let identity = identity::evaluate(&sequence);
    let curve = hota::evaluate(&sequence);
    let (objects, predictions) = (sequence.truth_boxes(), sequence.found_boxes());
    let hits = clear.matches + clear.switches;
    let mean =
        |pick: fn(&HotaCurve) -> &[f64; ALPHAS]| curve.as_ref().map(|c| pick(c).iter().sum::<f64>() / ALPHAS as f64);
    Ok(MotResult {
        mota: ratio(clear.misses + clear.false_positives + clear.switches, objects).map(|errors| 1.0 - errors),
        motp: (hits > 0).then(|| clear.distance / hits as f64),
        motp_iou: (hits > 0).then(|| 1.0 - clear.distance / hits as f64),
        idf1: ratio(2 * identity.idtp, objects + predictions),
        idp: ratio(identity.idtp, identity.idtp + identity.idfp),
        idr: ratio(identity.idtp, identity.idtp + identity.idfn),
        hota: mean(|c| &c.hota),
        deta: mean(|c| &c.deta),
        assa: mean(|c| &c.assa),
        loca: mean(|c| &c.loca),
        recall: ratio(hits, objects),
        precision: ratio(hits, hits + clear.false_positives),
        id_switches: clear.switches,
        fp: clear.false_positives,
        fn_: clear.misses,
        fragmentations: clear.fragmentations,
        transfers: clear.transfers,
        ascends: clear.ascends,
        migrates: clear.migrates,
        mostly_tracked: clear.mostly_tracked,
        partially_tracked: clear.partially_tracked,
        mostly_lost: clear.mostly_lost,
        frames: sequence.frames.len() as u64,
        objects,
        predictions,
        gt_ids: sequence.truth_ids as u64,
        dt_ids: sequence.found_ids as u64,
        idtp: identity.idtp,
        idfp: identity.idfp,
        idfn: identity.idfn,
        hota_curve: curve,
        findings,
    })
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
