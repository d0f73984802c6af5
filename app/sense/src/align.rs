//! Pictures and sweeps of a drive, paired and put into one frame, for the judgement whether camera and LiDAR agree.

use nalgebra::{Isometry3, Point3, Vector3};
use ocellus_percept::align::{AlignFrame, Alignment, EdgeField, EdgePoint, depth_jumps, estimate};
use ocellus_percept::image::Image;
use ocellus_percept::space::CameraMount;
use ocellus_percept::time::Timestamp;

use crate::decode::decode_image;
use crate::drive::{Drive, SensorKind};
use crate::payload::Payload;

/// Pictures looked at, evenly over the drive.
const PICTURES_MAX: usize = 80;
/// A sweep further from its picture than this is no pair, seconds.
const PAIR_S_MAX: f64 = 0.15;
/// Steps of depth below which nothing can be said.
const POINTS_MIN: usize = 1_500;
/// The vehicle's motion is taken over twice this, seconds.
const MOTION_S: f64 = 0.05;
/// How far edges reach, degrees: the grid's step, and a beam's width.
const REACH_DEG: [f64; 2] = [1.0, 0.2];

/// What a camera and a LiDAR came to.
pub struct Judged {
    /// The camera's name.
    pub camera: String,
    /// The LiDAR's name.
    pub lidar: String,
    /// Pairs of a picture and a sweep.
    pub pairs: usize,
    /// What was found, or why nothing can be said.
    pub found: Result<Alignment, String>,
}

/// Judges every camera against every LiDAR of a drive whose places are known.
pub fn judge(drive: &dyn Drive) -> Vec<Judged> {
    let info = drive.info();
    let of_kind = |kind| info.sensors.iter().enumerate().filter(move |(_, s)| s.kind == kind && s.count > 0);
    let mut judged = Vec::new();
    for (camera, eye) in of_kind(SensorKind::Camera) {
        for (lidar, other) in of_kind(SensorKind::Lidar) {
            let pairs = pairs(drive, camera, lidar);
            let found = match info.rig.cameras.get(&eye.name) {
                Some(mount) => compare(drive, mount, &other.name, &pairs),
                None => Err("the camera is not calibrated: give --calib FILE".to_owned()),
            };
            let (camera, lidar, pairs) = (eye.name.clone(), other.name.clone(), pairs.len());
            judged.push(Judged { camera, lidar, pairs, found });
        }
    }
    judged
}

/// Entries of pictures, each with the sweep nearest in time.
fn pairs(drive: &dyn Drive, camera: usize, lidar: usize) -> Vec<(usize, usize)> {
    let entries = drive.entries();
    let of = |sensor: usize| entries.iter().enumerate().filter(move |(_, e)| e.sensor == sensor).map(|(i, _)| i);
    let sweeps: Vec<usize> = of(lidar).collect();
    let pictures: Vec<usize> = of(camera).collect();
    let apart = |a: usize, b: usize| entries[a].t.seconds_since(entries[b].t).abs();
    let nearest = |picture: usize| {
        let sweep = sweeps.iter().copied().min_by(|a, b| apart(*a, picture).total_cmp(&apart(*b, picture)))?;
        (apart(sweep, picture) <= PAIR_S_MAX).then_some((picture, sweep))
    };
    let stride = pictures.len().div_ceil(PICTURES_MAX).max(1);
    pictures.into_iter().step_by(stride).filter_map(nearest).collect()
}

fn compare(drive: &dyn Drive, mount: &CameraMount, lidar: &str, pairs: &[(usize, usize)]) -> Result<Alignment, String> {
    let extrinsics =
        mount.optical_from_vehicle.ok_or("the camera's place on the vehicle is unknown: give --calib FILE")?;
    let place = drive.info().rig.lidars.get(lidar).ok_or("the LiDAR's place on the vehicle is unknown")?;
    let mut image = Image::empty();
    let mut frames = Vec::with_capacity(pairs.len());
    let mut camera = mount.camera;
    for &(picture, sweep) in pairs {
        let (Ok(Payload::Image(encoded)), Ok(Payload::Cloud(cloud))) = (drive.read(picture), drive.read(sweep)) else {
            continue;
        };
        if decode_image(&encoded, &mut image).is_err() {
            continue;
        }
        camera = mount.camera.scaled_to(image.width() as u32, image.height() as u32).map_err(|e| e.to_string())?;
        let reach = REACH_DEG.map(|deg| (camera.fx * deg.to_radians()) as f32);
        let [Some(wide), Some(sharp)] = reach.map(|px| EdgeField::new(image.view(), px)) else { continue };
        let at = |entry: usize| drive.entries()[entry].t;
        let poses = Poses { drive, picture: at(picture) };
        let vehicle_from_lidar = place.vehicle_from_lidar.isometry();
        let point = |jump: ocellus_percept::align::Jump| {
            let then = poses.since(at(sweep).plus_seconds(f64::from(jump.offset_s)));
            let p = then * (vehicle_from_lidar * Point3::from(Vector3::from(jump.xyz.map(f64::from))));
            EdgePoint { xyz: [p.x as f32, p.y as f32, p.z as f32], edge: jump.edge }
        };
        let points = depth_jumps(&cloud).into_iter().map(point).collect();
        frames.push(AlignFrame { wide, sharp, points, motion: poses.motion() });
    }
    let points: usize = frames.iter().map(|f| f.points.len()).sum();
    if points < POINTS_MIN {
        return Err(format!("{points} edges of depth in {} pictures are too few to tell", frames.len()));
    }
    estimate(&frames, &camera, &extrinsics).ok_or_else(|| "no edges of depth".to_owned())
}

/// The vehicle around a picture.
struct Poses<'a> {
    drive: &'a dyn Drive,
    picture: Timestamp,
}

impl Poses<'_> {
    /// Takes points of the vehicle at `t` to the vehicle at the picture; nothing moves where motion is unknown.
    fn since(&self, t: Timestamp) -> Isometry3<f64> {
        let at = |t: Timestamp| self.drive.odom_from_vehicle(t);
        match (at(self.picture), at(t)) {
            (Some(now), Some(then)) => *(now.inverse() * then).isometry(),
            _ => Isometry3::identity(),
        }
    }

    /// Velocity and turn rate at the picture.
    fn motion(&self) -> Option<[Vector3<f64>; 2]> {
        let at = |s: f64| self.drive.odom_from_vehicle(self.picture.plus_seconds(s));
        let step = *(at(-MOTION_S)?.inverse() * at(MOTION_S)?).isometry();
        let per_s = 1.0 / (2.0 * MOTION_S);
        Some([step.translation.vector * per_s, step.rotation.scaled_axis() * per_s])
    }
}
