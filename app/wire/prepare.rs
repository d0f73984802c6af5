//! The preparing workers: decode a picture, letterbox it into a tensor for each network that looks at its camera.
//!
//! A worker's output depends on its input alone, so that the number of workers changes no result.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::Result;
use ocellus_flow::latency::{Kind, Latency, Series};
use ocellus_flow::pool::Pool;
use ocellus_flow::stage::Stage;
use ocellus_percept::blind::Look;
use ocellus_percept::cloud::Cloud;
use ocellus_percept::fuse::deskew;
use ocellus_percept::image::Image;
use ocellus_percept::model::InputSpec;
use ocellus_percept::tensor::Preprocessor;

use ocellus_sense::Drive;

use super::frame::{Content, Frame, Item, ModelInput, Origin};
use super::governor::Governor;
use super::notes::Notes;
use super::truth::Truth;

/// Why a frame is lost that a halt cut off.
const STOPPED: &str = "stopped";

/// What a worker is built from: several of the same, and another in the place of one that panicked. Clones share the
/// tensors.
#[derive(Clone)]
pub struct PrepareParts {
    /// By network.
    pub inputs: Vec<InputParts>,
    /// Names by run sensor.
    pub sensors: Arc<[String]>,
    /// The drive, for ego motion and where its LiDARs sit.
    pub drive: Arc<dyn Drive>,
    /// The drive's own labels, where they stand in for a detector.
    pub truth: Option<Truth>,
    /// Whether JPEG is decoded smaller where its networks need no more.
    pub scaled_jpeg: bool,
    /// What says which networks are asked, where they are not all.
    pub governor: Option<Arc<Governor>>,
    /// Where times are recorded.
    pub latency: Latency,
    /// Where what went wrong is said.
    pub notes: Notes,
}

/// What a worker is built from for one network.
#[derive(Clone)]
pub struct InputParts {
    /// The network's input.
    pub input: InputSpec,
    /// Where its tensors come from.
    pub tensors: Pool<Vec<f32>>,
    /// By run sensor: whether it looks at that camera.
    pub looks_at: Arc<[bool]>,
    /// Whether frames wait for its answers.
    pub awaited: bool,
}

impl PrepareParts {
    /// A worker.
    pub fn build(&self) -> Result<Prepare> {
        let input = |parts: &InputParts| -> Result<InputPlan> {
            let preprocessor = Preprocessor::new(&parts.input)?;
            let (tensors, looks_at) = (parts.tensors.clone(), Arc::clone(&parts.looks_at));
            Ok(InputPlan { preprocessor, tensors, looks_at, awaited: parts.awaited })
        };
        let stage = |name| self.latency.series(Kind::Stage, name);
        Ok(Prepare {
            inputs: self.inputs.iter().map(input).collect::<Result<_>>()?,
            sensors: Arc::clone(&self.sensors),
            truth: self.truth.clone(),
            scaled_jpeg: self.scaled_jpeg,
            drive: Arc::clone(&self.drive),
            governor: self.governor.clone(),
            deskewing: stage("deskew"),
            image: Image::empty(),
            decoding: stage("decode"),
            preprocessing: stage("preprocess"),
            notes: self.notes.clone(),
        })
    }
}

/// What the workers need to know of one network.
pub struct InputPlan {
    /// Makes its input.
    pub preprocessor: Preprocessor,
    /// Where its tensors come from.
    pub tensors: Pool<Vec<f32>>,
    /// By run sensor: whether it looks at that camera.
    pub looks_at: Arc<[bool]>,
    /// Whether frames wait for its answers.
    pub awaited: bool,
}

/// One worker.
pub struct Prepare {
    /// By network.
    pub inputs: Vec<InputPlan>,
    /// Names by run sensor.
    pub sensors: Arc<[String]>,
    /// The drive, for ego motion and where its LiDARs sit.
    pub drive: Arc<dyn Drive>,
    /// What says which networks are asked, where they are not all.
    pub governor: Option<Arc<Governor>>,
    /// Time of moving points to their sweep's stamp.
    pub deskewing: Series,
    /// The drive's own labels, where they stand in for a detector.
    pub truth: Option<Truth>,
    /// Whether JPEG is decoded smaller where its networks need no more.
    pub scaled_jpeg: bool,
    /// The decoded picture, reused.
    pub image: Image,
    /// Time of decoding pictures.
    pub decoding: Series,
    /// Time of letterboxing.
    pub preprocessing: Series,
    /// Where what went wrong is said.
    pub notes: Notes,
}

impl Stage<Item, Item> for Prepare {
    type Error = Infallible;

    fn step(&mut self, mut item: Item) -> Result<Item, Infallible> {
        item.look = None;
        if let Content::Frame(frame) = &mut item.content {
            match self.frame(frame, &item.origin) {
                Ok(()) => item.look = Look::of_picture(self.image.view()),
                Err((reason, message)) => {
                    self.notes.say("lost", message);
                    item.content = Content::Lost(reason);
                }
            }
        }
        if let Content::Sweep(cloud) = &mut item.content {
            // As it came: ego motion moves the points of a frozen sweep, too.
            item.look = Some(Look::of_sweep(cloud));
            self.sweep(cloud, &item.origin);
        }
        Ok(item)
    }
}

impl Prepare {
    /// Brings a sweep's points to its stamp, where its points have times and ego motion is known.
    fn sweep(&mut self, cloud: &mut Cloud, origin: &Origin) {
        let drive = &self.drive;
        let Some(name) = self.sensors.get(origin.sensor) else { return };
        let Some(mount) = drive.rig_at(origin.entry).lidars.get(name) else { return };
        let Some(now) = drive.odom_from_vehicle(origin.t) else { return };
        let vehicle_from_lidar = mount.vehicle_from_lidar;
        let lidar_from_odom = vehicle_from_lidar.inverse() * now.inverse();
        self.deskewing.time(|| {
            deskew(cloud, |offset_s| {
                let then = drive.odom_from_vehicle(origin.t.plus_seconds(offset_s))?;
                Some(lidar_from_odom * then * vehicle_from_lidar)
            })
        });
    }

    fn frame(&mut self, frame: &mut Frame, origin: &Origin) -> Result<(), (&'static str, String)> {
        let Self { image, inputs, scaled_jpeg, .. } = self;
        let needed = |full| if *scaled_jpeg { needed(inputs, origin.sensor, full) } else { full };
        let source = self
            .decoding
            .time(|| ocellus_sense::decode_image_for(&frame.picture, needed, image))
            .map_err(|e| (e.reason(), e.to_string()))?;
        frame.size = source.full;
        frame.parts = 0;
        let asked = self.governor.as_ref().map(|governor| governor.asked());
        let asks = |model: usize| asked.is_none_or(|asked| asked.get(model).copied().unwrap_or(true));
        let looking = |(model, plan): &(usize, &mut InputPlan)| plan.looks_at[origin.sensor] && asks(*model);
        for (model, plan) in inputs.iter_mut().enumerate().filter(looking) {
            // The pool holds as many tensors as there can be frames between here and the network, so it never waits
            // for one of them; it answers nothing only when the run is being halted.
            let Some(mut tensor) = plan.tensors.take() else {
                return Err((STOPPED, "the run is being halted".to_owned()));
            };
            let made = self.preprocessing.time(|| plan.preprocessor.run_reduced(image.view(), source, &mut tensor));
            let geometry = made.map_err(|e| ("unusable", format!("{}: {e}", frame.picture.origin)))?;
            frame.inputs.push(ModelInput { model, tensor, geometry });
            frame.parts += usize::from(plan.awaited);
        }
        if let Some(truth) = &self.truth {
            frame.truth = truth.detections(origin.entry, frame.size);
        }
        Ok(())
    }
}

/// Columns and rows that the networks which look at a camera need of its pictures; all where none does. Whether a governor lets
/// them be asked at the moment makes no difference.
fn needed(inputs: &[InputPlan], sensor: usize, full: (usize, usize)) -> (usize, usize) {
    let looking = inputs.iter().filter(|plan| plan.looks_at.get(sensor).copied().unwrap_or(false));
    let contents = looking.map(|plan| plan.preprocessor.content(full));
    contents.reduce(|a, b| (a.0.max(b.0), a.1.max(b.1))).unwrap_or(full)
}
