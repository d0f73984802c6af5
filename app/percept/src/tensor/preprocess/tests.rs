//! Preprocessing against a slow definition in f64, and its edges.

use super::*;
use crate::image::Image;
use crate::model::{ElementType, Resize};

/// What OpenCV's arithmetic may lie off the exact value: half a level of rounding, a quarter lost by two truncations of
/// quarters, an eighth for weights in steps of 1/2048 and the rest for the truncated columns.
const ROUNDED: f64 = 0.9;

fn spec(resize: Resize, width: usize, height: usize) -> InputSpec {
    InputSpec {
        name: "images".to_owned(),
        width,
        height,
        element: ElementType::F32,
        resize,
        fill: 114,
        order: ChannelOrder::Rgb,
        mean: [0.0; 3],
        scale: [1.0; 3],
    }
}

/// Bytes that vary in both directions and between channels.
fn texture(count: usize) -> Vec<u8> {
    let mut state = 12345u32;
    let noise = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(noise).collect()
}

/// Bilinear value of one channel at output pixel (x, y), half-pixel centres, edges repeated.
fn bilinear(
    sample: &dyn Fn(usize, usize) -> f64,
    source: (usize, usize),
    content: (usize, usize),
    at: (usize, usize),
) -> f64 {
    let axis = |i: usize, n: usize, m: usize| {
        let t = ((i as f64 + 0.5) * n as f64 / m as f64 - 0.5).clamp(0.0, n as f64 - 1.0);
        (t.floor() as usize, (t.floor() as usize + 1).min(n - 1), t - t.floor())
    };
    let (x0, x1, u) = axis(at.0, source.0, content.0);
    let (y0, y1, v) = axis(at.1, source.1, content.1);
    let top = sample(x0, y0) * (1.0 - u) + sample(x1, y0) * u;
    let bottom = sample(x0, y1) * (1.0 - u) + sample(x1, y1) * u;
    top * (1.0 - v) + bottom * v
}

fn assert_close(got: f32, want: f64, tolerance: f64, place: &str) {
    assert!((f64::from(got) - want).abs() <= tolerance, "{place}: {got} for {want}");
}

#[test]
fn every_resize_meets_the_definition() {
    for resize in [Resize::LetterboxCentre, Resize::LetterboxTopLeft, Resize::Stretch] {
        for (source, network) in [((64, 48), (32, 32)), ((37, 21), (64, 96)), ((1, 1), (8, 4)), ((5, 90), (33, 17))] {
            let (width, height) = source;
            let data = texture(width * height * 3);
            let picture = ImageView::new(width, height, PixelFormat::Rgb8, &data).unwrap();
            let mut spec = spec(resize, network.0, network.1);
            spec.mean = [10.0, 20.0, 30.0];
            spec.scale = [0.5, 0.25, 2.0];
            let mut preprocessor = Preprocessor::new(&spec).unwrap();
            let mut out = vec![f32::NAN; preprocessor.output_len()];
            let map = preprocessor.run(picture, &mut out).unwrap();
            for (i, &got) in out.iter().enumerate() {
                let (channel, y, x) = (i / (network.0 * network.1), i / network.0 % network.1, i % network.0);
                let (mean, scale) = (f64::from(spec.mean[channel]), f64::from(spec.scale[channel]));
                let inside = x >= map.left && x < map.left + map.content_width && y >= map.top;
                let inside = inside && y < map.top + map.content_height;
                let place = format!("{resize:?} {source:?} {network:?} {channel} {x} {y}");
                if !inside {
                    assert_close(got, (114.0 - mean) * scale, 1e-4, &place);
                    continue;
                }
                let sample = |x: usize, y: usize| f64::from(data[(y * width + x) * 3 + channel]);
                let content = (map.content_width, map.content_height);
                let want = bilinear(&sample, source, content, (x - map.left, y - map.top));
                assert_close(got, (want - mean) * scale, ROUNDED * scale, &place);
            }
        }
    }
}

#[test]
fn an_unchanged_size_gives_the_bytes_themselves() {
    let data = texture(32 * 16 * 3);
    let picture = ImageView::new(32, 16, PixelFormat::Bgr8, &data).unwrap();
    let mut preprocessor = Preprocessor::new(&spec(Resize::LetterboxCentre, 32, 16)).unwrap();
    let mut out = vec![0.0; preprocessor.output_len()];
    preprocessor.run(picture, &mut out).unwrap();
    for (i, pixel) in data.chunks_exact(3).enumerate() {
        let got = [out[i], out[512 + i], out[1024 + i]];
        assert_eq!(got, [f32::from(pixel[2]), f32::from(pixel[1]), f32::from(pixel[0])]);
    }
}

/// The first plane of a grey picture of one channel stretched to `to`.
fn stretched(data: &[u8], from: (usize, usize), to: (usize, usize)) -> Vec<f32> {
    let picture = ImageView::new(from.0, from.1, PixelFormat::Gray8, data).unwrap();
    let mut preprocessor = Preprocessor::new(&spec(Resize::Stretch, to.0, to.1)).unwrap();
    let mut out = vec![f32::NAN; preprocessor.output_len()];
    preprocessor.run(picture, &mut out).unwrap();
    out.truncate(to.0 * to.1);
    out
}

#[test]
fn truncations_are_those_worked_out_by_hand() {
    // Row 1 lies at 0.1: weights 1843 and 205 of 2048, (640 * 1843 >> 16) + (1408 * 205 >> 16) = 17 + 4 quarters,
    // so 5, where the exact 5.6 would round to 6.
    assert_eq!(stretched(&[5, 11], (1, 2), (1, 5)), [5.0, 5.0, 8.0, 10.0, 11.0]);
    // Columns lose only 1/128 of a level: 63.75 and 191.25.
    assert_eq!(stretched(&[0, 255], (2, 1), (4, 1)), [0.0, 64.0, 191.0, 255.0]);
    // Halving is the rounded mean of four: 2.5 and 2.25.
    assert_eq!(stretched(&[1, 2, 2, 2, 3, 4, 2, 3], (4, 2), (2, 1)), [3.0, 2.0]);
    // A third is the middle pixel, one pixel is everywhere.
    assert_eq!(stretched(&[9, 8, 7, 6, 50, 4, 3, 2, 1], (3, 3), (1, 1)), [50.0]);
    assert!(stretched(&[201], (1, 1), (7, 5)).iter().all(|&v| v == 201.0));
}

/// One YUV colour in both packings, and its RGB by the textbook.
fn yuv_pictures(width: usize, height: usize, y: u8, u: u8, v: u8) -> [Image; 2] {
    let yuyv = [y, u, y, v].repeat(width * height / 2);
    let mut nv12 = vec![y; width * height];
    nv12.extend([u, v].repeat(width * height / 4));
    [(PixelFormat::Yuyv, yuyv), (PixelFormat::Nv12, nv12)]
        .map(|(format, data)| Image::from_vec(width, height, format, data).unwrap())
}

#[test]
fn yuv_colours_are_bt601() {
    // Studio-range red, green, blue, white and black (ITU-R BT.601), to one level.
    let colours = [
        ([81, 90, 240], [255.0, 0.0, 0.0]),
        ([145, 54, 34], [0.0, 255.0, 0.0]),
        ([41, 240, 110], [0.0, 0.0, 255.0]),
        ([235, 128, 128], [255.0, 255.0, 255.0]),
        ([16, 128, 128], [0.0, 0.0, 0.0]),
    ];
    let mut preprocessor = Preprocessor::new(&spec(Resize::Stretch, 10, 6)).unwrap();
    let mut out = vec![0.0; preprocessor.output_len()];
    for ([y, u, v], rgb) in colours {
        for picture in yuv_pictures(16, 8, y, u, v) {
            preprocessor.run(picture.view(), &mut out).unwrap();
            for (channel, want) in rgb.into_iter().enumerate() {
                for &got in &out[channel * 60..(channel + 1) * 60] {
                    assert_close(got, want, 1.5, &format!("{:?} {y} {u} {v}", picture.format()));
                }
            }
        }
    }
    let mut full = preprocessor.with_yuv_range(YuvRange::Full);
    for picture in yuv_pictures(16, 8, 77, 128, 128) {
        full.run(picture.view(), &mut out).unwrap();
        assert!(out.iter().all(|&v| v == 77.0));
    }
}

#[test]
fn yuv_detail_is_sampled_where_it_lies() {
    // Grey detail (chroma neutral) must come out as the same picture given as Gray8 in full range.
    let (width, height) = (34, 22);
    let luma = texture(width * height);
    let yuyv: Vec<u8> = luma.iter().flat_map(|&y| [y, 128]).collect();
    let nv12: Vec<u8> = luma.iter().copied().chain(std::iter::repeat_n(128, width * height / 2)).collect();
    let mut preprocessor =
        Preprocessor::new(&spec(Resize::LetterboxCentre, 48, 20)).unwrap().with_yuv_range(YuvRange::Full);
    let mut gray = vec![0.0; preprocessor.output_len()];
    let mut other = gray.clone();
    preprocessor.run(ImageView::new(width, height, PixelFormat::Gray8, &luma).unwrap(), &mut gray).unwrap();
    for (format, data) in [(PixelFormat::Yuyv, &yuyv), (PixelFormat::Nv12, &nv12)] {
        preprocessor.run(ImageView::new(width, height, format, data).unwrap(), &mut other).unwrap();
        let worst = gray.iter().zip(&other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= 1.0, "{format:?} {worst}");
    }
    // A chroma edge in the middle of the row stays in the middle.
    let edge: Vec<u8> = (0..width * height / 2)
        .flat_map(|i| {
            let u = if i % (width / 2) < width / 4 { 60 } else { 190 };
            [128, u, 128, 128]
        })
        .collect();
    preprocessor.run(ImageView::new(width, height, PixelFormat::Yuyv, &edge).unwrap(), &mut other).unwrap();
    let blue = &other[2 * 48 * 20 + 10 * 48..][..48];
    let crossing = blue.iter().position(|&b| b > 128.0 && b != 114.0).unwrap();
    let map = preprocessor.run(ImageView::new(width, height, PixelFormat::Yuyv, &edge).unwrap(), &mut other).unwrap();
    let expected = map.network_from_source(16.0, 0.0).0;
    assert!((crossing as f32 - expected).abs() <= 1.5, "{crossing} {expected}");
}

#[test]
fn wrong_buffers_and_sizes_are_errors() {
    let mut preprocessor = Preprocessor::new(&spec(Resize::Stretch, 8, 8)).unwrap();
    let data = texture(12);
    let picture = ImageView::new(2, 2, PixelFormat::Rgb8, &data).unwrap();
    let error = preprocessor.run(picture, &mut [0.0; 5]).unwrap_err();
    assert!(matches!(error, PreprocessError::OutputLength { expected: 192, got: 5, .. }));
    assert!(matches!(Preprocessor::new(&spec(Resize::Stretch, 0, 8)), Err(PreprocessError::InputSize { .. })));
}

#[test]
fn many_source_sizes_in_turn_give_what_each_gives_alone() {
    let mut shared = Preprocessor::new(&spec(Resize::LetterboxCentre, 24, 24)).unwrap();
    let (mut a, mut b) = (vec![0.0; shared.output_len()], vec![0.0; shared.output_len()]);
    for round in 0..3 {
        for side in [10usize, 20, 30, 40, 50, 60] {
            let data = texture(side * 14 * 3);
            let picture = ImageView::new(side, 14, PixelFormat::Rgb8, &data).unwrap();
            shared.run(picture, &mut a).unwrap();
            Preprocessor::new(&spec(Resize::LetterboxCentre, 24, 24)).unwrap().run(picture, &mut b).unwrap();
            assert_eq!(a, b, "{round} {side}");
        }
    }
}

#[test]
fn a_reduced_picture_lies_where_the_whole_one_does() {
    // Brightness grows evenly to the right and down; the last column of the reduced picture lies half beyond the edge.
    let (width, height, by) = (254_usize, 122_usize, 4_usize);
    let level = |x: f64, y: f64| 0.5 * x + y;
    let picture = |columns: usize, rows: usize, step: usize| {
        let middle = |i: usize| (i as f64 + 0.5) * step as f64;
        let levels = (0..columns * rows).map(|i| level(middle(i % columns), middle(i / columns)).round() as u8);
        Image::from_vec(columns, rows, PixelFormat::Gray8, levels.collect()).unwrap()
    };
    for resize in [Resize::LetterboxCentre, Resize::LetterboxTopLeft, Resize::Stretch] {
        let mut preprocessor = Preprocessor::new(&spec(resize, 40, 32)).unwrap();
        let (mut whole, mut reduced) = (vec![0.0; 3 * 40 * 32], vec![0.0; 3 * 40 * 32]);
        let map = preprocessor.run(picture(width, height, 1).view(), &mut whole).unwrap();
        let small = picture(width.div_ceil(by), height.div_ceil(by), by);
        let source = Reduced { full: (width, height), by };
        assert_eq!(preprocessor.run_reduced(small.view(), source, &mut reduced), Ok(map));
        assert_eq!(preprocessor.content((width, height)), (map.content_width, map.content_height));
        for (i, (a, b)) in whole.iter().zip(&reduced).enumerate() {
            // The picture's first and last half step have no neighbour to lean on.
            assert!((a - b).abs() <= 2.0, "{resize:?} {i}: {a} and {b}");
        }
        // The two sizes' tables are kept apart.
        let mut again = vec![0.0; 3 * 40 * 32];
        preprocessor.run(picture(width, height, 1).view(), &mut again).unwrap();
        assert_eq!(again, whole);
    }
}
