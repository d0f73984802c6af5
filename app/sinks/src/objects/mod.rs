//! `objects.jsonl`: what perception said, one line a frame, the same bytes for the same reports on any machine.
//!
//! Contract of a line: keys in a fixed order; an unknown or non-finite value is absent, never 0; numbers are decimal,
//! rounded (pixels 2 places, metres, metres per second and seconds 3, scores 4), without trailing zeros but with at
//! least one decimal (`5.0`, `0.1`, `14.231`); no negative zero; lines end in `\n`. The schema's name and version stand
//! in `run.json` ([`OBJECTS_SCHEMA`](crate::files::OBJECTS_SCHEMA)); its JSON Schema is
//! `launch/schemas/objects.schema.json`.

mod line;
mod reader;
mod writer;

pub use line::write_line;
pub(crate) use line::{state_name, trigger_name};
pub use reader::{ObjectsReader, ReadError, read_objects};
pub use writer::{FILE_NAME, ObjectsWriter, WriteError};

#[cfg(test)]
pub(crate) mod samples;
