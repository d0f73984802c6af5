//! Each family's usual preprocessing, as its own training code does it.

use crate::model::recognise::head::{STRIDES, STRIDES_P6};
use crate::model::{ChannelOrder, HeadFamily, Resize, ScoreActivation};

/// ImageNet's channel means on 0..255, red first.
const IMAGENET_MEAN: [f32; 3] = [123.675, 116.28, 103.53];
/// ImageNet's channel deviations on 0..255, red first.
const IMAGENET_STD: [f32; 3] = [58.395, 57.12, 57.375];
/// Grey that YOLO networks see as nothing.
const YOLO_FILL: u8 = 114;

/// What a family usually wants.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Usual {
    pub(super) resize: Resize,
    pub(super) fill: u8,
    pub(super) order: ChannelOrder,
    pub(super) mean: [f32; 3],
    pub(super) scale: [f32; 3],
    pub(super) activation: ScoreActivation,
    /// Side of the square input where the file leaves it open.
    pub(super) side: usize,
    /// Strides of raw grids; empty where the head needs none.
    pub(super) strides: &'static [usize],
}

/// Multipliers that divide by `deviations`.
fn inverse(deviations: [f32; 3]) -> [f32; 3] {
    deviations.map(|d| 1.0 / d)
}

fn reversed([a, b, c]: [f32; 3]) -> [f32; 3] {
    [c, b, a]
}

/// The usual preprocessing of `head` with `outputs` outputs.
pub(super) fn usual(head: HeadFamily, outputs: usize) -> Usual {
    let yolo = Usual {
        resize: Resize::LetterboxCentre,
        fill: YOLO_FILL,
        order: ChannelOrder::Rgb,
        mean: [0.0; 3],
        scale: [1.0 / 255.0; 3],
        activation: ScoreActivation::None,
        side: 640,
        strides: &[],
    };
    let stretched = Usual { resize: Resize::Stretch, fill: 0, ..yolo.clone() };
    match head {
        HeadFamily::Yolov5 | HeadFamily::Yolov8 | HeadFamily::Yolov8Seg | HeadFamily::EndToEnd => yolo,
        HeadFamily::Student => Usual { activation: ScoreActivation::Sigmoid, strides: &STRIDES, ..yolo },
        HeadFamily::Yolox => Usual {
            resize: Resize::LetterboxTopLeft,
            order: ChannelOrder::Bgr,
            scale: [1.0; 3],
            strides: &STRIDES,
            ..yolo
        },
        HeadFamily::Detr => Usual { activation: ScoreActivation::Sigmoid, ..stretched },
        HeadFamily::DetrDecoded => stretched,
        HeadFamily::Nanodet => nanodet(outputs, stretched),
        HeadFamily::Fastestdet => Usual { order: ChannelOrder::Bgr, side: 352, ..stretched },
        // MiDaS and Depth Anything; 518 is 37 patches of 14.
        // Only depth comes here: a network on clips is told before (`model::clip`).
        HeadFamily::Depth | HeadFamily::Anticipation => {
            Usual { mean: IMAGENET_MEAN, scale: inverse(IMAGENET_STD), side: 518, ..stretched }
        }
    }
}

/// NanoDet has three levels, or four in one output (Plus), and BGR; PicoDet has four levels and RGB.
fn nanodet(outputs: usize, stretched: Usual) -> Usual {
    let picodet = outputs == 2 * STRIDES_P6.len();
    let strides: &[usize] = if outputs == 2 * STRIDES.len() { &STRIDES } else { &STRIDES_P6 };
    let (order, mean, deviation) = if picodet {
        (ChannelOrder::Rgb, IMAGENET_MEAN, IMAGENET_STD)
    } else {
        (ChannelOrder::Bgr, reversed(IMAGENET_MEAN), reversed(IMAGENET_STD))
    };
    Usual { order, mean, scale: inverse(deviation), side: 320, strides, ..stretched }
}
