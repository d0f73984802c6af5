//! Made drives that are right: what is asked of times, order, calibration, ego motion and decoding.

use std::collections::BTreeMap;
use std::fs;

use ocellus_percept::image::{Image, PixelFormat};
use ocellus_percept::space::Point3;
use ocellus_percept::time::Timestamp;
use ocellus_sense::{
    DriveKind, EncodedImage, ImageEncoding, OpenOptions, Payload, SensorKind, StampPolicy, TimeSource, decode_image,
    decode_image_for, open,
};

use crate::support::{IMU_TO_VELO, RawDrive, jpeg, png, stamps, sweep, write};

fn encoded(bytes: Vec<u8>, encoding: ImageEncoding) -> EncodedImage {
    EncodedImage { origin: "made".into(), encoding, bytes }
}

fn decoded(bytes: Vec<u8>, encoding: ImageEncoding) -> Image {
    let mut out = Image::empty();
    decode_image(&encoded(bytes, encoding), &mut out).unwrap();
    out
}

#[test]
fn sweeps_and_pictures_are_merged_by_time() {
    let made = RawDrive::new(3);
    let drive = made.open().unwrap();
    let kinds: Vec<_> = drive.entries().iter().map(|e| (drive.info().sensors[e.sensor].kind, e.seq)).collect();
    let (l, c) = (SensorKind::Lidar, SensorKind::Camera);
    assert_eq!(kinds, [(l, 0), (c, 0), (l, 1), (c, 1), (l, 2), (c, 2)]);
    assert!((drive.info().duration_s - 0.205).abs() < 1e-9);
    assert!((drive.info().sensors[0].rate_hz.unwrap() - 10.0).abs() < 1e-6);
    assert_eq!(drive.info().sensors[1].encoding, "png");
}

#[test]
fn the_offset_in_kittis_projection_goes_into_the_extrinsics() {
    let made = RawDrive::new(1);
    let drive = made.open().unwrap();
    let mount = drive.info().rig.cameras["image_02"];
    assert_eq!((mount.camera.fx, mount.camera.cx, mount.camera.width), (70.0, 40.0, 80));
    // P * (R * T * x): a point 10 m ahead, 35 / 70 = 0.5 m to the camera's right.
    let p = mount.optical_from_vehicle.unwrap().apply(&Point3::new(10.0, 0.0, 0.0));
    assert!((p.xyz - nalgebra::Vector3::new(0.5, 0.0, 10.0)).norm() < 1e-9, "{p:?}");
}

#[test]
fn unrectified_pictures_get_the_unrectified_camera() {
    let made = RawDrive::new(1);
    write(&made.path, "image_02/data/0000000000.png", png(100, 60));
    let drive = made.open().unwrap();
    let camera = drive.info().rig.cameras["image_02"].camera;
    assert_eq!((camera.width, camera.fx), (100, 90.0));
    assert!(matches!(camera.distortion, ocellus_percept::space::Distortion::PlumbBob(d) if d[0] == -0.3));
    assert!(drive.info().notes.iter().any(|n| n.contains("unrectified")));
}

#[test]
fn oxts_moves_the_vehicle() {
    let made = RawDrive::new(3);
    write(made.day.path(), "calib_imu_to_velo.txt", IMU_TO_VELO);
    // Northwards (yaw pi/2 from east) at 49 degrees: 1e-5 degrees of latitude are 1.11 m.
    for i in 0..3 {
        let rest = "0 ".repeat(24);
        let line = format!("{} 8.4 100.0 0 0 {} {rest}\n", 49.0 + i as f64 * 1e-5, std::f64::consts::FRAC_PI_2);
        write(&made.path, &format!("oxts/data/{i:010}.txt"), line);
    }
    write(&made.path, "oxts/timestamps.txt", stamps(0..3, 0));
    let drive = made.open().unwrap();
    let ego = drive.info().ego.as_ref().unwrap();
    assert_eq!(ego.poses, 3);
    let at = |i: usize| drive.odom_from_vehicle(drive.entries()[i].t).unwrap();
    let first = at(0).isometry().translation.vector;
    assert!(first.norm() < 1e-9, "the origin is at the first pose");
    // Entry 4 is the third sweep, at the third pose: straight ahead.
    let moved = at(4).isometry().translation.vector;
    assert!((moved.x - 2.0 * 1.1132).abs() < 0.01 && moved.y.abs() < 0.01, "{moved}");
    assert!(drive.odom_from_vehicle(Timestamp::from_nanos(0)).is_none());
}

#[test]
fn a_picture_without_a_sweep_goes_on_and_is_said() {
    let made = RawDrive::new(3);
    fs::remove_file(made.path.join("velodyne_points/data/0000000001.bin")).unwrap();
    let drive = made.open().unwrap();
    assert_eq!(drive.entries().len(), 5);
    assert!((0..5).all(|i| drive.read(i).is_ok()));
    let notes = &drive.info().notes;
    assert!(
        notes.iter().any(|n| n.contains("1 pictures have no LiDAR sweep") && n.contains("first is 1")),
        "{notes:?}"
    );
}

#[test]
fn a_folder_is_read_in_natural_order_with_or_without_stamps() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["frame10.png", "frame9.png", "frame1.png", "._frame1.png", "notes.txt"] {
        write(folder.path(), name, png(8, 8));
    }
    let options = OpenOptions::default();
    let drive = open(folder.path(), &options).unwrap();
    assert_eq!(drive.info().kind, DriveKind::ImageFolder);
    let names: Vec<String> = (0..3)
        .map(|i| match drive.read(i).unwrap() {
            Payload::Image(image) => image.origin,
            Payload::Cloud(_) => panic!("a sweep"),
        })
        .collect();
    assert!(names[0].ends_with("frame1.png") && names[1].ends_with("frame9.png") && names[2].ends_with("frame10.png"));
    assert_eq!(drive.entries()[2].t.as_nanos(), 200_000_000);
    assert!(matches!(drive.info().time_source, TimeSource::Indexed { .. }));
    write(folder.path(), "timestamps.txt", "1.5\n1.75\n2.0\n");
    let drive = open(folder.path(), &options).unwrap();
    assert_eq!(drive.info().time_source, TimeSource::Recorded);
    assert_eq!(drive.entries()[1].t.as_nanos(), 1_750_000_000);
}

#[test]
fn disordered_stamps_can_be_sorted_on_request() {
    let made = RawDrive::new(4);
    write(&made.path, "image_02/timestamps.txt", stamps([0, 2, 1, 1], 5));
    let options = OpenOptions { stamps: StampPolicy::Sort, ..OpenOptions::default() };
    let drive = open(&made.path, &options).unwrap();
    let camera: Vec<u64> = drive.entries().iter().filter(|e| e.sensor == 1).map(|e| e.seq).collect();
    assert_eq!(camera, [0, 2, 3, 1]);
    assert!(
        drive.info().notes.iter().any(|n| n.contains("1 stamps run backwards and 1 repeat")),
        "{:?}",
        drive.info().notes
    );
}

#[test]
fn png_of_every_layout_becomes_8_bit_rgb_or_grey() {
    let write_png = |picture: image::DynamicImage| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        bytes.into_inner()
    };
    let rgba = image::RgbaImage::from_fn(5, 3, |x, y| image::Rgba([x as u8 * 10, y as u8 * 20, 7, 99]));
    let reference = image::DynamicImage::ImageRgba8(rgba.clone());
    let rgb = decoded(write_png(reference.clone()), ImageEncoding::Png);
    assert_eq!((rgb.width(), rgb.height(), rgb.format()), (5, 3, PixelFormat::Rgb8));
    assert_eq!(rgb.data(), reference.to_rgb8().as_raw().as_slice());
    let wide = decoded(write_png(image::DynamicImage::ImageRgb16(reference.to_rgb16())), ImageEncoding::Png);
    assert_eq!(wide.data(), rgb.data());
    for grey in [
        image::DynamicImage::ImageLuma8(reference.to_luma8()),
        image::DynamicImage::ImageLumaA8(reference.to_luma_alpha8()),
        image::DynamicImage::ImageLuma16(reference.to_luma16()),
    ] {
        let expected = grey.to_luma8();
        let got = decoded(write_png(grey), ImageEncoding::Png);
        assert_eq!((got.format(), got.data()), (PixelFormat::Gray8, expected.as_raw().as_slice()));
    }
}

#[test]
fn jpeg_is_decoded_smaller_only_where_that_is_enough() {
    let encoded = |bytes, encoding| EncodedImage { origin: "made".to_owned(), encoding, bytes };
    let picture = encoded(jpeg(203, 101), ImageEncoding::Jpeg);
    let (mut whole, mut out) = (Image::empty(), Image::empty());
    decode_image(&picture, &mut whole).unwrap();
    for (needed, by, size) in [
        ((25, 12), 8, (26, 13)),
        ((26, 12), 4, (51, 26)),
        ((50, 25), 4, (51, 26)),
        ((50, 26), 1, (203, 101)),
        ((203, 101), 1, (203, 101)),
        ((900, 900), 1, (203, 101)),
    ] {
        let source = decode_image_for(&picture, |_| needed, &mut out).unwrap();
        assert_eq!((source.full, source.by, (out.width(), out.height())), ((203, 101), by, size), "{needed:?}");
        let mean = |image: &Image| image.data().iter().map(|b| f64::from(*b)).sum::<f64>() / image.data().len() as f64;
        assert!((mean(&out) - mean(&whole)).abs() < 3.0, "{needed:?}: {} of {}", mean(&out), mean(&whole));
    }
    // A picture of a single block is not taken for one that can be had smaller, and PNG never is.
    let dot = decode_image_for(&encoded(jpeg(1, 1), ImageEncoding::Jpeg), |full| full, &mut out).unwrap();
    assert_eq!((dot.by, out.width(), out.height()), (1, 1, 1));
    let drawn = decode_image_for(&encoded(png(64, 48), ImageEncoding::Png), |_| (4, 3), &mut out).unwrap();
    assert_eq!((drawn.full, drawn.by, out.width()), ((64, 48), 1, 64));
}

#[test]
fn jpeg_grey_stays_grey_and_padding_after_the_end_is_allowed() {
    let grey = image::GrayImage::from_fn(33, 17, |x, y| image::Luma([(x * 7 + y) as u8]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    grey.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
    let mut bytes = bytes.into_inner();
    bytes.extend([0; 512]);
    let got = decoded(bytes, ImageEncoding::Jpeg);
    assert_eq!((got.width(), got.height(), got.format()), (33, 17, PixelFormat::Gray8));
    let far = got.data().iter().zip(grey.as_raw()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(far < 60, "{far}");
    let colour = decoded(jpeg(64, 48), ImageEncoding::Jpeg);
    assert_eq!((colour.width(), colour.height(), colour.format()), (64, 48, PixelFormat::Rgb8));
}

#[test]
fn decoding_reuses_the_buffer_and_is_the_same_each_time() {
    let mut out = Image::empty();
    let picture = encoded(jpeg(64, 48), ImageEncoding::Jpeg);
    decode_image(&picture, &mut out).unwrap();
    let (first, address) = (out.clone(), out.data().as_ptr());
    decode_image(&encoded(png(32, 16), ImageEncoding::Png), &mut out).unwrap();
    decode_image(&picture, &mut out).unwrap();
    assert_eq!(out, first);
    assert_eq!(out.data().as_ptr(), address);
}

#[test]
fn kitti_object_frames_in_a_training_folder_and_partly_labelled() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("training");
    let calib = "P0: 70 0 40 0 0 70 20 0 0 0 1 0\nP2: 70 0 40 35 0 70 20 0 0 0 1 0\nR0_rect: 1 0 0 0 1 0 0 0 1\n\
                 Tr_velo_to_cam: 0 -1 0 0 0 0 -1 0 1 0 0 0\n\n";
    for i in [3, 7] {
        write(&base, &format!("image_2/{i:06}.png"), png(80, 40));
        write(&base, &format!("velodyne/{i:06}.bin"), sweep(&[[10.0, 0.0, 0.0, 0.0]]));
        write(&base, &format!("calib/{i:06}.txt"), calib);
    }
    write(&base, "label_2/000007.txt", "Car 0 0 0 1 2 3 4 2 2 4 0 1 10 0\n");
    let drive = open(folder.path(), &OpenOptions::default()).unwrap();
    assert_eq!(drive.info().kind, DriveKind::KittiObject);
    let labels: BTreeMap<u64, bool> =
        drive.entries().iter().enumerate().map(|(i, e)| (e.seq, drive.labels_at(i).is_some())).collect();
    assert_eq!(labels, BTreeMap::from([(3, false), (7, true)]));
    // The sweep's point is 10 m ahead, inside the car.
    let last = drive.labels_at(drive.entries().len() - 1).unwrap();
    assert!(last[0].cuboid.unwrap().contains(&Point3::new(10.0, 0.0, 0.0), 0.0));
}
