//! What is wrong with one message: where in it, what should be there, what is. It becomes a [`ReadError`] where the topic
//! and the time are known.

use crate::error::ReadError;

/// A message that is not what its schema says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    place: String,
    expected: String,
    got: String,
    /// Bytes there, where the message stops before its end.
    truncated_at: Option<usize>,
}

impl Fault {
    /// A value that cannot be.
    pub(crate) fn value(place: impl Into<String>, expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self { place: place.into(), expected: expected.into(), got: got.into(), truncated_at: None }
    }

    /// The data stops after `bytes` bytes.
    pub(crate) fn truncated(place: &str, expected: impl Into<String>, bytes: usize) -> Self {
        let expected = format!("{} ({place})", expected.into());
        Self { place: place.into(), expected, got: "the end of the message".into(), truncated_at: Some(bytes) }
    }

    /// With the message's origin: file, topic and time.
    pub(crate) fn at(self, origin: String) -> ReadError {
        match self.truncated_at {
            Some(bytes) => ReadError::Truncated { origin, bytes, expected: self.expected },
            None => ReadError::Corrupt { origin, place: self.place, expected: self.expected, got: self.got },
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: expected {}, got {}", self.place, self.expected, self.got)
    }
}
