//! Corruptions: the same seed gives the same bytes, and worse severities do more.

#![allow(clippy::unwrap_used, clippy::panic)] // Helpers outside #[test] functions may unwrap too.

use ocellus_judge::robust::{
    CloudCorruption, ImageCorruption, PlantedOutcome, RobustError, Severity, corrupt_cloud, corrupt_image, plant,
    recall_by_size,
};
use ocellus_percept::cloud::Cloud;
use ocellus_percept::image::{Image, PixelFormat};

fn scene() -> Image {
    let (w, h) = (121, 77);
    let value = |x: usize, y: usize, c: usize| {
        let stripes = if (x / 7 + y / 5).is_multiple_of(2) { 60 } else { 150 };
        (stripes + x / 3 + 10 * c) as u8
    };
    let data = (0..w * h * 3).map(|i| value(i / 3 % w, i / 3 / w, i % 3)).collect();
    Image::from_vec(w, h, PixelFormat::Rgb8, data).unwrap()
}

/// FNV-1a.
fn hash(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn pictures_are_seeded_and_ordered_by_severity() {
    let scene = scene();
    for kind in ImageCorruption::ALL {
        let mut changes = Vec::new();
        for severity in Severity::ALL {
            let got = corrupt_image(&scene, kind, severity, 7).unwrap();
            assert_eq!(got, corrupt_image(&scene, kind, severity, 7).unwrap(), "{kind:?}");
            let change: f64 = got.data().iter().zip(scene.data()).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
            changes.push(change / got.data().len() as f64);
        }
        assert!(changes.windows(2).all(|w| w[0] < w[1]) && changes[0] > 0.5, "{kind:?}: {changes:?}");
    }
    let noise = |seed| corrupt_image(&scene, ImageCorruption::GaussianNoise, Severity::Mild, seed).unwrap();
    assert_ne!(noise(1), noise(2));
    let grey = Image::from_vec(9, 5, PixelFormat::Gray8, vec![90; 45]).unwrap();
    for kind in ImageCorruption::ALL {
        corrupt_image(&grey, kind, Severity::Severe, 1).unwrap();
    }
    let yuv = Image::from_vec(2, 2, PixelFormat::Nv12, vec![0; 6]).unwrap();
    let error = corrupt_image(&yuv, ImageCorruption::Fog, Severity::Mild, 1).unwrap_err();
    assert_eq!(error, RobustError::Format { got: PixelFormat::Nv12 });
}

#[test]
fn bytes_are_those_recorded_once() {
    // Recorded on x86-64 Linux: another machine must give the same bytes.
    let scene = scene();
    let all = ImageCorruption::ALL.map(|k| corrupt_image(&scene, k, Severity::Moderate, 42).unwrap());
    assert_eq!(hash(all.iter().flat_map(|i| i.data().to_vec())), IMAGE_HASH);
    let cloud = sweep();
    let all = CloudCorruption::ALL.map(|k| corrupt_cloud(&cloud, k, Severity::Moderate, 42));
    let bytes = all.iter().flat_map(|c| &c.xyz).flatten().flat_map(|v| v.to_le_bytes());
    assert_eq!(hash(bytes), CLOUD_HASH);
}

const IMAGE_HASH: u64 = 4_232_277_951_053_328_839;
const CLOUD_HASH: u64 = 14_796_377_199_681_669_908;

fn sweep() -> Cloud {
    let mut cloud = Cloud::default();
    for i in 0..6000_u16 {
        let (ring, step) = (i % 32, f32::from(i / 32));
        let range = 3.0 + f32::from(i % 97);
        cloud.xyz.push([range, step * 0.1 - 9.0, (f32::from(ring) - 16.0) * 0.02 * range]);
        cloud.ring.push(ring);
        cloud.intensity.push(0.5);
    }
    cloud.xyz[5] = [f32::NAN; 3];
    cloud
}

#[test]
fn sweeps_are_seeded_and_ordered_by_severity() {
    let cloud = sweep();
    for kind in CloudCorruption::ALL {
        let mut damage = Vec::new();
        for severity in Severity::ALL {
            let got = corrupt_cloud(&cloud, kind, severity, 3);
            let again = corrupt_cloud(&cloud, kind, severity, 3);
            assert_eq!(format!("{got:?}"), format!("{again:?}"));
            assert_eq!((got.ring.len(), got.intensity.len()), (got.len(), got.len()));
            assert!(got.time_offset_s.is_empty());
            let lost = (cloud.len() - got.len()) as f64;
            let moved: f64 = if got.len() == cloud.len() {
                let shift = |(a, b): (&[f32; 3], &[f32; 3])| f64::from((a[0] - b[0]).abs());
                got.xyz.iter().zip(&cloud.xyz).map(shift).filter(|d| d.is_finite()).sum()
            } else {
                0.0
            };
            damage.push(lost + moved);
        }
        assert!(damage.windows(2).all(|w| w[0] < w[1]) && damage[0] > 0.0, "{kind:?}: {damage:?}");
    }
    let unringed = Cloud { ring: Vec::new(), ..sweep() };
    let dropped = corrupt_cloud(&unringed, CloudCorruption::BeamDrop, Severity::Moderate, 1);
    assert!(dropped.len() > 600 && dropped.len() < 5400, "{}", dropped.len());
    assert!(corrupt_cloud(&Cloud::default(), CloudCorruption::Fog, Severity::Mild, 1).is_empty());
}

#[test]
fn planted_objects_are_where_they_say() {
    let scene = Image::from_vec(100, 80, PixelFormat::Gray8, vec![50; 8000]).unwrap();
    let object = Image::from_vec(10, 20, PixelFormat::Gray8, vec![200; 200]).unwrap();
    for size in [8, 20, 64] {
        let (image, bbox) = plant(&scene, &object, &[], size, 5).unwrap();
        let changed = image.data().iter().filter(|v| **v != 50).count();
        assert_eq!(changed, (bbox.width() * bbox.height()) as usize, "{size}");
        assert!(bbox.height() == size as f32 && bbox.x0 >= 0.0 && bbox.x1 <= 100.0 && bbox.y1 <= 80.0);
    }
    let half: Vec<u8> = (0..200).map(|i| if i % 10 < 5 { 255 } else { 0 }).collect();
    let (image, _) = plant(&scene, &object, &half, 20, 5).unwrap();
    assert_eq!(image.data().iter().filter(|v| **v != 50).count(), 100);
    assert!(matches!(plant(&scene, &object, &[], 81, 5), Err(RobustError::DoesNotFit { .. })));
    let outcomes: Vec<_> = (0..40)
        .map(|i| PlantedOutcome { size_px: if i < 30 { 8 } else { 64 }, found: i % 3 == 0 || i >= 30 })
        .collect();
    let recall = recall_by_size(&outcomes);
    assert_eq!((recall[0].n, recall[0].too_few, recall[1].too_few), (30, false, true));
    assert!(recall[0].recall < recall[1].recall);
}
