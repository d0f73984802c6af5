//! Binary masks as run lengths, column-major, in the definition of the COCO mask API (Dollar and Lin, BSD licence).
//!
//! A mask of `height` x `width` pixels is the lengths of alternating runs of zeros and ones down its columns, zeros
//! first. Rasterising outlines belongs to [`super::polygon`].

use super::wire::Segmentation;

/// Why a region is no mask.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaskError {
    /// The runs do not fill the picture.
    #[error("run lengths sum to {got} pixels, expected {expected} ({height} rows x {width} columns)")]
    Length {
        /// Pixels of the picture.
        expected: u64,
        /// Pixels the runs cover.
        got: u64,
        /// Rows.
        height: u32,
        /// Columns.
        width: u32,
    },
    /// Packed text with a character or a run that cannot be.
    #[error("packed run lengths are broken at character {at}")]
    Packed {
        /// Position in the text.
        at: usize,
    },
    /// No usable outline.
    #[error("no outline with at least 3 finite points within {limit} px of the picture", limit = super::polygon::COORDINATE_LIMIT)]
    Outline,
    /// More pixels than run lengths can count.
    #[error("a picture of {height} rows x {width} columns is too large for a mask")]
    TooLarge {
        /// Rows.
        height: u32,
        /// Columns.
        width: u32,
    },
    /// The picture's size is needed and not known.
    #[error("the picture's width and height are needed to fill an outline; add them to the image's entry")]
    Size,
}

/// A mask as run lengths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rle {
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
    /// Lengths of runs of zeros and ones, column-major.
    pub counts: Vec<u32>,
}

impl Rle {
    /// Checks that `counts` fill the picture.
    pub fn new(height: u32, width: u32, counts: Vec<u32>) -> Result<Self, MaskError> {
        let expected = u64::from(height) * u64::from(width);
        let got = counts.iter().map(|&c| u64::from(c)).sum();
        if got == expected {
            Ok(Self { height, width, counts })
        } else {
            Err(MaskError::Length { expected, got, height, width })
        }
    }

    /// Reads a region; outlines are filled on a picture of `image_size` (rows, columns).
    pub fn from_segmentation(region: &Segmentation, image_size: Option<(u32, u32)>) -> Result<Self, MaskError> {
        match region {
            Segmentation::Runs { size: [h, w], counts } => Self::new(*h, *w, counts.clone()),
            Segmentation::Packed { size: [h, w], counts } => Self::new(*h, *w, unpack(counts)?),
            Segmentation::Polygons(polygons) => {
                let (height, width) = image_size.ok_or(MaskError::Size)?;
                super::polygon::fill_all(polygons, height, width)
            }
        }
    }

    /// From `height * width` row-major bytes, non-zero inside.
    pub fn from_rows(height: u32, width: u32, rows: &[u8]) -> Self {
        let (mut counts, mut inside, mut run) = (Vec::new(), false, 0);
        for x in 0..width as usize {
            for y in 0..height as usize {
                let set = rows.get(y * width as usize + x).is_some_and(|&v| v != 0);
                if set != inside {
                    counts.push(run);
                    (inside, run) = (set, 0);
                }
                run += 1;
            }
        }
        counts.push(run);
        Self { height, width, counts }
    }

    /// From row-major bytes of a window of `size` (rows, columns) at row `top` and column `left`, non-zero inside; what lies
    /// beyond the mask is left out.
    pub fn from_window((height, width): (u32, u32), (top, left): (u32, u32), size: (u32, u32), window: &[u8]) -> Self {
        let (mut counts, mut inside, mut last) = (Vec::new(), false, 0);
        let mut turn = |set: bool, pixel: u32| {
            if set != inside {
                counts.push(pixel - last);
                (inside, last) = (set, pixel);
            }
        };
        let (columns, pixels) = (size.1.min(width.saturating_sub(left)), height * width);
        for x in 0..columns {
            let column = (left + x) * height;
            for y in 0..size.0.min(height.saturating_sub(top)) {
                let set = window.get((y * size.1 + x) as usize).is_some_and(|&v| v != 0);
                turn(set, column + top + y);
            }
            // Below the window the column goes on without the object, unless the window's next column follows at once.
            let end = column + height.min(top + size.0);
            let followed = end == column + height && top == 0 && x + 1 < columns;
            if !followed && end < pixels {
                turn(false, end);
            }
        }
        counts.push(pixels - last);
        Self { height, width, counts }
    }

    /// As `height * width` row-major bytes, 1 inside.
    pub fn to_rows(&self) -> Vec<u8> {
        let (height, width) = (self.height as usize, self.width as usize);
        let mut rows = vec![0; height * width];
        let mut pixel = 0;
        for (i, &run) in self.counts.iter().enumerate() {
            if i % 2 == 1 {
                for p in pixel..pixel + run as usize {
                    if let Some(byte) = rows.get_mut((p % height) * width + p / height) {
                        *byte = 1;
                    }
                }
            }
            pixel += run as usize;
        }
        rows
    }

    /// Pixels inside.
    pub fn area(&self) -> u64 {
        self.counts.iter().skip(1).step_by(2).map(|&c| u64::from(c)).sum()
    }

    /// Smallest box x, y, width, height that holds the mask; all 0 where it is empty.
    pub fn bounds(&self) -> [f64; 4] {
        let h = u64::from(self.height);
        let (mut x0, mut y0, mut x1, mut y1) = (u64::MAX, u64::MAX, 0, 0);
        let mut start = 0_u64;
        for (i, &count) in self.counts.iter().enumerate() {
            let end = start + u64::from(count);
            if i % 2 == 1 && count > 0 && h > 0 {
                let (first, last) = (start, end - 1);
                x0 = x0.min(first / h);
                x1 = x1.max(last / h);
                // A run that goes on in the next column touches the bottom row and the top one.
                let wraps = first / h != last / h;
                y0 = y0.min(if wraps { 0 } else { first % h });
                y1 = y1.max(if wraps { h - 1 } else { last % h });
            }
            start = end;
        }
        if x0 == u64::MAX {
            return [0.0; 4];
        }
        [x0 as f64, y0 as f64, (x1 - x0 + 1) as f64, (y1 - y0 + 1) as f64]
    }

    /// Pixels in both; `None` where the pictures differ in size.
    pub fn intersection(&self, other: &Self) -> Option<u64> {
        if (self.height, self.width) != (other.height, other.width) {
            return None;
        }
        let mut total = 0;
        merge_runs(self, other, |length, a, b| {
            if a && b {
                total += length;
            }
        });
        Some(total)
    }

    /// Union with a mask of the same size (a mask of another size is left out).
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if (self.height, self.width) != (other.height, other.width) {
            return self.clone();
        }
        let (mut counts, mut inside, mut run) = (Vec::new(), false, 0_u64);
        merge_runs(self, other, |length, a, b| {
            if (a || b) != inside {
                counts.push(run as u32);
                (inside, run) = (a || b, 0);
            }
            run += length;
        });
        counts.push(run as u32);
        Self { height: self.height, width: self.width, counts }
    }

    /// The packed text of the COCO mask API: five bits a character, each run from the third as its difference to the
    /// run two before.
    pub fn pack(&self) -> String {
        let mut text = String::new();
        for (i, &count) in self.counts.iter().enumerate() {
            let before = if i > 2 { self.counts[i - 2] } else { 0 };
            let mut value = i64::from(count) - i64::from(before);
            loop {
                let low = (value & 0x1f) as u8;
                value >>= 5;
                // Done once what remains is only the sign that the last bit already shows.
                let more = if low & 0x10 != 0 { value != -1 } else { value != 0 };
                text.push(char::from(48 + (low | if more { 0x20 } else { 0 })));
                if !more {
                    break;
                }
            }
        }
        text
    }
}

/// Walks two masks of one size together: `visit(length, in_a, in_b)` for each stretch over which neither changes.
fn merge_runs(a: &Rle, b: &Rle, mut visit: impl FnMut(u64, bool, bool)) {
    let (mut runs_a, mut runs_b) = (a.counts.iter(), b.counts.iter());
    let (mut left_a, mut left_b) = (runs_a.next().copied().unwrap_or(0), runs_b.next().copied().unwrap_or(0));
    let (mut in_a, mut in_b) = (false, false);
    loop {
        while left_a == 0 {
            let Some(&next) = runs_a.next() else { return };
            (left_a, in_a) = (next, !in_a);
        }
        while left_b == 0 {
            let Some(&next) = runs_b.next() else { return };
            (left_b, in_b) = (next, !in_b);
        }
        let step = left_a.min(left_b);
        visit(u64::from(step), in_a, in_b);
        left_a -= step;
        left_b -= step;
    }
}

/// Run lengths from the packed text.
fn unpack(text: &str) -> Result<Vec<u32>, MaskError> {
    let mut counts: Vec<u32> = Vec::new();
    let mut bytes = text.bytes().enumerate();
    while let Some((start, first)) = bytes.next() {
        let (mut at, mut byte, mut value, mut shift) = (start, first, 0_i64, 0_u32);
        loop {
            let bits = byte.checked_sub(48).filter(|&b| b < 64 && shift <= 35).ok_or(MaskError::Packed { at })?;
            value |= i64::from(bits & 0x1f) << shift;
            shift += 5;
            if bits & 0x20 == 0 {
                if bits & 0x10 != 0 {
                    value |= -1 << shift;
                }
                break;
            }
            (at, byte) = bytes.next().ok_or(MaskError::Packed { at: text.len() })?;
        }
        if counts.len() > 2 {
            value += i64::from(counts[counts.len() - 2]);
        }
        counts.push(u32::try_from(value).map_err(|_| MaskError::Packed { at: start })?);
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u64, n: usize) -> Vec<u8> {
        let mut state = seed;
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                u8::from((state >> 60) < 5)
            })
            .collect()
    }

    #[test]
    fn packing_and_set_operations_agree_with_pixels() {
        for seed in 0..40 {
            let (h, w) = (5 + (seed as u32 % 7), 4 + (seed as u32 % 11));
            let (a, b) = (noise(seed, (h * w) as usize), noise(seed + 99, (h * w) as usize));
            let (ra, rb) = (Rle::from_rows(h, w, &a), Rle::from_rows(h, w, &b));
            let packed = Segmentation::Packed { size: [h, w], counts: ra.pack() };
            assert_eq!(Rle::from_segmentation(&packed, None).unwrap(), ra);
            let both = a.iter().zip(&b).filter(|(a, b)| **a + **b == 2).count() as u64;
            assert_eq!(ra.intersection(&rb), Some(both));
            let any: Vec<u8> = a.iter().zip(&b).map(|(a, b)| a | b).collect();
            assert_eq!(ra.union(&rb), Rle::from_rows(h, w, &any));
            assert_eq!(ra.area(), a.iter().filter(|&&v| v == 1).count() as u64);
            assert_eq!(ra.to_rows(), a);
            assert_eq!(Rle::from_window((h, w), (0, 0), (h, w), &a).to_rows(), a);
            // The same bytes as a window: what lies outside is empty, what lies beyond is cut.
            let (top, left) = (seed as u32 % h, seed as u32 % w);
            let placed = Rle::from_window((h, w), (top, left), (h, w), &a);
            assert_eq!(placed, Rle::from_rows(h, w, &placed.to_rows()));
            let cut = (0..h - top).flat_map(|y| (0..w - left).map(move |x| (y * w + x) as usize));
            assert_eq!(placed.area(), cut.filter(|&i| a[i] == 1).count() as u64);
        }
    }

    #[test]
    fn broken_runs_are_named() {
        assert_eq!(Rle::new(2, 2, vec![1, 2]), Err(MaskError::Length { expected: 4, got: 3, height: 2, width: 2 }));
        let packed =
            |text: &str| Rle::from_segmentation(&Segmentation::Packed { size: [2, 2], counts: text.into() }, None);
        assert_eq!(packed("1 1"), Err(MaskError::Packed { at: 1 }));
        assert_eq!(packed("P"), Err(MaskError::Packed { at: 1 }));
        assert_eq!(packed("oooooooooooooooo"), Err(MaskError::Packed { at: 8 }));
        assert_eq!(packed("O"), Err(MaskError::Packed { at: 0 }), "a negative run");
    }

    #[test]
    fn bounds_hold_the_mask() {
        let mask = Rle::from_rows(4, 5, &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(mask.bounds(), [2.0, 1.0, 2.0, 2.0]);
        assert_eq!(Rle::from_rows(2, 2, &[0; 4]).bounds(), [0.0; 4]);
    }
}
