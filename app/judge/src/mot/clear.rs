//! CLEAR MOT (Bernardin and Stiefelhagen 2008), event by event as py-motmetrics counts them.

use ocellus_percept::track::{AssignmentSolver, FORBIDDEN};

use super::frames::{Frame, Sequence};

/// Staying unmatched costs far more than any distance, so that as many pairs as possible are made.
const UNMATCHED: f64 = 1e6;

/// Counts of a sequence.
#[derive(Debug, Default)]
pub(super) struct Clear {
    pub(super) matches: u64,
    pub(super) switches: u64,
    pub(super) misses: u64,
    pub(super) false_positives: u64,
    pub(super) fragmentations: u64,
    pub(super) transfers: u64,
    pub(super) ascends: u64,
    pub(super) migrates: u64,
    pub(super) mostly_tracked: u64,
    pub(super) partially_tracked: u64,
    pub(super) mostly_lost: u64,
    /// Sum of 1 - IoU over matches and switches.
    pub(super) distance: f64,
}

/// What is known of each identity so far.
struct Memory {
    /// The track an object was last matched with.
    track_of: Vec<Option<usize>>,
    /// The object a track was last newly matched with.
    object_of: Vec<Option<usize>>,
    track_seen: Vec<bool>,
    object_seen: Vec<bool>,
    /// For each object, frame by frame where it is present: was it found?
    history: Vec<Vec<bool>>,
}

pub(super) fn evaluate(sequence: &Sequence) -> Clear {
    let mut memory = Memory {
        track_of: vec![None; sequence.truth_ids],
        object_of: vec![None; sequence.found_ids],
        track_seen: vec![false; sequence.found_ids],
        object_seen: vec![false; sequence.truth_ids],
        history: vec![Vec::new(); sequence.truth_ids],
    };
    let mut clear = Clear::default();
    let mut solver = AssignmentSolver::default();
    for frame in &sequence.frames {
        clear.step(frame, &mut memory, &mut solver);
    }
    for history in &memory.history {
        clear.summarise(history);
    }
    clear
}

impl Clear {
    fn step(&mut self, frame: &Frame, memory: &mut Memory, solver: &mut AssignmentSolver) {
        let mut truth_free = vec![true; frame.truth.len()];
        let mut found_free = vec![true; frame.found.len()];
        self.keep_pairs(frame, memory, &mut truth_free, &mut found_free);
        let mut cost = vec![FORBIDDEN; frame.truth.len() * frame.found.len()];
        for (t, _) in truth_free.iter().enumerate().filter(|(_, free)| **free) {
            for (f, _) in found_free.iter().enumerate().filter(|(_, free)| **free) {
                cost[t * frame.found.len() + f] = frame.distance(t, f).unwrap_or(FORBIDDEN);
            }
        }
        let mut chosen = Vec::new();
        solver.solve_dense((frame.truth.len(), frame.found.len()), &cost, UNMATCHED, &mut chosen);
        for (t, f) in chosen.iter().enumerate().filter_map(|(t, f)| f.map(|f| (t, f))) {
            let Some(distance) = frame.distance(t, f) else { continue };
            (truth_free[t], found_free[f]) = (false, false);
            self.distance += distance;
            self.new_pair(frame.truth[t], frame.found[f], memory);
        }
        self.misses += truth_free.iter().filter(|free| **free).count() as u64;
        self.false_positives += found_free.iter().filter(|free| **free).count() as u64;
        for (&object, &missed) in frame.truth.iter().zip(&truth_free) {
            memory.history[object].push(!missed);
        }
    }

    /// Pairs of earlier frames that may still match stay together.
    fn keep_pairs(&mut self, frame: &Frame, memory: &mut Memory, truth_free: &mut [bool], found_free: &mut [bool]) {
        for (t, &object) in frame.truth.iter().enumerate() {
            let Some(track) = memory.track_of[object] else { continue };
            let Some(f) = frame.found.iter().position(|&f| f == track).filter(|&f| found_free[f]) else { continue };
            let Some(distance) = frame.distance(t, f) else { continue };
            (truth_free[t], found_free[f]) = (false, false);
            self.matches += 1;
            self.distance += distance;
            (memory.object_seen[object], memory.track_seen[track]) = (true, true);
        }
    }

    fn new_pair(&mut self, object: usize, track: usize, memory: &mut Memory) {
        if memory.track_of[object].is_some_and(|before| before != track) {
            self.switches += 1;
            self.ascends += u64::from(!memory.track_seen[track]);
        } else {
            self.matches += 1;
        }
        if memory.object_of[track].is_some_and(|before| before != object) {
            self.transfers += 1;
            self.migrates += u64::from(!memory.object_seen[object]);
        }
        (memory.track_seen[track], memory.object_seen[object]) = (true, true);
        memory.track_of[object] = Some(track);
        memory.object_of[track] = Some(object);
    }

    fn summarise(&mut self, history: &[bool]) {
        let found = history.iter().filter(|f| **f).count();
        // 80 % and 20 %: Li, Huang and Nevatia 2009.
        if found * 5 >= history.len() * 4 {
            self.mostly_tracked += 1;
        } else if found * 5 >= history.len() {
            self.partially_tracked += 1;
        } else {
            self.mostly_lost += 1;
        }
        let last = history.iter().rposition(|f| *f).unwrap_or(0);
        let span = history.get(..=last).unwrap_or_default();
        let lost = span.windows(2).filter(|w| w[0] && !w[1]).count();
        self.fragmentations += lost as u64;
    }
}
