//! A view: a picture of a random street of the world with what is in it, made from a number.
//!
//! The same recipe and number give the same view. Nothing is stored on disk.

use ocellus_percept::detection::BoxPx;
use ocellus_percept::tensor::depth::STUDENT_FOCAL;
use ocellus_world::rig::{CAMERA_AHEAD_M, camera, camera_at};
use ocellus_world::{CameraTruth, Knobs, ObjectClass, Quality, RenderBuffers, Scenario, World};

use crate::data::random::Random;
use crate::recipe::DataTable;

/// Depth beyond this is not learnt: the world ends, and a few pixels decide nothing.
const DEPTH_MAX_M: f32 = 200.0;
/// Share of cameras that look sideways.
const SIDEWAYS: f32 = 0.2;

/// One labelled object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Labelled {
    /// Box around what is visible, pixels.
    pub bbox: BoxPx,
    /// Index of its class in [`ObjectClass::ALL`].
    pub class: usize,
    /// Number in the instance map.
    pub instance: u16,
    /// Visible pixels.
    pub visible_px: f32,
}

/// A picture with its truth.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct View {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// RGB, row-major.
    pub rgb: Vec<u8>,
    /// Natural logarithm of metres, as a camera of [`STUDENT_FOCAL`] would have it; NaN for the sky.
    pub log_depth: Vec<f32>,
    /// Instance of each pixel, 0 for none.
    pub instance: Vec<u16>,
    /// Objects.
    pub objects: Vec<Labelled>,
    /// Focal length over width.
    pub focal: f32,
}

/// The names of the classes, in the order of the network's outputs.
pub fn class_names() -> Vec<String> {
    ObjectClass::ALL.iter().map(|c| c.name().to_owned()).collect()
}

/// Renders views, keeping its scratch.
#[derive(Debug, Default)]
pub struct Renderer {
    buffers: RenderBuffers,
    truth: CameraTruth,
}

impl Renderer {
    /// The view of a number. A street that the world refuses (it should refuse none) gives an empty picture.
    pub fn view(&mut self, table: &DataTable, number: u64) -> View {
        let seed = table.first_seed.wrapping_add(number);
        let mut random = Random::new(seed, &[1]);
        let knobs = Knobs { time: table.time, weather: table.weather, ..Knobs::default() };
        let scenario = Scenario::random(seed, &knobs);
        let [height, width] = table.size;
        let Ok(world) = World::new(&scenario, seed) else {
            return View { height, width, rgb: vec![0; 3 * height * width], ..View::default() };
        };
        let between = |random: &mut Random, [a, b]: [f64; 2]| f64::from(random.range(a as f32, b as f32));
        let fov = between(&mut random, table.fov_deg).to_radians();
        let intrinsics = camera(width as u32, height as u32, fov);
        let yaw = if random.chance(SIDEWAYS) { 1.2 } else { 0.12 };
        let place = [CAMERA_AHEAD_M, between(&mut random, [-0.4, 0.4]), between(&mut random, table.height_m)];
        let (yaw, pitch) = (between(&mut random, [-yaw, yaw]), between(&mut random, [-0.03, 0.09]));
        let setup = camera_at(intrinsics, place, yaw, pitch);
        let t_s = between(&mut random, [0.0, scenario.duration_s]);
        world.snapshot(t_s).render(&setup, Quality::FAST, &mut self.buffers, &mut self.truth);
        let focal = (intrinsics.fx / width as f64) as f32;
        view_of(&self.truth, [height, width], focal)
    }
}

fn view_of(truth: &CameraTruth, [height, width]: [usize; 2], focal: f32) -> View {
    // A camera of another focal length sees the same street at another size: depth is learnt for one, scaled for others.
    let shift = (STUDENT_FOCAL / focal).ln();
    let log = |&m: &f32| if m > 0.0 && m < DEPTH_MAX_M { m.ln() + shift } else { f32::NAN };
    let labelled = truth.objects.iter().filter_map(|o| {
        let class = ObjectClass::ALL.iter().position(|c| *c == o.class)?;
        Some(Labelled { bbox: o.box_visible?, class, instance: o.instance, visible_px: o.visible_px as f32 })
    });
    View {
        height,
        width,
        rgb: truth.rgb.data().to_vec(),
        log_depth: truth.depth_m.iter().map(log).collect(),
        instance: truth.instance.clone(),
        objects: labelled.collect(),
        focal,
    }
}
