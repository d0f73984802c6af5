//! Blindness on what sensors give: real pictures and sweeps and the simulated world's are seen; the same ones altered are not.

use std::fs;
use std::path::{Path, PathBuf};

use image::RgbImage;
use image::imageops::{FilterType, blur, resize};
use ocellus_percept::blind::{BlindWatch, Blindness};
use ocellus_percept::cloud::Cloud;
use ocellus_percept::image::{Image, PixelFormat};
use ocellus_percept::time::Timestamp;
use ocellus_sense::{OpenOptions, Payload, SimulatedOptions, decode_image, open};

use crate::support::real_data;

/// Width that pictures are brought to: about what a network sees of them.
const WIDTH: u32 = 640;
/// Equal frames this often are not frozen yet, and covered or blurred ones are blind.
const LASTING: usize = 3;

fn pictures(folder: &Path, every: usize) -> Vec<RgbImage> {
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            match path.extension().and_then(|e| e.to_str()) {
                _ if path.is_dir() => folders.push(path),
                Some("jpg" | "png") => paths.push(path),
                _ => {}
            }
        }
    }
    paths.sort();
    let read = |path: &PathBuf| {
        let picture = image::open(path).unwrap().to_rgb8();
        let height = picture.height() * WIDTH / picture.width();
        resize(&picture, WIDTH, height, FilterType::Triangle)
    };
    paths.iter().step_by(every).map(read).collect()
}

/// The `k`-th moment at 10 Hz.
fn at(k: usize) -> Timestamp {
    Timestamp::default().plus_seconds(0.1 * k as f64)
}

/// What is said of a picture that comes three times at once: too short to be frozen.
fn said(picture: &RgbImage) -> Option<Blindness> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let image = Image::from_vec(width, height, PixelFormat::Rgb8, picture.as_raw().clone()).unwrap();
    let mut watch = BlindWatch::default();
    (0..LASTING).map(|_| watch.picture(at(0), image.view())).last().unwrap()
}

/// A dark leaf over all but a strip at the right, with a sensor's noise.
fn covered(picture: &RgbImage) -> RgbImage {
    let free = picture.width() * 9 / 10;
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let noise = (x.wrapping_mul(31) ^ y.wrapping_mul(17)) % 4;
        if x > free { *picture.get_pixel(x, y) } else { image::Rgb([24 + noise as u8; 3]) }
    })
}

/// Five stops too much light.
fn over_exposed(picture: &RgbImage) -> RgbImage {
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        image::Rgb(picture.get_pixel(x, y).0.map(|v| v.saturating_mul(32)))
    })
}

#[test]
fn real_pictures_are_seen_and_altered_ones_are_not() {
    for (part, every) in [("photos", 1), ("drives/kitti_raw", 8), ("drives/nuscenes_demo", 1), ("coco_tiny", 4)] {
        let Some(folder) = real_data(part) else { return };
        let pictures = pictures(&folder, every);
        assert!(!pictures.is_empty(), "{part}");
        let mut over = 0;
        for (i, picture) in pictures.iter().enumerate() {
            assert_eq!(said(picture), None, "{part} {i}");
            assert_eq!(said(&blur(picture, 4.0)), Some(Blindness::Blurred), "{part} {i}");
            assert_eq!(said(&covered(picture)), Some(Blindness::Covered), "{part} {i}");
            let dark: RgbImage = RgbImage::from_fn(picture.width(), picture.height(), |_, _| image::Rgb([3, 2, 4]));
            assert_eq!(said(&dark), Some(Blindness::Black));
            // Where all of it is white it is blank.
            let white = said(&over_exposed(picture));
            over += usize::from(matches!(white, Some(Blindness::Overexposed | Blindness::Blank)));
        }
        // A night scene has dark parts that no light burns out.
        assert!(over * 10 >= pictures.len() * 8, "{part}: {over} of {} are over-exposed", pictures.len());
    }
}

#[test]
fn a_real_sweep_is_seen_and_a_thin_or_frozen_one_is_not() {
    let Some(folder) = real_data("drives/kitti_raw/2011_09_26/2011_09_26_drive_9001_sync/velodyne_points/data") else {
        return;
    };
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let sweep = |file: &PathBuf, every: usize| {
        let bytes = fs::read(file).unwrap();
        let float = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        let xyz = bytes.chunks_exact(16).step_by(every).map(|p| [float(p), float(&p[4..]), float(&p[8..])]);
        Cloud { xyz: xyz.collect(), ..Cloud::default() }
    };
    let mut watch = BlindWatch::default();
    for (k, file) in files.iter().enumerate() {
        assert_eq!(watch.sweep(at(k), &sweep(file, 1)), None);
    }
    let next = files.len();
    // Half of the beams gone is no blindness; nineteen in twenty are.
    assert_eq!(watch.sweep(at(next), &sweep(&files[0], 2)), None);
    let thin: Vec<_> = files[1..4].iter().map(|file| watch.sweep(at(next + 1), &sweep(file, 20))).collect();
    assert_eq!(thin, [None, None, Some(Blindness::Thin)], "one that was cut off passes");
    let frozen: Vec<_> = (2..5).map(|k| watch.sweep(at(next + k), &sweep(&files[2], 1))).collect();
    assert_eq!(frozen, [None, None, Some(Blindness::Frozen)]);
    assert_eq!(watch.sweep(at(next + 5), &sweep(&files[3], 1)), None);
}

#[test]
fn no_shipped_world_is_blind_by_night_in_fog_or_in_snow() {
    let worlds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../launch/worlds");
    for file in fs::read_dir(worlds).unwrap() {
        let path = file.unwrap().path();
        let simulated = SimulatedOptions {
            lidar_beams: 16,
            lidar_columns: Some(256),
            resolution: (320, 192),
            seconds: Some(0.6),
            ..SimulatedOptions::default()
        };
        let drive = open(&path, &OpenOptions { simulated, ..OpenOptions::default() }).unwrap();
        let mut watches = vec![BlindWatch::default(); drive.info().sensors.len()];
        for index in 0..drive.entries().len() {
            let entry = drive.entries()[index];
            let watch = &mut watches[entry.sensor];
            let blind = match drive.read(index).unwrap() {
                Payload::Image(encoded) => {
                    let mut image = Image::empty();
                    decode_image(&encoded, &mut image).unwrap();
                    watch.picture(entry.t, image.view())
                }
                Payload::Cloud(cloud) => watch.sweep(entry.t, &cloud),
            };
            assert_eq!(blind, None, "{} entry {index}", path.display());
        }
    }
}
