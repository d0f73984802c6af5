//! `ocellus quantize MODEL --data DATA --out FILE.onnx`: an INT8 (or FP16) twin of a network, calibrated on real pictures.
//!
//! Before it is written the twin is judged beside the network it was made of: its Distillation Statement goes where the
//! twin goes, and a twin that lost what launch/targets_twin.toml (or --targets) does not allow is not written.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::{Args, ValueEnum};
use ocellus_distill::onnx;
use ocellus_distill::onnx::proto::ModelProto;
use ocellus_distill::quantize::{self, Activation, Method, Options, Report};
use ocellus_infer::digest::sha256_of_bytes;
use ocellus_judge::statement::Targets;
use ocellus_percept::model::ModelManifest;
use ocellus_percept::model::manifest::{ManifestQuantization, Precision};
use serde_json::{Value, json};

use super::vouching::{Judging, let_out};
use crate::exit::{self, Outcome};
use crate::measure::data::{Data, DataRequest};
use crate::measure::engine::{CalibrationSet, PictureEngine};
use crate::measure::statement;
use crate::measure::vouch::{Candidate, Case, Stated, state};
use crate::models::written::{self, Made};
use crate::models::{self, ModelRequest};

/// Layers shown.
const SHOWN: usize = 8;
/// The metadata key of what was measured.
pub(super) const METADATA: &str = "ocellus.quantization";

/// An INT8 or FP16 twin of a network, calibrated on real pictures.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    ocellus quantize student.onnx --data drive.mcap --out student_int8/student_int8.onnx\n  \
    ocellus quantize yolox_nano.onnx --data pictures/ --out int8/nano.onnx --method percentile --frames 300\n  \
    ocellus quantize student.onnx --data drive.mcap --judge labelled/ --out int8/s.onnx --accept ap_small=\"it stays indoors\"\n  \
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
    #[command(flatten)]
    judging: Judging,
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

impl Quantize {
    pub(super) fn run(self) -> Result<Outcome> {
        let options = self.options().map_err(exit::usage)?;
        let targets = self.judging.accepting.targets(Targets::shipped_twin)?;
        let manifest = written::place(&self.out).map_err(exit::usage)?;
        let request = DataRequest { sources: self.data.clone(), gt: None, frames: Some(self.frames), maps: false };
        let data = Data::open(&request)?;
        let runtime = models::start_runtime(self.ort_lib.as_deref())?;
        let float = models::load(&runtime, &ModelRequest::new(self.model.clone()))?;
        eprint!("{}", float.describe());
        let bytes = std::fs::read(&float.file).with_context(|| float.file.display().to_string())?;
        let network = onnx::read(&bytes).with_context(|| float.file.display().to_string()).map_err(exit::usage)?;
        let (mut engine, set) = PictureEngine::new(&runtime, &float.spec, &data)?;
        set.flags.iter().for_each(|flag| eprintln!("calibration: {flag}"));
        set.lost.iter().for_each(|lost| eprintln!("lost: {lost}"));

        let mut twin = self.twin(network, &mut engine, &options, &set).map_err(exit::usage)?;
        let source = float.network.digest().to_owned();
        describe(&mut twin, &source, &set);
        let made = onnx::write(&twin.model);
        let told = float.manifest.as_deref().map(manifest_at).transpose()?;
        let made_of = Made {
            sha256: sha256_of_bytes(&made),
            licence: float.licence.clone().unwrap_or_else(|| "as the network it was made of".to_owned()),
            provenance: provenance(&twin, &source, &set),
            teacher: Some(&float.spec.name),
            precision: self.precision(),
            quantization: twin.report.as_ref().map(|report| quantization(report, &source, &set)),
            source: told.as_ref(),
        };
        let text = written::manifest(&self.out, &float.spec, &made_of)?;
        let stated = self.state((&made, &text), (&targets, &made_of.provenance))?;
        statement::write(&stated.statement, self.out.parent().unwrap_or(Path::new("")))?;
        let_out(&stated.statement, &self.out)?;
        write(&self.out, &made)?;
        write(&manifest, text.as_bytes())?;
        self.say(&twin, &stated, &set, (bytes.len(), made.len()))?;
        Ok(if set.lost.is_empty() { Outcome::Done } else { Outcome::LostData })
    }

    /// The twin beside the network it was made of, on --judge or else on what it was calibrated on.
    fn state(&self, (made, manifest): (&[u8], &str), (targets, made_by): (&Targets, &str)) -> Result<Stated> {
        let name = self.out.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let twin = Candidate::new(&name, made, manifest)?;
        let mut asked = self.judging.asked(&self.data, self.ort_lib.as_deref());
        let mut provenance = vec![self.judging.accepting.provenance(), ("student".to_owned(), made_by.to_owned())];
        if self.judging.judge.is_empty() {
            asked.data.frames = asked.data.frames.or(Some(self.frames));
            provenance.push(("judged on".to_owned(), "the pictures it was calibrated on".to_owned()));
        }
        let case = Case { student: &twin.file, teacher: Some(&self.model), targets, provenance };
        state(&asked, &case).context("the twin cannot be judged: nothing was written")
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

    fn say(&self, twin: &Twin, stated: &Stated, set: &CalibrationSet, sizes: (usize, usize)) -> Result<()> {
        let student = |id: &str| stated.statement.properties.iter().find(|p| p.id == id).and_then(|p| p.student);
        let agreement = student("agreement");
        let median = |cost: &Option<Value>| cost.as_ref().and_then(|c| c["latency_p50_ms"].as_f64());
        let (float_ms, twin_ms) = (median(&stated.costs.0), median(&stated.costs.1));
        if self.json {
            let body = json!({"file": self.out, "quantization": twin.report, "notes": twin.notes, "flags": set.flags,
                "calibration_sha256": set.sha256, "frames": set.pictures, "agreement": agreement,
                "compared_frames": stated.pictures, "float_ms": float_ms, "twin_ms": twin_ms,
                "bytes_before": sizes.0, "bytes_after": sizes.1, "statement_good": stated.statement.shippable});
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
        if let Some(share) = agreement {
            let (percent, pictures) = (100.0 * share, stated.pictures);
            let _ = writeln!(text, "agreement  {percent:.1} % of boxes seen by both, on {pictures} pictures");
        }
        if let (Some(before), Some(after)) = (float_ms, twin_ms) {
            let ratio = before / after.max(1e-9);
            let slower = if ratio < 1.0 { "; SLOWER: on this processor the float network serves better" } else { "" };
            let _ = writeln!(
                text,
                "speed      {before:.2} ms before, {after:.2} ms after: {ratio:.2} times as fast{slower}"
            );
        }
        let _ = writeln!(text, "size       {:.2} MB before, {:.2} MB after", mega(sizes.0), mega(sizes.1));
        let page = self.out.with_file_name(statement::PAGE);
        let _ = writeln!(text, "statement  {}", page.display());
        print!("{text}");
        println!("{}", self.out.display());
        Ok(())
    }
}

fn manifest_at(path: &Path) -> Result<ModelManifest> {
    let read = || -> Result<ModelManifest> { Ok(ModelManifest::parse(&std::fs::read_to_string(path)?)?) };
    read().with_context(|| path.display().to_string())
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
