//! How costs grow: with objects, with points, with the picture's size, with cameras. Each step's median against the one before.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use ocellus_percept::cloud::Cloud;
use ocellus_percept::fuse::{Projected, project_cloud};
use ocellus_percept::image::PixelFormat;
use ocellus_percept::model::HeadFamily;
use ocellus_percept::space::{Camera, Distortion, Lens, Lidar, Optical, Transform};
use ocellus_percept::tensor::Preprocessor;
use ocellus_sense::Drive;

use super::repeated::Repeated;
use super::{Clock, drive, made, stages};
use crate::measure::drives::Held;

/// Objects a tracker follows.
const OBJECTS: [usize; 6] = [10, 50, 100, 200, 300, 500];
/// Points of a sweep.
const POINTS: [usize; 4] = [20_000, 100_000, 250_000, 500_000];
/// Pictures: 480p to 4K.
const PICTURES: [(usize, usize); 4] = [(640, 480), (1280, 720), (1920, 1080), (3840, 2160)];

/// Cameras that one network looks through, and pictures that are measured of all of them.
const CAMERAS: [usize; 5] = [1, 2, 3, 4, 6];
const CAMERA_PICTURES: usize = 120;

/// What a picture costs where there are more cameras: CPU time of all threads, as one run has it.
pub fn cameras(clock: &mut Clock, drive: &Arc<dyn Drive>, model: &Path) -> Result<()> {
    let held: Arc<dyn Drive> = Arc::new(Held::new(Arc::clone(drive)));
    for count in CAMERAS {
        let moments = (drive::WARM_UP.div_ceil(count), CAMERA_PICTURES / count);
        let repeated = Repeated::new(Arc::clone(&held), &[], moments)?.with_cameras(count);
        let (passed, _) = drive::once(repeated, model, &[])?;
        let us = 1e6 * passed.cpu.total_s() / passed.pictures as f64;
        clock.add(format!("a picture of {count} cameras, CPU time"), us, passed.pictures as usize);
    }
    Ok(())
}

/// Times all of them.
pub fn run(clock: &mut Clock) -> Result<()> {
    for count in OBJECTS {
        stages::tracking(clock, count, false);
    }
    for count in POINTS {
        projecting(clock, count);
    }
    let input = made::spec(HeadFamily::Yolov8).input;
    for (width, height) in PICTURES {
        let picture = made::picture(width, height, PixelFormat::Rgb8)?;
        let mut preprocessor = Preprocessor::new(&input)?;
        let mut tensor = vec![0.0; preprocessor.output_len()];
        preprocessor.run(picture.view(), &mut tensor)?;
        clock.time(format!("letterbox {width}x{height} RGB"), || {
            let _ = preprocessor.run(picture.view(), &mut tensor);
        });
    }
    Ok(())
}

/// A sweep of points all around, a fifth of them in the picture.
fn projecting(clock: &mut Clock, count: usize) {
    let mut noise = made::Noise::new(11);
    let mut around = |span: f32| span * (noise.unit() - 0.5);
    let cloud =
        Cloud { xyz: (0..count).map(|_| [around(80.0), around(10.0), around(80.0)]).collect(), ..Cloud::default() };
    let camera =
        Camera { width: 1280, height: 720, fx: 900.0, fy: 900.0, cx: 640.0, cy: 360.0, distortion: Distortion::None };
    let lens = Lens::new(camera.distortion);
    let mut projected = Projected::default();
    let still: Transform<Optical, Lidar> = Transform::identity();
    clock.time(format!("project {count} points"), || {
        project_cloud(&cloud, &still, &camera, &lens, &mut projected);
    });
}
