//! MCAP recordings made to be odd: layouts that are allowed and rare, and files that lie.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ::mcap::records::MessageHeader;
use ::mcap::{Compression, WriteOptions, Writer};
use ocellus_percept::cloud::Cloud;
use ocellus_sense::{Drive, ImageEncoding, OpenOptions, Payload, ReadError, StampPolicy, mcap, open};

use crate::support::{jpeg, png, refusal};

/// A message in CDR of either byte order.
struct Cdr {
    bytes: Vec<u8>,
    big: bool,
}

impl Cdr {
    fn new(big: bool) -> Self {
        Self { bytes: vec![0, u8::from(!big), 0, 0], big }
    }

    fn put<const N: usize>(mut self, little: [u8; N]) -> Self {
        while !(self.bytes.len() - 4).is_multiple_of(N) {
            self.bytes.push(0xEE);
        }
        let mut bytes = little;
        if self.big {
            bytes.reverse();
        }
        self.bytes.extend(bytes);
        self
    }

    fn u32(self, value: u32) -> Self {
        self.put(value.to_le_bytes())
    }

    fn u8(self, value: u8) -> Self {
        self.put([value])
    }

    fn f64s(self, values: &[f64]) -> Self {
        values.iter().fold(self, |cdr, v| cdr.put(v.to_le_bytes()))
    }

    fn text(self, text: &str) -> Self {
        let mut cdr = self.u32(text.len() as u32 + 1);
        cdr.bytes.extend(text.bytes().chain([0]));
        cdr
    }

    fn blob(self, bytes: &[u8]) -> Self {
        let mut cdr = self.u32(bytes.len() as u32);
        cdr.bytes.extend(bytes);
        cdr
    }

    fn header(self, ms: u32, frame: &str) -> Self {
        let seconds = if ms == 0 { 0 } else { 1_700_000_000 + ms / 1000 };
        self.u32(seconds).u32(ms % 1000 * 1_000_000).text(frame)
    }
}

/// A recording of messages given as (topic, schema, encoding, content), logged 100 ms apart.
fn record(path: &Path, options: WriteOptions, messages: &[(&str, &str, &str, Vec<u8>)]) {
    let mut file = std::io::Cursor::new(Vec::new());
    let mut writer = Writer::with_options(&mut file, options.profile("ros2")).unwrap();
    for (index, (topic, schema, encoding, content)) in messages.iter().enumerate() {
        let schema = writer.add_schema(schema, "ros2msg", b"").unwrap();
        let channel_id = writer.add_channel(schema, topic, encoding, &BTreeMap::new()).unwrap();
        let log_time = 1_700_000_000_000_000_000 + 100_000_000 * index as u64;
        let header = MessageHeader { channel_id, sequence: 0, log_time, publish_time: log_time };
        writer.write_to_known_channel(&header, content).unwrap();
    }
    writer.finish().unwrap();
    drop(writer);
    std::fs::write(path, file.into_inner()).unwrap();
}

const POINTS: &str = "sensor_msgs/msg/PointCloud2";

/// What a PointCloud2 says of itself.
struct Points<'a> {
    fields: &'a [(&'a str, u32, u8)],
    width: u32,
    height: u32,
    point_step: u32,
    row_step: u32,
    big: bool,
    data: Vec<u8>,
}

impl Points<'_> {
    fn message(&self, ms: u32) -> Vec<u8> {
        let mut cdr = Cdr::new(self.big).header(ms, "lidar").u32(self.height).u32(self.width);
        cdr = cdr.u32(self.fields.len() as u32);
        for (name, offset, datatype) in self.fields {
            cdr = cdr.text(name).u32(*offset).u8(*datatype).u32(1);
        }
        cdr.u8(self.big.into()).u32(self.point_step).u32(self.row_step).blob(&self.data).u8(1).bytes
    }
}

const XYZI: [(&str, u32, u8); 4] = [("x", 0, 7), ("y", 4, 7), ("z", 8, 7), ("intensity", 12, 7)];

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// A temporary recording.
struct Made {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

fn made(messages: &[(&str, &str, &str, Vec<u8>)]) -> Made {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made.mcap");
    record(&path, WriteOptions::new().compression(Some(Compression::Lz4)), messages);
    Made { _dir: dir, path }
}

fn drive(made: &Made) -> Box<dyn Drive> {
    open(&made.path, &OpenOptions::default()).unwrap()
}

/// The sweep of a recording of this message alone.
fn sweep(points: &Points<'_>) -> Result<Cloud, ReadError> {
    let made = made(&[("/points", POINTS, "cdr", points.message(1))]);
    match drive(&made).read(0)? {
        Payload::Cloud(cloud) => Ok(cloud),
        Payload::Image(_) => panic!("a sweep"),
    }
}

#[test]
fn fields_in_any_order_number_type_and_byte_order() {
    // Ring before x, doubles, four bytes of padding behind, all of it big-endian.
    let mut data = Vec::new();
    for i in 0..3_u16 {
        data.extend((i * 100).to_be_bytes());
        data.extend([f64::from(i), 2.0, -3.5].iter().flat_map(|v| v.to_be_bytes()));
        data.extend([i as u8 * 100, 9, 9, 9, 9]);
    }
    let fields = [("ring", 0, 4), ("x", 2, 8), ("y", 10, 8), ("z", 18, 8), ("reflectivity", 26, 2)];
    let points = Points { fields: &fields, width: 3, height: 1, point_step: 31, row_step: 93, big: true, data };
    let cloud = sweep(&points).unwrap();
    assert_eq!(cloud.xyz, [[0.0, 2.0, -3.5], [1.0, 2.0, -3.5], [2.0, 2.0, -3.5]]);
    assert_eq!(cloud.ring, [0, 100, 200]);
    assert_eq!(cloud.intensity, [0.0, 100.0 / 255.0, 200.0 / 255.0]);
    assert!(cloud.time_offset_s.is_empty());
}

#[test]
fn rows_with_padding_nan_and_no_intensity() {
    let row = |x: f32| [floats(&[x, 0.0, 0.0, f32::NAN, 1.0, 1.0]), vec![7; 8]].concat();
    let data = [row(1.0), row(2.0)].concat();
    let points = Points { fields: &XYZI[..3], width: 2, height: 2, point_step: 12, row_step: 32, big: false, data };
    let cloud = sweep(&points).unwrap();
    assert_eq!(cloud.len(), 4);
    assert_eq!((cloud.xyz[0], cloud.xyz[2][0], cloud.xyz[3][1]), ([1.0, 0.0, 0.0], 2.0, 1.0));
    assert!(cloud.xyz[1][0].is_nan() && cloud.intensity.is_empty());
}

#[test]
fn no_points_at_all_is_an_empty_sweep() {
    let points = Points { fields: &XYZI, width: 0, height: 1, point_step: 16, row_step: 0, big: false, data: vec![] };
    assert!(sweep(&points).unwrap().is_empty());
}

#[test]
fn sizes_that_lie_are_named() {
    let ten = || floats(&[0.5; 40]);
    let said = |fields: &[(&str, u32, u8)], (width, height): (u32, u32), point_step, row_step, data| {
        sweep(&Points { fields, width, height, point_step, row_step, big: false, data }).unwrap_err().to_string()
    };
    let text = said(&XYZI, (1000, 1), 16, 16_000, ten());
    assert!(text.contains("width 1000") && text.contains("160 bytes"), "{text}");
    let text = said(&XYZI, (3, 1), 16, 160, ten());
    assert!(text.contains("row_step") && text.contains("width 3"), "{text}");
    let text = said(&XYZI, (3, 1), 16, 48, ten());
    assert!(text.contains("width 3") && text.contains("48 bytes"), "{text}");
    let text = said(&XYZI, (0, 1), 16, 0, ten());
    assert!(text.contains("width 0"), "{text}");
    let text = said(&XYZI, (10, 1), 12, 120, ten());
    assert!(text.contains("intensity") && text.contains("offset"), "{text}");
    let text = said(&XYZI, (u32::MAX, u32::MAX), 16, u32::MAX, ten());
    assert!(text.contains("row_step"), "{text}");
    let text = said(&XYZI[1..], (10, 1), 16, 160, ten());
    assert!(text.contains("a field x") && text.contains("y, z, intensity"), "{text}");
    let text = said(&[("x", 0, 6), ("y", 4, 7), ("z", 8, 7)], (10, 1), 16, 160, ten());
    assert!(text.contains("FLOAT32 or FLOAT64"), "{text}");
    let text = said(&[("x", 0, 9)], (10, 1), 16, 160, ten());
    assert!(text.contains("datatype of 1 to 8"), "{text}");
    // Origin: file, topic and time.
    assert!(text.contains("made.mcap: /points at 1700000000.001"), "{text}");
}

#[test]
fn point_times_of_every_kind_become_seconds_from_the_stamp() {
    // The message's stamp is 1700000000.5 s.
    let cases: [(&str, u8, Vec<u8>); 5] = [
        ("time", 7, (-0.05_f32).to_le_bytes().to_vec()),
        ("t", 6, 25_000_000_u32.to_le_bytes().to_vec()),
        ("timestamp", 8, 1_700_000_000.4_f64.to_le_bytes().to_vec()),
        ("timestamp", 8, 1_700_000_000_525_000_000_f64.to_le_bytes().to_vec()),
        ("offset_time", 6, 100_u32.to_le_bytes().to_vec()),
    ];
    let expected = [-0.05, 0.025, -0.1, 0.025, 1e-7];
    for ((name, datatype, time), expected) in cases.into_iter().zip(expected) {
        let step = 12 + time.len() as u32;
        let fields = [("x", 0, 7), ("y", 4, 7), ("z", 8, 7), (name, 12, datatype)];
        let data = [floats(&[1.0, 2.0, 3.0]), time].concat();
        let points =
            Points { fields: &fields, width: 1, height: 1, point_step: step, row_step: step, big: false, data };
        let made = made(&[("/points", POINTS, "cdr", points.message(500))]);
        let Payload::Cloud(cloud) = drive(&made).read(0).unwrap() else { panic!("a sweep") };
        assert!((cloud.time_offset_s[0] - expected).abs() < 1e-6, "{name}: {:?}", cloud.time_offset_s);
    }
}

fn compressed(ms: u32, format: &str, data: &[u8]) -> Vec<u8> {
    Cdr::new(false).header(ms, "camera_optical").text(format).blob(data).bytes
}

const COMPRESSED: &str = "sensor_msgs/msg/CompressedImage";

#[test]
fn a_picture_is_what_its_bytes_are() {
    let formats = ["jpeg", "jpg", "rgb8; jpeg compressed bgr8", "png", ""];
    let mut messages: Vec<_> = formats
        .iter()
        .enumerate()
        .map(|(i, format)| {
            ("/camera/image_raw/compressed", COMPRESSED, "cdr", compressed(1 + i as u32, format, &jpeg(8, 4)))
        })
        .collect();
    messages.push(("/camera/image_raw/compressed", COMPRESSED, "cdr", compressed(50, "jpeg", &png(8, 4))));
    messages.push(("/camera/image_raw/compressed", COMPRESSED, "cdr", compressed(60, "jpeg", b"no picture")));
    let made = made(&messages);
    let drive = drive(&made);
    assert_eq!(drive.info().sensors[0].resolution_px, Some((8, 4)));
    let encodings: Vec<_> = (0..6)
        .map(|i| match drive.read(i).unwrap() {
            Payload::Image(image) => image.encoding,
            Payload::Cloud(_) => panic!("a picture"),
        })
        .collect();
    assert_eq!(encodings[..5], [ImageEncoding::Jpeg; 5]);
    assert_eq!(encodings[5], ImageEncoding::Png);
    let text = drive.read(6).unwrap_err().to_string();
    assert!(text.contains("JPEG or PNG") && text.contains("/camera/image_raw/compressed at 17"), "{text}");
    assert!(drive.info().notes.iter().any(|n| n.contains("no CameraInfo")), "{:?}", drive.info().notes);
}

#[test]
fn what_is_not_read_is_named_and_the_rest_is_used() {
    let points = Points {
        fields: &XYZI,
        width: 1,
        height: 1,
        point_step: 16,
        row_step: 16,
        big: false,
        data: floats(&[1.0, 2.0, 3.0, 99.0]),
    };
    let depth = Cdr::new(false).header(1, "d").u32(1).u32(1).text("16UC1").u8(0).u32(2).blob(&[0, 0]).bytes;
    let made = made(&[
        ("/points", POINTS, "cdr", points.message(1)),
        ("/points", POINTS, "cdr", points.message(101)),
        ("/points", "std_msgs/msg/String", "cdr", Cdr::new(false).text("two schemas").bytes),
        ("/json", "foxglove.CompressedImage", "json", b"{}".to_vec()),
        ("/camera/image", "sensor_msgs/Image", "ros1", vec![1, 2, 3]),
        ("/custom", "my_msgs/msg/Thing", "cdr", vec![0, 1, 0, 0]),
        ("/depth/image_raw", "sensor_msgs/msg/Image", "cdr", depth),
        ("/tf", "tf2_msgs/msg/TFMessage", "cdr", vec![0, 1, 0, 0, 255, 255, 0, 0]),
    ]);
    let drive = drive(&made);
    assert_eq!(drive.entries().len(), 2);
    let notes = drive.info().notes.join("\n");
    for part in [
        "/points (std_msgs/msg/String, cdr)",
        "/json (foxglove.CompressedImage, json)",
        "ros1",
        "my_msgs/msg/Thing",
        "16UC1",
        "/tf: 1 of 1 messages cannot be read",
        "divided by 255",
    ] {
        assert!(notes.contains(part), "{part} in {notes}");
    }
    let Payload::Cloud(cloud) = drive.read(0).unwrap() else { panic!("a sweep") };
    assert_eq!(cloud.intensity, [99.0 / 255.0]);
}

#[test]
fn the_same_pictures_sent_twice_are_taken_once() {
    let raw =
        |ms| Cdr::new(true).header(ms, "c").u32(1).u32(2).text("rgb8").u8(1).u32(6).blob(&[1, 2, 3, 4, 5, 6]).bytes;
    let made = made(&[
        ("/camera/image_raw", "sensor_msgs/msg/Image", "cdr", raw(1)),
        ("/camera/image_raw/compressed", COMPRESSED, "cdr", compressed(1, "jpeg", &jpeg(2, 1))),
    ]);
    let drive = drive(&made);
    assert_eq!(drive.info().sensors.len(), 1);
    assert!(drive.info().notes.iter().any(|n| n.contains("the same sensor")), "{:?}", drive.info().notes);
    let Payload::Image(image) = drive.read(0).unwrap() else { panic!("a picture") };
    assert_eq!(image.bytes, [1, 2, 3, 4, 5, 6]);
}

/// tf2_msgs/TFMessage of one transform.
fn transform(ms: u32, parent: &str, child: &str, xyz: [f64; 3], xyzw: [f64; 4]) -> Vec<u8> {
    Cdr::new(false).u32(1).header(ms, parent).text(child).f64s(&xyz).f64s(&xyzw).bytes
}

fn camera_info(k: [f64; 9]) -> Vec<u8> {
    let cdr = Cdr::new(false).header(1, "camera_link").u32(40).u32(80).text("plumb_bob");
    let cdr = cdr.u32(5).f64s(&[0.0; 5]).f64s(&k).f64s(&[0.0; 9]).f64s(&[0.0; 12]);
    cdr.u32(0).u32(0).u32(0).u32(0).u32(0).u32(0).u8(0).bytes
}

const K: [f64; 9] = [70.0, 0.0, 40.0, 0.0, 70.0, 20.0, 0.0, 0.0, 1.0];

#[test]
fn a_camera_in_a_body_frame_gets_the_optical_rotation() {
    let tf = "tf2_msgs/msg/TFMessage";
    let made = made(&[
        ("/tf_static", tf, "cdr", transform(0, "base_link", "mast", [1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0])),
        ("/tf_static", tf, "cdr", transform(0, "mast", "camera_link", [0.0, 0.5, 0.0], [0.0, 0.0, 0.0, 1.0])),
        ("/camera/camera_info", "sensor_msgs/msg/CameraInfo", "cdr", camera_info(K)),
        ("/camera/image_raw/compressed", COMPRESSED, "cdr", {
            Cdr::new(false).header(1, "camera_link").text("jpeg").blob(&jpeg(80, 40)).bytes
        }),
    ]);
    let drive = drive(&made);
    let mount = drive.info().rig.cameras["camera"];
    let point = ocellus_percept::space::Point3::new(11.0, 0.5, 1.0);
    let ahead = mount.optical_from_vehicle.unwrap().apply(&point);
    assert!((ahead.xyz - nalgebra::Vector3::new(0.0, 0.0, 10.0)).norm() < 1e-9, "{}", ahead.xyz);
    assert!(drive.info().notes.iter().any(|n| n.contains("optical rotation")), "{:?}", drive.info().notes);
}

#[test]
fn broken_calibration_is_said_and_the_pictures_are_kept() {
    let picture = ("/camera/image_raw/compressed", COMPRESSED, "cdr", compressed(1, "jpeg", &jpeg(8, 4)));
    let info = |k| ("/camera/camera_info", "sensor_msgs/msg/CameraInfo", "cdr", camera_info(k));
    for (k, part) in [([0.0; 9], "uncalibrated"), ([f64::NAN, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0], "singular")] {
        let made = made(&[info(k), picture.clone()]);
        let drive = drive(&made);
        assert!(drive.info().rig.cameras.is_empty() && drive.read(0).is_ok());
        assert!(drive.info().notes.iter().any(|n| n.contains(part)), "{part}: {:?}", drive.info().notes);
    }
}

#[test]
fn stamps_of_zero_backwards_and_repeated() {
    let message = |ms| ("/camera/image_raw/compressed", COMPRESSED, "cdr", compressed(ms, "jpeg", &jpeg(8, 4)));
    let zero = made(&[message(0), message(0)]);
    let drive = drive(&zero);
    assert_eq!(drive.entries()[1].t.as_nanos(), 1_700_000_000_100_000_000, "the time of logging");
    assert!(drive.info().notes.iter().any(|n| n.contains("2 of 2 messages have a stamp of zero")));
    let backwards = made(&[message(30), message(10), message(20)]);
    let text = refusal(&backwards.path, &OpenOptions::default());
    assert!(text.contains("/camera/image_raw/compressed") && text.contains("1 stamps run backwards"), "{text}");
    let sort = OpenOptions { stamps: StampPolicy::Sort, ..Default::default() };
    let seqs: Vec<u64> = open(&backwards.path, &sort).unwrap().entries().iter().map(|e| e.seq).collect();
    assert_eq!(seqs, [1, 2, 0]);
}

#[test]
fn a_recording_without_summary_or_chunks_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("plain.mcap");
    let message = ("/camera/image_raw/compressed", COMPRESSED, "cdr", compressed(5, "jpeg", &jpeg(8, 4)));
    let bare = || WriteOptions::new().emit_summary_records(false).emit_summary_offsets(false);
    for options in [bare().use_chunks(false), bare().compression(None), bare()] {
        record(&path, options, std::slice::from_ref(&message));
        let drive = open(&path, &OpenOptions::default()).unwrap();
        assert!(drive.info().lost.is_empty(), "{:?}", drive.info().lost);
        assert!(drive.info().notes.iter().any(|n| n.contains("no summary")), "{:?}", drive.info().notes);
        assert!(drive.read(0).is_ok());
    }
}

#[test]
fn files_that_are_no_recording_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.mcap");
    for (content, part) in
        [(&b""[..], "an empty file"), (b"PK\x03\x04 zip", "signature"), (b"\x89MCAP0\r\n", "no topic")]
    {
        std::fs::write(&path, content).unwrap();
        let text = refusal(&path, &OpenOptions::default());
        assert!(text.contains("x.mcap") && text.contains(part), "{part}: {text}");
    }
    // Zeros behind the signature, as a power cut leaves them.
    std::fs::write(&path, [b"\x89MCAP0\r\n".to_vec(), vec![0; 100]].concat()).unwrap();
    let (topics, lost) = mcap::topics(&path).unwrap();
    assert!(topics.is_empty() && lost[0].contains("no record at byte 8"), "{lost:?}");
}
