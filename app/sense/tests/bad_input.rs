//! Broken drives: each gets one message that says file, place, expected and got; a broken frame is lost alone.

use std::fs;
use std::path::Path;

use ocellus_percept::image::Image;
use ocellus_sense::{EncodedImage, ImageEncoding, MAX_SIDE_PX, OpenOptions, Payload, decode_image, open};

use crate::support::{
    CAM_TO_CAM, RawDrive, VELO_TO_CAM, jpeg, png, read_and_decode, real_data, refusal, stamps, sweep, write,
};

fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

fn default_refusal(path: &Path) -> String {
    refusal(path, &OpenOptions::default())
}

#[test]
fn a_missing_drive_and_an_empty_folder() {
    assert_says(
        &default_refusal(Path::new("/nowhere/at/all")),
        &["/nowhere/at/all", "no such file or folder", "KITTI"],
    );
    let folder = tempfile::tempdir().unwrap();
    assert_says(&default_refusal(folder.path()), &["not a drive", "looked for", "an empty folder"]);
    write(folder.path(), "readme.txt", "x");
    assert_says(&default_refusal(folder.path()), &["found readme.txt"]);
    let file = write(folder.path(), "x.pdf", "x");
    assert_says(&default_refusal(&file), &["a .pdf file"]);
    let made = RawDrive::new(1);
    assert_says(&default_refusal(made.day.path()), &["2011_09_26_drive_0001_sync", "give one of these"]);
}

#[test]
fn a_drive_whose_folders_are_empty() {
    let made = RawDrive::new(1);
    fs::remove_file(made.path.join("image_02/data/0000000000.png")).unwrap();
    fs::remove_file(made.path.join("velodyne_points/data/0000000000.bin")).unwrap();
    assert_says(&default_refusal(&made.path), &["an empty drive", "image_0N/data"]);
}

/// Cuts a file of the made drive short and gives the error of that frame; all others must be fine.
fn lost_alone(made: &RawDrive, broken: &str, content: &[u8]) -> (String, &'static str) {
    write(&made.path, broken, content);
    let drive = made.open().unwrap();
    let errors: Vec<_> = (0..drive.entries().len()).filter_map(|i| read_and_decode(drive.as_ref(), i).err()).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    (errors[0].to_string(), errors[0].reason())
}

#[test]
fn a_truncated_png_is_lost_alone() {
    let whole = png(80, 40);
    for keep in [whole.len() / 2, whole.len() - 20, 40, 9, 0] {
        let (text, reason) = lost_alone(&RawDrive::new(3), "image_02/data/0000000001.png", &whole[..keep]);
        assert_says(&text, &["image_02/data/0000000001.png", "expected"]);
        assert!(reason == "truncated" || keep < 40, "{keep}: {reason}");
    }
}

#[test]
fn a_truncated_jpeg_is_lost_alone_and_never_half_grey() {
    let whole = jpeg(80, 40);
    for keep in [whole.len() / 2, whole.len() - 1, whole.len() - 40, 4] {
        let (text, reason) = lost_alone(&RawDrive::new(3), "image_02/data/0000000001.png", &whole[..keep]);
        assert_says(&text, &["0000000001.png", "end-of-image", &format!("byte {keep}")]);
        assert_eq!(reason, "truncated");
    }
}

#[test]
fn every_truncation_of_a_real_jpeg_is_seen() {
    let Some(path) = real_data("drives/nuscenes_demo") else { return };
    let drive = open(&path, &OpenOptions::default()).unwrap();
    let Payload::Image(mut image) = drive.read(0).unwrap() else { panic!("a sweep") };
    let whole = image.bytes.clone();
    for part in 1..40 {
        image.bytes = whole[..whole.len() * part / 40].to_vec();
        assert!(decode_image(&image, &mut Image::empty()).is_err(), "{part} of 40");
    }
}

#[test]
fn a_picture_that_is_none_and_a_picture_too_large() {
    let (text, reason) = lost_alone(&RawDrive::new(2), "image_02/data/0000000001.png", b"hello, I am no picture");
    assert_says(&text, &["0000000001.png", "byte 0", "JPEG or PNG"]);
    assert_eq!(reason, "corrupt");
    let mut huge = png(8, 8);
    huge[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    let image = EncodedImage { origin: "huge.png".into(), encoding: ImageEncoding::Png, bytes: huge };
    let error = decode_image(&image, &mut Image::empty()).unwrap_err();
    assert_eq!(error.reason(), "too_large");
    assert_says(&error.to_string(), &["huge.png", "65536x65536", &MAX_SIDE_PX.to_string()]);
    let mut huge = jpeg(8, 8);
    let frame = huge.windows(2).position(|b| b == [0xFF, 0xC0]).unwrap();
    huge[frame + 5..frame + 9].fill(0xFF);
    let image = EncodedImage { origin: "huge.jpg".into(), encoding: ImageEncoding::Jpeg, bytes: huge };
    let error = decode_image(&image, &mut Image::empty()).unwrap_err();
    assert_eq!(error.reason(), "too_large");
    assert_says(&error.to_string(), &["huge.jpg", "65535x65535", &MAX_SIDE_PX.to_string()]);
}

#[test]
fn a_flipped_bit_never_panics() {
    for (whole, encoding) in [(png(40, 30), ImageEncoding::Png), (jpeg(40, 30), ImageEncoding::Jpeg)] {
        let mut failed = 0;
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x41;
            let image = EncodedImage { origin: "flipped".into(), encoding, bytes };
            failed += usize::from(decode_image(&image, &mut Image::empty()).is_err());
        }
        assert!(failed > 0);
    }
}

#[test]
fn a_sweep_of_odd_length_is_lost_alone_and_nan_passes_through() {
    let (text, reason) = lost_alone(&RawDrive::new(3), "velodyne_points/data/0000000002.bin", &[0; 50]);
    assert_says(&text, &["velodyne_points/data/0000000002.bin", "16 bytes", "50 bytes", "2 too many"]);
    assert_eq!(reason, "truncated");
    let made = RawDrive::new(1);
    write(&made.path, "velodyne_points/data/0000000000.bin", sweep(&[[f32::NAN; 4], [1.0, f32::INFINITY, 0.0, 0.0]]));
    let Payload::Cloud(cloud) = made.open().unwrap().read(0).unwrap() else { panic!("a picture") };
    assert!(cloud.len() == 2 && cloud.xyz[0][0].is_nan() && cloud.xyz[1][1].is_infinite());
}

#[test]
fn a_picture_missing_between_others_is_lost_and_named() {
    let made = RawDrive::new(3);
    fs::remove_file(made.path.join("image_02/data/0000000001.png")).unwrap();
    let drive = made.open().unwrap();
    assert_eq!(drive.entries().len(), 6);
    let error = drive.read(3).unwrap_err();
    assert_says(&error.to_string(), &["0000000001.png", "missing"]);
    assert_eq!(error.reason(), "missing");
    assert!(drive.read(6).is_err() && drive.read(5).is_ok());
}

#[test]
fn an_unreadable_file_is_lost_alone() {
    let made = RawDrive::new(2);
    let file = made.path.join("image_02/data/0000000001.png");
    fs::remove_file(&file).unwrap();
    // A folder of that name cannot be read as a file, also not by root.
    fs::create_dir(&file).unwrap();
    let drive = made.open().unwrap();
    let errors: Vec<_> = (0..4).filter_map(|i| drive.read(i).err()).collect();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].reason(), "unreadable");
}

#[test]
fn stamps_that_are_broken_run_backwards_repeat_or_are_too_few() {
    let made = RawDrive::new(3);
    let file = "image_02/timestamps.txt";
    write(&made.path, file, stamps([0, 2, 1], 5));
    assert_says(&default_refusal(&made.path), &[file, "line 3", "after", "run backwards"]);
    write(&made.path, file, stamps([0, 1, 1], 5));
    assert_says(&default_refusal(&made.path), &[file, "line 3", "1 repeat"]);
    write(&made.path, file, stamps([0, 1], 5));
    assert_says(&default_refusal(&made.path), &[file, "line 3", "0000000002.png", "end of the file"]);
    write(&made.path, file, "2011-09-26 13:02:25.9\nyesterday\n2011-09-26 13:02:26.1\n");
    assert_says(&default_refusal(&made.path), &[file, "line 2", "YYYY-mm-dd", "yesterday"]);
    fs::remove_file(made.path.join(file)).unwrap();
    assert_says(&default_refusal(&made.path), &[file, "reading the time stamps"]);
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.png", png(8, 8));
    write(folder.path(), "timestamps.txt", "1.0\n2.0\n");
    assert_says(&default_refusal(folder.path()), &["timestamps.txt", "1 pictures", "2 stamps"]);
}

#[test]
fn calibration_missing_short_singular_or_mirrored() {
    let made = RawDrive::new(1);
    let day = made.day.path();
    fs::remove_file(day.join("calib_velo_to_cam.txt")).unwrap();
    assert_says(&default_refusal(&made.path), &["calib_velo_to_cam.txt", "missing", "--calib"]);
    let bare = OpenOptions { uncalibrated: true, ..OpenOptions::default() };
    let drive = open(&made.path, &bare).unwrap();
    assert!(drive.info().rig.cameras.is_empty() && drive.info().notes.iter().any(|n| n.contains("no calibration")));
    write(day, "calib_velo_to_cam.txt", VELO_TO_CAM);
    let changed = |from: &str, to: &str| write(day, "calib_cam_to_cam.txt", CAM_TO_CAM.replace(from, to));
    changed("P_rect_02: 70", "P_rect_02: 0");
    assert_says(&default_refusal(&made.path), &["calib_cam_to_cam.txt", "P_rect_02", "singular", "fx 0"]);
    changed("P_rect_02: 70 ", "P_rect_02: ");
    assert_says(&default_refusal(&made.path), &["P_rect_02", "12 numbers", "got 11"]);
    changed("P_rect_02: 70", "P_rect_02: nan");
    assert_says(&default_refusal(&made.path), &["P_rect_02", "fx NaN"]);
    changed("R_rect_00: 1 0 0 0 1", "R_rect_00: 1 0 0 0 0");
    assert_says(&default_refusal(&made.path), &["R_rect_00", "no rotation", "determinant 0"]);
    changed("R_rect_00: 1", "R_rect_00: -1");
    assert_says(&default_refusal(&made.path), &["R_rect_00", "no rotation", "determinant -1"]);
    // `inspect` of a drive must not hide a broken calibration either.
    assert_says(&refusal(&made.path, &bare), &["R_rect_00"]);
}

#[test]
fn broken_argoverse_tables_are_named() {
    let Some(path) = real_data("drives/argoverse2_7fab2350") else { return };
    let log = tempfile::tempdir().unwrap();
    let lidar = path.join("sensors/lidar/315966265259836000.feather");
    let whole = fs::read(&lidar).unwrap();
    let calibration = fs::read(path.join("calibration/intrinsics.feather")).unwrap();
    write(log.path(), "sensors/lidar/1000.feather", &whole);
    write(log.path(), "sensors/lidar/2000.feather", &whole[..whole.len() / 2]);
    write(log.path(), "sensors/lidar/3000.feather", &calibration);
    assert_says(&default_refusal(log.path()), &["intrinsics.feather", "missing"]);
    let drive = open(log.path(), &OpenOptions { uncalibrated: true, ..OpenOptions::default() }).unwrap();
    assert!(drive.read(0).is_ok());
    assert_says(&drive.read(1).unwrap_err().to_string(), &["2000.feather", "whole Feather"]);
    assert_says(&drive.read(2).unwrap_err().to_string(), &["3000.feather", "a column x", "sensor_name"]);
    write(log.path(), "sensors/lidar/noon.feather", &whole);
    assert_says(&default_refusal(log.path()), &["noon.feather", "a stamp in nanoseconds"]);
}

#[test]
fn a_flipped_byte_in_a_sweep_table_never_panics() {
    let Some(path) = real_data("drives/argoverse2_7fab2350") else { return };
    let log = tempfile::tempdir().unwrap();
    let whole = fs::read(path.join("sensors/lidar/315966265259836000.feather")).unwrap();
    let file = write(log.path(), "sensors/lidar/1000.feather", &whole);
    let drive = open(log.path(), &OpenOptions { uncalibrated: true, ..OpenOptions::default() }).unwrap();
    // The headers stand at both ends; between them is compressed data, each column led by its length.
    let ends = (0..1600).step_by(7).chain((whole.len() - 2400..whole.len()).step_by(7));
    let mut failed = 0;
    for at in ends.chain((1600..whole.len() - 2400).step_by(9_973)) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xFF;
        fs::write(&file, bytes).unwrap();
        failed += usize::from(drive.read(0).is_err());
    }
    assert!(failed > 20, "{failed}");
}

#[test]
fn a_video_without_ffmpeg_or_without_video() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "drive.mp4", "no video at all");
    let missing = OpenOptions { ffmpeg: Some("/nowhere/ffmpeg".into()), ..OpenOptions::default() };
    assert_says(&refusal(&file, &missing), &["drive.mp4", "ffprobe", "not there", "apt-get install ffmpeg"]);
    if std::process::Command::new("ffprobe").arg("-version").output().is_ok() {
        assert_says(&default_refusal(&file), &["drive.mp4", "expected a video file"]);
    }
}

#[test]
fn a_truncated_video_loses_its_end_and_says_so() {
    let Some(path) = real_data("recordings/video/carnd_vehicle_test_video.mp4") else { return };
    if std::process::Command::new("ffprobe").arg("-version").output().is_err() {
        println!("not run: no ffmpeg on this machine");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(path).unwrap();
    let file = write(folder.path(), "cut.mp4", &whole[..whole.len() * 3 / 4]);
    let Ok(drive) = open(&file, &OpenOptions::default()) else {
        // The index stands at the file's end: nothing is readable, and that is what was said.
        assert_says(&default_refusal(&file), &["cut.mp4", "expected"]);
        return;
    };
    let results: Vec<_> = (0..drive.entries().len()).map(|i| drive.read(i)).collect();
    let lost: Vec<_> = results.iter().filter_map(|r| r.as_ref().err()).collect();
    assert!(drive.entries().len() < 38 || !lost.is_empty());
    assert!(lost.iter().all(|e| e.reason() == "stream"));
}
