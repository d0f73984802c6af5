//! What cuts a box: the picture's edges, and what stands nearer.
//!
//! What a cut box says differs from what a whole one says: its cut side is the picture's or the occluder's and not the
//! object's own. Where the picture cuts it, the surface seen at the edge moreover slides along the object as it leaves.
//! Pixels throughout.

use crate::detection::BoxPx;

/// A side this near to the picture's edge is cut by it, px.
pub(super) const CUT_PX: f32 = 2.0;

/// One thing hides another only if it is nearer by more than ranges err, metres.
const NEARER_M: f64 = 1.0;
/// The sides of a lower box jitter by as much as is hidden of them, and its range is often its neighbour's, px.
const HIDDEN_HEIGHT_MIN_PX: f32 = 16.0;
/// A side is hidden by what covers so much of its length.
const COVERS_SHARE: f32 = 0.5;
/// A small box ends at another's edge only if it is no farther from it than this share of its size.
const SLACK_SHARE: f32 = 0.1;

/// Size of the picture that boxes lie in, px.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Picture {
    width: f32,
    height: f32,
}

/// What one side of a box ends at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SideEnd {
    /// The object's own side.
    #[default]
    Own,
    /// Something nearer, or something larger that seems as near: the object may go on behind it.
    Hidden,
    /// The picture's edge.
    Picture,
}

/// Which ends of a span, left and right or top and bottom, the picture's edges cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct CutEnds {
    pub(super) low: bool,
    pub(super) high: bool,
}

impl CutEnds {
    /// Adds the ends of `span` that lie within `cover`, which goes on beyond them.
    fn add_within(&mut self, span: (f32, f32), cover: (f32, f32)) {
        let slack = CUT_PX.min(SLACK_SHARE * (span.1 - span.0));
        let within = |end: f32| end >= cover.0 - slack && end <= cover.1 + slack;
        let (low, high) = (within(span.0) && cover.0 < span.0, within(span.1) && cover.1 > span.1);
        // What ends at both sides within something nearer shows through or above it.
        if low != high {
            self.low |= low;
            self.high |= high;
        }
    }

    /// The span with its cut end moved out until it is `whole` long; both ends cut move out alike.
    fn completed(self, (low, high): (f32, f32), whole: f32) -> (f32, f32) {
        let missing = (whole - (high - low)).max(0.0);
        match (self.low, self.high) {
            (false, false) => (low, high),
            (true, false) => (low - missing, high),
            (false, true) => (low, high + missing),
            (true, true) => (low - missing / 2.0, high + missing / 2.0),
        }
    }

    /// What the two ends are, of which the picture cuts these and something nearer those that are `hidden`.
    pub(super) fn ends(self, hidden: Self) -> [SideEnd; 2] {
        [(self.low, hidden.low), (self.high, hidden.high)].map(|end| match end {
            (true, _) => SideEnd::Picture,
            (false, true) => SideEnd::Hidden,
            (false, false) => SideEnd::Own,
        })
    }

    pub(super) fn any(self) -> bool {
        self.low || self.high
    }
}

/// Which sides of a box the picture's edges cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Cuts {
    pub(super) x: CutEnds,
    pub(super) y: CutEnds,
}

impl Cuts {
    /// Adds the sides of `hidden` that end somewhere in `nearer`, as those of what stands behind it do.
    pub(super) fn add_hidden_by(&mut self, hidden: &BoxPx, nearer: &BoxPx) {
        let shared = |a: (f32, f32), b: (f32, f32)| a.1.min(b.1) - a.0.max(b.0);
        let (x, y) = ((hidden.x0, hidden.x1), (hidden.y0, hidden.y1));
        let (nx, ny) = ((nearer.x0, nearer.x1), (nearer.y0, nearer.y1));
        if shared(y, ny) >= COVERS_SHARE * hidden.height() {
            self.x.add_within(x, nx);
        }
        if shared(x, nx) >= COVERS_SHARE * hidden.width() {
            self.y.add_within(y, ny);
        }
    }

    /// `seen` with its cut sides moved out to the extent of `whole`, where that is larger.
    pub(super) fn completed(&self, seen: &BoxPx, whole: &BoxPx) -> BoxPx {
        let (x0, x1) = self.x.completed((seen.x0, seen.x1), whole.width());
        let (y0, y1) = self.y.completed((seen.y0, seen.y1), whole.height());
        BoxPx { x0, y0, x1, y1 }
    }
}

/// Whether one thing hides another where their boxes meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hides {
    /// The other is nearer, or they do not meet.
    No,
    /// Both are as far away: of a sliver beside something larger, the points measured are often that thing's.
    IfRangesErr,
    /// The other is farther away.
    Yes,
}

/// The sides of one box that end at other things, gathered from these one by one, in any order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct HiddenSides {
    far: (BoxPx, f64),
    /// What cuts the box, as far as it is large enough to say by how much.
    pub(super) cuts: Cuts,
    /// That, and what seems as near.
    pub(super) beside: Cuts,
    /// All that something stands before, however small the box.
    pub(super) hidden: Cuts,
}

impl HiddenSides {
    /// Of a box, with its range in metres, that the picture `cuts`.
    pub(super) fn new(far: (BoxPx, f64), cuts: Cuts) -> Self {
        Self { far, cuts, beside: cuts, hidden: Cuts::default() }
    }

    /// Takes in what another thing, a box and its range in metres, hides. One that is farther from it than [`CUT_PX`] hides nothing.
    pub(super) fn add(&mut self, near: (BoxPx, f64)) {
        let ((far, far_m), (near, near_m)) = (&self.far, &near);
        match hides((near, *near_m), (far, *far_m)) {
            Hides::Yes => {
                self.cuts.add_hidden_by(far, near);
                self.beside.add_hidden_by(far, near);
            }
            Hides::IfRangesErr => self.beside.add_hidden_by(far, near),
            Hides::No => {}
        }
        if stands_before((near, *near_m), (far, *far_m)) != Hides::No {
            self.hidden.add_hidden_by(far, near);
        }
    }
}

/// Whether `near` hides `far` where their boxes meet, each a box with its range in metres, as far as `far` is large enough to say
/// by how much.
pub(super) fn hides(near: (&BoxPx, f64), far: (&BoxPx, f64)) -> Hides {
    if far.0.height() < HIDDEN_HEIGHT_MIN_PX { Hides::No } else { stands_before(near, far) }
}

/// Whether `near` stands before `far` where their boxes meet, however small.
pub(super) fn stands_before((near, near_m): (&BoxPx, f64), (far, far_m): (&BoxPx, f64)) -> Hides {
    let (a, b) = (near, far);
    let meet = a.x0 <= b.x1 + CUT_PX && a.x1 >= b.x0 - CUT_PX && a.y0 <= b.y1 + CUT_PX && a.y1 >= b.y0 - CUT_PX;
    if !meet {
        Hides::No
    } else if near_m + NEARER_M < far_m {
        Hides::Yes
    } else if near_m < far_m + NEARER_M && near.width() > far.width() {
        Hides::IfRangesErr
    } else {
        Hides::No
    }
}

impl Picture {
    pub(super) fn new((width, height): (u32, u32)) -> Self {
        Self { width: width as f32, height: height as f32 }
    }

    pub(super) fn cuts(&self, b: &BoxPx) -> Cuts {
        Cuts {
            x: CutEnds { low: b.x0 <= CUT_PX, high: b.x1 >= self.width - CUT_PX },
            y: CutEnds { low: b.y0 <= CUT_PX, high: b.y1 >= self.height - CUT_PX },
        }
    }

    /// The part of `b` that the picture shows, perhaps none but an edge's sliver; `None` where `b` lies outside by
    /// `slack` px or more.
    pub(super) fn shown(&self, b: &BoxPx, slack: f32) -> Option<BoxPx> {
        let (w, h) = (self.width, self.height);
        let near = b.x0 < w + slack && b.x1 > -slack && b.y0 < h + slack && b.y1 > -slack;
        near.then(|| BoxPx {
            x0: b.x0.clamp(0.0, w),
            y0: b.y0.clamp(0.0, h),
            x1: b.x1.clamp(0.0, w),
            y1: b.y1.clamp(0.0, h),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn boxed(x0: f32, y0: f32, x1: f32, y1: f32) -> BoxPx {
        BoxPx { x0, y0, x1, y1 }
    }

    #[test]
    fn the_picture_cuts_what_reaches_its_edge_and_shows_nothing_of_what_has_left() {
        let picture = Picture::new((640, 384));
        let cuts = picture.cuts(&boxed(600.0, 100.0, 640.0, 200.0));
        assert_eq!((cuts.x, cuts.y), (CutEnds { low: false, high: true }, CutEnds::default()));
        assert_eq!(picture.shown(&boxed(650.0, 100.0, 700.0, 200.0), 5.0), None);
        let sliver = picture.shown(&boxed(643.0, 100.0, 700.0, 200.0), 5.0);
        assert_eq!(sliver, Some(boxed(640.0, 100.0, 640.0, 200.0)));
    }

    #[test]
    fn who_walks_behind_a_van_is_cut_at_its_edge_and_completed_beyond_it() {
        let (van, person) = (boxed(285.0, 150.0, 355.0, 228.0), boxed(350.0, 174.0, 360.0, 202.0));
        assert_eq!(hides((&van, 19.0), (&person, 25.0)), Hides::Yes);
        assert_eq!(hides((&van, 19.0), (&person, 19.5)), Hides::IfRangesErr);
        assert_eq!(hides((&person, 25.0), (&van, 19.0)), Hides::No);
        let mut cuts = Cuts::default();
        cuts.add_hidden_by(&person, &van);
        assert_eq!((cuts.x, cuts.y.any()), (CutEnds { low: true, high: false }, false));
        let whole = boxed(0.0, 0.0, 16.0, 30.0);
        assert_eq!(cuts.completed(&person, &whole), boxed(344.0, 174.0, 360.0, 202.0));
        let mut beside = Cuts::default();
        beside.add_hidden_by(&boxed(400.0, 174.0, 416.0, 202.0), &van);
        assert_eq!(beside, Cuts::default());
    }
}
