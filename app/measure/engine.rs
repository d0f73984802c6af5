//! Networks made in memory, run on the pictures of a data set through the real preprocessing: what quantization asks for.
//!
//! Pictures are checked once, when the engine is made: what cannot be read is left out and said, and a set that does not
//! look like pictures of the world is refused, because ranges measured on noise are ranges of nothing.

use std::collections::BTreeSet;
use std::ops::Range;

use anyhow::{Context, Result, anyhow};
use ocellus_distill::quantize::{Engine, EngineError};
use ocellus_infer::Runtime;
use ocellus_infer::digest::sha256_of_bytes;
use ocellus_judge::precision::{NATURAL_CORRELATION_MIN, calibration_check};
use ocellus_percept::image::Image;
use ocellus_percept::model::ModelSpec;
use ocellus_percept::tensor::{TensorData, TensorView};

use super::data::{Data, Frame};
use crate::exit;
use crate::models::PictureRunner;

/// Fewer calibration pictures than this do not span the ranges of a network's activations.
const PICTURES_ADVISED: usize = 100;

/// Runs networks that are fed as one specification says.
pub struct PictureEngine<'a> {
    runtime: &'a Runtime,
    spec: &'a ModelSpec,
    frames: Vec<&'a Frame>,
}

/// What the calibration pictures are like.
#[derive(Debug, Clone, PartialEq)]
pub struct CalibrationSet {
    /// Pictures in use.
    pub pictures: usize,
    /// SHA-256 over their pixels, in the order of the data.
    pub sha256: String,
    /// Median correlation of neighbouring pixels.
    pub correlation: Option<f64>,
    /// What speaks against the set, but not enough to refuse it.
    pub flags: Vec<String>,
    /// Pictures that could not be read.
    pub lost: Vec<String>,
}

impl<'a> PictureEngine<'a> {
    /// On the pictures of `data`, any first few of which are spread over all. Errors (exit code 2): none that can be read,
    /// noise, no contrast, one picture again and again.
    pub fn new(runtime: &'a Runtime, spec: &'a ModelSpec, data: &'a Data) -> Result<(Self, CalibrationSet)> {
        let (readable, set) = check(data).map_err(exit::usage)?;
        let mut order: Vec<u32> = (0..readable.len() as u32).collect();
        order.sort_by_key(|i| i.reverse_bits());
        let frames = order.iter().filter_map(|i| readable.get(*i as usize).copied()).collect();
        Ok((Self { runtime, spec, frames }, set))
    }

    fn run_all(
        &mut self,
        model: &[u8],
        frames: Range<usize>,
        read: &mut dyn FnMut(usize, &[TensorView<'_>]),
    ) -> Result<()> {
        let mut runner = PictureRunner::of_bytes(self.runtime, self.spec, &self.spec.name, model)?;
        let (mut image, mut fed) = (Image::empty(), Vec::new());
        let input = &self.spec.input;
        let shape = [1, 3, input.height, input.width];
        for index in frames {
            let frame = self.frames.get(index).context("no such calibration frame")?;
            frame.read(&mut image).with_context(|| frame.name.clone())?;
            fed.clear();
            fed.extend_from_slice(runner.feed(image.view())?.0);
            let picture = TensorView { name: &input.name, shape: &shape, data: TensorData::F32(&fed) };
            runner.run_fed(|outputs| {
                let views: Vec<TensorView<'_>> = std::iter::once(picture).chain(outputs.iter().copied()).collect();
                read(index, &views);
            })?;
        }
        Ok(())
    }
}

impl Engine for PictureEngine<'_> {
    fn run(
        &mut self,
        model: &[u8],
        frames: Range<usize>,
        read: &mut dyn FnMut(usize, &[TensorView<'_>]),
    ) -> Result<(), EngineError> {
        self.run_all(model, frames, read).map_err(|error| format!("{error:#}").into())
    }
}

/// The pictures that can be read, and what they are like.
fn check(data: &Data) -> Result<(Vec<&Frame>, CalibrationSet)> {
    let mut image = Image::empty();
    let (mut readable, mut digests, mut correlations, mut lost) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for frame in &data.frames {
        if let Err(error) = frame.read(&mut image) {
            lost.push(format!("{}: {error:#}", frame.name));
            continue;
        }
        digests.push(sha256_of_bytes(image.data()));
        correlations.extend(calibration_check(&[image.view()]).correlation);
        readable.push(frame);
    }
    let pictures = readable.len();
    let source = data.sources.join(", ");
    if pictures == 0 {
        return Err(anyhow!(
            "{source}: no picture can be read; the first: {}",
            lost.first().map_or("", String::as_str)
        ));
    }
    correlations.sort_by(f64::total_cmp);
    let advice = "calibrate on frames of a drive like those the network will see";
    let Some(correlation) = correlations.get(correlations.len() / 2).copied() else {
        return Err(anyhow!("{source}: no picture has any contrast; {advice}"));
    };
    if correlation < NATURAL_CORRELATION_MIN {
        return Err(anyhow!(
            "{source}: noise, no pictures: neighbouring pixels correlate by {correlation:.2}, in pictures of the world by more than 0.8; {advice}"
        ));
    }
    let distinct = digests.iter().collect::<BTreeSet<_>>().len();
    if pictures > 1 && distinct == 1 {
        return Err(anyhow!("{source}: the same picture {pictures} times; {advice}"));
    }
    let mut flags = Vec::new();
    if distinct < pictures {
        flags.push(format!("{} of {pictures} pictures are repeated", pictures - distinct));
    }
    let noisy = correlations.iter().filter(|c| **c < NATURAL_CORRELATION_MIN).count();
    if noisy > 0 {
        flags.push(format!("{noisy} of {pictures} pictures look like noise"));
    }
    if pictures < PICTURES_ADVISED {
        flags.push(format!("{pictures} pictures, at least {PICTURES_ADVISED} are advised"));
    }
    let sha256 = sha256_of_bytes(digests.join("\n").as_bytes());
    Ok((readable, CalibrationSet { pictures, sha256, correlation: Some(correlation), flags, lost }))
}
