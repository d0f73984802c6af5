//! The Distillation Statement: one page a student that says what it kept of its teacher and what it lost.
//!
//! The caller measures and hands in [`Measured`] figures; [`Targets`] (TOML) say what may be lost; [`Statement::new`]
//! gives each property its verdict; [`Statement::blocking`] names what forbids shipping; [`html::render`] and serde write
//! it as a page that stands alone and as JSON. Reading files and measuring are the caller's.

mod html;
mod page;
mod properties;
mod svg;
mod targets;
mod verdict;

pub use html::render;
pub use properties::{PROPERTIES, PropertyInfo, property_info};
pub use targets::{Target, TargetError, Targets};
pub use verdict::{Judgement, Verdict};

use serde::{Deserialize, Serialize};

use crate::calib::Bin;
use crate::energy::Making;
use crate::stats::Interval;

/// Name of the schema in the JSON.
pub const SCHEMA: &str = "ocellus.statement";

/// Version of the schema.
pub const VERSION: u32 = 1;

/// A network on the page.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ModelCard {
    /// Name.
    pub name: String,
    /// SHA-256 of the model file, hexadecimal.
    pub sha256: String,
    /// What else is worth saying (precision, input, provider, licence), in this order.
    pub facts: Vec<(String, String)>,
}

/// One property as measured. What could not be measured has its reason instead of a figure.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measured {
    /// Id out of [`PROPERTIES`].
    pub id: String,
    /// The teacher's figure.
    pub teacher: Option<f64>,
    /// The student's.
    pub student: Option<f64>,
    /// 95 % interval of student minus teacher.
    pub interval: Option<Interval>,
    /// Images, objects or frames it rests on.
    pub n: Option<usize>,
    /// Why a figure is absent, or what else to know.
    pub note: Option<String>,
}

/// A property with its verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Property {
    /// Id out of [`PROPERTIES`].
    pub id: String,
    /// Name for readers.
    pub name: String,
    /// Unit, empty where there is none.
    pub unit: String,
    /// The teacher's figure.
    pub teacher: Option<f64>,
    /// The student's.
    pub student: Option<f64>,
    /// Student minus teacher.
    pub difference: Option<f64>,
    /// 95 % interval of the difference.
    pub interval: Option<Interval>,
    /// What it rests on.
    pub n: Option<usize>,
    /// The target in words.
    pub target: String,
    /// The verdict and its reason.
    pub judgement: Judgement,
    /// What else to know.
    pub note: Option<String>,
}

/// Reliability of teacher and student.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ReliabilityPair {
    /// The teacher's bins; empty where there is no teacher.
    pub teacher: Vec<Bin>,
    /// The student's.
    pub student: Vec<Bin>,
}

/// Precision against recall of teacher and student for one class (or all).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CurvePair {
    /// Class.
    pub name: String,
    /// (recall, precision) of the teacher.
    pub teacher: Vec<(f64, f64)>,
    /// Of the student.
    pub student: Vec<(f64, f64)>,
}

/// A picture worth looking at.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WorstFrame {
    /// Which frame, and what is wrong.
    pub caption: String,
    /// `data:image/...;base64,...`; anything else is not shown, so that the page stands alone.
    pub picture: String,
}

/// All the caller knows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StatementInput {
    /// The student.
    pub student: ModelCard,
    /// The teacher, where there is one.
    pub teacher: Option<ModelCard>,
    /// Figures.
    pub measured: Vec<Measured>,
    /// Reliability diagram.
    pub reliability: Option<ReliabilityPair>,
    /// Precision-recall curves.
    pub curves: Vec<CurvePair>,
    /// Worst frames.
    pub worst_frames: Vec<WorstFrame>,
    /// What it cost to make, where that is known.
    pub making: Option<Making>,
    /// Where it all comes from: data sets and their hashes, tool versions, seeds, dates. In this order.
    pub provenance: Vec<(String, String)>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// The page's content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// [`SCHEMA`].
    pub schema: String,
    /// [`VERSION`].
    pub version: u32,
    /// The student.
    pub student: ModelCard,
    /// The teacher.
    pub teacher: Option<ModelCard>,
    /// Whether nothing forbids shipping.
    pub shippable: bool,
    /// Properties in the order of [`PROPERTIES`].
    pub properties: Vec<Property>,
    /// Reliability diagram.
    pub reliability: Option<ReliabilityPair>,
    /// Precision-recall curves.
    pub curves: Vec<CurvePair>,
    /// Worst frames.
    pub worst_frames: Vec<WorstFrame>,
    /// What it cost to make.
    #[serde(default)]
    pub making: Option<Making>,
    /// Where it all comes from.
    pub provenance: Vec<(String, String)>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

impl Statement {
    /// Judges what was measured. Properties with a target that nobody measured appear as "not measured"; figures with an
    /// id that does not exist are noted.
    pub fn new(input: StatementInput, targets: &Targets) -> Self {
        let mut notes = input.notes;
        for stray in input.measured.iter().filter(|m| property_info(&m.id).is_none()) {
            notes.push(format!("a figure named `{}` is not known and was left out", stray.id));
        }
        let empty = Measured::default();
        let mut properties = Vec::new();
        for info in PROPERTIES {
            let target = targets.get(info.id);
            let measured = input.measured.iter().find(|m| m.id == info.id);
            if measured.is_some() || target.is_some() {
                let measured = measured.unwrap_or(&empty);
                let alone = input.teacher.is_none() && measured.teacher.is_none();
                properties.push(judge(info, measured, (target, alone)));
            }
        }
        let mut statement = Self {
            schema: SCHEMA.into(),
            version: VERSION,
            student: input.student,
            teacher: input.teacher,
            shippable: false,
            properties,
            reliability: input.reliability,
            curves: input.curves,
            worst_frames: input.worst_frames,
            making: input.making,
            provenance: input.provenance,
            notes,
        };
        statement.shippable = statement.blocking().is_empty();
        statement
    }

    /// The properties that forbid shipping: lost and not accepted, or required and not measured.
    pub fn blocking(&self) -> Vec<&Property> {
        self.properties.iter().filter(|p| p.judgement.verdict.blocks()).collect()
    }

    /// The properties that are lost and not accepted: what forbids even an export.
    pub fn lost(&self) -> Vec<&Property> {
        self.properties.iter().filter(|p| p.judgement.verdict == Verdict::Lost).collect()
    }

    /// How many properties have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.properties.iter().filter(|p| p.judgement.verdict == verdict).count()
    }

    /// Whether this is a good statement for the model file with this hash: the right file, and nothing blocks. The error
    /// says what is wrong. The verdicts are read again, not the stored summary.
    pub fn check_for(&self, sha256: &str) -> Result<(), StatementError> {
        if self.schema != SCHEMA || self.version != VERSION {
            return Err(StatementError::Schema { schema: self.schema.clone(), version: self.version });
        }
        if !self.student.sha256.eq_ignore_ascii_case(sha256) {
            return Err(StatementError::OtherModel { stated: self.student.sha256.clone(), got: sha256.into() });
        }
        if self.properties.is_empty() {
            return Err(StatementError::Empty);
        }
        let blocking: Vec<String> = self.blocking().iter().map(|p| p.name.clone()).collect();
        if blocking.is_empty() { Ok(()) } else { Err(StatementError::Blocked { properties: blocking.join(", ") }) }
    }

    /// As JSON, indented.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// Reads a statement back.
    pub fn from_json(json: &str) -> Result<Self, StatementError> {
        serde_json::from_str(json).map_err(|e| StatementError::Json { detail: e.to_string() })
    }
}

/// Why a statement does not vouch for a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Not a statement.
    #[error("this is no statement: {detail}")]
    Json {
        /// The parser's message.
        detail: String,
    },
    /// Another schema or version.
    #[error("expected schema {SCHEMA} version {VERSION}, got {schema} version {version}; write the statement anew")]
    Schema {
        /// Schema.
        schema: String,
        /// Version.
        version: u32,
    },
    /// The statement is about another file.
    #[error("the statement is about the model with sha256 {stated}, this one has {got}")]
    OtherModel {
        /// Hash in the statement.
        stated: String,
        /// Hash of the model.
        got: String,
    },
    /// It says nothing.
    #[error("the statement holds no property")]
    Empty,
    /// Something is lost.
    #[error("lost and not accepted, or required and not measured: {properties}")]
    Blocked {
        /// Names.
        properties: String,
    },
}

fn judge(info: &PropertyInfo, measured: &Measured, (target, alone): (Option<&Target>, bool)) -> Property {
    let finite = |v: Option<f64>| v.filter(|v| v.is_finite());
    let (teacher, student) = (finite(measured.teacher), finite(measured.student));
    let interval = measured.interval.filter(|i| i.low.is_finite() && i.high.is_finite());
    Property {
        id: info.id.into(),
        name: info.name.into(),
        unit: info.unit.into(),
        teacher,
        student,
        difference: student.zip(teacher).map(|(s, t)| s - t),
        interval,
        n: measured.n,
        target: target.map(|t| t.in_words(info, alone)).unwrap_or_default(),
        judgement: verdict::judge(info, (teacher, student, interval), (target, alone), measured.note.as_deref()),
        note: measured.note.clone(),
    }
}
