//! The dispatching thread and the inferring threads, one per network.
//!
//! Outputs are decoded here, where ONNX Runtime holds them: to copy them to another thread would cost more.

use anyhow::{Context, Result, anyhow};
use ocellus_flow::latency::{Begun, Series};
use ocellus_flow::pool::{Exhausted, Pool};
use ocellus_flow::queue::{Receiver, Sender};
use ocellus_flow::stop::Stop;
use ocellus_infer::Network;
use ocellus_percept::depth::DepthMap;
use ocellus_percept::detection::Detection;
use ocellus_percept::model::{DepthKind, HeadFamily, ModelSpec, Thresholds};
use ocellus_percept::tensor::depth::{depth_from_output, depth_from_student, empty_depth};
use ocellus_percept::tensor::{Decoder, Letterbox, TensorView};
use ocellus_percept::time::Timestamp;

use super::blind::Watches;
use super::frame::{Answer, Content, Item, Message, ModelInput, Part};
use super::notes::Notes;
use crate::models::ScoreRules;

/// Answers of one network that may be on their way: those waiting for the perceiving thread or a slower network, and
/// the maps that viewers still hold.
const ANSWERS: usize = 64;

/// A prepared input with the index of its frame.
pub struct Job {
    /// The frame's index.
    pub index: u64,
    /// Index of its camera among the run's sensors.
    pub sensor: usize,
    /// When it was taken.
    pub t: Timestamp,
    /// The input.
    pub input: ModelInput,
}

/// Sends each frame's inputs to their networks and the frame itself to perception, in order; no network is asked about a
/// frame that shows nothing.
pub fn dispatch(input: &Receiver<Item>, mut watches: Watches, models: &[Sender<Job>], perceive: &Sender<Message>) {
    while let Some(mut item) = input.recv() {
        watches.judge(&mut item);
        let (index, sensor, t) = (item.index, item.origin.sensor, item.origin.t);
        if let Content::Frame(frame) = &mut item.content {
            for input in frame.inputs.drain(..) {
                let model = input.model;
                if models[model].send(Job { index, sensor, t, input }).is_closed() {
                    item.origin.ticket.dropped("stopped");
                    return;
                }
            }
        }
        if let Some(Message::Item(refused)) = perceive.send(Message::Item(item)).handed_back() {
            refused.origin.ticket.dropped("stopped");
            return;
        }
    }
}

/// How a network's outputs are read.
// One per network and run: its size does not matter.
#[allow(clippy::large_enum_variant)]
pub enum Reader {
    /// A detector.
    Detector {
        /// Its head's decoder.
        decoder: Decoder,
        /// What is kept.
        thresholds: Thresholds,
        /// What it fills.
        answers: Pool<Vec<Detection>>,
        /// What it fills besides, where it looks for depth, too.
        maps: Option<Pool<DepthMap>>,
    },
    /// A depth network, and what it fills.
    Depth(Pool<DepthMap>),
}

/// One inferring thread.
pub struct Infer {
    /// Index of the network.
    pub model: usize,
    /// The network.
    pub network: Network,
    /// Name of its picture input.
    pub input: String,
    /// How its outputs are read.
    pub reader: Reader,
    /// Where its time goes.
    pub times: Times,
    /// Where what went wrong is said.
    pub notes: Notes,
}

/// Where a network's time goes.
pub struct Times {
    /// The network alone.
    pub inferring: Series,
    /// Decoding its outputs, NMS included.
    pub decoding: Series,
}

impl Infer {
    /// A thread for the `model`-th network. Errors: outputs that do not fit its head, inputs that nothing explains.
    pub fn new(
        model: usize,
        spec: &ModelSpec,
        (network, scores): (Network, ScoreRules),
        times: Times,
        (notes, stop): (Notes, &Stop),
    ) -> Result<Self> {
        let maps = |kind: DepthKind| {
            let maps = Pool::new("depth maps", ANSWERS, Exhausted::Wait, || empty_depth(kind));
            stop.register(maps.handle());
            maps
        };
        let reader = match spec.head {
            HeadFamily::Depth => {
                let kind = spec.depth.context("a depth network must say whether it is metric")?;
                Reader::Depth(maps(kind))
            }
            _ => {
                let decoder = scores.decoder(spec, network.outputs())?;
                let answers = Pool::new("detections", ANSWERS, Exhausted::Wait, Vec::new);
                stop.register(answers.handle());
                let maps = (spec.head == HeadFamily::Student).then(|| maps(DepthKind::Metric));
                Reader::Detector { decoder, thresholds: spec.thresholds, answers, maps }
            }
        };
        Ok(Self { model, network, input: spec.input.name.clone(), reader, times, notes })
    }

    /// Runs until its queue ends. An error of the network ends the run.
    pub fn run(mut self, jobs: &Receiver<Job>, perceive: &Sender<Message>) -> Result<()> {
        while let Some(job) = jobs.recv() {
            let Some(answer) = self.step(&job.input)? else { break };
            let part = Part { index: job.index, model: self.model, answer };
            if perceive.send(Message::Part(part)).is_closed() {
                break;
            }
        }
        Ok(())
    }

    /// The network's answer to one input; `None` where the run is being halted.
    pub fn step(&mut self, input: &ModelInput) -> Result<Option<Answer>> {
        let tensor = self.network.input_mut(&self.input)?;
        if tensor.len() != input.tensor.len() {
            let (expected, got) = (tensor.len(), input.tensor.len());
            return Err(anyhow!("{}: input of {got} elements, expected {expected}", self.network.name()));
        }
        tensor.copy_from_slice(&input.tensor);
        let begun = Begun::now();
        let Self { network, reader, times: Times { inferring, decoding }, .. } = self;
        let (answer, non_finite) = network.run(|outputs| {
            inferring.end(begun);
            decoding.time(|| reader.read(outputs, &input.geometry))
        })??;
        if non_finite > 0 {
            self.notes.say("not finite", format!("{}: {non_finite} output values", self.network.name()));
        }
        Ok(answer)
    }
}

impl Reader {
    /// The answer (`None` where the run is being halted), and how many output values were not finite.
    fn read(&mut self, outputs: &[TensorView<'_>], geometry: &Letterbox) -> Result<(Option<Answer>, usize)> {
        match self {
            Self::Detector { decoder, thresholds, answers, maps } => {
                let Some(mut found) = answers.take() else { return Ok((None, 0)) };
                let report = decoder.decode(outputs, geometry, thresholds, &mut found)?;
                let Some(maps) = maps else { return Ok((Some(Answer::Detections(found)), report.non_finite)) };
                let Some(mut map) = maps.take() else { return Ok((None, 0)) };
                let depth = depth_from_student(outputs, geometry, &mut map)?;
                Ok((Some(Answer::Both(found, map)), report.non_finite + depth.non_finite))
            }
            Self::Depth(maps) => {
                let output = outputs.first().context("the depth network gave no output")?;
                let Some(mut map) = maps.take() else { return Ok((None, 0)) };
                let report = depth_from_output(output, geometry, &mut map)?;
                Ok((Some(Answer::Depth(map)), report.non_finite))
            }
        }
    }
}
