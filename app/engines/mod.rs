//! Engines built ahead: made and checked by `prepare`, proven again at the start of a run, and never a surprise.
//!
//! An [`ask::Ask`] is one network on one provider in one precision. `prepare` answers it in processes of their own: what
//! the CPU says of golden pictures ([`golden`]), then the engine built, timed and held against that ([`check`]), then the
//! engine loaded again, which must build nothing. A run ([`start`]) takes an engine only with its manifest and a short check.
//!
//! Folders, keys and what providers are told are `ocellus_infer::engine`'s; here are networks, pictures, processes and people.

mod answer;
mod ask;
mod check;
mod golden;
mod prepare;
mod stage;
mod start;
mod table;
mod worker;

pub use prepare::{PrepareOptions, prepare};
pub use stage::run_worker;
pub use start::{EngineInUse, load, runs_on};
pub use table::{print, to_json};
