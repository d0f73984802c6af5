//! `ocellus setup`: fetches the pinned ONNX Runtime into the user's cache.

use anyhow::Result;
use clap::Args;

use crate::exit::Outcome;
use crate::models;

/// Fetch ONNX Runtime into the user's cache.
#[derive(Debug, Args)]
#[command(after_help = "Example: ocellus setup\n\
                        Fetches the official wheel with pip by its name, checks its hash and unpacks the library.")]
pub struct Setup {}

impl Setup {
    pub(super) fn run(self) -> Result<Outcome> {
        let library = models::fetch_library()?;
        println!("ONNX Runtime {} is at {}", library.version(), library.path().display());
        Ok(Outcome::Done)
    }
}
