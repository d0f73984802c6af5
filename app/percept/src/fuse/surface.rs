//! The nearest visible surface of what a box or mask frames, out of range samples (LiDAR returns or cells of a depth map).
//!
//! A box holds more than its object: the wall behind, the ground in front, what stands half before it. Samples on the
//! ground are left out by the caller; the others fall apart into clusters where their sorted ranges leave a gap; the cluster that
//! covers most of the box, its middle above all, at a range that suits the class's size, is the object. The answer is
//! that cluster's near edge: the first range that others nearby support, so that one stray sample does not set it.

use nalgebra::Vector3;

use crate::detection::BoxPx;

/// One range sample in the picture. Aligned so that it is copied in two halves that do not overlap: with 28 bytes the second half of
/// a copy waits for the first.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[repr(align(16))]
pub(super) struct Sample {
    /// Column, continuous pixel coordinates.
    pub u: f32,
    /// Row.
    pub v: f32,
    /// The point in the optical frame, metres.
    pub xyz: [f32; 3],
    /// Distance from the camera's centre, metres.
    pub range_m: f32,
    /// When it was measured, seconds from the stamp of what it comes from.
    pub measured_s: f32,
}

/// What is known of the object before its samples are looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expectation {
    /// The frame of the samples, for coverage.
    pub bbox: BoxPx,
    /// Samples come from within a mask: its rim counts as much as its middle.
    pub masked: bool,
    /// The range at which an object of usual size fills the box, and one sigma of its logarithm.
    pub range_by_size: Option<(f64, f64)>,
    /// Share of the nearest samples of a cluster that may be strays.
    pub stray_share: f64,
    /// The vehicle's left in the optical frame, a unit vector.
    pub left: [f32; 3],
    /// How much of the object was left out at its rim, radians: it reaches so much farther than its samples.
    pub rim_rad: f32,
}

/// The near face of an object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Surface {
    /// Range of the nearest surface from the camera's centre, metres.
    pub range_m: f64,
    /// One sigma of the choice of edge and cluster, metres; the sensor's own noise comes on top.
    pub sigma_m: f64,
    /// Unit direction of the middle of the near face in the optical frame.
    pub direction: Vector3<f64>,
    /// What of the near face lies farthest to the vehicle's right and left, strays apart, in the optical frame.
    pub face: Option<[[f32; 3]; 2]>,
    /// The same of the whole cluster.
    pub ends: Option<[[f32; 3]; 2]>,
    /// When the near face was measured, in the mean, seconds from the stamp of the samples' source.
    pub measured_s: f64,
    /// Samples in the object's cluster.
    pub samples: usize,
    /// Where among the finder's samples it begins.
    from: usize,
    /// How well the range suits the class's size, 0 to 1; 1 where nothing is known of it.
    pub plausibility: f64,
}

/// A gap in range that no single surface has: two rows of a car's flank or a person's limbs lie closer together.
const GAP_M: f32 = 0.6;
/// The gap grows with range, as the rows of a LiDAR spread on slanted surfaces.
const GAP_PER_M: f32 = 0.015;
/// Coverage is counted on a grid of this many cells a side.
const GRID: usize = 8;
/// Width of the bell that weighs the box's middle over its rim, in half-boxes.
const CENTRE_SIGMA: f32 = 0.5;
/// A box cut by the picture's edge or by an occluder is smaller than its object, so a range well below the one by size
/// is little evidence against a cluster.
const SIGMA_LN_NEARER: f64 = 0.7;
/// Least plausibility that size alone can leave a cluster.
const PLAUSIBILITY_FLOOR: f64 = 0.02;
/// A range this plausible for the class's size (1.5 sigma) is not doubted.
pub(super) const PLAUSIBLE: f64 = 0.3;
/// A cluster this many sigmas beyond the range by size is background: the object itself gave no samples.
const TOO_FAR_SIGMAS: f64 = 3.0;
/// Margin around a box in shares of its sides: wide enough to hold returns, narrow enough to be the same scene.
const MARGIN_SHARE: f32 = 0.2;
/// The near face is this deep: a bumper, a chest.
const FACE_DEPTH_M: f32 = 0.3;
/// A cluster is a rival, and widens sigma, from this share of the winner's score, and fully so from the next.
const RIVAL_SHARE: f64 = 0.25;
const RIVAL_FULL_SHARE: f64 = 0.5;
/// A cluster that is as dense around the box as in it is a wall or another object: what share of its score that costs.
const SPILL_COST: f64 = 0.75;
/// The near edge of n samples lies this far over the square root of n before the first of them: a car has no returns on
/// its dark or slanted parts.
const SPARSE_M: f64 = 0.5;

/// Picks the object's cluster; keeps its scratch memory between boxes.
#[derive(Debug, Clone, Default)]
pub(super) struct SurfaceFinder {
    /// The samples of the box at hand; filled by the caller.
    pub samples: Vec<Sample>,
    /// Ranges of the samples just around the box, in [`surroundings`]; empty for masks.
    pub around: Vec<f32>,
    sorted: Vec<Sample>,
    /// By what the samples are put in order, and which they are: see [`ranked`].
    keys: Vec<u64>,
}

/// One run of sorted samples without a gap.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    from: usize,
    to: usize,
    plausible: f64,
    score: f64,
}

impl SurfaceFinder {
    /// The near face of the object among `self.samples`, which are reordered; `None` where no plausible cluster
    /// has `count_min` samples.
    pub(super) fn find(&mut self, expected: &Expectation, count_min: usize) -> Option<Surface> {
        self.sort();
        let (best, rival) = self.best_candidate(expected, count_min)?;
        let cluster = self.samples.get(best.from..best.to)?;
        let (edge, edge_sigma) = near_edge(cluster, expected.stray_share);
        let range_m = f64::from(edge);
        let rival_sigma = rival.map_or(0.0, |r| {
            let other = self.samples.get(r.from).map_or(range_m, |s| f64::from(s.range_m));
            let odds = r.score / best.score;
            let ramp = ((odds - RIVAL_SHARE) / (RIVAL_FULL_SHARE - RIVAL_SHARE)).min(1.0);
            (other - range_m).abs() * two_outcomes(odds) * ramp
        });
        let sparse_sigma = SPARSE_M / (cluster.len() as f64).sqrt();
        let sigma_m = f64::from(edge_sigma).hypot(rival_sigma).hypot(sparse_sigma);
        let sigma_m = sigma_m.hypot(doubt_sigma(range_m, best.plausible, expected.range_by_size));
        let face = near_face(cluster, edge);
        Some(Surface {
            range_m,
            sigma_m,
            direction: face_direction(face),
            face: ends(face, expected, &mut self.keys),
            ends: ends(cluster, expected, &mut self.keys),
            measured_s: face_time(face),
            samples: cluster.len(),
            from: best.from,
            plausibility: best.plausible,
        })
    }

    /// Sorts the samples by range, and by pixel where that is the same, so that the order of arrival does not matter; what has no
    /// range is left out. Keys of eight bytes are sorted, which is several times faster than to sort the samples themselves.
    fn sort(&mut self) {
        let Self { samples, sorted, keys, .. } = self;
        keys.clear();
        let with_range = samples.iter().enumerate().filter(|(_, s)| s.range_m.is_finite());
        keys.extend(with_range.map(|(i, s)| ranked(s.range_m, i)));
        keys.sort_unstable();
        let sample_of = |key: &u64| samples.get(index_of(*key)).copied();
        for same in keys.chunk_by_mut(|a, b| a >> 32 == b >> 32).filter(|same| same.len() > 1) {
            same.sort_unstable_by(|a, b| {
                let by_pixel = match (sample_of(a), sample_of(b)) {
                    (Some(a), Some(b)) => a.u.total_cmp(&b.u).then(a.v.total_cmp(&b.v)),
                    _ => std::cmp::Ordering::Equal,
                };
                by_pixel.then(a.cmp(b))
            });
        }
        sorted.clear();
        sorted.extend(keys.iter().filter_map(sample_of));
        std::mem::swap(samples, sorted);
    }

    /// The samples of a surface that was found last.
    pub(super) fn cluster(&self, surface: &Surface) -> &[Sample] {
        self.samples.get(surface.from..surface.from + surface.samples).unwrap_or_default()
    }

    /// The best cluster and, where it is close behind, the second best.
    fn best_candidate(&self, expected: &Expectation, count_min: usize) -> Option<(Candidate, Option<Candidate>)> {
        let (mut best, mut second): (Option<Candidate>, Option<Candidate>) = (None, None);
        let mut from = 0;
        while from < self.samples.len() {
            let to = self.cluster_end(from);
            let cluster = self.samples.get(from..to).unwrap_or_default();
            let near = cluster.first().map_or(0.0, |s| f64::from(s.range_m));
            if cluster.len() >= count_min
                && let Some(plausible) = plausibility(near, expected.range_by_size)
            {
                let score = coverage(cluster, expected) * plausible * self.containment(cluster, expected);
                let candidate = Candidate { from, to, plausible, score };
                // Strictly more: of equals the nearer wins, as it hides the other.
                if best.is_none_or(|b| candidate.score > b.score) {
                    second = best;
                    best = Some(candidate);
                } else if second.is_none_or(|s| candidate.score > s.score) {
                    second = Some(candidate);
                }
            }
            from = to;
        }
        let best = best?;
        Some((best, second.filter(|s| s.score > RIVAL_SHARE * best.score)))
    }

    /// 1 for a cluster that ends where the box does, less for one that goes on around it.
    fn containment(&self, cluster: &[Sample], expected: &Expectation) -> f64 {
        let (Some(first), Some(last)) = (cluster.first(), cluster.last()) else { return 1.0 };
        // Counted and not looked up: there are fewer clusters than it takes for sorting to pay.
        let below = |r: f32| self.around.iter().filter(|&&a| a < r).count();
        let outside = below(last.range_m + GAP_M) - below(first.range_m - GAP_M);
        let area = f64::from(expected.bbox.area());
        let around_area = f64::from(surroundings(&expected.bbox).area()) - area;
        let density_ratio = outside as f64 / around_area.max(1.0) * area.max(1.0) / cluster.len() as f64;
        1.0 - SPILL_COST * density_ratio.min(1.0)
    }

    /// The end of the run without a gap that begins at `from`.
    fn cluster_end(&self, from: usize) -> usize {
        let rest = self.samples.get(from..).unwrap_or_default();
        let whole = rest.windows(2).position(|pair| match pair {
            [a, b] => b.range_m - a.range_m > GAP_M + GAP_PER_M * a.range_m,
            _ => false,
        });
        whole.map_or(self.samples.len(), |i| from + i + 1)
    }
}

/// The box with a margin at its sides and top, where the object itself does not show; below it the ground does.
pub(super) fn surroundings(bbox: &BoxPx) -> BoxPx {
    let (dx, dy) = (MARGIN_SHARE * bbox.width(), MARGIN_SHARE * bbox.height());
    BoxPx { x0: bbox.x0 - dx, y0: bbox.y0 - dy, x1: bbox.x1 + dx, y1: bbox.y1 }
}

/// How well a cluster's range suits the object's usual size, 0 to 1; `None` where it must be background.
fn plausibility(range_m: f64, range_by_size: Option<(f64, f64)>) -> Option<f64> {
    let Some((expected, sigma_ln)) = range_by_size else { return Some(1.0) };
    let off = (range_m / expected).ln();
    let q = if off > 0.0 { off / sigma_ln } else { off / SIGMA_LN_NEARER };
    if off > 0.0 && q > TOO_FAR_SIGMAS {
        return None;
    }
    Some((-0.5 * q * q).exp().max(PLAUSIBILITY_FLOOR))
}

/// How far a cluster well beyond where the object's size places it may be off, metres: the object itself may have given no points
/// and what is seen be the background. What is nearer than expected is not doubted.
fn doubt_sigma(range_m: f64, plausible: f64, range_by_size: Option<(f64, f64)>) -> f64 {
    let Some((expected, _)) = range_by_size.filter(|(expected, _)| range_m > *expected) else { return 0.0 };
    let odds = (1.0 - plausible / PLAUSIBLE).max(0.0);
    (range_m - expected) * two_outcomes(odds)
}

/// Two outcomes a distance of 1 apart, with odds 1 : `odds`, have this standard deviation.
fn two_outcomes(odds: f64) -> f64 {
    odds.sqrt() / (1.0 + odds)
}

/// Weight of the grid cells that a cluster touches.
fn coverage(cluster: &[Sample], expected: &Expectation) -> f64 {
    let bbox = expected.bbox;
    let (scale_x, scale_y) = (GRID as f32 / bbox.width().max(1.0), GRID as f32 / bbox.height().max(1.0));
    let mut touched = [[false; GRID]; GRID];
    for s in cluster {
        let column = (((s.u - bbox.x0) * scale_x) as usize).min(GRID - 1);
        let row = (((s.v - bbox.y0) * scale_y) as usize).min(GRID - 1);
        if let Some(cell) = touched.get_mut(row).and_then(|r| r.get_mut(column)) {
            *cell = true;
        }
    }
    let mut sum = 0.0;
    for (row, cells) in touched.iter().enumerate() {
        for (column, _) in cells.iter().enumerate().filter(|(_, touched)| **touched) {
            sum += if expected.masked { 1.0 } else { centre_weight(column) * centre_weight(row) };
        }
    }
    f64::from(sum)
}

/// Weight of a grid line by its distance from the box's middle.
fn centre_weight(line: usize) -> f32 {
    let q = ((line as f32 + 0.5) / GRID as f32 * 2.0 - 1.0) / CENTRE_SIGMA;
    (-0.5 * q * q).exp()
}

/// The range of a cluster's near edge and how uncertain its choice is. `cluster` is sorted and not empty.
fn near_edge(cluster: &[Sample], stray_share: f64) -> (f32, f32) {
    let n = cluster.len();
    let strays = (n as f64 * stray_share) as usize;
    let at = |i: usize| cluster.get(i.min(n - 1)).map_or(f32::NAN, |s| s.range_m);
    // A sample is supported where more than the strays lie within a face's depth behind it.
    let supported = |i: &usize| at(i + strays + usize::from(n > 4)) - at(*i) <= FACE_DEPTH_M;
    let first = (strays.min(n - 1)..n).find(supported).unwrap_or(strays.min(n - 1));
    // Few samples leave the true edge between them and nearer: the spread to the next ones says how much.
    let spread = at(first + 1 + n / 8) - at(first);
    (at(first), 0.5 * spread.min(FACE_DEPTH_M * 2.0))
}

/// The samples of `cluster` farthest to the vehicle's right and left, after as many strays on either side as are to be expected.
fn ends(cluster: &[Sample], expected: &Expectation, keys: &mut Vec<u64>) -> Option<[[f32; 3]; 2]> {
    let left = expected.left;
    keys.clear();
    let left_m = |s: &Sample| left.iter().zip(s.xyz).map(|(a, b)| a * b).sum();
    keys.extend(cluster.iter().enumerate().map(|(i, s)| ranked(left_m(s), i)));
    let strays = (cluster.len() as f64 * expected.stray_share) as usize;
    let last = cluster.len().checked_sub(1 + strays)?;
    let mut at = |rank: usize, side: f32| {
        let (_, key, _) = keys.select_nth_unstable(rank);
        let sample = cluster.get(index_of(*key))?;
        let rim_m = side * expected.rim_rad * sample.range_m;
        Some(std::array::from_fn(|axis| sample.xyz[axis] + rim_m * left[axis]))
    };
    Some([at(strays.min(last), -1.0)?, at(last, 1.0)?])
}

/// A key that sorts as `value` does by `total_cmp`, then as `index`, which it holds.
fn ranked(value: f32, index: usize) -> u64 {
    let bits = value.to_bits();
    // What is negative sorts before what is not, and the greater its bits the sooner.
    let order = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(order) << 32 | index as u64 & 0xffff_ffff
}

/// The index that a key holds.
fn index_of(key: u64) -> usize {
    key as u32 as usize
}

/// The samples of the near face, which begins at `edge`; `cluster` is sorted.
fn near_face(cluster: &[Sample], edge: f32) -> &[Sample] {
    let to = cluster.partition_point(|s| s.range_m <= edge + FACE_DEPTH_M);
    let from = cluster.partition_point(|s| s.range_m < edge).min(to);
    cluster.get(from..to).unwrap_or_default()
}

/// When the near face was measured, in the mean.
fn face_time(face: &[Sample]) -> f64 {
    face.iter().map(|s| f64::from(s.measured_s)).sum::<f64>() / (face.len().max(1) as f64)
}

/// Unit direction of the middle of the near face.
fn face_direction(face: &[Sample]) -> Vector3<f64> {
    let sum = face.iter().fold(Vector3::zeros(), |sum: Vector3<f64>, s| {
        sum + Vector3::new(f64::from(s.xyz[0]), f64::from(s.xyz[1]), f64::from(s.xyz[2]))
    });
    sum.try_normalize(0.0).unwrap_or_else(Vector3::z)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: BoxPx = BoxPx { x0: 0.0, y0: 0.0, x1: 80.0, y1: 80.0 };

    /// A patch of samples every 2 px at one range, with a ripple of 4 cm.
    fn patch(u: (u32, u32), v: (u32, u32), range_m: f32, out: &mut Vec<Sample>) {
        for row in (v.0..v.1).step_by(2) {
            for column in (u.0..u.1).step_by(2) {
                let range_m = range_m + ((row * 7 + column * 3) % 5) as f32 * 0.01;
                let (u, v) = (column as f32 + 0.5, row as f32 + 0.5);
                out.push(Sample { u, v, xyz: [u * 0.01, v * 0.01, range_m], range_m, measured_s: 0.0 });
            }
        }
    }

    fn expectation() -> Expectation {
        Expectation {
            bbox: BOX,
            masked: false,
            range_by_size: None,
            stray_share: 0.03,
            left: [-1.0, 0.0, 0.0],
            rim_rad: 0.0,
        }
    }

    fn find(samples: Vec<Sample>, expected: &Expectation) -> Option<Surface> {
        SurfaceFinder { samples, ..SurfaceFinder::default() }.find(expected, 2)
    }

    #[test]
    fn a_wall_behind_that_shows_more_than_the_object_is_not_the_object() {
        let mut samples = Vec::new();
        patch((26, 54), (4, 80), 12.0, &mut samples);
        patch((0, 26), (0, 80), 30.0, &mut samples);
        patch((54, 80), (0, 80), 30.0, &mut samples);
        let surface = find(samples, &expectation()).unwrap();
        assert!((surface.range_m - 12.0).abs() < 0.05, "{surface:?}");
    }

    #[test]
    fn an_occluder_at_the_edge_is_not_the_object() {
        let mut samples = Vec::new();
        patch((0, 20), (0, 80), 5.0, &mut samples);
        patch((20, 72), (4, 80), 14.0, &mut samples);
        patch((72, 80), (0, 80), 40.0, &mut samples);
        let surface = find(samples, &expectation()).unwrap();
        assert!((surface.range_m - 14.0).abs() < 0.05, "{surface:?}");
    }

    #[test]
    fn strays_in_front_do_not_set_the_edge() {
        let mut samples = Vec::new();
        patch((10, 70), (10, 70), 20.0, &mut samples);
        let mut stray = samples[0];
        for range_m in [19.4, 19.6] {
            stray.range_m = range_m;
            samples.push(stray);
        }
        let surface = find(samples, &expectation()).unwrap();
        assert!((surface.range_m - 20.0).abs() < 0.05, "{surface:?}");
    }

    #[test]
    fn size_decides_between_two_that_cover_alike_and_refuses_background_alone() {
        let mut samples = Vec::new();
        patch((0, 40), (0, 80), 10.0, &mut samples);
        patch((40, 80), (0, 80), 25.0, &mut samples);
        let expected = Expectation { range_by_size: Some((24.0, 0.15)), ..expectation() };
        let surface = find(samples.clone(), &expected).unwrap();
        assert!((surface.range_m - 25.0).abs() < 0.05, "{surface:?}");
        let none = Expectation { range_by_size: Some((3.0, 0.15)), ..expectation() };
        assert_eq!(find(samples, &none), None, "an object that gives no returns is not where the wall is");
    }

    #[test]
    fn the_ends_of_a_thing_are_those_of_its_flank_too_but_for_strays() {
        // A rear 2 m wide whose flank goes on 4 m ahead and 1.5 m to the left, as of a van that pulls out.
        let sample = |u: f32, x: f32, z: f32| Sample { u, v: 40.0, xyz: [x, 0.0, z], range_m: z, measured_s: 0.0 };
        let mut samples: Vec<Sample> = (0..40).map(|i| sample(40.0 + i as f32, 2.0 + 0.05 * i as f32, 10.0)).collect();
        samples.extend((0..40).map(|i| sample(40.0 - i as f32, 2.0 - 0.0375 * i as f32, 10.0 + 0.1 * i as f32)));
        samples.extend([sample(5.0, -3.0, 10.1), sample(6.0, 9.0, 10.1)]);
        let [right, left] = find(samples, &expectation()).unwrap().ends.unwrap();
        assert!((right[0] - 3.9).abs() < 0.11 && right[2] == 10.0, "{right:?}");
        assert!((left[0] - 0.54).abs() < 0.11 && left[2] > 13.5, "{left:?}");
    }

    #[test]
    fn what_goes_on_around_the_box_is_not_the_object() {
        let mut samples = Vec::new();
        patch((0, 80), (44, 80), 6.0, &mut samples);
        patch((4, 76), (6, 44), 11.0, &mut samples);
        let around = (0..300).map(|i| 6.0 + 0.0001 * i as f32).collect();
        let surface = SurfaceFinder { samples, around, ..SurfaceFinder::default() }.find(&expectation(), 2).unwrap();
        assert!((surface.range_m - 11.0).abs() < 0.05, "{surface:?}");
    }

    #[test]
    fn a_close_rival_widens_sigma() {
        let mut clear = Vec::new();
        patch((0, 80), (0, 80), 10.0, &mut clear);
        let mut torn = Vec::new();
        patch((0, 42), (0, 80), 10.0, &mut torn);
        patch((42, 80), (0, 80), 15.0, &mut torn);
        let (clear, torn) = (find(clear, &expectation()).unwrap(), find(torn, &expectation()).unwrap());
        assert!(clear.sigma_m < 0.15 && torn.sigma_m > 1.0, "{clear:?} {torn:?}");
    }

    #[test]
    fn keys_sort_as_values_do_then_as_indices() {
        let mut values = vec![3.5, -0.0, 0.0, -7.25, f32::INFINITY, f32::NEG_INFINITY, 1e-30, -1e-30, f32::NAN, 3.5];
        let mut keys: Vec<u64> = values.iter().enumerate().map(|(i, v)| ranked(*v, i)).collect();
        keys.sort_unstable();
        let by_key: Vec<u32> = keys.iter().map(|key| values[index_of(*key)].to_bits()).collect();
        assert!(keys.windows(2).all(|pair| pair[0] >> 32 != pair[1] >> 32 || index_of(pair[0]) < index_of(pair[1])));
        values.sort_by(f32::total_cmp);
        assert_eq!(by_key, values.iter().map(|v| v.to_bits()).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_gives_nothing_and_order_does_not_matter() {
        assert_eq!(find(Vec::new(), &expectation()), None);
        let mut samples = Vec::new();
        patch((10, 60), (10, 70), 20.0, &mut samples);
        let nan = Sample { range_m: f32::NAN, ..samples[0] };
        samples.push(nan);
        let forward = find(samples.clone(), &expectation());
        samples.reverse();
        assert_eq!(forward, find(samples, &expectation()));
        assert!(forward.is_some());
    }
}
