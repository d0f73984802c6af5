//! A teacher: a finished training of ours whose network answers for the pictures that a student is shown.
//!
//! It runs on the CPU engine with its averaged weights and fixed statistics, so an answer depends on its picture alone.
//! Where views are seen through a few windows (`data.windows`) it is asked once about each, in the colours it was
//! rendered in, and the answer is kept while the view is in the pool: colours, blur and noise leave it valid. Else it is
//! asked about every picture as the student sees it, and nothing is kept. Both give the same bytes interrupted or not.
//!
//! | module | owns |
//! |---|---|
//! | `table` | `[teacher]` of a recipe |
//! | `learn` | the losses of a batch |
//!
//! Deliberately absent: networks of others (they label, `label/`), gradients of the teacher.

pub mod learn;
pub mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::data::augment::{Sample, Shown};
use crate::data::pool::Pool;
use crate::loss::grid::sigmoid;
use crate::net::engine::{Running, Tape, Values};
use crate::net::graph::{Graph, NodeId};
use crate::net::student::STRIDES;
use crate::recipe::Recipe;
use crate::train::optimiser::State;
use table::TeacherTable;

/// Why a teacher is of no use.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TeacherError {
    /// An output or feature map that the student's cannot be held against.
    #[error("{what} is {student} at the student and {teacher} at the teacher; {to_do}")]
    Mismatch {
        /// Which map.
        what: String,
        /// The student's channels, rows, columns.
        student: String,
        /// The teacher's.
        teacher: String,
        /// What to do.
        to_do: &'static str,
    },
    /// An answer that is no number.
    #[error("the teacher {name:?} answers {what} with what is no number, for view {view}: its training is broken")]
    NotFinite {
        /// The teacher.
        name: String,
        /// Which map.
        what: String,
        /// Number of the view.
        view: usize,
    },
}

/// What a teacher says of one picture. Lists are by scale, finest first; maps are (channels, rows, columns).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// Class logits.
    pub class: Vec<Vec<f32>>,
    /// Logits of the sides' distributions.
    pub sides: Vec<Vec<f32>>,
    /// What the heads read.
    pub features: Vec<Vec<f32>>,
    /// Log-depth.
    pub log_depth: Vec<f32>,
    /// Of each cell the score of its best class.
    pub scores: Vec<Vec<f32>>,
}

/// A network that answers.
pub struct Teacher {
    name: String,
    graph: Graph,
    values: Values,
    running: Vec<Running>,
    /// Nodes of class, sides, features by scale; of features only where they are asked for.
    nodes: [Vec<NodeId>; 3],
    depth: Option<NodeId>,
    tape: Tape,
    kept: BTreeMap<Shown, Arc<Answer>>,
}

/// Name of the layer whose output the heads of a scale read.
pub(crate) fn feature_layer(stride: usize) -> String {
    format!("neck_{stride}")
}

/// Name of the adapter of a scale.
pub(crate) fn adapter_layer(stride: usize) -> String {
    format!("adapt_{stride}")
}

/// Adds to a student what brings its features to the teacher's channels. Comes last, so that the network without it is
/// what is exported, with the first of the same values.
pub fn with_adapters(mut graph: Graph, table: &TeacherTable) -> Graph {
    if let Some(features) = &table.features {
        for stride in STRIDES {
            if let Some(node) = graph.layer(&feature_layer(stride)) {
                graph.adapter(&adapter_layer(stride), node, features.channels);
            }
        }
    }
    graph
}

/// SHA-256 of the weights that teach.
pub fn fingerprint(state: &State) -> String {
    let mut hasher = Sha256::new();
    let norms = state.average_running.iter().flat_map(|r| [&r.mean, &r.variance]);
    for value in state.average.iter().chain(norms).flatten() {
        hasher.update(value.to_le_bytes());
    }
    crate::export::hex(&hasher.finalize())
}

impl Teacher {
    /// The teacher of a student: `graph` is the teacher's network for pictures of whatever size, `state` its training's
    /// end, `student` the student's network with its adapters.
    pub fn new(
        name: &str,
        (graph, state): (&Graph, State),
        student: &Graph,
        table: &TeacherTable,
    ) -> Result<Self, TeacherError> {
        let [_, height, width] = student.nodes[0].shape;
        let graph = graph.resized(height, width);
        for stride in STRIDES {
            same(&format!("class_{stride}"), &graph, student, "both must know the same classes at the same strides")?;
            same(&format!("box_{stride}"), &graph, student, "give the student the network.bins of the teacher")?;
        }
        let mut nodes: [Vec<NodeId>; 3] = Default::default();
        for stride in STRIDES {
            nodes[0].extend(graph.output(&format!("class_{stride}")));
            nodes[1].extend(graph.output(&format!("box_{stride}")));
            if let Some(adapter) = table.features.as_ref().and_then(|_| student.layer(&adapter_layer(stride))) {
                let name = feature_layer(stride);
                let node = graph.layer(&name);
                let to_do = "teacher.features.channels must be the teacher's network.neck";
                let (own, theirs) = (student.nodes[adapter].shape, node.map(|n| graph.nodes[n].shape));
                equal(&name, Some(own), theirs, to_do)?;
                nodes[2].extend(node);
            }
        }
        let depth = graph.output("log_depth");
        let (values, running) = (state.average, state.average_running);
        let (tape, kept) = (Tape::default(), BTreeMap::new());
        Ok(Self { name: name.to_owned(), graph, values, running, nodes, depth, tape, kept })
    }

    /// What it says of the samples of a step.
    pub fn answers(
        &mut self,
        recipe: &Recipe,
        pool: &Pool,
        samples: &[Sample],
    ) -> Result<Vec<Arc<Answer>>, TeacherError> {
        if recipe.data.windows == 0 {
            let pictures: Vec<f32> = samples.iter().flat_map(|s| s.picture.iter().copied()).collect();
            let shown: Vec<Shown> = samples.iter().map(|s| s.shown).collect();
            return Ok(self.ask(&shown, &pictures)?.into_iter().map(Arc::new).collect());
        }
        let oldest = Shown { view: pool.oldest(), window: 0 };
        self.kept = self.kept.split_off(&oldest);
        let mut missing: Vec<Shown> =
            samples.iter().map(|s| s.shown).filter(|shown| !self.kept.contains_key(shown)).collect();
        missing.sort();
        missing.dedup();
        let pictures: Vec<f32> = missing.iter().flat_map(|shown| pool.unaltered(recipe, *shown)).collect();
        for (shown, answer) in missing.iter().zip(self.ask(&missing, &pictures)?) {
            self.kept.insert(*shown, Arc::new(answer));
        }
        Ok(samples.iter().filter_map(|s| self.kept.get(&s.shown).cloned()).collect())
    }

    /// Runs the network on pictures.
    fn ask(&mut self, shown: &[Shown], pictures: &[f32]) -> Result<Vec<Answer>, TeacherError> {
        if shown.is_empty() {
            return Ok(Vec::new());
        }
        self.tape.forward(&self.graph, &self.values, Some(&self.running), pictures);
        (0..shown.len()).map(|picture| self.answer(shown[picture].view, picture)).collect()
    }

    fn answer(&self, view: usize, picture: usize) -> Result<Answer, TeacherError> {
        let map = |&node: &NodeId| {
            let n = self.graph.nodes[node].len();
            self.tape.value(node)[picture * n..][..n].to_vec()
        };
        let [class, sides, features] = [0, 1, 2].map(|kind| self.nodes[kind].iter().map(map).collect::<Vec<_>>());
        let log_depth = self.depth.as_ref().map(map).unwrap_or_default();
        let finite = |maps: &[Vec<f32>]| maps.iter().flatten().all(|v| v.is_finite());
        let depth_is = log_depth.iter().all(|v| v.is_finite());
        let odd = [("classes", finite(&class)), ("boxes", finite(&sides)), ("features", finite(&features))]
            .into_iter()
            .chain([("depth", depth_is)])
            .find(|(_, fine)| !fine);
        if let Some((what, _)) = odd {
            return Err(TeacherError::NotFinite { name: self.name.clone(), what: what.to_owned(), view });
        }
        let scores = class.iter().zip(&sides).zip(STRIDES).map(|((class, _), stride)| {
            let plane = self.plane(stride);
            (0..plane)
                .map(|cell| sigmoid(class[cell..].iter().step_by(plane).copied().fold(f32::NEG_INFINITY, f32::max)))
                .collect()
        });
        Ok(Answer { scores: scores.collect(), class, sides, features, log_depth })
    }

    fn plane(&self, stride: usize) -> usize {
        let [_, height, width] = self.graph.nodes[0].shape;
        height.div_ceil(stride) * width.div_ceil(stride)
    }
}

/// Whether both networks have an output of one shape.
fn same(output: &str, teacher: &Graph, student: &Graph, to_do: &'static str) -> Result<(), TeacherError> {
    let shape = |g: &Graph| g.output(output).map(|node| g.nodes[node].shape);
    equal(output, shape(student), shape(teacher), to_do)
}

fn equal(
    what: &str,
    student: Option<[usize; 3]>,
    teacher: Option<[usize; 3]>,
    to_do: &'static str,
) -> Result<(), TeacherError> {
    if student == teacher {
        return Ok(());
    }
    let told = |shape: Option<[usize; 3]>| shape.map_or("absent".to_owned(), |[c, h, w]| format!("{c} x {h} x {w}"));
    Err(TeacherError::Mismatch { what: what.to_owned(), student: told(student), teacher: told(teacher), to_do })
}

#[cfg(test)]
mod tests;
