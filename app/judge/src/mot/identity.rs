//! Identity figures (Ristani et al. 2016): the one-to-one pairing of identities that explains most boxes.

use ocellus_percept::track::AssignmentSolver;

use super::frames::Sequence;

/// Boxes explained and not explained by the best pairing.
#[derive(Debug, Default)]
pub(super) struct Identity {
    pub(super) idtp: u64,
    pub(super) idfp: u64,
    pub(super) idfn: u64,
}

pub(super) fn evaluate(sequence: &Sequence) -> Identity {
    let (rows, columns) = (sequence.truth_ids, sequence.found_ids);
    let mut together = vec![0.0; rows * columns];
    for frame in &sequence.frames {
        for (t, &object) in frame.truth.iter().enumerate() {
            for (f, &track) in frame.found.iter().enumerate() {
                if frame.distance(t, f).is_some() {
                    together[object * columns + track] -= 1.0;
                }
            }
        }
    }
    let mut chosen = Vec::new();
    AssignmentSolver::default().solve_dense((rows, columns), &together, 0.0, &mut chosen);
    let pairs = chosen.iter().enumerate().filter_map(|(row, column)| column.map(|c| row * columns + c));
    let idtp = pairs.map(|at| -together[at]).sum::<f64>() as u64;
    let (objects, predictions) = (sequence.truth_boxes(), sequence.found_boxes());
    Identity { idtp, idfp: predictions - idtp, idfn: objects - idtp }
}
