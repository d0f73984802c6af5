//! The dispatching thread and the inferring threads, one per network.
//!
//! Outputs are decoded here, where ONNX Runtime holds them: to copy them to another thread would cost more.

use ocellus_flow::latency::Series;
use ocellus_flow::queue::{Receiver, Sender};
use ocellus_infer::Network;
use ocellus_percept::model::Thresholds;
use ocellus_percept::tensor::{Decoder, DepthDecoder, ExtraInput, Letterbox};
use anyhow::{Result, anyhow};

use super::frame::{Answer, Content, Item, Message, ModelInput, Part};
use super::notes::Notes;

/// A prepared input with the index of its frame.
pub struct Job {
    /// The frame's index.
    pub index: u64,
    /// The input.
    pub input: ModelInput,
}

/// Sends each frame's inputs to their networks and the frame itself to perception, in order.
pub fn dispatch(input: &Receiver<Item>, models: &[Sender<Job>], perceive: &Sender<Message>) {
    while let Some(mut item) = input.recv() {
        let index = item.index;
        if let Content::Frame(frame) = &mut item.content {
            for input in frame.inputs.drain(..) {
                let model = input.model;
                if models[model].send(Job { index, input }).is_closed() {
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
pub enum Reader {
    /// A detector.
    Detector {
        /// Its head's decoder.
        decoder: Decoder,
        /// What is kept.
        thresholds: Thresholds,
    },
    /// A depth network.
    Depth(DepthDecoder),
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
    /// Time of the network alone.
    pub inferring: Series,
    /// Time of decoding its outputs, NMS included.
    pub decoding: Series,
    /// Where what went wrong is said.
    pub notes: Notes,
}

impl Infer {
    /// Runs until its queue ends. An error of the network ends the run.
    pub fn run(mut self, jobs: &Receiver<Job>, perceive: &Sender<Message>) -> Result<()> {
        while let Some(job) = jobs.recv() {
            let answer = self.step(&job.input)?;
            let part = Part { index: job.index, model: self.model, answer };
            if perceive.send(Message::Part(part)).is_closed() {
                break;
            }
        }
        Ok(())
    }

    fn step(&mut self, input: &ModelInput) -> Result<Answer> {
        let tensor = self.network.input_mut(&self.input)?;
        if tensor.len() != input.tensor.len() {
            let (expected, got) = (tensor.len(), input.tensor.len());
            return Err(anyhow!("{}: input of {got} elements, expected {expected}", self.network.name()));
        }
        tensor.copy_from_slice(&input.tensor);
        self.feed_extra_inputs(&input.geometry)?;
        let started = std::time::Instant::now();
        let Self { network, reader, inferring, decoding, .. } = self;
        let (answer, non_finite) = network.run(|outputs| {
            inferring.record(started.elapsed());
            decoding.time(|| reader.read(outputs, &input.geometry))
        })??;
        if non_finite > 0 {
            self.notes.say("not finite", format!("{}: {non_finite} output values", self.network.name()));
        }
        Ok(answer)
    }
}
