//! The resize of 8-bit pictures against OpenCV's, bit for bit (`tests/reference/resize.py`), on noise: it has every edge.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use ocellus_percept::image::{ImageView, PixelFormat};
use ocellus_percept::model::{ChannelOrder, ElementType, InputSpec, Resize};
use ocellus_percept::tensor::Preprocessor;

/// Columns and rows before and after.
type Sizes = ((usize, usize), (usize, usize));

/// What must be there: cameras' sizes, whole ratios (of which OpenCV treats halving apart), sides of one pixel.
const SIZES: [Sizes; 16] = [
    ((1280, 720), (640, 360)),
    ((1242, 375), (640, 193)),
    ((1920, 1080), (416, 234)),
    ((640, 427), (320, 320)),
    ((320, 240), (640, 480)),
    ((96, 64), (48, 64)),
    ((96, 64), (96, 32)),
    ((96, 63), (32, 21)),
    ((64, 64), (16, 16)),
    ((61, 47), (61, 47)),
    ((61, 47), (61, 90)),
    ((1, 1), (9, 7)),
    ((1, 40), (5, 17)),
    ((40, 1), (17, 5)),
    ((2, 2), (1, 1)),
    ((333, 222), (1, 1)),
];

/// Further sizes, drawn at random.
const DRAWN: usize = 60;

/// A small linear congruential generator: the same numbers on every run.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 >> 16
    }

    /// 1 to `most`.
    fn side(&mut self, most: u32) -> usize {
        (1 + self.next() % most) as usize
    }
}

struct Case {
    name: String,
    sizes: Sizes,
    channels: usize,
    bytes: Vec<u8>,
}

fn cases() -> Vec<Case> {
    let mut noise = Noise(2026);
    let mut sizes = SIZES.to_vec();
    for i in 0..DRAWN {
        let most = [6, 40, 300][i % 3];
        let mut side = || noise.side(most);
        sizes.push(((side(), side()), (side(), side())));
    }
    let channels = [1, 3].into_iter().flat_map(|channels| sizes.iter().map(move |&sizes| (sizes, channels)));
    let mut make = |(index, (sizes, channels)): (usize, (Sizes, usize))| {
        let (width, height) = sizes.0;
        let bytes = (0..width * height * channels).map(|_| (noise.next() >> 4) as u8).collect();
        Case { name: index.to_string(), sizes, channels, bytes }
    };
    channels.enumerate().map(&mut make).collect()
}

fn resize_in_opencv(folder: &Path, cases: &[Case]) {
    let mut index = String::new();
    for case in cases {
        let ((w, h), (to_w, to_h)) = case.sizes;
        writeln!(index, "{} {} {w} {h} {to_w} {to_h}", case.name, case.channels).unwrap();
        std::fs::write(folder.join(format!("{}.raw", case.name)), &case.bytes).unwrap();
    }
    std::fs::write(folder.join("index.txt"), index).unwrap();
    let reference = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference"));
    let python = support::python::interpreter(&reference.join("requirements.txt")).unwrap();
    let mut command = Command::new(python);
    support::python::run(command.arg("-B").arg(reference.join("resize.py")).arg(folder)).unwrap();
}

/// The three planes of `case` as `format`, as interleaved grey levels.
fn resize_here(case: &Case, format: PixelFormat, order: ChannelOrder) -> Vec<u8> {
    let ((source_width, source_height), (width, height)) = case.sizes;
    let spec = InputSpec {
        name: "images".to_owned(),
        width,
        height,
        element: ElementType::F32,
        resize: Resize::Stretch,
        fill: 0,
        order,
        mean: [0.0; 3],
        scale: [1.0; 3],
    };
    let mut preprocessor = Preprocessor::new(&spec).unwrap();
    let mut planes = vec![f32::NAN; preprocessor.output_len()];
    let picture = ImageView::new(source_width, source_height, format, &case.bytes).unwrap();
    preprocessor.run(picture, &mut planes).unwrap();
    assert!(planes.iter().all(|v| v.fract() == 0.0 && (0.0..=255.0).contains(v)), "whole levels");
    let size = width * height;
    (0..size).flat_map(|i| (0..case.channels).map(move |c| c * size + i)).map(|i| planes[i] as u8).collect()
}

#[test]
fn bytes_are_those_of_opencv() {
    if support::real_data().is_none() {
        return; // no material, no Python environment either
    }
    let folder = tempfile::tempdir().unwrap();
    let cases = cases();
    resize_in_opencv(folder.path(), &cases);
    for case in &cases {
        let expected = std::fs::read(folder.path().join(format!("{}.resized", case.name))).unwrap();
        let formats: &[_] = match case.channels {
            1 => &[(PixelFormat::Gray8, ChannelOrder::Rgb)],
            _ => &[(PixelFormat::Rgb8, ChannelOrder::Rgb), (PixelFormat::Bgr8, ChannelOrder::Bgr)],
        };
        for &(format, order) in formats {
            let got = resize_here(case, format, order);
            let wrong = got.iter().zip(&expected).filter(|(a, b)| a != b).count();
            assert!(got.len() == expected.len() && wrong == 0, "{:?} {format:?}: {wrong} bytes differ", case.sizes);
        }
    }
    println!("{} pictures equal", cases.len());
}
