//! The picture's edges: which of them cut a box, and what of a predicted box the picture can show.
//!
//! What a box cut by an edge says differs from what a whole one says: its cut side is the picture's and not the
//! object's, and the surface seen at the edge slides along the object as the object leaves. Pixels throughout.

use crate::detection::BoxPx;

/// A side this near to the picture's edge is cut by it, px.
const CUT_PX: f32 = 2.0;

/// Size of the picture that boxes lie in, px.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Picture {
    width: f32,
    height: f32,
}

/// Which ends of a span, left and right or top and bottom, the picture's edges cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct CutEnds {
    pub(super) low: bool,
    pub(super) high: bool,
}

impl CutEnds {
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
