//! `ocellus quantize MODEL --data DATA --out FILE.onnx`: an INT8 (or FP16) twin of a network, calibrated on real pictures.
//!
//! The twin is compared with the network it was made of before it is written: detections on pictures it was not measured
//! on layer by layer, and speed, in turns in the same run. One that has collapsed is not written.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use clap::{Args, ValueEnum};
use ocellus_distill::onnx;
use ocellus_distill::onnx::proto::ModelProto;
use ocellus_distill::quantize::{self, Activation, Method, Options, Report};
use ocellus_infer::Network;
use ocellus_infer::digest::sha256_of_bytes;
use ocellus_judge::agreement::{SAME_BOX_IOU, Seen, compare_frame, sum_up};
use ocellus_judge::precision::GateTargets;
use ocellus_percept::image::Image;
use ocellus_percept::model::manifest::{ManifestQuantization, Precision};
use serde_json::json;

use crate::exit::{self, Outcome};
use crate::measure::data::{Data, DataRequest, Frame};
use crate::measure::engine::{CalibrationSet, PictureEngine};
use crate::models::written::{self, Made};
use crate::models::{self, Model, ModelRequest, PictureDetector};

/// Pictures on which twins are compared: enough for a median time and for boxes to agree on.
const COMPARED: usize = 40;
/// Score from which a detection counts when twins are compared.
const ALARM: f64 = 0.25;
/// Layers shown.
const SHOWN: usize = 8;
/// The metadata key of what was measured.
const METADATA: &str = "ocellus.quantization";

/// An INT8 or FP16 twin of a network, calibrated on real pictures.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    ocellus quantize student.onnx --data drive.mcap --out student_int8/student_int8.onnx\n  \
    ocellus quantize yolox_nano.onnx --data pictures/ --out int8/nano.onnx --method percentile --frames 300\n  \
    ocellus quantize student.onnx --data drive.mcap --out student_fp16/student_fp16.onnx --fp16")]
pub struct Quantize {
    /// The float32 network: an ONNX file, or the name of a folder under models/.
    model: PathBuf,
    /// Pictures to calibrate on: a drive, a folder, or world:SCENARIO@SEEDS; several times.
    #[arg(long, value_name = "DATA", required = true)]
    data: Vec<String>,
    /// The network to write; its model.toml goes beside it.
    #[arg(long, value_name = "FILE.onnx")]
    out: PathBuf,
    /// How ranges of activations are taken from what is seen.
    #[arg(long, value_enum, default_value_t = MethodName::Percentile)]
    method: MethodName,
    /// Share of the values that --method percentile keeps, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 99.999)]
    percentile: f64,
    /// Calibration frames at most, evenly spread over the data.
    #[arg(long, value_name = "N", default_value_t = 200)]
    frames: usize,
    /// Layers that stay float whatever is measured.
    #[arg(long, value_name = "LAYER", num_args = 1..)]
    keep: Vec<String>,
    /// A layer whose signal to noise ratio alone is lower stays float.
    #[arg(long, value_name = "dB", default_value_t = Options::default().sqnr_floor_db)]
    sqnr_floor: f64,
    /// The same for layers that no other follows, whose errors are the result's.
    #[arg(long, value_name = "dB", default_value_t = Options::default().last_floor_db)]
    last_floor: f64,
    /// Activations as signed bytes around 0, as TensorRT asks.
    #[arg(long)]
    symmetric: bool,
    /// Weights in 7 bits, for x86 processors without VNNI.
    #[arg(long)]
    reduce_range: bool,
    /// Half precision in place of integers: nothing is calibrated, the data serves to compare.
    #[arg(long, conflicts_with_all = ["keep", "symmetric", "reduce_range"])]
    fp16: bool,
    /// Write the twin even where it and the network no longer see the same.
    #[arg(long)]
    accept_loss: bool,
    /// The ONNX Runtime library.
    #[arg(long, value_name = "FILE")]
    ort_lib: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Names of the methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MethodName {
    /// All that is seen.
    Minmax,
    /// All but the outermost values.
    Percentile,
    /// The cut that loses the least information.
    Entropy,
}

/// A twin and what is known of it.
struct Twin {
    model: ModelProto,
    report: Option<Report>,
    notes: Vec<String>,
}

/// The twin beside the network it was made of.
struct Comparison {
    agreement: Option<f64>,
    frames: usize,
    float_ms: f64,
    twin_ms: f64,
}

impl Quantize {
    pub(super) fn run(self) -> Result<Outcome> {
        let options = self.options().map_err(exit::usage)?;
        let manifest = written::place(&self.out).map_err(exit::usage)?;
        let request = DataRequest { sources: self.data.clone(), gt: None, frames: Some(self.frames), maps: false };
        let data = Data::open(&request)?;
        let runtime = models::start_runtime(self.ort_lib.as_deref())?;
        let float = models::load(&runtime, &ModelRequest::new(self.model.clone()))?;
        eprint!("{}", float.describe());
        let bytes = std::fs::read(&float.file).with_context(|| float.file.display().to_string())?;
        let network = onnx::read(&bytes).with_context(|| float.file.display().to_string()).map_err(exit::usage)?;
        let spec = float.spec.clone();
        let (mut engine, set) = PictureEngine::new(&runtime, &spec, &data)?;
        set.flags.iter().for_each(|flag| eprintln!("calibration: {flag}"));
        set.lost.iter().for_each(|lost| eprintln!("lost: {lost}"));

        let mut twin = self.twin(network, &mut engine, &options, &set).map_err(exit::usage)?;
        let source = float.network.digest().to_owned();
        describe(&mut twin, &source, &set);
        let made = onnx::write(&twin.model);
        let candidate = engine.load(&made).context("the twin cannot be loaded: nothing was written")?;
        let (licence, precision) = (float.licence.clone(), self.precision());
        let comparison = compare(float, candidate, engine.frames())?;
        self.check(&comparison)?;

        let made_of = Made {
            sha256: sha256_of_bytes(&made),
            licence: licence.unwrap_or_else(|| "as the network it was made of".to_owned()),
            provenance: provenance(&twin, &source, &set),
            teacher: Some(&spec.name),
            precision,
            quantization: twin.report.as_ref().map(|report| quantization(report, &source, &set)),
        };
        let text = written::manifest(&self.out, &spec, &made_of)?;
        write(&self.out, &made)?;
        write(&manifest, text.as_bytes())?;
        self.say(&twin, &comparison, &set, (bytes.len(), made.len()))?;
        Ok(if set.lost.is_empty() { Outcome::Done } else { Outcome::LostData })
    }

    fn options(&self) -> Result<Options> {
        if !(90.0..=100.0).contains(&self.percentile) {
            return Err(anyhow!("--percentile: expected 90 to 100, got {}", self.percentile));
        }
        if self.frames == 0 {
            return Err(anyhow!("--frames: expected at least 1, got 0"));
        }
        if self.out.extension().is_none_or(|e| e != "onnx") {
            return Err(anyhow!("--out {}: expected a file name that ends in .onnx", self.out.display()));
        }
        let method = match self.method {
            MethodName::Minmax => Method::MinMax,
            MethodName::Percentile => Method::Percentile(self.percentile / 100.0),
            MethodName::Entropy => Method::Entropy,
        };
        Ok(Options {
            method,
            activation: if self.symmetric { Activation::S8 } else { Activation::U8 },
            reduce_range: self.reduce_range,
            keep: self.keep.clone(),
            sqnr_floor_db: self.sqnr_floor,
            last_floor_db: self.last_floor,
        })
    }

    fn precision(&self) -> Precision {
        if self.fp16 { Precision::Fp16 } else { Precision::Int8 }
    }

    fn twin(
        &self,
        network: ModelProto,
        engine: &mut PictureEngine<'_>,
        options: &Options,
        set: &CalibrationSet,
    ) -> Result<Twin> {
        let named = || self.model.display().to_string();
        if self.fp16 {
            let half = quantize::half::half(network).with_context(named)?;
            let cut = format!("{} values beyond half precision's range were cut to it", half.cut);
            let notes = if half.cut > 0 { vec![cut] } else { Vec::new() };
            return Ok(Twin { model: half.model, report: None, notes });
        }
        let done = quantize::quantize(network, engine, set.pictures, options).with_context(named)?;
        Ok(Twin { model: done.model, report: Some(done.report), notes: Vec::new() })
    }

    /// Refuses a twin that no longer sees what the network sees.
    fn check(&self, comparison: &Comparison) -> Result<()> {
        let least = GateTargets::default().agreement_min;
        match comparison.agreement {
            Some(share) if share < least && !self.accept_loss => Err(exit::unmet(anyhow!(
                "the twin and the network see the same in only {:.1} % of the boxes (at least {:.0} %): nothing was written; \
                 raise --sqnr-floor, take another --method or more --frames, or say --accept-loss",
                100.0 * share,
                100.0 * least
            ))),
            _ => Ok(()),
        }
    }

    fn say(&self, twin: &Twin, compared: &Comparison, set: &CalibrationSet, sizes: (usize, usize)) -> Result<()> {
        if self.json {
            let body = json!({"file": self.out, "quantization": twin.report, "notes": twin.notes, "flags": set.flags,
                "calibration_sha256": set.sha256, "frames": set.pictures, "agreement": compared.agreement,
                "compared_frames": compared.frames, "float_ms": compared.float_ms, "twin_ms": compared.twin_ms,
                "bytes_before": sizes.0, "bytes_after": sizes.1});
            println!("{}", serde_json::to_string_pretty(&body)?);
            return Ok(());
        }
        let mut text = String::new();
        if let Some(report) = &twin.report {
            let _ = writeln!(text, "{}", layers_text(report));
        }
        twin.notes.iter().for_each(|note| {
            let _ = writeln!(text, "note       {note}");
        });
        if let Some(share) = compared.agreement {
            let _ = writeln!(
                text,
                "agreement  {:.1} % of boxes seen by both, on {} pictures",
                100.0 * share,
                compared.frames
            );
        }
        let ratio = compared.float_ms / compared.twin_ms.max(1e-9);
        let slower = if ratio < 1.0 { "; SLOWER: on this processor the float network serves better" } else { "" };
        let _ = writeln!(
            text,
            "speed      {:.2} ms before, {:.2} ms after: {ratio:.2} times as fast{slower}",
            compared.float_ms, compared.twin_ms
        );
        let _ = writeln!(text, "size       {:.2} MB before, {:.2} MB after", mega(sizes.0), mega(sizes.1));
        print!("{text}");
        println!("{}", self.out.display());
        Ok(())
    }
}

fn mega(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

/// What lost most, and what stayed float.
fn layers_text(report: &Report) -> String {
    let mut text = format!(
        "{} of {} layers are integers ({}, {} frames); signal to noise, worst first:",
        report.quantized(),
        report.layers.len(),
        report.method,
        report.frames
    );
    let db = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.1}"));
    let _ = write!(text, "\n  {:>8} {:>8}  layer", "alone dB", "total dB");
    for line in report.worst_first().iter().take(SHOWN) {
        let kept = line.kept.map_or_else(String::new, |why| format!(": stays float ({why:?})"));
        let _ = write!(text, "\n  {:>8} {:>8}  {} {}{kept}", db(line.alone_db), db(line.total_db), line.op, line.name);
    }
    for (name, value) in &report.outputs {
        let _ = write!(text, "\noutput     {name}: {} dB", db(*value));
    }
    text
}

fn provenance(twin: &Twin, source: &str, set: &CalibrationSet) -> String {
    match &twin.report {
        Some(report) => format!(
            "quantized by ocellus {} from sha256 {source}: {}, {} frames with sha256 {}",
            env!("CARGO_PKG_VERSION"),
            report.method,
            set.pictures,
            set.sha256
        ),
        None => format!("made half precision by ocellus {} from sha256 {source}", env!("CARGO_PKG_VERSION")),
    }
}

/// Writes into the network what was measured.
fn describe(twin: &mut Twin, source: &str, set: &CalibrationSet) {
    let body = json!({"source_sha256": source, "calibration_sha256": set.sha256, "calibration_pictures": set.pictures,
        "calibration_correlation": set.correlation, "flags": set.flags, "report": twin.report, "notes": twin.notes});
    twin.model.set_metadata(METADATA, &body.to_string());
}

fn quantization(report: &Report, source: &str, set: &CalibrationSet) -> ManifestQuantization {
    let round = |db: f64| (db * 10.0).round() / 10.0;
    let worst = report.worst_first();
    ManifestQuantization {
        method: Some(report.method.clone()),
        frames: Some(set.pictures),
        calibration_sha256: Some(set.sha256.clone()),
        source_sha256: Some(source.to_owned()),
        float_layers: report.layers.iter().filter(|l| l.kept.is_some()).map(|l| l.name.clone()).collect(),
        sqnr_db: worst.iter().filter_map(|l| Some((l.name.clone(), round(l.alone_db?)))).collect(),
        outputs_db: report.outputs.iter().filter_map(|(n, db)| Some((n.clone(), round((*db)?)))).collect(),
    }
}

/// Runs both on the same pictures, in turns.
fn compare(float: Model, candidate: Network, frames: &[&Frame]) -> Result<Comparison> {
    let twin = float.with_network(candidate);
    let mut times = (Vec::new(), Vec::new());
    let (mut image, mut agreements) = (Image::empty(), Vec::new());
    let compared = frames.len().min(COMPARED);
    // The last ones: layers were measured on the first.
    let frames = frames.iter().rev().take(compared);
    if float.spec.classes.is_empty() {
        let (mut a, mut b) = (models::PictureRunner::new(float)?, models::PictureRunner::new(twin)?);
        for frame in frames {
            frame.read(&mut image)?;
            times.0.push(timed(|| a.run(image.view(), |_, _| ()))?.0);
            times.1.push(timed(|| b.run(image.view(), |_, _| ()))?.0);
        }
        return Ok(Comparison {
            agreement: None,
            frames: compared,
            float_ms: median(times.0),
            twin_ms: median(times.1),
        });
    }
    let (mut a, mut b) = (PictureDetector::new(float)?, PictureDetector::new(twin)?);
    let (mut found_a, mut found_b) = (Vec::new(), Vec::new());
    for frame in frames {
        frame.read(&mut image)?;
        times.0.push(timed(|| a.detect(image.view(), &mut found_a))?.0);
        times.1.push(timed(|| b.detect(image.view(), &mut found_b))?.0);
        let seen = |found: &[ocellus_percept::detection::Detection]| -> Vec<Seen> {
            let class = |index: u32| a.classes().get(index as usize).cloned().unwrap_or_default();
            let one = |d: &ocellus_percept::detection::Detection| Seen {
                class: class(d.class),
                score: f64::from(d.score),
                bbox: d.bbox,
                distance_m: None,
            };
            found.iter().map(one).collect()
        };
        agreements.push(compare_frame(&seen(&found_a), &seen(&found_b), ALARM, SAME_BOX_IOU));
    }
    let agreement = sum_up(&agreements).share;
    Ok(Comparison { agreement, frames: compared, float_ms: median(times.0), twin_ms: median(times.1) })
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let started = Instant::now();
    let value = work()?;
    Ok((started.elapsed().as_secs_f64() * 1e3, value))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Writes whole files only: first beside the place, then moved there.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let told = || format!("{}: cannot be written; make room or choose another place with --out", path.display());
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(told)?;
    }
    let part = path.with_extension("part");
    let done = std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, path));
    if done.is_err() {
        // The error that matters is the one above.
        let _ = std::fs::remove_file(&part);
    }
    done.with_context(told)
}
