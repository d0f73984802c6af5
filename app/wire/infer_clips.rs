//! The inferring thread of a network on clips: a clip a camera, and one probability for each that is full.
//!
//! In a replay every clip is asked about and the frame that completes it waits for the answer, so that results depend on
//! nothing but the drive; live no frame waits (`live/stages.rs`).

use anyhow::{Context, Result, anyhow};
use ocellus_flow::latency::{Begun, Series};
use ocellus_flow::queue::{Receiver, Sender};
use ocellus_infer::Network;
use ocellus_percept::model::{ClipSpec, ModelSpec, ScoreActivation};
use ocellus_percept::tensor::{ClipBuffer, Fed, probability_of};
use ocellus_percept::time::Timestamp;

use super::frame::{Answer, ClipAnswer, Message, Part};
use super::infer::Job;
use super::notes::Notes;

/// One inferring thread.
pub struct InferClips {
    /// Index of the network.
    model: usize,
    name: String,
    /// The network.
    pub network: Network,
    input: String,
    spec: ClipSpec,
    activation: ScoreActivation,
    /// Names of the run's sensors, and the clip of each camera from which frames have come.
    cameras: Vec<(String, Option<Clip>)>,
    inferring: Series,
    /// Where what went wrong is said.
    pub notes: Notes,
}

/// A camera's clip, whether it has been full, and whether it was said that it begins anew.
struct Clip {
    buffer: ClipBuffer,
    full: bool,
    anew_said: bool,
}

impl InferClips {
    /// A thread for the `model`-th network. Errors: a specification without clips.
    pub fn new(
        model: usize,
        spec: &ModelSpec,
        network: Network,
        sensors: impl IntoIterator<Item = String>,
        (inferring, notes): (Series, Notes),
    ) -> Result<Self> {
        let clip = spec.clip.context("a network on clips must say how they are made")?;
        let cameras = sensors.into_iter().map(|name| (name, None)).collect();
        let (input, activation) = (spec.input.name.clone(), spec.activation);
        let name = spec.name.clone();
        Ok(Self { model, name, network, input, spec: clip, activation, cameras, inferring, notes })
    }

    /// Runs until its queue ends, answering each frame. An error of the network ends the run.
    pub fn run(mut self, jobs: &Receiver<Job>, perceive: &Sender<Message>) -> Result<()> {
        while let Some(job) = jobs.recv() {
            let answer = if self.feed(&job) { Some(self.ask(job.sensor, job.t)?) } else { None };
            let part = Part { index: job.index, model: self.model, answer: Answer::Clip(answer) };
            if perceive.send(Message::Part(part)).is_closed() {
                break;
            }
        }
        self.end();
        Ok(())
    }

    /// Takes in a frame; whether it completes a clip.
    pub fn feed(&mut self, job: &Job) -> bool {
        let Some((name, clip)) = self.cameras.get_mut(job.sensor) else { return false };
        let spec = self.spec;
        let clip = clip.get_or_insert_with(|| Clip {
            buffer: ClipBuffer::new(spec, job.input.tensor.len()),
            full: false,
            anew_said: false,
        });
        match clip.buffer.feed(job.t, &job.input.tensor) {
            Fed::Passed | Fed::Filling => false,
            Fed::Full => {
                let differing = clip.buffer.differing();
                if !std::mem::replace(&mut clip.full, true) && differing < spec.frames {
                    let text = "the camera gives fewer a second than the network looks at, some stand in it twice";
                    self.notes
                        .say("clip", format!("{name}: {differing} of a clip's {} frames differ: {text}", spec.frames));
                }
                true
            }
            Fed::Anew { gap_s } => {
                if !std::mem::replace(&mut clip.anew_said, true) {
                    let (stride_s, network) = (1.0 / spec.hz, &self.name);
                    let text = format!(
                        "{name}: {gap_s:.3} s from one picture to the next: {network} takes one each {stride_s:.3} s, and none \
                         further off than that, so its clip begins anew, now and whenever that comes again"
                    );
                    self.notes.say("clip", text);
                }
                false
            }
        }
    }

    /// The network's answer to a camera's clip, which ends at `t`. Errors: a clip that is not full, an answer that is no
    /// probability, what ONNX Runtime says.
    pub fn ask(&mut self, sensor: usize, t: Timestamp) -> Result<ClipAnswer> {
        let Self { network, input, cameras, activation, inferring, .. } = self;
        let tensor = network.input_mut(input)?;
        let length = tensor.len();
        let clip = cameras.get(sensor).and_then(|(_, clip)| clip.as_ref());
        if !clip.is_some_and(|clip| clip.buffer.write(tensor)) {
            return Err(anyhow!("{}: its input of {length} elements is no clip of its camera", network.name()));
        }
        let begun = Begun::now();
        let probability = network.run(|outputs| -> Result<f64> {
            inferring.end(begun);
            let output = outputs.first().context("the network on clips gave no output")?;
            Ok(probability_of(output, *activation)?)
        })??;
        Ok(ClipAnswer { model: self.model, sensor, t, probability })
    }

    /// Says which cameras never filled a clip.
    pub fn end(&self) {
        for (name, clip) in &self.cameras {
            if clip.as_ref().is_some_and(|clip| !clip.full) {
                let (frames, hz) = (self.spec.frames, self.spec.hz);
                let network = &self.name;
                self.notes.say(
                    "clip",
                    format!(
                        "{name}: no clip of {frames} frames at {hz} a second was ever full: {network} was not asked"
                    ),
                );
            }
        }
    }
}
