//! The table of an experiment: every training, every arm against the reference, by class and by group.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use ocellus_distill::experiment::Experiment;
use ocellus_judge::energy::{EnergyReport, EnergySource};
use ocellus_judge::stats::Interval;
use serde_json::{Value, json};

use super::arms::{Figure, Gain, Looked, Scope, Sides, groups};
use super::data::Data;

/// Names of the files.
const TABLE: &str = "RESULTS.md";
const JSON: &str = "results.json";

/// A finished training, judged.
pub struct Trained {
    /// Its name.
    pub name: String,
    /// Index of its arm; none for the teacher.
    pub arm: Option<usize>,
    /// Its seed.
    pub seed: u64,
    /// Pictures shown in training.
    pub views: usize,
    /// Energy of the training, a teacher's answers among it.
    pub took: EnergyReport,
    /// CPU seconds, where that energy is an estimate by them.
    pub cpu_s: Option<f64>,
    /// What it sees.
    pub looked: Looked,
    /// What its INT8 twin sees.
    pub int8: Option<Looked>,
}

/// All that is finished.
pub struct Outcomes {
    plan: Experiment,
    teacher: Trained,
    list: Vec<Trained>,
}

impl Outcomes {
    /// The teacher alone.
    pub fn new(plan: &Experiment, teacher: Trained) -> Self {
        Self { plan: plan.clone(), teacher, list: Vec::new() }
    }

    /// One more.
    pub fn add(&mut self, trained: Trained) {
        self.list.push(trained);
    }

    /// How many there are beside the teacher.
    pub fn trainings(&self) -> usize {
        self.list.len()
    }

    /// Writes table and JSON into `folder`, with classes and groups where they are wanted; returns the table.
    pub fn write(&self, folder: &Path, data: &Data, whole: bool) -> Result<String> {
        let mut text = format!(
            "# {} pictures of {}, {} objects\n\n{}\n",
            data.frames.len(),
            data.sources.join(", "),
            data.objects(),
            self.each()
        );
        let mut gains: Vec<(String, String, Vec<Gain>)> = Vec::new();
        for (index, arm) in self.plan.arm.iter().enumerate().filter(|(_, a)| a.name != self.plan.reference) {
            let Some((sides, seeds)) = self.sides(index) else { continue };
            let of = |figures: &[Figure], scope: &Scope| figures.iter().map(|f| sides.gain(*f, scope)).collect();
            let name = format!("{} ({seeds})", arm.name);
            gains.push((name.clone(), "all".to_owned(), of(&Figure::ALL, &Scope::default())));
            if !whole {
                continue;
            }
            for class in sides.teacher.classes() {
                let scope = Scope { class: Some(class.clone()), images: None };
                gains.push((name.clone(), class, of(&[Figure::Ap], &scope)));
            }
            for (tag, images) in groups(data) {
                let scope = Scope { class: None, images: Some(images) };
                gains.push((name.clone(), tag, of(&[Figure::Ap, Figure::AbsRel], &scope)));
            }
        }
        let _ = write!(text, "{}", gains_text(&self.plan.reference, &gains));
        std::fs::write(folder.join(TABLE), &text).with_context(|| folder.display().to_string())?;
        let body = json!({"judge": self.plan.judge, "data_sha256": data.sha256, "reference": self.plan.reference,
            "trainings": self.all().map(Trained::to_json).collect::<Vec<_>>(),
            "gains": gains.iter().map(|(arm, of, g)| json!({"arm": arm, "of": of, "gains": g})).collect::<Vec<_>>()});
        std::fs::write(folder.join(JSON), serde_json::to_string_pretty(&body)?)?;
        Ok(text)
    }

    fn all(&self) -> impl Iterator<Item = &Trained> {
        std::iter::once(&self.teacher).chain(&self.list)
    }

    /// Reference and arm, of the seeds that both have finished.
    fn sides(&self, arm: usize) -> Option<(Sides<'_>, String)> {
        let reference = self.plan.arm.iter().position(|a| a.name == self.plan.reference)?;
        let of = |arm: usize| self.list.iter().filter(move |t| t.arm == Some(arm));
        let pairs: Vec<(&Trained, &Trained)> =
            of(arm).filter_map(|t| Some((of(reference).find(|r| r.seed == t.seed)?, t))).collect();
        let seeds: Vec<String> = pairs.iter().map(|p| p.1.seed.to_string()).collect();
        let told = if seeds.len() == 1 { format!("seed {}", seeds[0]) } else { format!("seeds {}", seeds.join(", ")) };
        let (reference, arm) = pairs.iter().map(|(r, a)| (&r.looked, &a.looked)).unzip();
        (!pairs.is_empty()).then_some((Sides { teacher: &self.teacher.looked, reference, arm }, told))
    }

    /// One line a training.
    fn each(&self) -> String {
        let mut text =
            "| training | views | CPU s | energy | AP | AP50 | depth AbsRel | its INT8 twin: AP | depth AbsRel |\n"
                .to_owned();
        text += "|---|---|---|---|---|---|---|---|---|\n";
        for t in self.all() {
            let seconds = t.cpu_s.map_or_else(|| "-".to_owned(), |s| format!("{s:.0}"));
            let figures = Figure::ALL.map(|f| number(t.looked.whole(f))).join(" | ");
            let int8 =
                [Figure::Ap, Figure::AbsRel].map(|f| number(t.int8.as_ref().and_then(|l| l.whole(f)))).join(" | ");
            let _ =
                writeln!(text, "| {} | {} | {seconds} | {} | {figures} | {int8} |", t.name, t.views, energy(&t.took));
        }
        let said = self.plan.arm.iter().filter(|a| !a.says.is_empty()).map(|a| format!("- {}: {}\n", a.name, a.says));
        text + "\n" + &said.collect::<String>()
    }
}

impl Trained {
    fn to_json(&self) -> Value {
        let of = |looked: &Looked| {
            serde_json::Map::from_iter(Figure::ALL.map(|f| (f.name().to_owned(), json!(looked.whole(f)))))
        };
        json!({"name": self.name, "seed": self.seed, "views": self.views, "cpu_s": self.cpu_s, "energy": self.took,
            "figures": of(&self.looked), "int8": self.int8.as_ref().map(of)})
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |v| format!("{v:.4}"))
}

fn interval(value: Option<Interval>, digits: usize) -> String {
    value.map_or_else(String::new, |i| format!(" [{:+.digits$}, {:+.digits$}]", i.low, i.high))
}

fn energy(took: &EnergyReport) -> String {
    let Some(joules) = took.joules_net.or(took.joules) else { return "not known".to_owned() };
    let estimate = if took.source == Some(EnergySource::CpuSecondsEstimate) { " (estimate)" } else { "" };
    format!("{:.2} kJ{estimate}", joules / 1000.0)
}

/// What each arm gained, in all and in parts.
fn gains_text(reference: &str, gains: &[(String, String, Vec<Gain>)]) -> String {
    let mut text = format!(
        "| arm | of | figure | n | {reference} | arm | teacher | arm - {reference} [95 %] | gap recovered [95 %] |\n\
         |---|---|---|---|---|---|---|---|---|\n"
    );
    for (arm, of, list) in gains {
        for g in list {
            let recovered = match (&g.why_not, g.recovered) {
                (Some(why), _) => why.clone(),
                (None, share) => {
                    let share = share.map_or_else(|| "-".to_owned(), |v| format!("{v:.2}"));
                    share + &interval(g.recovered_interval, 2)
                }
            };
            let difference = g.arm.zip(g.reference).map_or_else(|| "-".to_owned(), |(a, r)| format!("{:+.4}", a - r));
            let _ = writeln!(
                text,
                "| {arm} | {of} | {} | {} | {} | {} | {} | {difference}{} | {recovered} |",
                g.figure.name(),
                g.n,
                number(g.reference),
                number(g.arm),
                number(g.teacher),
                interval(g.difference, 4),
            );
        }
    }
    text
}
