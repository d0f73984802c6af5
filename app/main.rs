//! Ocellus: arguments -> verb -> exit code, nothing else.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;

mod bench;
mod cli;
mod engines;
mod exit;
mod launch;
mod machine;
mod measure;
mod models;
mod recording;
mod wire;

#[global_allocator]
static ALLOCATOR: bench::counting::Counting = bench::counting::Counting;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    match arguments.verb.run() {
        Ok(outcome) => ExitCode::from(outcome.code()),
        Err(error) => {
            // Where nobody can be told (a log on a disk that is full) the exit code still tells.
            let _ = writeln!(std::io::stderr(), "error: {}", exit::text_of(&error));
            ExitCode::from(exit::code_of(&error))
        }
    }
}
