//! An experiment: arms that differ from one recipe in a few keys, each trained from several seeds.
//!
//! A TOML file says what all arms share and what each changes; from it come the recipes, in the order they are run: arms
//! of several seeds first, seed by seed, so that what matters can be compared early. Arms see the same streets.
//! Deliberately absent: running (`train::run`), judging (the binary's `measure::arms`).

use serde::{Deserialize, Serialize};
use thiserror::Error;
use toml::{Table, Value};

use crate::recipe::{Recipe, RecipeError};

/// Why an experiment cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExperimentError {
    /// Not TOML, an unknown key, or a value of the wrong type; the text has line and column.
    #[error("{0}")]
    Toml(String),
    /// What an arm changes makes no recipe.
    #[error("arm {arm:?}: {source}")]
    Arm {
        /// The arm.
        arm: String,
        /// What is wrong with its recipe.
        source: RecipeError,
    },
    /// Arms that cannot be told apart or compared.
    #[error("{0}")]
    Arms(String),
}

/// An experiment as written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The recipe that all arms start from, beside the experiment's file.
    pub base: String,
    /// The recipe of the teacher, likewise; it is trained first where it is not there yet.
    pub teacher: String,
    /// What networks are judged on: streets that none was trained on.
    pub judge: Vec<String>,
    /// What INT8 twins are calibrated on; without it none are made.
    #[serde(default)]
    pub calibrate: Vec<String>,
    /// The arm that the others are compared with.
    pub reference: String,
    /// What all arms change of the base.
    #[serde(default)]
    pub recipe: Table,
    /// The arms.
    pub arm: Vec<Arm>,
}

/// One way of training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// Short name.
    pub name: String,
    /// What it is, for the table.
    #[serde(default)]
    pub says: String,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// What it changes.
    #[serde(default)]
    pub recipe: Table,
}

/// One training of an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    /// Index of its arm.
    pub arm: usize,
    /// Its seed.
    pub seed: u64,
    /// Its recipe, called by arm and seed.
    pub recipe: Recipe,
}

impl Experiment {
    /// Parses and checks the text of an experiment.
    pub fn parse(text: &str) -> Result<Self, ExperimentError> {
        let new: Self = toml::from_str(text).map_err(|e| ExperimentError::Toml(e.to_string().trim_end().to_owned()))?;
        let wrong = |text: String| Err(ExperimentError::Arms(text));
        for (index, arm) in new.arm.iter().enumerate() {
            if arm.name.is_empty() || !arm.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return wrong(format!("arm {:?}: its name must be letters, digits and _", arm.name));
            }
            if new.arm.iter().take(index).any(|a| a.name == arm.name) {
                return wrong(format!("arm {:?} is there twice", arm.name));
            }
            let mut seeds = arm.seeds.clone();
            seeds.sort_unstable();
            seeds.dedup();
            if seeds.is_empty() || seeds.len() < arm.seeds.len() {
                return wrong(format!("arm {:?}: seeds are {:?}; give at least one, each once", arm.name, arm.seeds));
            }
        }
        if !new.arm.iter().any(|a| a.name == new.reference) {
            let known: Vec<&str> = new.arm.iter().map(|a| a.name.as_str()).collect();
            return wrong(format!("reference is {:?}; the arms are {}", new.reference, known.join(", ")));
        }
        if new.judge.is_empty() {
            return wrong("judge is empty: give streets to judge on, such as world:random@1-30".to_owned());
        }
        Ok(new)
    }

    /// The trainings in the order they are run; `base` is the text of the base recipe.
    pub fn trainings(&self, base: &str) -> Result<Vec<Training>, ExperimentError> {
        let base: Table = base.parse().map_err(|e: toml::de::Error| ExperimentError::Toml(e.to_string()))?;
        let mut order: Vec<(bool, usize, usize)> = Vec::new();
        for (index, arm) in self.arm.iter().enumerate() {
            order.extend((0..arm.seeds.len()).map(|round| (arm.seeds.len() == 1, round, index)));
        }
        order.sort_unstable();
        order.into_iter().map(|(_, round, arm)| self.training(&base, arm, round)).collect()
    }

    fn training(&self, base: &Table, index: usize, round: usize) -> Result<Training, ExperimentError> {
        let (arm, mut table) = (&self.arm[index], base.clone());
        let seed = arm.seeds[round];
        overlay(&mut table, &self.recipe);
        overlay(&mut table, &arm.recipe);
        table.insert("name".to_owned(), Value::from(format!("{}_{seed}", arm.name)));
        table.insert("seed".to_owned(), Value::from(i64::try_from(seed).unwrap_or(i64::MAX)));
        let refuse = |source| ExperimentError::Arm { arm: arm.name.clone(), source };
        let text = toml::to_string(&table).map_err(|e| refuse(RecipeError::Toml(e.to_string())))?;
        Ok(Training { arm: index, seed, recipe: Recipe::parse(&text).map_err(refuse)? })
    }
}

/// Lays what `over` says over `table`, table by table.
fn overlay(table: &mut Table, over: &Table) {
    for (key, value) in over {
        match (table.get_mut(key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => overlay(below, above),
            _ => {
                table.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "name = \"b\"\nseed = 9\n[data]\nsize = [64, 96]\n[train]\nsteps = 10\nbatch = 4\n";
    const TEXT: &str = "base = \"b.toml\"\nteacher = \"t.toml\"\njudge = [\"world:random@1-2\"]\nreference = \"alone\"\n\
        [recipe.train]\nsteps = 20\n[[arm]]\nname = \"alone\"\nseeds = [1, 2]\n[[arm]]\nname = \"extra\"\nseeds = [1]\n\
        [[arm]]\nname = \"kd\"\nseeds = [1, 2]\n[arm.recipe.train]\nsteps = 15\n\
        [arm.recipe.teacher]\ntraining = \"t\"\n[arm.recipe.teacher.class]\nloss = \"kd\"\nweight = 1.0\n";

    #[test]
    fn arms_are_laid_over_the_base_and_come_seed_by_seed() {
        let list = Experiment::parse(TEXT).unwrap().trainings(BASE).unwrap();
        let names: Vec<&str> = list.iter().map(|t| t.recipe.name.as_str()).collect();
        assert_eq!(names, ["alone_1", "kd_1", "alone_2", "kd_2", "extra_1"]);
        let of = |i: usize| (list[i].recipe.seed, list[i].recipe.train.steps, list[i].recipe.train.batch);
        assert_eq!((of(0), of(3)), ((1, 20, 4), (2, 15, 4)));
        assert_eq!(list[3].recipe.data.size, [64, 96]);
        assert!(list[3].recipe.teacher.is_some() && list[0].recipe.teacher.is_none());
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (from, to, part) in [
            ("reference = \"alone\"", "reference = \"aline\"", "the arms are alone, extra, kd"),
            ("name = \"extra\"", "name = \"alone\"", "\"alone\" is there twice"),
            ("name = \"extra\"", "name = \"a/b\"", "letters, digits"),
            ("seeds = [1]", "seeds = [1, 1]", "each once"),
            ("weight = 1.0", "weight = -1.0", "arm \"kd\": teacher.class.weight"),
            ("loss = \"kd\"", "loss = \"dk\"", "arm \"kd\""),
            ("[recipe.train]", "[recipe.trian]", "trian"),
            ("teacher = \"t.toml\"", "taecher = \"t.toml\"", "taecher"),
        ] {
            let told = Experiment::parse(&TEXT.replace(from, to)).and_then(|e| e.trainings(BASE)).unwrap_err();
            assert!(told.to_string().contains(part), "{told}");
        }
    }

    #[test]
    fn shipped_experiments_are_good() {
        let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/experiments"));
        let mut found = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
            let experiment = Experiment::parse(&read(&path)).unwrap();
            let teacher = Recipe::parse(&read(&folder.join(&experiment.teacher))).unwrap();
            for training in experiment.trainings(&read(&folder.join(&experiment.base))).unwrap() {
                let table = training.recipe.teacher.as_ref();
                assert!(table.is_none_or(|t| t.training == teacher.name), "{}", training.recipe.name);
                let channels = table.and_then(|t| t.features.as_ref()).map(|f| f.channels);
                assert!(channels.is_none_or(|c| c == teacher.network.neck), "{}", training.recipe.name);
                assert!(training.recipe.data.first_seed >= 1_000_000, "streets that are judged on lie below");
                found += 1;
            }
        }
        assert!(found > 0);
    }
}
