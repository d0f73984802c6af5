//! One detection as the fuser looks at it: which samples of its box may be its own, and what the box says by itself.

use nalgebra::Vector3;

use super::distance::{CUT_SIGMA, Distance, OpticalGround, View, from_ground, from_size};
use super::ground::{GroundFinder, ground_tolerance_m};
use super::priors::{SizePrior, size_prior};
use super::surface::{Expectation, Sample};
use crate::detection::{BoxPx, Detection, Mask};
use crate::report::DistanceSource;
use crate::space::{Camera, Lens, Optical, Point3, Transform, Vehicle};

/// Points no higher than this share of the class's height may be taken for ground, or distant low things vanish.
const GROUND_SHARE_OF_HEIGHT: f64 = 0.3;
/// Without a known ground the lowest part of the box is left out, as ground may show there.
const FOOT_SHARE: f32 = 0.12;
/// Where the ground plane leaves nothing (it errs on hills), only the upper part of the box is looked at.
const HEAD_SHARE: f32 = 0.6;
/// Share of a mask's smaller side that is worn off its rim, and the bounds of that in pixels.
const EROSION_SHARE: f32 = 0.04;
const EROSION_MAX_PX: f32 = 5.0;
/// Points that go on from a nearer object's are doubted where ground and size place their object so many sigmas behind them.
const BEHIND_SIGMAS: f64 = 2.0;
/// And points that a nearer object was measured by, where their object is one that keeps apart from others.
const BEHIND_SHARED_SIGMAS: f64 = 1.0;

/// Of an object whose foot is hidden about so much is, in shares of its height.
const HIDDEN_SHARE: f64 = 0.25;

/// What is known of one frame as a whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    /// Intrinsics at the picture's own size.
    pub(super) camera: Camera,
    /// Its distortion, prepared.
    pub(super) lens: Lens,
    /// The ground as a plane, seen or assumed.
    pub(super) ground: Option<OpticalGround>,
    /// Way back to the vehicle frame, where the sweep shows the ground.
    pub(super) vehicle_from_optical: Option<Transform<Vehicle, Optical>>,
    /// The vehicle's left, a unit vector; the camera's own where its mounting is not known.
    pub(super) left: Vector3<f64>,
    /// Source and relative sigma of the depth map in metres.
    pub(super) depth: Option<(DistanceSource, f64)>,
}

impl Frame {
    /// The camera and its lens.
    pub(super) fn view(&self) -> View<'_> {
        View { camera: &self.camera, lens: &self.lens }
    }
}

/// Which samples of a box count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// Within the mask, off its rim.
    Eroded,
    /// Within the mask or box.
    Whole,
    /// Within the upper part, whatever the ground plane says.
    Head,
}

/// One box and what is expected in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    /// Its box.
    pub(super) bbox: BoxPx,
    /// Its mask, where it has one.
    pub(super) mask: Option<&'a Mask>,
    prior: Option<SizePrior>,
    range_by_size: Option<(f64, f64)>,
    /// Something nearer hides where it meets the ground.
    foot_hidden: bool,
}

impl<'d> Target<'d> {
    /// A detection of a class, nothing of it hidden.
    pub(super) fn of(frame: &Frame, detection: &'d Detection, class_name: &str) -> Self {
        let prior = size_prior(class_name);
        Self {
            bbox: detection.bbox,
            mask: detection.mask.as_ref().filter(|m| m.width > 0 && m.height > 0),
            prior,
            range_by_size: prior.and_then(|p| frame.view().range_by_size(&detection.bbox, &p)),
            foot_hidden: false,
        }
    }

    /// The same, where something nearer hides where it meets the ground: it is larger than its box and so nearer than that says.
    pub(super) fn with_foot_hidden(self, foot_hidden: bool) -> Self {
        let whole = |(range_m, sigma_ln): (f64, f64)| ((1.0 - HIDDEN_SHARE) * range_m, sigma_ln.hypot(HIDDEN_SHARE));
        Self { foot_hidden, range_by_size: self.range_by_size.map(|r| if foot_hidden { whole(r) } else { r }), ..self }
    }

    /// What its samples are expected to be like.
    pub(super) fn expectation(&self, frame: &Frame, pass: Pass, stray_share: f64) -> Expectation {
        let rim_px = self.mask.filter(|_| pass == Pass::Eroded).map_or(0.0, rim_px);
        Expectation {
            bbox: self.bbox,
            masked: self.mask.is_some(),
            range_by_size: self.range_by_size,
            stray_share,
            left: frame.left.cast::<f32>().into(),
            rim_rad: rim_px / frame.camera.fx as f32,
        }
    }

    /// Whether a pixel may be the object's in a pass, as far as its mask says.
    #[inline]
    pub(super) fn covers(&self, u: f32, v: f32, pass: Pass) -> bool {
        self.mask.is_none_or(|mask| covers(mask, (u, v), pass))
    }

    /// Whether a sample that the mask covers is not ground; its height is asked for where it matters.
    #[inline]
    pub(super) fn stands(&self, sample: &Sample, above_ground_m: impl FnOnce() -> Option<f64>, pass: Pass) -> bool {
        let share = (sample.v - self.bbox.y0) / self.bbox.height();
        if pass == Pass::Head {
            return share < HEAD_SHARE;
        }
        match above_ground_m() {
            Some(height) => {
                let ceiling = self.prior.map_or(f64::INFINITY, |p| GROUND_SHARE_OF_HEIGHT * p.height_m);
                height > ground_tolerance_m(f64::from(sample.range_m)).min(ceiling)
            }
            // A mask leaves the ground out by itself.
            None => self.mask.is_some() || share < 1.0 - FOOT_SHARE,
        }
    }

    /// What the box says by the ground it stands on and by its size.
    fn by_ground_and_size(&self, frame: &Frame) -> (Option<Distance>, Option<Distance>) {
        let Some(prior) = self.prior else { return (None, None) };
        let stands = prior.on_ground && !self.foot_hidden;
        let by_ground = frame.ground.filter(|_| stands).and_then(|g| from_ground(&frame.view(), &self.bbox, &g));
        let by_size = from_size(&frame.view(), &self.bbox, &prior);
        let by_size = by_size.map(|size| match self.foot_hidden {
            true => {
                let range_m = (1.0 - HIDDEN_SHARE) * size.range_m;
                size.at_range(range_m, size.sigma_m.max(CUT_SIGMA * range_m))
            }
            false => size,
        });
        (by_ground, by_size)
    }

    /// Ground or size, whichever is surer.
    pub(super) fn by_box_alone(&self, frame: &Frame) -> Option<Distance> {
        match self.by_ground_and_size(frame) {
            (Some(ground), Some(size)) => Some(if size.sigma_m < ground.sigma_m { size } else { ground }),
            (ground, size) => ground.or(size),
        }
    }

    /// Whether points that go on from a nearer object's are none of this one's, by all that its box says.
    pub(super) fn denies_linked(&self, frame: &Frame, measured: &Distance) -> bool {
        self.stands_behind(frame, measured, BEHIND_SIGMAS)
    }

    /// Whether points that a nearer object was measured by are none of this one's.
    pub(super) fn denies_shared(&self, frame: &Frame, measured: &Distance) -> bool {
        self.prior.is_some_and(|p| p.keeps_apart) && self.stands_behind(frame, measured, BEHIND_SHARED_SIGMAS)
    }

    /// A distance of what is half hidden: what shows past the nearer object may well be what lies behind both.
    pub(super) fn doubted(&self, own: Distance) -> Distance {
        let beyond = self.range_by_size.map_or(0.0, |(expected, _)| (own.range_m - expected).max(0.0));
        own.at_range(own.range_m, own.sigma_m.hypot(0.5 * beyond))
    }

    /// Whether all that the box says places the object so many sigmas behind what was measured.
    fn stands_behind(&self, frame: &Frame, measured: &Distance, sigmas: f64) -> bool {
        let is_behind = |by_box: Distance| by_box.range_m - measured.range_m > sigmas * by_box.sigma_m;
        match self.by_ground_and_size(frame) {
            (None, None) => false,
            (ground, size) => ground.is_none_or(is_behind) && size.is_none_or(is_behind),
        }
    }
}

/// Height of a sample above the ground that the sweep shows.
pub(super) fn above_ground_m(ground: &GroundFinder, frame: &Frame, sample: &Sample) -> Option<f64> {
    let p = Point3::new(sample.xyz[0].into(), sample.xyz[1].into(), sample.xyz[2].into());
    ground.height_above_m(&frame.vehicle_from_optical?.apply(&p).xyz)
}

/// How much the eroded pass wears off a mask's rim, pixels.
fn rim_px(mask: &Mask) -> f32 {
    (EROSION_SHARE * mask.width.min(mask.height) as f32).clamp(1.0, EROSION_MAX_PX)
}

/// Whether a mask holds a pixel, and for the eroded pass the pixels around it.
fn covers(mask: &Mask, (u, v): (f32, f32), pass: Pass) -> bool {
    let holds = |u: f32, v: f32| u >= 0.0 && v >= 0.0 && mask.contains(u as u32, v as u32);
    if pass != Pass::Eroded {
        return holds(u, v);
    }
    let rim = rim_px(mask);
    holds(u, v) && holds(u - rim, v) && holds(u + rim, v) && holds(u, v - rim) && holds(u, v + rim)
}
