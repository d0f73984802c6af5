//! The computer we run on, as its files tell: processor, board, memory, temperatures, clocks, power. Nothing is asked of a program.
//!
//! Everything is read below a root that tests replace. A file that is missing, or says what cannot be, is `None`: a value that
//! is unknown is absent, never 0.

mod board;
mod clocks;
mod heat;
mod memory;
mod power;
pub mod read;

pub use board::board;
pub use clocks::{Clock, clocks};
pub use heat::heat;
pub use memory::memory;
pub use power::{power_mode, rails};
