//! `ocellus label DATA --teacher MODEL... --out labels.json`: pseudo labels by agreement of several teachers.
//!
//! Files and networks are here; who agrees with whom is decided in `ocellus_distill::label`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use ocellus_distill::label::{
    Audit, Kind, Marked, Proposal, PseudoLabel, Rates, Rules, Sample, Teacher, agree, agreed_samples, fuse, samples,
    threshold, thresholds,
};
use ocellus_infer::Runtime;
use ocellus_percept::depth::DepthMap;
use ocellus_percept::detection::{BoxPx, Detection};
use ocellus_percept::fuse::DepthScaler;
use ocellus_percept::image::Image;
use ocellus_percept::model::{DepthKind, coco};
use ocellus_percept::tensor::depth::{depth_from_output, empty_depth};
use ocellus_sense::labels::Label as DriveLabel;
use ocellus_sense::truth::{TRUTH_TOPIC, truth_json};
use ocellus_sense::{Drive, Payload};
use ocellus_sinks::mcap::{At, Compression, McapWriter, topics};
use serde_json::{Value, json};

use crate::exit::{self, Outcome};
use crate::measure::data::{Data, DataRequest, Frame, Picture};
use crate::models::{self, ModelRequest, PictureDetector, PictureRunner};
use crate::recording;

/// What labels that people would not give must reach where thresholds are measured.
const PRECISION: f64 = 0.9;
/// The class under which regions to be ignored stand in a recording: KITTI's, which evaluation knows.
const IGNORED: &str = "DontCare";

/// Pseudo labels by agreement of several teachers.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    ocellus label drive.mcap --teacher yolo26n.onnx --teacher deimv2.onnx --out labels.json --mcap labelled.mcap\n  \
    ocellus label pictures/ --teacher a.onnx --teacher b.onnx --audit coco_tiny --out labels.json\n  \
    ocellus label drive.mcap --teacher a.onnx --threshold person=0.6 --same pedestrian=person --out labels.json")]
pub struct Label {
    /// A drive, a folder of pictures, or world:SCENARIO@SEEDS; several.
    #[arg(required = true)]
    data: Vec<String>,
    /// A network that labels: detectors, and depth networks for distances; several times.
    #[arg(long, value_name = "MODEL", required = true)]
    teacher: Vec<PathBuf>,
    /// The labels, as COCO ground truth; regions to be ignored are crowds.
    #[arg(long, value_name = "LABELS.json")]
    out: PathBuf,
    /// The pictures of a drive with the labels as its truth.
    #[arg(long, value_name = "OUT.mcap")]
    mcap: Option<PathBuf>,
    /// Score from which one teacher alone is believed, for a class.
    #[arg(long, value_name = "CLASS=SCORE")]
    threshold: Vec<String>,
    /// Lowest score that counts as an opinion.
    #[arg(long, default_value_t = Rules::usual(0).low)]
    score: f64,
    /// Least overlap of boxes that mean the same object.
    #[arg(long, default_value_t = Rules::usual(0).agree_iou)]
    iou: f32,
    /// A teacher's class that means another.
    #[arg(long, value_name = "CLASS=CLASS")]
    same: Vec<String>,
    /// Pictures that people labelled: thresholds not given are measured on every second, labels audited on the others.
    #[arg(long, value_name = "DATA")]
    audit: Vec<String>,
    /// COCO ground truth of the pictures in --audit.
    #[arg(long, value_name = "GT.json", requires = "audit")]
    audit_gt: Option<PathBuf>,
    /// Frames at most, evenly spread over the data.
    #[arg(long, value_name = "N")]
    frames: Option<usize>,
    /// The ONNX Runtime library.
    #[arg(long, value_name = "FILE")]
    ort_lib: Option<PathBuf>,
}

/// All teachers on one picture.
struct Panel {
    classes: Vec<String>,
    detectors: Vec<(PictureDetector, Vec<usize>)>,
    depths: Vec<(PictureRunner, DepthKind)>,
    teachers: Vec<Teacher>,
    provenance: Vec<Value>,
}

/// What was made of one picture.
struct Labelled {
    labels: Vec<PseudoLabel>,
    depth_m: Vec<Option<f32>>,
    depth_doubtful: bool,
    size: (usize, usize),
}

impl Label {
    pub(super) fn run(self) -> Result<Outcome> {
        for (name, value) in [("--score", self.score), ("--iou", f64::from(self.iou))] {
            if !(0.0..=1.0).contains(&value) {
                return Err(exit::usage(anyhow!("{name}: expected 0 to 1, got {value}")));
            }
        }
        let same = pairs("--same", &self.same).map_err(exit::usage)?;
        let open = |sources: &[String], gt: Option<PathBuf>| {
            Data::open(&DataRequest { sources: sources.to_vec(), gt, frames: self.frames, maps: false })
        };
        let data = open(&self.data, None)?;
        if self.mcap.is_some() && !data.frames.iter().any(|f| matches!(f.picture, Picture::Entry(..))) {
            return Err(exit::usage(anyhow!("--mcap: the pictures are of no drive; leave it out, or give a drive")));
        }
        let runtime = models::start_runtime(self.ort_lib.as_deref())?;
        let mut panel = Panel::load(&runtime, &self.teacher, &same)?;
        let mut rules = self.rules(&panel.classes).map_err(exit::usage)?;
        let audit = match self.audit.is_empty() {
            true => None,
            false => Some(self.audit(&open(&self.audit, self.audit_gt.clone())?, &mut panel, &mut rules)?),
        };
        let (mut labelled, mut lost) = (Vec::new(), 0_usize);
        for (index, frame) in data.frames.iter().enumerate() {
            match panel.label(frame, &rules) {
                Ok(done) => labelled.push((index, done)),
                Err(error) => {
                    eprintln!("lost: {}: {error:#}", frame.name);
                    lost += 1;
                }
            }
        }
        if labelled.is_empty() {
            return Err(exit::usage(anyhow!("{}: no picture could be read", self.data.join(", "))));
        }
        let document = self.document(&data, &panel, &rules, (audit.as_ref(), &labelled));
        let told =
            || format!("{}: cannot be written; make room or choose another place with --out", self.out.display());
        std::fs::write(&self.out, serde_json::to_string(&document)?).with_context(told)?;
        if let Some(path) = &self.mcap {
            record(path, &data, &panel.classes, &labelled)
                .with_context(|| format!("{}: cannot be written; make room or choose another place", path.display()))?;
        }
        print!("{}", summary(&labelled, &panel.classes, audit.as_ref()));
        println!("{}", self.out.display());
        Ok(if lost > 0 { Outcome::LostData } else { Outcome::Done })
    }

    fn rules(&self, classes: &[String]) -> Result<Rules> {
        let mut rules = Rules { low: self.score, agree_iou: self.iou, ..Rules::usual(classes.len()) };
        for (class, score) in pairs("--threshold", &self.threshold)? {
            let at = classes.iter().position(|c| *c == class).ok_or_else(|| {
                anyhow!("--threshold {class}: no teacher knows this class; classes: {}", classes.join(", "))
            })?;
            let score: f64 =
                score.parse().with_context(|| format!("--threshold {class}={score}: expected a number"))?;
            if !(0.0..=1.0).contains(&score) {
                return Err(anyhow!("--threshold {class}: expected 0 to 1, got {score}"));
            }
            rules.alone[at] = score;
        }
        Ok(rules)
    }

    /// Measures thresholds that were not given on every second picture, and labels made with them on the others.
    fn audit(&self, data: &Data, panel: &mut Panel, rules: &mut Rules) -> Result<Audit> {
        if !data.labelled {
            let sources = self.audit.join(", ");
            return Err(exit::usage(anyhow!("--audit {sources}: no labels there; give --audit-gt GT.json")));
        }
        let mut image = Image::empty();
        let (mut fit, mut test) = (Vec::new(), Vec::new());
        for (index, (frame, objects)) in data.frames.iter().zip(marked(data, &panel.classes)).enumerate() {
            frame.read(&mut image).with_context(|| frame.name.clone())?;
            let half = if index % 2 == 0 { &mut fit } else { &mut test };
            half.push((panel.proposals(&image)?, objects));
        }
        let alone = fit.iter().flat_map(|(teachers, objects)| teachers.iter().flat_map(|own| samples(own, objects)));
        let alone: Vec<Sample> = alone.collect();
        let pooled = threshold(&alone, PRECISION);
        let told: BTreeSet<String> = pairs("--threshold", &self.threshold)?.into_keys().collect();
        for (class, measured) in thresholds(&alone, panel.classes.len(), PRECISION).into_iter().enumerate() {
            if let Some(score) = measured.or(pooled).filter(|_| !told.contains(&panel.classes[class])) {
                rules.alone[class] = score.max(rules.low);
            }
        }
        let agreed = fit.iter().flat_map(|(p, objects)| agreed_samples(&agree(&panel.teachers, p, rules), objects));
        rules.agreed = threshold(&agreed.collect::<Vec<_>>(), PRECISION).unwrap_or(rules.agreed);
        let mut audit = Audit::default();
        for (proposals, objects) in &test {
            audit.add(&agree(&panel.teachers, proposals, rules), objects);
        }
        Ok(audit)
    }

    fn document(
        &self,
        data: &Data,
        panel: &Panel,
        rules: &Rules,
        (audit, labelled): (Option<&Audit>, &[(usize, Labelled)]),
    ) -> Value {
        let used: BTreeSet<usize> = labelled.iter().flat_map(|(_, l)| l.labels.iter().map(|l| l.class)).collect();
        let alone: BTreeMap<&str, f64> =
            used.iter().map(|c| (panel.classes[*c].as_str(), round(rules.alone[*c], 1e4))).collect();
        let mut annotations = Vec::new();
        let mut images = Vec::new();
        for (index, done) in labelled {
            let Some(info) = data.truth.images.get(*index) else { continue };
            let frame = &data.frames[*index];
            let name = if info.file_name.is_empty() { &frame.name } else { &info.file_name };
            images.push(json!({"id": info.id, "file_name": name, "width": done.size.0, "height": done.size.1}));
            for (label, depth) in done.labels.iter().zip(&done.depth_m) {
                let mut entry = annotation(annotations.len() + 1, info.id, label, &panel.classes);
                if let (Some(depth), Value::Object(map)) = (depth, &mut entry) {
                    map.insert("depth_m".to_owned(), json!(round(f64::from(*depth), 1e3)));
                    map.insert("depth_doubtful".to_owned(), json!(done.depth_doubtful));
                }
                annotations.push(entry);
            }
        }
        let category =
            |c: &usize| json!({"id": coco::category_id(&panel.classes, *c as u32), "name": panel.classes[*c]});
        json!({
            "info": {
                "description": "pseudo labels", "program": format!("ocellus {}", env!("CARGO_PKG_VERSION")),
                "data": data.sources, "data_sha256": data.sha256, "teachers": panel.provenance,
                "agree_iou": rules.agree_iou, "score_min": rules.low,
                "agreed_score": round(rules.agreed, 1e4), "alone_score": alone, "audit": audit,
            },
            "images": images,
            "annotations": annotations,
            "categories": used.iter().map(category).collect::<Vec<_>>(),
        })
    }
}

impl Panel {
    fn load(runtime: &Runtime, paths: &[PathBuf], same: &BTreeMap<String, String>) -> Result<Self> {
        let mut panel = Self {
            classes: Vec::new(),
            detectors: Vec::new(),
            depths: Vec::new(),
            teachers: Vec::new(),
            provenance: Vec::new(),
        };
        for path in paths {
            let model = models::load(runtime, &ModelRequest::new(path.clone()))?;
            eprint!("{}", model.describe());
            panel.provenance.push(json!({"name": model.spec.name, "sha256": model.network.digest(),
                "licence": model.licence, "head": model.spec.head}));
            if model.is_depth() {
                let kind = model.spec.depth.unwrap_or(DepthKind::RelativeInverse);
                panel.depths.push((PictureRunner::new(model.network, &model.spec)?, kind));
                continue;
            }
            let detector = PictureDetector::new(model).map_err(exit::usage)?;
            let numbers = detector.classes().iter().map(|name| panel.number(name, same)).collect();
            panel.detectors.push((detector, numbers));
        }
        if panel.detectors.is_empty() {
            return Err(exit::usage(anyhow!(
                "--teacher: none of them gives detections; at least one detector is needed"
            )));
        }
        let count = panel.classes.len();
        let knows = |numbers: &Vec<usize>| (0..count).map(|c| numbers.contains(&c)).collect();
        panel.teachers = panel.detectors.iter().map(|(_, numbers)| Teacher { knows: knows(numbers) }).collect();
        if panel.detectors.len() == 1 {
            eprintln!(
                "one teacher alone: nobody agrees or disagrees, its score decides; give --audit to measure from which"
            );
        }
        Ok(panel)
    }

    /// Our number of a teacher's class, by name.
    fn number(&mut self, name: &str, same: &BTreeMap<String, String>) -> usize {
        let name = name.to_lowercase();
        let name = same.get(&name).cloned().unwrap_or(name);
        self.classes.iter().position(|c| *c == name).unwrap_or_else(|| {
            self.classes.push(name);
            self.classes.len() - 1
        })
    }

    /// What each detector sees.
    fn proposals(&mut self, image: &Image) -> Result<Vec<Vec<Proposal>>> {
        let mut found = Vec::new();
        let mut all = Vec::new();
        for (detector, numbers) in &mut self.detectors {
            detector.detect(image.view(), &mut found)?;
            let proposal = |d: &Detection| {
                let class = *numbers.get(d.class as usize)?;
                Some(Proposal { class, score: f64::from(d.score), bbox: d.bbox })
            };
            all.push(found.iter().filter_map(proposal).collect());
        }
        Ok(all)
    }

    fn label(&mut self, frame: &Frame, rules: &Rules) -> Result<Labelled> {
        let mut image = Image::empty();
        frame.read(&mut image)?;
        let proposals = self.proposals(&image)?;
        let labels = agree(&self.teachers, &proposals, rules);
        let mut maps: Vec<DepthMap> = Vec::new();
        for (runner, kind) in &mut self.depths {
            let mut map = empty_depth(*kind);
            runner.run(image.view(), |outputs, geometry| {
                outputs.first().map(|output| depth_from_output(output, geometry, &mut map)).transpose()
            })??;
            maps.push(map);
        }
        let size = (image.width(), image.height());
        let fused = fuse(&maps, (size.0 as u32, size.1 as u32), &mut DepthScaler::default());
        let of = |l: &PseudoLabel| fused.as_ref().and_then(|f| f.of_box(&l.bbox));
        let depth_m = labels.iter().map(of).collect();
        let depth_doubtful = fused.as_ref().is_some_and(|f| f.is_doubtful());
        Ok(Labelled { labels, depth_m, depth_doubtful, size })
    }
}

/// `NAME=VALUE` arguments; names in lower case.
fn pairs(flag: &str, arguments: &[String]) -> Result<BTreeMap<String, String>> {
    let split = |argument: &String| {
        let (name, value) =
            argument.split_once('=').ok_or_else(|| anyhow!("{flag} {argument}: expected NAME=VALUE"))?;
        Ok((name.trim().to_lowercase(), value.trim().to_lowercase()))
    };
    arguments.iter().map(split).collect()
}

fn round(value: f64, places: f64) -> f64 {
    (value * places).round() / places
}

fn annotation(id: usize, image: i64, label: &PseudoLabel, classes: &[String]) -> Value {
    let b = label.bbox;
    let [x, y, w, h] = [b.x0, b.y0, b.width(), b.height()].map(|v| round(f64::from(v), 100.0));
    let ignored = label.kind == Kind::Ignored;
    json!({"id": id, "image_id": image, "category_id": coco::category_id(classes, label.class as u32),
        "bbox": [x, y, w, h], "area": round(w * h, 100.0), "iscrowd": u8::from(ignored), "ignore": u8::from(ignored),
        "score": round(label.score, 1e4), "weight": round(label.weight, 1e4), "source": label.kind,
        "teachers": label.teachers})
}

/// The truth of each picture in the teachers' classes; objects of other classes are left out.
fn marked(data: &Data, classes: &[String]) -> Vec<Vec<Marked>> {
    let mut truth = vec![Vec::new(); data.truth.images.len()];
    for object in &data.truth.objects {
        let name = data.truth.categories.get(object.category).map(|c| c.name.to_lowercase());
        let class = name.and_then(|name| classes.iter().position(|c| *c == name));
        let (Some(class), Some(list)) = (class, truth.get_mut(object.image)) else { continue };
        let [x, y, w, h] = object.bbox.map(|v| v as f32);
        let bbox = BoxPx { x0: x, y0: y, x1: x + w, y1: y + h };
        list.push(Marked { class, bbox, crowd: object.crowd, tags: object.tags.clone() });
    }
    truth
}

/// The pictures of drives with the labels as their truth.
fn record(path: &Path, data: &Data, classes: &[String], labelled: &[(usize, Labelled)]) -> Result<()> {
    let mut writer = McapWriter::create(path, Compression::default())?;
    let mut rig_of: Option<*const dyn Drive> = None;
    for (index, done) in labelled {
        let Some(Picture::Entry(drive, entry)) = data.frames.get(*index).map(|f| &f.picture) else { continue };
        let (drive, entry) = (drive.as_ref(), *entry);
        let at = drive.entries()[entry];
        let camera = &drive.info().sensors[at.sensor].name;
        if rig_of.is_none_or(|known| !std::ptr::addr_eq(known, drive)) {
            writer.rig(at.t, drive.rig_at(entry))?;
            rig_of = Some(drive);
        }
        if let Payload::Image(picture) = drive.read(entry)? {
            let frame = topics::optical_frame(camera);
            let coded = (&picture, recording::JPEG_QUALITY);
            recording::write_picture(&mut writer, camera, &At::new(at.t, &frame), coded)?;
        }
        let labels: Vec<DriveLabel> = done.labels.iter().map(|l| drive_label(l, classes)).collect();
        writer.text(TRUTH_TOPIC, at.t, &truth_json(camera, at.t, &labels))?;
    }
    writer.finish()?;
    Ok(())
}

fn drive_label(label: &PseudoLabel, classes: &[String]) -> DriveLabel {
    let class = match label.kind {
        Kind::Ignored => IGNORED.to_owned(),
        _ => classes.get(label.class).cloned().unwrap_or_default(),
    };
    DriveLabel {
        class,
        track: None,
        truncated: None,
        occluded: None,
        box_px: Some(label.bbox),
        cuboid: None,
        points_inside: None,
    }
}

fn summary(labelled: &[(usize, Labelled)], classes: &[String], audit: Option<&Audit>) -> String {
    let mut counts: BTreeMap<usize, [usize; 3]> = BTreeMap::new();
    for label in labelled.iter().flat_map(|(_, l)| &l.labels) {
        let at = match label.kind {
            Kind::Agreed => 0,
            Kind::Alone => 1,
            Kind::Ignored => 2,
        };
        counts.entry(label.class).or_default()[at] += 1;
    }
    let mut text =
        format!("{} pictures\n{:<20} {:>7} {:>7} {:>7}\n", labelled.len(), "class", "agreed", "alone", "ignored");
    for (class, [agreed, alone, ignored]) in &counts {
        let name = classes.get(*class).map_or("?", String::as_str);
        let _ = writeln!(text, "{name:<20} {agreed:>7} {alone:>7} {ignored:>7}");
    }
    if let Some(audit) = audit {
        let _ = writeln!(
            text,
            "audit on {} labelled pictures\n{:<20} {:>9} {:>7} {:>8} {:>6} {:>6} {:>6}",
            audit.pictures, "group", "precision", "recall", "mean IoU", "right", "wrong", "missed"
        );
        let groups = audit.groups.iter().map(|(name, rates)| (name.as_str(), rates));
        for (name, rates) in std::iter::once(("all", &audit.all)).chain(groups) {
            let _ = writeln!(text, "{name:<20} {}", rates_text(rates));
        }
    }
    text
}

fn rates_text(r: &Rates) -> String {
    let share = |v: Option<f64>| v.map_or_else(|| "-".to_owned(), |v| format!("{v:.3}"));
    format!(
        "{:>9} {:>7} {:>8} {:>6} {:>6} {:>6}",
        share(r.precision),
        share(r.recall),
        share(r.mean_iou),
        r.right,
        r.wrong,
        r.missed
    )
}
