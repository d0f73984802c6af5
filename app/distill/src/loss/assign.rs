//! Which cells answer for which objects: task-aligned assignment (TOOD; as in YOLOv8).
//!
//! A cell within an object's box is rated `score^0.5 * IoU^6` by what the network now says; the best ten of each object
//! are its positives, and a cell wanted by two objects goes to the one it overlaps more. A positive's target score is its
//! rating, scaled so that an object's best cell is asked for its best IoU. Deterministic: ties go to the lower cell.

use ocellus_percept::detection::BoxPx;

use crate::data::view::Labelled;
use crate::loss::grid::{Cell, Grid, Maps, expected_box, sigmoid};

/// Cells an object may have.
const CELLS_MAX: usize = 10;
/// Exponents of score and overlap.
const SCORE_POWER: f64 = 0.5;
const IOU_POWER: i32 = 6;
/// An object with no cell of the finest scale in its box borrows those within this many of its strides.
const REACH: f32 = 0.75;

/// One positive cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Positive {
    /// Its number.
    pub number: usize,
    /// Where its values are.
    pub cell: Cell,
    /// Index of its object.
    pub object: usize,
    /// Score asked for, 0 to 1.
    pub target: f32,
}

/// One picture's assignment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Assignment {
    /// Positive cells by number.
    pub positives: Vec<Positive>,
    /// Whether a cell is left out of the class loss, by number.
    pub ignored: Vec<bool>,
}

struct Rated {
    number: usize,
    rating: f64,
    iou: f32,
}

/// Assigns the cells of one picture.
pub fn assign(
    grid: &Grid,
    (classes, boxes): (&Maps<'_>, &Maps<'_>),
    picture: usize,
    objects: &[Labelled],
    ignore: &[BoxPx],
) -> Assignment {
    let mut owner: Vec<Option<(usize, f32)>> = vec![None; grid.cells];
    let mut rated_of = Vec::with_capacity(objects.len());
    for (index, object) in objects.iter().enumerate() {
        let mut rated: Vec<Rated> = candidates(grid, &object.bbox)
            .map(|number| {
                let cell = grid.cell(number);
                let iou = expected_box(grid, boxes, picture, cell).0.iou(&object.bbox);
                let score = sigmoid(classes.get(grid, picture, cell, object.class));
                // The least overlap still ranks, so that an object is never without cells.
                let rating = f64::from(score).powf(SCORE_POWER) * f64::from(iou.max(1e-3)).powi(IOU_POWER);
                Rated { number, rating, iou }
            })
            .collect();
        rated.sort_by(|a, b| b.rating.total_cmp(&a.rating).then(a.number.cmp(&b.number)));
        rated.truncate(CELLS_MAX);
        for r in &rated {
            let slot = &mut owner[r.number];
            if slot.is_none_or(|(_, iou)| r.iou > iou) {
                *slot = Some((index, r.iou));
            }
        }
        rated_of.push(rated);
    }
    let mut positives = Vec::new();
    for (index, rated) in rated_of.iter().enumerate() {
        let mine: Vec<&Rated> = rated.iter().filter(|r| owner[r.number].is_some_and(|(o, _)| o == index)).collect();
        let top = mine.iter().map(|r| r.rating).fold(0.0, f64::max).max(1e-30);
        let best = mine.iter().map(|r| r.iou).fold(0.0, f32::max);
        positives.extend(mine.iter().map(|r| Positive {
            number: r.number,
            cell: grid.cell(r.number),
            object: index,
            target: (r.rating / top) as f32 * best,
        }));
    }
    positives.sort_by_key(|p| p.number);
    let ignored = (0..grid.cells).map(|n| owner[n].is_none() && ignore.iter().any(|b| near(grid, n, b))).collect();
    Assignment { positives, ignored }
}

/// Cells whose centre lies in the box; for boxes smaller than a cell those next to it, too.
fn candidates<'a>(grid: &'a Grid, bbox: &'a BoxPx) -> impl Iterator<Item = usize> + 'a {
    (0..grid.cells).filter(move |&n| near(grid, n, bbox))
}

fn near(grid: &Grid, number: usize, bbox: &BoxPx) -> bool {
    let cell = grid.cell(number);
    let [x, y] = grid.centre(cell);
    let reach = if cell.scale == 0 { REACH * grid.scales[0].stride as f32 } else { 0.0 };
    let within = |at: f32, low: f32, high: f32| {
        (at > low && at < high) || (reach > 0.0 && high - low < 2.0 * reach && (at - 0.5 * (low + high)).abs() < reach)
    };
    within(x, bbox.x0, bbox.x1) && within(y, bbox.y0, bbox.y1)
}
