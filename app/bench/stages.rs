//! Single steps: on made inputs, on a drive's pictures and sweeps, and on what given networks say of them.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use ocellus_flow::pool::{Exhausted, Pool};
use ocellus_flow::queue::{QueueSpec, channel};
use ocellus_infer::Runtime;
use ocellus_percept::cloud::Cloud;
use ocellus_percept::depth::DepthMap;
use ocellus_percept::detection::Detection;
use ocellus_percept::fuse::{FrameContext, Fuser, FuserConfig, Projected, Sweep, project_cloud};
use ocellus_percept::image::{Image, PixelFormat};
use ocellus_percept::model::{DepthKind, HeadFamily, Resize};
use ocellus_percept::report::FrameReport;
use ocellus_percept::space::{Camera, Lens, Lidar, Optical, Transform, Vehicle};
use ocellus_percept::tensor::depth::{depth_from_output, empty_depth};
use ocellus_percept::tensor::{Decoder, Letterbox, Preprocessor, TensorData, TensorView};
use ocellus_percept::time::Timestamp;
use ocellus_percept::track::{TrackFrame, TrackIds, Tracker, TrackerConfig};
use ocellus_sense::{Drive, Entry, ImageEncoding, Payload, SensorKind, decode_image};
use ocellus_sinks::objects::write_line;
use ocellus_sinks::viewer::{FrameView, Picture, Scene as ViewScene, Shared, SweepView, ViewMsg, Viewer, ViewerMode};

use super::{Clock, made};
use crate::models::Model;

/// The picture that preprocessing is measured on.
const PICTURE: (usize, usize) = (1280, 720);
/// A depth map of half a small network's input.
const DEPTH: (usize, usize) = (160, 96);
/// Objects a tracker follows.
const TRACKED: [usize; 4] = [20, 50, 100, 200];
/// Bytes of a decoded 1280x720 picture: what passes between two threads.
const HOP_BYTES: usize = 3 * PICTURE.0 * PICTURE.1;
/// Objects of a line of objects.jsonl.
const LINE_OBJECTS: usize = 20;

/// Where what is encoded goes.
const NOWHERE: &str = "/dev/null";

/// Everything that needs neither a drive nor a network.
pub fn on_made_inputs(clock: &mut Clock) -> Result<()> {
    preprocessing(clock)?;
    heads(clock)?;
    depth(clock)?;
    for count in TRACKED {
        tracking(clock, count, false);
    }
    tracking(clock, TRACKED[TRACKED.len() - 1], true);
    hop(clock)?;
    let (report, mut line) = (made::report(LINE_OBJECTS), String::new());
    clock.time(format!("line of objects.jsonl, {LINE_OBJECTS} objects"), || {
        line.clear();
        write_line(&report, &mut line);
    });
    Ok(())
}

fn preprocessing(clock: &mut Clock) -> Result<()> {
    let input = made::spec(HeadFamily::Yolov8).input;
    for (name, format) in [("RGB", PixelFormat::Rgb8), ("YUYV", PixelFormat::Yuyv), ("NV12", PixelFormat::Nv12)] {
        let picture = made::picture(PICTURE.0, PICTURE.1, format)?;
        let mut preprocessor = Preprocessor::new(&input)?;
        let mut tensor = vec![0.0; preprocessor.output_len()];
        preprocessor.run(picture.view(), &mut tensor)?;
        let (side, (w, h)) = (made::SIDE, PICTURE);
        clock.time(format!("letterbox {w}x{h} {name} -> {side}x{side} CHW float"), || {
            // The same call succeeded just now.
            let _ = preprocessor.run(picture.view(), &mut tensor);
        });
    }
    Ok(())
}

fn heads(clock: &mut Clock) -> Result<()> {
    use HeadFamily::{Detr, EndToEnd, Yolov5, Yolov8, Yolov8Seg, Yolox};
    for head in [Yolov5, Yolov8, Yolov8Seg, Yolox, EndToEnd, Detr] {
        let Some(outputs) = made::outputs(head) else { continue };
        let spec = made::spec(head);
        let declared: Vec<_> = outputs.iter().map(made::Output::io).collect();
        let views: Vec<_> = outputs.iter().map(made::Output::view).collect();
        let shape =
            declared.first().map(|o| o.shape.iter().skip(1).flatten().map(usize::to_string).collect::<Vec<_>>());
        let mut decoder = Decoder::new(&spec, &declared)?;
        let geometry = Letterbox::new(spec.input.resize, PICTURE, (made::SIDE, made::SIDE));
        let mut found = Vec::new();
        decoder.decode(&views, &geometry, &spec.thresholds, &mut found)?;
        if found.is_empty() {
            return Err(anyhow!("{head:?}: nothing is found in a tensor made to hold {}", made::CANDIDATES));
        }
        let (shape, candidates, kept) = (shape.unwrap_or_default().join("x"), made::CANDIDATES, found.len());
        clock.time(format!("decode {head:?} {shape}, {candidates} candidates, {kept} kept"), || {
            let _ = decoder.decode(&views, &geometry, &spec.thresholds, &mut found);
        });
    }
    Ok(())
}

fn depth(clock: &mut Clock) -> Result<()> {
    let (columns, rows) = DEPTH;
    let mut noise = made::Noise::new(9);
    let values: Vec<f32> = (0..columns * rows).map(|_| 1.0 + 50.0 * noise.unit()).collect();
    let shape = [1, 1, rows, columns];
    let view = TensorView { name: "depth", shape: &shape, data: TensorData::F32(&values) };
    let geometry = Letterbox::new(Resize::LetterboxCentre, PICTURE, (2 * columns, 2 * rows));
    let mut map: DepthMap = empty_depth(DepthKind::Metric);
    depth_from_output(&view, &geometry, &mut map)?;
    clock.time(format!("depth map of {columns}x{rows} cells"), || {
        let _ = depth_from_output(&view, &geometry, &mut map);
    });
    Ok(())
}

/// One frame of a tracker that follows `count` wandering objects.
pub fn tracking(clock: &mut Clock, count: usize, with_positions: bool) {
    let (mut tracker, mut ids) = (Tracker::new(TrackerConfig::default()), TrackIds::new());
    let (mut seen, mut out, mut frame) = (Vec::with_capacity(count), Vec::with_capacity(count), 0);
    let positions = if with_positions { " with positions" } else { "" };
    clock.time_each(format!("track {count} objects{positions}"), |clocked| {
        made::observations(count, frame, with_positions, &mut seen);
        let at = TrackFrame::at(Timestamp::from_nanos(frame as i64 * 33_333_333));
        clocked.run(|| tracker.step(&mut ids, at, &seen, &mut out));
        frame += 1;
    });
}

/// A pooled frame from one thread to another and its buffer back.
fn hop(clock: &mut Clock) -> Result<()> {
    let pool = Pool::new("frames", 4, Exhausted::Wait, || vec![7_u8; HOP_BYTES]);
    let (to, from) = channel(QueueSpec::block("there", 1));
    let (answer, answered) = channel(QueueSpec::block("back", 1));
    ocellus_flow::threads::detach("hop", move || {
        while let Some(frame) = from.recv() {
            let frame: ocellus_flow::pool::Pooled<Vec<u8>> = frame;
            let first = frame.first().copied();
            drop(frame);
            if answer.send(first).is_closed() {
                return;
            }
        }
    })?;
    clock.time(format!("a frame of {:.2} MB there and back between two threads", HOP_BYTES as f64 / 1e6), || {
        if let Some(frame) = pool.take() {
            let _ = to.send(frame);
            let _ = answered.recv();
        }
    });
    to.close();
    Ok(())
}

/// Decoding, projecting and gathering on what a drive holds.
pub fn on_a_drive(clock: &mut Clock, drive: &Arc<dyn Drive>) -> Result<()> {
    if let Some((_, picture)) = first_of(drive.as_ref(), SensorKind::Camera)? {
        let encoded = picture.into_image();
        let mut image = Image::empty();
        decode_image(&encoded, &mut image)?;
        let (name, w, h) = (encoded.encoding.name(), image.width(), image.height());
        clock.time(format!("decode a picture of {w}x{h} ({name}, {} kB)", encoded.bytes.len() / 1000), || {
            let _ = decode_image(&encoded, &mut image);
        });
    }
    showing(clock, drive.as_ref())?;
    let Some(scene) = Scene::of(drive)? else { return Ok(()) };
    let points = scene.cloud.xyz.len();
    let lens = Lens::new(scene.camera.distortion);
    let mut projected = Projected::default();
    clock.time(format!("project a sweep of {points} points"), || {
        project_cloud(&scene.cloud, &scene.optical_from_lidar(), &scene.camera, &lens, &mut projected);
    });
    let mut fuser = Fuser::new(FuserConfig::default());
    let boxes = scene.boxes.len();
    fuser.begin_frame(&scene.context())?;
    clock.time(format!("fuse {points} points with {boxes} boxes, ground found"), || {
        let _ = fuser.begin_frame(&scene.context());
        for detection in &scene.boxes {
            std::hint::black_box(fuser.distance(detection, "car"));
        }
    });
    Ok(())
}

/// What it takes to encode a drive's picture with a report, and its sweep, for the viewer. The file leads nowhere, so that no disk is
/// measured.
fn showing(clock: &mut Clock, drive: &dyn Drive) -> Result<()> {
    let info = drive.info();
    let scene = ViewScene {
        name: "bench".to_owned(),
        cameras: info.sensors.iter().filter(|s| s.kind == SensorKind::Camera).map(|s| s.name.clone()).collect(),
        lidar: info.sensors.iter().any(|s| s.kind == SensorKind::Lidar),
        depth: false,
        anticipation: false,
        machine: false,
        rig: info.rig.clone(),
        outline: None,
    };
    let mut viewer = Viewer::open(&ViewerMode::Save(NOWHERE.into()), scene, "bench")?;
    if let Some((entry, picture)) = first_of(drive, SensorKind::Camera)? {
        let encoded = picture.into_image();
        let sensor = info.sensors.get(entry.sensor).map(|s| s.name.clone());
        let report = FrameReport { sensor, ..made::report(LINE_OBJECTS) };
        let shown = FrameView {
            report: Arc::new(report),
            picture: Some(Picture::Encoded(Arc::from(encoded.bytes.as_slice()))),
            size_px: None,
            depth: None,
            way: None,
        };
        let kb = encoded.bytes.len() / 1000;
        let message = ViewMsg::Frame(shown);
        if !matches!(encoded.encoding, ImageEncoding::Raw { .. }) {
            clock.time(format!("rerun: a picture of {kb} kB and {LINE_OBJECTS} objects"), || {
                let _ = viewer.step(&message);
            });
        }
    }
    if let Some((entry, sweep)) = first_of(drive, SensorKind::Lidar)? {
        let lidar = info.sensors.get(entry.sensor).map(|s| s.name.clone()).unwrap_or_default();
        let cloud = Shared::new(Arc::new(sweep.into_cloud()));
        let points = cloud.len();
        let message = ViewMsg::Sweep(SweepView { lidar, t: entry.t, seq: entry.seq, cloud });
        clock.time(format!("rerun: a sweep of {points} points"), || {
            let _ = viewer.step(&message);
        });
    }
    Ok(())
}

/// A calibrated camera's frame with a sweep and labelled boxes.
struct Scene {
    camera: Camera,
    optical_from_vehicle: Transform<Optical, Vehicle>,
    vehicle_from_lidar: Transform<Vehicle, Lidar>,
    cloud: Cloud,
    boxes: Vec<Detection>,
}

impl Scene {
    fn of(drive: &Arc<dyn Drive>) -> Result<Option<Self>> {
        let rig = &drive.info().rig;
        let (Some(mount), Some(lidar)) = (rig.cameras.values().next(), rig.lidars.values().next()) else {
            return Ok(None);
        };
        let Some(optical_from_vehicle) = mount.optical_from_vehicle else { return Ok(None) };
        let Some((_, sweep)) = first_of(drive.as_ref(), SensorKind::Lidar)? else { return Ok(None) };
        let labels = (0..drive.entries().len()).filter_map(|i| drive.labels_at(i)).max_by_key(|labels| labels.len());
        let boxes = labels.into_iter().flatten().filter_map(|l| l.box_px);
        Ok(Some(Self {
            camera: mount.camera,
            optical_from_vehicle,
            vehicle_from_lidar: lidar.vehicle_from_lidar,
            cloud: sweep.into_cloud(),
            boxes: boxes.map(|bbox| Detection { bbox, score: 0.9, class: 0, mask: None }).collect(),
        }))
    }

    fn optical_from_lidar(&self) -> Transform<Optical, Lidar> {
        self.optical_from_vehicle * self.vehicle_from_lidar
    }

    fn context(&self) -> FrameContext<'_> {
        let (optical_from_lidar, vehicle_from_lidar) = (self.optical_from_lidar(), self.vehicle_from_lidar);
        FrameContext {
            camera: &self.camera,
            optical_from_vehicle: Some(self.optical_from_vehicle),
            sweep: Some(Sweep { cloud: &self.cloud, optical_from_lidar, vehicle_from_lidar }),
            depth: None,
            camera_height_m: None,
        }
    }
}

/// The first entry of a kind of sensor, with what it holds.
pub fn first_of(drive: &dyn Drive, kind: SensorKind) -> Result<Option<(Entry, Payload)>> {
    let of_kind = |e: &&Entry| drive.info().sensors.get(e.sensor).is_some_and(|s| s.kind == kind);
    let Some(index) = drive.entries().iter().position(|e| of_kind(&e)) else { return Ok(None) };
    let entry = drive.entries().get(index).copied().context("an entry of the drive")?;
    let mut payload = Payload::default();
    drive.read_into(index, &mut payload)?;
    Ok(Some((entry, payload)))
}

/// A network on the drive's first picture: its input, the network alone, and what its outputs say.
pub fn of_a_network(clock: &mut Clock, runtime: &Runtime, path: &std::path::Path, image: &Image) -> Result<()> {
    let load = || crate::models::load(runtime, &crate::models::ModelRequest::new(path.to_owned()));
    let model = load()?;
    let (spec, name) = (model.spec.clone(), model.spec.name.clone());
    let mut decoder = match spec.head {
        HeadFamily::Depth => None,
        _ => Some(model.scores.clone().decoder(&spec, model.network.outputs())?),
    };
    let mut preprocessor = Preprocessor::new(&spec.input)?;
    let mut tensor = vec![0.0; preprocessor.output_len()];
    preprocessor.run(image.view(), &mut tensor)?;
    let (w, h) = (spec.input.width, spec.input.height);
    clock.time(format!("{name}: {}x{} -> {w}x{h}", image.width(), image.height()), || {
        let _ = preprocessor.run(image.view(), &mut tensor);
    });
    infer_alone(clock, model, &tensor)?;
    let mut runner = crate::models::PictureRunner::new(load()?.network, &spec)?;
    let mut found = Vec::new();
    let mut map = empty_depth(spec.depth.unwrap_or(DepthKind::Metric));
    runner.run(image.view(), |outputs, geometry| {
        clock.time(format!("{name}: decode {:?}", spec.head), || match &mut decoder {
            Some(decoder) => {
                let _ = decoder.decode(outputs, geometry, &spec.thresholds, &mut found);
            }
            None => {
                let _ = outputs.first().map(|output| depth_from_output(output, geometry, &mut map));
            }
        });
    })
}

/// The network alone, its input laid ready.
fn infer_alone(clock: &mut Clock, mut model: Model, tensor: &[f32]) -> Result<()> {
    let input = model.spec.input.name.clone();
    let place = model.network.input_mut(&input)?;
    if place.len() != tensor.len() {
        return Err(anyhow!("{}: input of {} elements, expected {}", model.spec.name, place.len(), tensor.len()));
    }
    place.copy_from_slice(tensor);
    clock.time(format!("{}: network alone", model.spec.name), || {
        let _ = model.network.run(|outputs| outputs.len());
    });
    Ok(())
}
