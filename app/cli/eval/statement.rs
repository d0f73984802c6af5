//! `eval STUDENT --teacher TEACHER --data DATA --statement FOLDER`: the Distillation Statement. Exit code 4 where
//! something is lost and not accepted.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use ocellus_judge::coco::Params;
use ocellus_judge::robust::{Corrupted, SubsetScore};
use ocellus_judge::statement::{Measured, ModelCard, Statement, StatementInput, Targets};
use serde_json::Value;

use super::parts::{Driven, Part};
use super::{Eval, outcome};
use crate::exit::{self, Outcome};
use crate::measure::agree;
use crate::measure::compare::Pair;
use crate::measure::data::Data;
use crate::measure::figures::Figures;
use crate::measure::subject::{Subject, judged};
use crate::measure::{planted, robust, statement};

/// Where a statement goes and what it is judged by.
#[derive(Debug, Args)]
pub(super) struct StatementArgs {
    /// Write the Distillation Statement of MODEL beside --teacher: statement.html and statement.json in this folder.
    #[arg(long = "statement", value_name = "FOLDER", requires = "teacher")]
    pub(super) folder: Option<PathBuf>,
    /// What may be lost, instead of what ships in launch/targets.toml.
    #[arg(long, value_name = "TARGETS.toml", requires = "folder")]
    targets: Option<PathBuf>,
}

/// Pictures that costs are measured on.
const COST_FRAMES: &str = "8";

/// Both networks on the data.
struct Both<'a> {
    eval: &'a Eval,
    data: &'a Data,
    params: &'a Params,
    teacher: (Subject, Figures),
    student: (Subject, Figures),
}

pub(super) fn run(eval: &Eval, student: &Path, teacher: &Path, folder: &Path) -> Result<Outcome> {
    let targets = targets(eval.statement.targets.as_deref())?;
    let data = eval.open_labelled(eval.wants(Part::Planted))?;
    let runtime = eval.runtime()?;
    let (mut teacher_subject, mut student_subject) = (eval.load(&runtime, teacher)?, eval.load(&runtime, student)?);
    let (seen, found) = (teacher_subject.detect_clean(&data)?, student_subject.detect_clean(&data)?);
    let (params, mut notes) = judged(&data, &[&seen, &found], &[&teacher_subject, &student_subject])?;
    let judge = |found| Figures::new(&data, found, &params, eval.threshold);
    let (teacher_figures, student_figures) = (judge(&seen)?, judge(&found)?);
    let worst_frames = statement::worst_frames(&data, (&teacher_figures, &seen), (&student_figures, &found));
    let mut both = Both {
        eval,
        data: &data,
        params: &params,
        teacher: (teacher_subject, teacher_figures),
        student: (student_subject, student_figures),
    };
    let pair = Pair { teacher: &both.teacher.1, student: &both.student.1, rate_hz: data.rate_hz() };
    let (mut measured, reliability, curves) = (pair.measured()?, pair.reliability(), pair.curves());
    measured.extend(both.beyond(&mut notes)?);
    measured.extend(both.driven(&mut notes)?);
    measured.extend(both.costs(&mut notes));
    notes.extend(data.notes.iter().cloned());
    let input = StatementInput {
        student: card(&both.student.0),
        teacher: Some(card(&both.teacher.0)),
        measured,
        reliability: Some(reliability),
        curves,
        worst_frames,
        provenance: provenance(eval, &data),
        notes,
    };
    let page = Statement::new(input, &targets);
    statement::write(&page, folder)?;
    println!("{}", folder.join(statement::PAGE).display());
    if page.shippable {
        return Ok(outcome(&found.lost));
    }
    let blocking: Vec<String> = page.blocking().iter().map(|p| format!("{}: {}", p.name, p.judgement.reason)).collect();
    Err(exit::unmet(anyhow!("{} must not ship: {}", student.display(), blocking.join("; "))))
}

impl Both<'_> {
    /// Agreement, and what was asked for beyond clean pictures.
    fn beyond(&mut self, notes: &mut Vec<String>) -> Result<Vec<Measured>> {
        let Self { eval, data, params, teacher, student } = self;
        let agreed = agree::compare(&mut teacher.0, &mut student.0, data, eval.threshold)?;
        let mut list = vec![Measured {
            id: "agreement".to_owned(),
            student: agreed.sum.share,
            n: Some(agreed.sum.frames),
            ..Measured::default()
        }];
        if eval.wants(Part::Robust) {
            let mut sums = Vec::new();
            let reference = robust::under_corruption(&mut teacher.0, data, params)?;
            let runs = robust::under_corruption(&mut student.0, data, params)?;
            sums.push(robust::sum_up(teacher.1.coco.ap(), &reference, None));
            sums.push(robust::sum_up(student.1.coco.ap(), &runs, Some(&reference)));
            list.extend(statement::robust(sums[0].as_ref(), sums[1].as_ref()));
        }
        if eval.wants(Part::Planted) {
            let both = planted::recall(&mut teacher.0, data, eval.threshold)
                .and_then(|t| Ok((t, planted::recall(&mut student.0, data, eval.threshold)?)));
            match both {
                Ok((t, s)) => list.push(statement::planted(&t, &s)),
                Err(error) => notes.push(format!("planted objects were not measured: {error:#}")),
            }
        }
        Ok(list)
    }

    /// The whole pipeline with each, where it was asked for.
    fn driven(&self, notes: &mut Vec<String>) -> Result<Vec<Measured>> {
        let of = |subject: &Subject| Driven::of(self.eval, &subject.file);
        let (Some(teacher), Some(student)) = (of(&self.teacher.0)?, of(&self.student.0)?) else {
            return Ok(Vec::new());
        };
        notes.extend(student.notes.iter().cloned());
        let mut list = Vec::new();
        if let (Some(t), Some(s)) = (&teacher.kinematics, &student.kinematics) {
            list.extend(statement::driving((&teacher.tracks, t), (&student.tracks, s)));
        }
        if let (Some(t), Some(s)) = (&teacher.sensors, &student.sensors) {
            // Of the subsets that lack one sensor, the poorest: without the one that is missed most.
            let full = s.iter().map(|x| x.sensors.len()).max().unwrap_or(0);
            let poorest = |list: &[SubsetScore]| {
                let lacking = list.iter().filter(|x| x.sensors.len() + 1 == full && x.score.is_some());
                lacking.min_by(|a, b| a.score.unwrap_or(0.0).total_cmp(&b.score.unwrap_or(0.0))).cloned()
            };
            let (t, s) = (poorest(t), poorest(s));
            let left = s.as_ref().map(|x| x.sensors.join(", ")).unwrap_or_default();
            let note = format!("objects placed where they are, with {left} alone");
            list.push(statement::sensors("sensor_loss", t.and_then(|x| x.score), s.and_then(|x| x.score), note));
        }
        if let (Some(t), Some(s)) = (&teacher.lidar, &student.lidar) {
            let mrr = |(clean, runs): &(Option<f64>, Vec<Corrupted>)| robust::sum_up(*clean, runs, None)?.mrr;
            let note = "objects placed where they are, four corruptions, three severities".to_owned();
            list.push(statement::sensors("lidar_mrr", mrr(t), mrr(s), note));
        }
        Ok(list)
    }

    /// Costs of both, each in a process of its own, so that one's memory is not taken for the other's.
    fn costs(&self, notes: &mut Vec<String>) -> Vec<Measured> {
        let of = |subject: &Subject| cost_apart(self.eval, &subject.file);
        match of(&self.teacher.0).and_then(|t| Ok((t, of(&self.student.0)?))) {
            Ok((teacher, student)) => statement::cost(&teacher, &student),
            Err(error) => {
                notes.push(format!("costs were not measured: {error:#}"));
                Vec::new()
            }
        }
    }
}

fn cost_apart(eval: &Eval, model: &Path) -> Result<Value> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("eval").arg(model).args(["--with", "cost", "--json", "--frames", COST_FRAMES]);
    command.arg("--core-watts").arg(eval.core_watts.to_string());
    if let Some(data) = eval.data.first() {
        command.arg("--data").arg(data);
    }
    if let Some(gt) = &eval.gt {
        command.arg("--gt").arg(gt);
    }
    command.arg("--providers").arg(eval.providers.join(","));
    if let Some(library) = &eval.ort_lib {
        command.arg("--ort-lib").arg(library);
    }
    let output = command.output()?;
    let body: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).trim_end().to_owned())?;
    Ok(body["cost"].clone())
}

fn card(subject: &Subject) -> ModelCard {
    subject.card.clone()
}

fn targets(path: Option<&Path>) -> Result<Targets> {
    let Some(path) = path else { return Ok(Targets::shipped()) };
    let read = || -> Result<Targets> { Ok(Targets::parse(&std::fs::read_to_string(path)?)?) };
    read().with_context(|| path.display().to_string()).map_err(exit::usage)
}

fn provenance(eval: &Eval, data: &Data) -> Vec<(String, String)> {
    let seeds =
        format!("bootstrap {:?}, corruptions {}", ocellus_judge::stats::Bootstrap::default().seed, robust::SEED);
    [
        ("data", data.sources.join(", ")),
        ("pictures", format!("{}, {} objects", data.frames.len(), data.objects())),
        ("data sha256", data.sha256.clone()),
        ("targets", eval.statement.targets.as_ref().map_or("as shipped".into(), |p| p.display().to_string())),
        ("threshold", format!("score {}", eval.threshold)),
        ("intervals", "95 %, paired bootstrap over pictures".to_owned()),
        ("seeds", seeds),
        ("ocellus", env!("CARGO_PKG_VERSION").to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}
