//! A small drive shown in a file that is read back, and in viewers that are absent or do not read.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nalgebra::{Matrix3, Vector3};
use ocellus_percept::assess::{Corridor, VehicleShape, Way};
use ocellus_percept::cloud::Cloud;
use ocellus_percept::depth::DepthMap;
use ocellus_percept::image::{Image, PixelFormat};
use ocellus_percept::model::DepthKind;
use ocellus_percept::space::{Camera, CameraMount, Distortion, LidarMount, Optical, Rig, Transform, Vehicle};
use rerun::external::re_log_encoding::Decoder;
use rerun::log::{Chunk, LogMsg};

use super::*;
use crate::objects::samples::full_report;

const SIZE: [u32; 2] = [160, 48];

fn rig() -> Rig {
    let camera = Camera {
        width: SIZE[0],
        height: SIZE[1],
        fx: 90.0,
        fy: 90.0,
        cx: 79.5,
        cy: 23.5,
        distortion: Distortion::None,
    };
    // x right, y down, z forward of x forward, y left, z up.
    let rotation = Matrix3::new(0.0, -1.0, 0.0, 0.0, 0.0, -1.0, 1.0, 0.0, 0.0);
    let optical_from_vehicle =
        Transform::<Optical, Vehicle>::from_rotation_translation(rotation, Vector3::new(0.0, -0.1, -0.3)).unwrap();
    let mut rig = Rig::default();
    rig.cameras.insert("image_02".to_owned(), CameraMount { camera, optical_from_vehicle: Some(optical_from_vehicle) });
    rig.lidars.insert("lidar".to_owned(), LidarMount { vehicle_from_lidar: Transform::identity() });
    rig
}

fn scene() -> Scene {
    Scene {
        anticipation: true,
        machine: true,
        name: "small".to_owned(),
        cameras: vec!["image_02".to_owned()],
        lidar: true,
        depth: true,
        rig: rig(),
        outline: Some(VehicleOutline::car(1.7)),
    }
}

/// Straight ahead on level ground that no sweep shows.
fn way() -> Way {
    Way { corridor: Corridor::new(VehicleShape::CAR, None), length_m: 40.0, ground: None }
}

/// Pictures of grey ramps, a wall of points 10 m ahead, one car.
fn drive(frames: u64) -> Vec<ViewMsg> {
    let wall: Vec<[f32; 3]> =
        (0..2000).map(|i| [10.0, (i % 100) as f32 * 0.1 - 5.0, (i / 100) as f32 * 0.1 - 1.0]).collect();
    let cloud = Shared::new(Arc::new(Cloud { xyz: wall, ..Cloud::default() }));
    let pixels: Vec<u8> = (0..SIZE[0] * SIZE[1]).map(|i| (i % SIZE[0]) as u8).collect();
    let image = Arc::new(Image::from_vec(SIZE[0] as usize, SIZE[1] as usize, PixelFormat::Gray8, pixels).unwrap());
    let depth = Shared::new(Arc::new(DepthMap {
        width: 16,
        height: 16,
        values: (1..=256).map(|v| v as f32).collect(),
        kind: DepthKind::Metric,
        focal: None,
        scale_x: 0.1,
        offset_x: 0.0,
        scale_y: 0.1,
        offset_y: 5.6,
    }));
    let mut messages = vec![ViewMsg::Log(LogView { t: None, level: LogLevel::Info, text: "start".to_owned() })];
    for seq in 0..frames {
        let mut report = full_report();
        report.t = report.t.plus_seconds(0.1 * seq as f64);
        report.seq = Some(seq);
        let t = report.t;
        messages.push(ViewMsg::Sweep(SweepView { lidar: "lidar".to_owned(), t, seq, cloud: cloud.clone() }));
        messages.push(ViewMsg::Frame(FrameView {
            report: Arc::new(report),
            picture: Some(Picture::Raw(Arc::clone(&image))),
            size_px: Some(SIZE),
            depth: Some(depth.clone()),
            way: Some(way()),
        }));
        messages.push(ViewMsg::Metrics(MetricsView {
            t,
            seq,
            latency_ms: vec![("infer".to_owned(), 20.0), (TOTAL.to_owned(), 30.0), ("odd".to_owned(), f64::NAN)],
            queue_depth: vec![("infer".to_owned(), 1.0)],
            machine: vec![("hottest, °C".to_owned(), 51.25)],
        }));
    }
    messages.push(ViewMsg::Log(LogView { t: None, level: LogLevel::Warn, text: "end".to_owned() }));
    messages
}

/// Rows by entity path, of the recording and of the layout.
fn rows(path: &Path) -> (BTreeMap<String, usize>, BTreeMap<String, usize>) {
    let (mut recording, mut layout) = (BTreeMap::new(), BTreeMap::new());
    let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
    for message in Decoder::<LogMsg>::decode_eager(file).unwrap() {
        if let LogMsg::ArrowMsg(store, message) = message.unwrap() {
            let chunk = Chunk::from_arrow_msg(&message).unwrap();
            let part = if store.is_blueprint() { &mut layout } else { &mut recording };
            *part.entry(chunk.entity_path().to_string()).or_insert(0) += chunk.num_rows();
        }
    }
    (recording, layout)
}

#[test]
fn a_saved_drive_holds_every_frame_where_it_belongs_and_a_layout() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run").join(FILE_NAME);
    let mut viewer = Viewer::open(&ViewerMode::Save(path.clone()), scene(), "test").unwrap();
    let messages = drive(5);
    for message in &messages {
        assert_eq!(viewer.step(message).unwrap(), Outcome::Shown);
    }
    let (stats, finished) = viewer.finish();
    finished.unwrap();
    assert_eq!(stats, ViewerStats { shown: messages.len() as u64, ..ViewerStats::default() });

    let (recording, layout) = rows(&path);
    // What is static has one row more: transform and lens are two rows of the camera, each style one of its series.
    let expected = [
        ("/vehicle/cameras/image_02", 2),
        ("/vehicle/cameras/image_02/picture", 5),
        ("/vehicle/cameras/image_02/objects", 5),
        ("/vehicle/cameras/image_02/objects/labels", 5),
        ("/vehicle/lidars/lidar", 1 + 5),
        ("/vehicle/objects", 5),
        ("/vehicle/velocities", 5),
        ("/depth/image_02", 5),
        ("/latency/infer", 1 + 5),
        ("/latency/total", 1 + 5),
        ("/queues/infer", 1 + 5),
        ("/machine/hottest___C", 1 + 5),
        ("/nearest/car", 1 + 5),
        ("/ttc/car", 1 + 5),
        ("/vehicle/way", 5),
        ("/vehicle/cameras/image_02/way", 5),
        // What does not change is told once.
        ("/states/0_risk", 1 + 1),
        ("/states/image_02", 1 + 1),
        ("/states/lidar", 1 + 1),
        // The first line, the reason of the one warning, and the last line.
        ("/log", 3),
    ];
    for (entity, count) in expected {
        assert_eq!(recording.get(entity), Some(&count), "{entity} in {recording:#?}");
    }
    assert!(!recording.contains_key("/latency/odd"), "what is not finite is not plotted");
    for property in ["EyeControls3D", "Background", "TextLogColumns"] {
        assert!(layout.keys().any(|path| path.ends_with(property)), "{property} in {layout:#?}");
    }
    assert!(layout.contains_key("/viewport"));
}

#[test]
fn frames_without_picture_objects_or_place_are_shown_as_far_as_they_go() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    let bare = Scene { cameras: vec!["a".to_owned(), "b".to_owned(), "c".to_owned()], depth: true, ..Scene::default() };
    let mut viewer = Viewer::open(&ViewerMode::Save(path.clone()), bare, "test").unwrap();
    let mut report = full_report();
    report.objects = None;
    let frame = |report| {
        ViewMsg::Frame(FrameView { report: Arc::new(report), picture: None, size_px: None, depth: None, way: None })
    };
    viewer.step(&frame(report.clone())).unwrap();
    report.trigger = Trigger::Tick;
    report.sensor = None;
    report.seq = None;
    viewer.step(&frame(report)).unwrap();
    viewer.finish().1.unwrap();
    assert_eq!(rows(&path).0.get("/vehicle/objects"), Some(&2));
}

#[test]
fn lines_of_a_run_without_frames_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    let mut viewer = Viewer::open(&ViewerMode::Save(path.clone()), scene(), "test").unwrap();
    viewer.step(&drive(0)[0]).unwrap();
    viewer.finish().1.unwrap();
    assert_eq!(rows(&path).0.get("/log"), Some(&1));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_reported_and_not_only_logged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    // The device may refuse the first bytes already.
    let error = match Viewer::open(&ViewerMode::Save(path.clone()), scene(), "test") {
        Err(error) => error,
        Ok(mut viewer) => {
            let stepped = drive(3).iter().try_for_each(|message| viewer.step(message).map(drop));
            stepped.and(viewer.finish().1).unwrap_err()
        }
    };
    assert!(matches!(error, ViewerError::File { .. }), "{error}");
    assert!(error.to_string().contains(FILE_NAME), "{error}");
}

#[test]
fn an_absent_viewer_is_an_error_with_a_remedy() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mode = ViewerMode::Connect(format!("rerun+http://{free}/proxy"));
    let error = Viewer::open(&mode, scene(), "test").unwrap_err();
    assert!(matches!(error, ViewerError::NoViewer { .. }));
    assert!(error.to_string().contains("--save"), "{error}");
}

/// The kernel takes the connection, and nobody ever reads from it: the worst of viewers. Every step must come back,
/// memory must stay bounded by shedding, and the end must come too.
#[test]
fn a_viewer_that_does_not_read_costs_frames_and_never_blocks() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mode = ViewerMode::Connect(format!("rerun+http://{}/proxy", listener.local_addr().unwrap()));
    let mut viewer = Viewer::open(&mode, scene(), "test").unwrap();
    let bytes: Arc<[u8]> = vec![0xff; 2 << 20].into();
    let frame = |seq| {
        let mut report = full_report();
        report.seq = Some(seq);
        ViewMsg::Frame(FrameView {
            report: Arc::new(report),
            picture: Some(Picture::Encoded(Arc::clone(&bytes))),
            size_px: Some(SIZE),
            depth: None,
            way: None,
        })
    };
    let outcomes: Vec<Outcome> = (0..400).map(|seq| viewer.step(&frame(seq)).unwrap()).collect();
    let shed = outcomes.iter().filter(|o| **o == Outcome::Shed(Shed::Stalled)).count() as u64;
    assert!(shed > 0, "800 MB cannot all be on their way");
    let (stats, finished) = viewer.finish();
    assert_eq!((stats.shown + stats.shed_stalled, stats.shed_stalled), (400, shed));
    assert!(matches!(finished, Err(ViewerError::Unflushed { .. })), "{finished:?}");
}

/// A viewer's own server, as the viewer program runs it.
fn serve(port: u16) -> RecordingStream {
    let options = rerun::ServerOptions::default();
    let server = rerun::RecordingStreamBuilder::new("server").serve_grpc_opts("127.0.0.1", port, options).unwrap();
    let listens = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    assert!(listens, "the server never listened");
    server
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_viewer_that_listens_takes_everything() {
    let port = free_port();
    let server = serve(port);
    let mode = ViewerMode::Connect(format!("rerun+http://127.0.0.1:{port}/proxy"));
    let mut viewer = Viewer::open(&mode, scene(), "test").unwrap();
    let messages = drive(20);
    for message in &messages {
        assert_eq!(viewer.step(message).unwrap(), Outcome::Shown);
    }
    let (stats, finished) = viewer.finish();
    finished.unwrap();
    assert_eq!(stats, ViewerStats { shown: messages.len() as u64, ..ViewerStats::default() });
    drop(server);
}

/// Stands between viewer sink and server; dropping it cuts the line, as a killed viewer does.
struct Relay {
    listener: TcpListener,
    server_port: u16,
    lines: Vec<(TcpStream, TcpStream)>,
}

impl Relay {
    fn new(port: u16, server_port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self { listener, server_port, lines: Vec::new() }
    }

    /// Takes in who calls, and passes on what has come.
    fn pump(&mut self) {
        while let Ok((client, _)) = self.listener.accept() {
            let server = TcpStream::connect(("127.0.0.1", self.server_port)).unwrap();
            client.set_nonblocking(true).unwrap();
            server.set_nonblocking(true).unwrap();
            self.lines.push((client, server));
        }
        self.lines.retain_mut(|(client, server)| pass_on(client, server) && pass_on(server, client));
    }
}

/// Copies what has come; false once the line is closed.
fn pass_on(from: &mut TcpStream, to: &mut TcpStream) -> bool {
    let mut buffer = [0; 65536];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => count,
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        };
        let mut rest = &buffer[..count];
        while !rest.is_empty() {
            match to.write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(1)),
                Err(_) => return false,
            }
        }
    }
}

/// Steps until `wanted` comes out; the number of tries is bounded, the time is not asserted.
fn step_until(viewer: &mut Viewer, relay: &mut Option<Relay>, wanted: Outcome) {
    let messages = drive(1);
    let found = (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        relay.iter_mut().for_each(Relay::pump);
        messages.iter().any(|message| viewer.step(message).unwrap() == wanted)
    });
    assert!(found, "{wanted:?} never came: {:?}", viewer.stats());
}

#[test]
fn a_viewer_that_went_away_is_found_again() {
    let (port, server_port) = (free_port(), free_port());
    let server = serve(server_port);
    let mut relay = Some(Relay::new(port, server_port));
    let mode = ViewerMode::Connect(format!("rerun+http://127.0.0.1:{port}/proxy"));
    let mut viewer = Viewer::open(&mode, scene(), "test").unwrap();
    // Several rounds, so that the connection stands before it is cut.
    for _ in 0..20 {
        step_until(&mut viewer, &mut relay, Outcome::Shown);
    }
    drop(relay.take());
    step_until(&mut viewer, &mut relay, Outcome::Shed(Shed::Lost));
    relay = Some(Relay::new(port, server_port));
    step_until(&mut viewer, &mut relay, Outcome::Shown);
    assert_eq!(viewer.stats().reconnected, 1);
    assert!(viewer.stats().shed_lost > 0);
    drop(viewer);
    drop(server);
}
