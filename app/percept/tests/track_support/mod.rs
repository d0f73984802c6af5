//! A little world for the tracker's tests: actors on the ground, a pinhole camera and a noisy range on a moving vehicle.
//!
//! Owns the generator and the counting of identity switches; asserts nothing. Seeds make it the same every time.
#![allow(dead_code, reason = "each test binary uses its own part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot read its input has failed")]

use std::collections::BTreeMap;

use nalgebra::{Isometry3, Rotation3, Translation3, UnitQuaternion, Vector3};
use ocellus_percept::detection::BoxPx;
use ocellus_percept::report::DistanceSource;
use ocellus_percept::space::{Camera, CameraMount, Distortion, Odom, Optical, Point3, Transform, Vehicle};
use ocellus_percept::time::Timestamp;
use ocellus_percept::track::{Observation, PositionMeasurement};

/// A linear congruential generator (Knuth's MMIX constants), so that tests need no crate for it.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0x1234_5678))
    }

    /// Uniform in 0..1.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Standard normal (Box and Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        let u = self.uniform().max(1e-300);
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// Something that moves in a straight line over the ground.
#[derive(Clone, Copy)]
pub(crate) struct Actor {
    pub(crate) start: Vector3<f64>,
    pub(crate) velocity: Vector3<f64>,
    pub(crate) width_m: f64,
    pub(crate) height_m: f64,
    pub(crate) class: u32,
    /// Unseen in these seconds.
    pub(crate) hidden: Option<(f64, f64)>,
}

/// How long it takes to disappear behind something, seconds, and the share of the width last seen.
const COVERING_S: f64 = 0.3;
const LAST_SEEN_SHARE: f64 = 0.4;

impl Actor {
    /// Share of the width that can be seen; 0 while hidden.
    fn visible_share(&self, t: f64) -> f64 {
        let Some((from, to)) = self.hidden else { return 1.0 };
        if t >= from && t < to {
            return 0.0;
        }
        let apart = if t < from { from - t } else { t - to };
        (LAST_SEEN_SHARE + (1.0 - LAST_SEEN_SHARE) * apart / COVERING_S).min(1.0)
    }

    pub(crate) fn at(&self, t: f64) -> Vector3<f64> {
        self.start + self.velocity * t
    }
}

/// How the vehicle moves: constant speed and yaw rate from the origin, heading along x.
#[derive(Clone, Copy)]
pub(crate) struct Drive {
    pub(crate) speed_mps: f64,
    pub(crate) yaw_radps: f64,
}

impl Drive {
    pub(crate) fn pose(&self, t: f64) -> Transform<Odom, Vehicle> {
        let yaw = self.yaw_radps * t;
        let (x, y) = if self.yaw_radps.abs() < 1e-9 {
            (self.speed_mps * t, 0.0)
        } else {
            let r = self.speed_mps / self.yaw_radps;
            (r * yaw.sin(), r * (1.0 - yaw.cos()))
        };
        Transform::from_isometry(Isometry3::from_parts(
            Translation3::new(x, y, 0.0),
            UnitQuaternion::from_euler_angles(0.0, 0.0, yaw),
        ))
    }
}

/// A camera 1.5 m above the vehicle's origin, looking along `yaw` (left positive).
pub(crate) fn camera(yaw: f64) -> CameraMount {
    let vehicle_from_camera_body = UnitQuaternion::from_euler_angles(0.0, 0.0, yaw);
    // Optical axes in body axes: x right = -y, y down = -z, z forward = x.
    let optical_from_body = Rotation3::from_matrix_unchecked(nalgebra::Matrix3::new(
        0.0, -1.0, 0.0, //
        0.0, 0.0, -1.0, //
        1.0, 0.0, 0.0,
    ));
    let rotation = UnitQuaternion::from_rotation_matrix(&optical_from_body) * vehicle_from_camera_body.inverse();
    let origin = Vector3::new(0.0, 0.0, 1.5);
    let optical_from_vehicle: Transform<Optical, Vehicle> =
        Transform::from_isometry(Isometry3::from_parts(Translation3::from(-(rotation * origin)), rotation));
    CameraMount {
        camera: Camera {
            width: 1280,
            height: 720,
            fx: 700.0,
            fy: 700.0,
            cx: 640.0,
            cy: 360.0,
            distortion: Distortion::None,
        },
        optical_from_vehicle: Some(optical_from_vehicle),
    }
}

/// Noise of the sensors.
#[derive(Clone, Copy)]
pub(crate) struct Noise {
    /// Of box edges, share of the box's size.
    pub(crate) box_share: f64,
    /// Of the range; `None`: no positions at all.
    pub(crate) range_sigma_m: Option<f64>,
}

/// A truth actor seen: its index and the observation.
pub(crate) type Seen = (usize, Observation);

/// What the camera sees of the actors at `t` from `pose`.
pub(crate) fn observe(
    actors: &[Actor],
    t: f64,
    pose: &Transform<Odom, Vehicle>,
    mount: &CameraMount,
    noise: Noise,
    random: &mut Random,
) -> Vec<Seen> {
    let optical_from_vehicle = mount.optical_from_vehicle.unwrap();
    let mut seen = Vec::new();
    for (index, actor) in actors.iter().enumerate() {
        let noises: Vec<f64> = (0..7).map(|_| random.normal()).collect();
        let visible = actor.visible_share(t);
        if visible == 0.0 {
            continue;
        }
        let point = pose.inverse().apply(&Point3::from_vector(actor.at(t)));
        let full = project(actor, &optical_from_vehicle.apply(&point), &mount.camera, &noises, noise.box_share);
        let Some(mut bbox) = full else { continue };
        bbox.x1 = bbox.x0 + bbox.width() * visible as f32;
        let position = noise.range_sigma_m.map(|sigma| {
            let lateral = 0.05 * actor.width_m;
            let ray = point.xyz.normalize();
            let side = Vector3::new(-ray.y, ray.x, 0.0).normalize();
            let measured = point.xyz
                + ray * (sigma * noises[4])
                + side * (lateral * noises[5])
                + Vector3::z() * (lateral * noises[6]);
            let origin = Point3::new(0.0, 0.0, 0.0);
            PositionMeasurement::along_ray(
                Point3::from_vector(measured),
                origin,
                (sigma, lateral),
                DistanceSource::Lidar,
            )
        });
        seen.push((index, Observation { bbox: Some(bbox), score: 0.9, listed: true, class: actor.class, position }));
    }
    seen
}

fn project(actor: &Actor, p: &Point3<Optical>, camera: &Camera, noises: &[f64], share: f64) -> Option<BoxPx> {
    if p.xyz.z < 1.0 {
        return None;
    }
    let (u, v) = (camera.cx + camera.fx * p.xyz.x / p.xyz.z, camera.cy + camera.fy * p.xyz.y / p.xyz.z);
    let (w, h) = (camera.fx * actor.width_m / p.xyz.z, camera.fy * actor.height_m / p.xyz.z);
    if u < 0.0 || u > f64::from(camera.width) {
        return None;
    }
    let edge = |value: f64, k: usize, size: f64| (value + noises[k] * share * size) as f32;
    Some(BoxPx {
        x0: edge(u - w / 2.0, 0, w),
        y0: edge(v - h / 2.0, 1, h),
        x1: edge(u + w / 2.0, 2, w),
        y1: edge(v + h / 2.0, 3, h),
    })
}

/// The stamp `t` seconds into a drive.
pub(crate) fn stamp(t: f64) -> Timestamp {
    Timestamp::from_nanos(1_700_000_000_000_000_000).plus_seconds(t)
}

/// Longest time unseen after which an id must still be the same: half a second of occlusion and three frames at 5 fps.
const FAIR_GAP_S: f64 = 1.1;
/// Sightings after which an id must stay: what was seen once says nothing of where it goes.
const FAIR_SIGHTINGS: u32 = 3;

/// Counts identity switches: a true object listed under another id than last time. Those after blackouts or too few
/// sightings for anyone to know are counted apart.
#[derive(Default)]
pub(crate) struct Identities {
    last: BTreeMap<usize, (u64, f64, u32)>,
    pub(crate) switches: usize,
    pub(crate) unfair: usize,
}

impl Identities {
    pub(crate) fn note(&mut self, truth: usize, id: u64, t: f64) {
        let before = self.last.get(&truth).copied();
        let sightings = before.map_or(1, |(_, _, n)| n + 1);
        self.last.insert(truth, (id, t, sightings));
        if let Some((_, seen_at, n)) = before.filter(|(was, ..)| *was != id) {
            let fair = t - seen_at <= FAIR_GAP_S && n >= FAIR_SIGHTINGS;
            self.switches += usize::from(fair);
            self.unfair += usize::from(!fair);
            self.last.insert(truth, (id, t, 1));
        }
    }
}
