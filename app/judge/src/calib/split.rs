//! Fit on some images, test on others: a seeded split, and the check that no image is in both.

use std::collections::BTreeSet;

use super::CalibError;
use crate::stats::Rng;

/// Two disjoint sets of image ids, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Images a map is fitted on.
    pub fit: Vec<i64>,
    /// Images it is tested on.
    pub test: Vec<i64>,
}

/// Splits image ids (repeated ones once) by a seed; `fit_share` of them, 0 to 1, go to the fit.
pub fn split(image_ids: &[i64], fit_share: f64, seed: u64) -> Split {
    let mut ids: Vec<i64> = image_ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let mut rng = Rng::new(seed);
    for i in (1..ids.len()).rev() {
        ids.swap(i, rng.below(i + 1));
    }
    let n = (ids.len() as f64 * fit_share.clamp(0.0, 1.0)).round() as usize;
    let mut test = ids.split_off(n.min(ids.len()));
    ids.sort_unstable();
    test.sort_unstable();
    Split { fit: ids, test }
}

/// An error that names the first image that is in both sets.
pub fn check_disjoint(fit: &[i64], test: &[i64]) -> Result<(), CalibError> {
    let fit: BTreeSet<i64> = fit.iter().copied().collect();
    let both: BTreeSet<i64> = test.iter().copied().filter(|id| fit.contains(id)).collect();
    match both.first() {
        Some(&first) => Err(CalibError::Overlap { count: both.len(), first }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_are_disjoint_whole_and_seeded() {
        let ids: Vec<i64> = (0..101).chain(0..5).collect();
        let got = split(&ids, 0.4, 8);
        assert_eq!((got.fit.len(), got.test.len()), (40, 61));
        assert_eq!(check_disjoint(&got.fit, &got.test), Ok(()));
        assert_eq!(split(&ids, 0.4, 8), got);
        assert_ne!(split(&ids, 0.4, 9), got);
        assert_eq!(check_disjoint(&[1, 2, 3], &[3, 4, 2]), Err(CalibError::Overlap { count: 2, first: 2 }));
    }
}
