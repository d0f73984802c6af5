//! `eval STUDENT --data DATA --statement FOLDER [--teacher TEACHER]`: the Distillation Statement. Exit code 4 where
//! something is lost and not accepted.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use clap::Args;
use ocellus_judge::statement::Targets;

use super::Eval;
use crate::cli::vouching::Accepting;
use crate::exit::{self, Outcome};
use crate::measure::vouch::{Case, state};
use crate::measure::{outcome, statement};

/// Where a statement goes and what it is judged by.
#[derive(Debug, Args)]
pub(super) struct StatementArgs {
    /// Write the Distillation Statement of MODEL, beside --teacher or alone: statement.html and statement.json in this folder.
    #[arg(long = "statement", value_name = "FOLDER", requires = "model")]
    pub(super) folder: Option<PathBuf>,
    #[command(flatten)]
    accepting: Accepting,
}

pub(super) fn run(eval: &Eval, student: &Path, teacher: Option<&Path>, folder: &Path) -> Result<Outcome> {
    let targets = eval.statement.accepting.targets(Targets::shipped)?;
    let asked = eval.asked();
    let provenance = vec![eval.statement.accepting.provenance()];
    let stated = state(&asked, &Case { student, teacher, targets: &targets, provenance })?;
    statement::write(&stated.statement, folder)?;
    println!("{}", folder.join(statement::PAGE).display());
    let page = &stated.statement;
    if page.shippable {
        return Ok(outcome(&stated.lost));
    }
    let blocking: Vec<String> = page.blocking().iter().map(|p| format!("{}: {}", p.name, p.judgement.reason)).collect();
    Err(exit::unmet(anyhow!("{} must not ship: {}", student.display(), blocking.join("; "))))
}
