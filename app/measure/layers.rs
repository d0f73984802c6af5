//! Where a twin of lower precision departs from its reference: signal to noise of each layer both name alike.

use anyhow::Result;
use ocellus_infer::Runtime;
use ocellus_judge::precision::{LayerReport, Sqnr, layer_report};
use ocellus_percept::image::Image;

use super::data::Data;
use super::graph::{Between, Tapped, layers, tensors};
use super::subject::Subject;

/// Pictures over which the noise is gathered, evenly spread: more change the second digit.
const PICTURES: usize = 4;

/// Layers of both networks.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Departure {
    /// Layers of the reference.
    pub layers: usize,
    /// Those that the twin names alike, so that they can be compared, worst first.
    pub report: LayerReport,
    /// Pictures looked at.
    pub pictures: usize,
}

/// Compares every layer's output on some pictures of `data`.
pub fn departure(runtime: &Runtime, reference: &Subject, twin: &Subject, data: &Data) -> Result<Departure> {
    let (reference_bytes, twin_bytes) = (reference.bytes()?, twin.bytes()?);
    let all = layers(&reference_bytes)?;
    let known = tensors(&twin_bytes)?;
    let common: Vec<String> = all.iter().filter(|name| known.contains(name)).cloned().collect();
    let mut sums: Vec<(String, Sqnr)> = common.iter().map(|name| (name.clone(), Sqnr::default())).collect();
    let mut pictures = 0;
    if !common.is_empty() {
        let mut whole = Tapped::new(runtime, reference.spec(), &reference_bytes, &common)?;
        let mut coarse = Tapped::new(runtime, twin.spec(), &twin_bytes, &common)?;
        let step = data.frames.len().div_ceil(PICTURES).max(1);
        let mut image = Image::empty();
        for frame in data.frames.iter().step_by(step) {
            if frame.read(&mut image).is_err() {
                continue;
            }
            pictures += 1;
            let (signal, got) = (whole.run(&image)?, coarse.run(&image)?);
            let values = |list: &[Between], name: &str| {
                list.iter().find(|b| b.name == name).map(|b| b.values.clone()).unwrap_or_default()
            };
            for (name, sum) in &mut sums {
                sum.add(&values(&signal, name), &values(&got, name));
            }
        }
    }
    let figures: Vec<(String, Option<f64>)> = sums.into_iter().map(|(name, sum)| (name, sum.db())).collect();
    Ok(Departure { layers: all.len(), report: layer_report(&figures), pictures })
}
