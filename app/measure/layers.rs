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
    let common: Vec<(String, String)> =
        all.iter().filter_map(|name| Some((name.clone(), twin_of(name, &known)?.clone()))).collect();
    let mut sums = vec![Sqnr::default(); common.len()];
    let mut pictures = 0;
    if !common.is_empty() {
        let (ours, theirs): (Vec<String>, Vec<String>) = common.iter().cloned().unzip();
        let mut whole = Tapped::new(runtime, reference.spec(), &reference_bytes, &ours)?;
        let mut coarse = Tapped::new(runtime, twin.spec(), &twin_bytes, &theirs)?;
        let step = data.frames.len().div_ceil(PICTURES).max(1);
        let mut image = Image::empty();
        for frame in data.frames.iter().step_by(step) {
            if frame.read(&mut image).is_err() {
                continue;
            }
            pictures += 1;
            let (signal, got) = (whole.run(&image)?, coarse.run(&image)?);
            let values = |list: &'_ [Between], name: &str| -> Vec<f32> {
                list.iter().find(|b| b.name == name).map(|b| b.values.clone()).unwrap_or_default()
            };
            for (sum, (ours, theirs)) in sums.iter_mut().zip(&common) {
                sum.add(&values(&signal, ours), &values(&got, theirs));
            }
        }
    }
    let names = common.into_iter().map(|(name, _)| name);
    let figures: Vec<(String, Option<f64>)> = names.zip(sums).map(|(name, sum)| (name, sum.db())).collect();
    Ok(Departure { layers: all.len(), report: layer_report(&figures), pictures })
}

/// The twin's name of a tensor: the same, or the same below another outermost module (`/model/stem/Conv` and `/stem/Conv`).
fn twin_of<'a>(name: &str, known: &'a [String]) -> Option<&'a String> {
    let below = |long: &str, short: &str| short.starts_with('/') && long.len() > short.len() && long.ends_with(short);
    let same = known.iter().find(|other| *other == name);
    same.or_else(|| known.iter().find(|other| below(name, other) || below(other, name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twins_are_known_by_name_also_below_another_module() {
        let known = ["/stem/Conv_output_0".to_owned(), "head".to_owned(), "/a/b/neck".to_owned()];
        assert_eq!(twin_of("/model/stem/Conv_output_0", &known), Some(&known[0]));
        assert_eq!(twin_of("head", &known), Some(&known[1]));
        assert_eq!(twin_of("/b/neck", &known), Some(&known[2]));
        assert_eq!((twin_of("/stem/Conv", &known), twin_of("my head", &known)), (None, None));
    }
}
