//! A student measured for its Distillation Statement, beside its teacher where there is one: what `eval --statement`,
//! `quantize` and `distill` write, and what decides whether a network is exported.
//!
//! Each picture is looked at once by each network. Costs are measured in a process of their own for each, so that one's
//! memory is not taken for the other's. Without labels only agreement and costs are known, and the rest says so.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use ocellus_judge::coco::Params;
use ocellus_judge::depth::DepthErrors;
use ocellus_judge::robust::{Corrupted, RobustScores, SubsetScore};
use ocellus_judge::statement::{Measured, Statement, StatementInput, Targets};
use serde_json::Value;

use super::asked::Asked;
use super::compare::Pair;
use super::data::Data;
use super::depth::DepthFigures;
use super::drives::Scratch;
use super::figures::Figures;
use super::parts::{Driven, Part};
use super::subject::{Found, Subject, judged};
use super::{agree, depth, planted, robust, statement, training};

/// Pictures that costs are measured on.
const COST_FRAMES: &str = "8";

/// Who is judged, and by what.
pub struct Case<'a> {
    /// The student: file, folder or name.
    pub student: &'a Path,
    /// Its teacher, or the network it stands in for.
    pub teacher: Option<&'a Path>,
    /// What may be lost.
    pub targets: &'a Targets,
    /// Where targets and student come from, for the page.
    pub provenance: Vec<(String, String)>,
}

/// A statement and what else came of measuring.
pub struct Stated {
    /// The statement.
    pub statement: Statement,
    /// Pictures that could not be read, and why.
    pub lost: Vec<(usize, String)>,
    /// Costs of teacher and student as `eval --with cost --json` says them.
    pub costs: (Option<Value>, Option<Value>),
    /// Pictures looked at.
    pub pictures: usize,
}

/// One network and what it saw.
struct Witness {
    subject: Subject,
    found: Found,
    depth: Option<DepthFigures>,
    figures: Option<Figures>,
    cost: Option<Value>,
}

/// All there is to a statement while it is measured.
struct Bench<'a> {
    asked: &'a Asked,
    data: &'a Data,
    params: Option<Params>,
    teacher: Option<Witness>,
    student: Witness,
    depths: Vec<(usize, DepthErrors)>,
    notes: Vec<String>,
}

/// Measures and judges.
pub fn state(asked: &Asked, case: &Case<'_>) -> Result<Stated> {
    let runtime = asked.runtime()?;
    let mut student = asked.load(&runtime, case.student)?;
    let mut teacher = case.teacher.map(|path| asked.load(&runtime, path)).transpose()?;
    let data = asked.open(asked.wants(Part::Planted) || student.depth().is_some())?;
    let (student, teacher, depths) = match teacher.take() {
        Some(mut teacher) => {
            let (theirs, ours, depths) = depth::look_at_both(&mut teacher, &mut student, &data)?;
            (Witness::new(student, ours), Some(Witness::new(teacher, theirs)), depths)
        }
        None => {
            let seen = depth::look(&mut student, &data)?;
            (Witness::new(student, seen), None, Vec::new())
        }
    };
    let mut bench = Bench { asked, data: &data, params: None, teacher, student, depths, notes: Vec::new() };
    bench.judge()?;
    let mut measured = bench.clean()?;
    measured.extend(bench.beyond()?);
    measured.extend(bench.driven()?);
    measured.extend(bench.costs());
    let energy = |cost: &Option<Value>| cost.as_ref().and_then(statement::joules_per_frame);
    let teacher_cost = bench.teacher.as_ref().and_then(|t| t.cost.clone());
    let told = bench.student.subject.training.as_ref();
    let making = told.map(|told| training::making(told, (energy(&teacher_cost), energy(&bench.student.cost))));
    let (reliability, curves) = bench.pair().map_or_else(Default::default, |p| (Some(p.reliability()), p.curves()));
    let figures = |w: &'_ Witness| w.figures.is_some();
    let worst_frames = if figures(&bench.student) { bench.worst_frames() } else { Vec::new() };
    let mut notes = std::mem::take(&mut bench.notes);
    notes.extend(data.notes.iter().cloned());
    let input = StatementInput {
        student: bench.student.subject.card.clone(),
        teacher: bench.teacher.as_ref().map(|t| t.subject.card.clone()),
        measured,
        reliability,
        curves,
        worst_frames,
        making,
        provenance: provenance(asked, &data, &case.provenance),
        notes,
    };
    Ok(Stated {
        statement: Statement::new(input, case.targets),
        lost: bench.student.found.lost,
        costs: (teacher_cost, bench.student.cost),
        pictures: data.frames.len(),
    })
}

impl Witness {
    fn new(subject: Subject, (found, depth): (Found, Option<DepthFigures>)) -> Self {
        Self { subject, found, depth, figures: None, cost: None }
    }
}

impl Bench<'_> {
    /// Figures of detection, where there are labels and boxes.
    fn judge(&mut self) -> Result<()> {
        let boxes = self.witnesses().all(|w| w.subject.sees_boxes());
        if !self.data.labelled || !boxes {
            let why = if boxes { "the pictures have no labels" } else { "a network gives depth alone" };
            self.notes.push(format!("{why}: detection was not judged against truth"));
            return Ok(());
        }
        let found: Vec<&Found> = self.witnesses().map(|w| &w.found).collect();
        let subjects: Vec<&Subject> = self.witnesses().map(|w| &w.subject).collect();
        let (params, notes) = judged(self.data, &found, &subjects)?;
        self.notes.extend(notes);
        for witness in std::iter::once(&mut self.student).chain(&mut self.teacher) {
            witness.figures = Some(Figures::new(self.data, &witness.found, &params, self.asked.threshold)?);
        }
        self.params = Some(params);
        Ok(())
    }

    fn witnesses(&self) -> impl Iterator<Item = &Witness> {
        std::iter::once(&self.student).chain(&self.teacher)
    }

    fn pair(&self) -> Option<Pair<'_>> {
        let teacher = self.teacher.as_ref().and_then(|t| t.figures.as_ref());
        let rate_hz = self.data.rate_hz();
        self.student.figures.as_ref().map(|student| Pair { teacher, student, rate_hz })
    }

    /// Detection, depth and agreement on the pictures as they are.
    fn clean(&self) -> Result<Vec<Measured>> {
        let mut list = self.pair().map(|p| p.measured()).transpose()?.unwrap_or_default();
        if let Some(student) = &self.student.depth {
            list.extend(statement::depth(self.teacher.as_ref().and_then(|t| t.depth.as_ref()), student));
        }
        let Some(teacher) = &self.teacher else { return Ok(list) };
        let boxes = self.witnesses().all(|w| w.subject.sees_boxes()).then_some(self.asked.threshold);
        let agreed = agree::compare(&teacher.found, &self.student.found, &self.depths, boxes);
        let n = Some(agreed.sum.frames);
        if boxes.is_some() {
            let (id, student) = ("agreement".to_owned(), agreed.sum.share);
            list.push(Measured { id, student, n, ..Measured::default() });
        }
        if let Some(depth) = agreed.depth {
            list.push(Measured { id: "depth_apart".to_owned(), student: depth.abs_rel, n, ..Measured::default() });
        }
        Ok(list)
    }

    /// What was asked for beyond clean pictures.
    fn beyond(&mut self) -> Result<Vec<Measured>> {
        let (asked, data) = (self.asked, self.data);
        let Some(params) = self.params.clone() else { return Ok(Vec::new()) };
        let mut list = Vec::new();
        if asked.wants(Part::Robust) {
            let run =
                |w: &mut Witness, reference: Option<&[Corrupted]>| -> Result<(Option<RobustScores>, Vec<Corrupted>)> {
                    let runs = robust::under_corruption(&mut w.subject, data, &params)?;
                    Ok((robust::sum_up(w.figures.as_ref().and_then(|f| f.coco.ap()), &runs, reference), runs))
                };
            let teacher = self.teacher.as_mut().map(|t| run(t, None)).transpose()?;
            let (student, _) = run(&mut self.student, teacher.as_ref().map(|t| t.1.as_slice()))?;
            list.extend(statement::robust(teacher.and_then(|t| t.0).as_ref(), student.as_ref()));
        }
        if asked.wants(Part::Planted) {
            let mut recall = |w: &mut Witness| planted::recall(&mut w.subject, data, asked.threshold);
            let teacher = self.teacher.as_mut().map(&mut recall).transpose();
            match teacher.and_then(|t| Ok((t, recall(&mut self.student)?))) {
                Ok((t, s)) => list.push(statement::planted(&t.unwrap_or_default(), &s)),
                Err(error) => self.notes.push(format!("planted objects were not measured: {error:#}")),
            }
        }
        Ok(list)
    }

    /// The whole pipeline with each, where it was asked for.
    fn driven(&mut self) -> Result<Vec<Measured>> {
        let of = |w: &Witness| Driven::of(self.asked, &w.subject.file);
        let Some(student) = of(&self.student)? else { return Ok(Vec::new()) };
        let teacher = self.teacher.as_ref().map(of).transpose()?.flatten();
        self.notes.extend(student.notes.iter().cloned());
        let mut list = Vec::new();
        if let Some(kinematics) = &student.kinematics {
            let teacher = teacher.as_ref().and_then(|t| Some((t.tracks.as_slice(), t.kinematics.as_ref()?)));
            list.extend(statement::driving(teacher, (&student.tracks, kinematics)));
        }
        if let Some(sensors) = &student.sensors {
            // Of the subsets that lack one sensor, the poorest: without the one that is missed most.
            let full = sensors.iter().map(|x| x.sensors.len()).max().unwrap_or(0);
            let poorest = |list: &Vec<SubsetScore>| {
                let lacking = list.iter().filter(|x| x.sensors.len() + 1 == full && x.score.is_some());
                lacking.min_by(|a, b| a.score.unwrap_or(0.0).total_cmp(&b.score.unwrap_or(0.0))).cloned()
            };
            let (t, s) = (teacher.as_ref().and_then(|t| t.sensors.as_ref()).and_then(poorest), poorest(sensors));
            let left = s.as_ref().map(|x| x.sensors.join(", ")).unwrap_or_default();
            let note = format!("objects placed where they are, with {left} alone");
            list.push(statement::sensors("sensor_loss", t.and_then(|x| x.score), s.and_then(|x| x.score), note));
        }
        if let Some(lidar) = &student.lidar {
            let mrr = |(clean, runs): &(Option<f64>, Vec<Corrupted>)| robust::sum_up(*clean, runs, None)?.mrr;
            let note = "objects placed where they are, four corruptions, three severities".to_owned();
            let theirs = teacher.as_ref().and_then(|t| t.lidar.as_ref()).and_then(mrr);
            list.push(statement::sensors("lidar_mrr", theirs, mrr(lidar), note));
        }
        Ok(list)
    }

    fn costs(&mut self) -> Vec<Measured> {
        for witness in std::iter::once(&mut self.student).chain(&mut self.teacher) {
            match cost_apart(self.asked, &witness.subject.file) {
                Ok(cost) => witness.cost = Some(cost),
                Err(error) => {
                    self.notes.push(format!("costs of {} were not measured: {error:#}", witness.subject.card.name));
                }
            }
        }
        let teacher = self.teacher.as_ref().and_then(|t| t.cost.as_ref());
        self.student.cost.as_ref().map(|student| statement::cost(teacher, student)).unwrap_or_default()
    }

    fn worst_frames(&self) -> Vec<ocellus_judge::statement::WorstFrame> {
        let of = |w: &'_ Witness| w.figures.is_some();
        let teacher = self.teacher.as_ref().filter(|t| of(t));
        let teacher = teacher.and_then(|t| Some((t.figures.as_ref()?, &t.found)));
        let Some(student) = &self.student.figures else { return Vec::new() };
        statement::worst_frames(self.data, teacher, (student, &self.student.found))
    }
}

/// Costs of one network, measured in a process of its own.
fn cost_apart(asked: &Asked, model: &Path) -> Result<Value> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("eval").arg(model).args(["--with", "cost", "--json", "--frames", COST_FRAMES]);
    command.arg("--core-watts").arg(asked.core_watts.to_string());
    if let Some(data) = asked.data.sources.first() {
        command.arg("--data").arg(data);
    }
    if let Some(gt) = &asked.data.gt {
        command.arg("--gt").arg(gt);
    }
    if !asked.loading.providers.is_empty() {
        command.arg("--providers").arg(asked.loading.providers.join(","));
    }
    if let Some(library) = &asked.ort_lib {
        command.arg("--ort-lib").arg(library);
    }
    let output = command.output()?;
    let body: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).trim_end().to_owned())?;
    Ok(body["cost"].clone())
}

fn provenance(asked: &Asked, data: &Data, more: &[(String, String)]) -> Vec<(String, String)> {
    let seeds =
        format!("bootstrap {:?}, corruptions {}", ocellus_judge::stats::Bootstrap::default().seed, robust::SEED);
    let labels = if data.labelled { format!("{} objects", data.objects()) } else { "no labels".to_owned() };
    let own = [
        ("data", data.sources.join(", ")),
        ("pictures", format!("{}, {labels}", data.frames.len())),
        ("data sha256", data.sha256.clone()),
        ("threshold", format!("score {}", asked.threshold)),
        ("intervals", "95 %, paired bootstrap over pictures".to_owned()),
        ("seeds", seeds),
        ("ocellus", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    own.map(|(name, value)| (name.to_owned(), value)).into_iter().chain(more.iter().cloned()).collect()
}

/// A network that is judged before it is let out: its file and manifest lie in a folder that goes when this is dropped.
pub struct Candidate {
    _folder: Scratch,
    /// The ONNX file.
    pub file: PathBuf,
}

impl Candidate {
    /// Puts down the bytes of a network as `name` beside its manifest.
    pub fn new(name: &str, network: &[u8], manifest: &str) -> Result<Self> {
        let folder = Scratch::new()?;
        let file = folder.path().join(name);
        std::fs::write(&file, network).with_context(|| file.display().to_string())?;
        std::fs::write(folder.path().join("model.toml"), manifest)?;
        Ok(Self { _folder: folder, file })
    }
}
