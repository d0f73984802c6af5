//! What a verb ends with: the exit codes of the program and the errors that carry one.
//!
//! 0 done; 1 failed; 2 wrong usage or configuration; 3 finished but lost data; 4 a required provider, self-check, hash or
//! statement was not met. An error without a code of its own is a failure (1).

use std::fmt;

/// How a verb ended that ran to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything asked for was done.
    Done,
    /// A comparison found a difference.
    Different,
    /// The run finished, and some input or output was lost on the way.
    LostData,
}

impl Outcome {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Different => 1,
            Self::LostData => 3,
        }
    }
}

/// An error with an exit code of its own.
#[derive(Debug)]
pub struct Coded {
    code: u8,
    source: anyhow::Error,
}

impl fmt::Display for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.source, f)
    }
}

impl std::error::Error for Coded {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.source()
    }
}

/// Wrong usage or configuration: exit code 2.
pub fn usage(error: impl Into<anyhow::Error>) -> anyhow::Error {
    anyhow::Error::new(Coded { code: 2, source: error.into() })
}

/// A required provider, self-check, hash or statement was not met: exit code 4.
pub fn unmet(error: impl Into<anyhow::Error>) -> anyhow::Error {
    anyhow::Error::new(Coded { code: 4, source: error.into() })
}

/// The exit code of an error: the first coded one in its chain, else 1.
pub fn code_of(error: &anyhow::Error) -> u8 {
    error.chain().find_map(|cause| cause.downcast_ref::<Coded>()).map_or(1, |coded| coded.code)
}

/// An error and what caused it, in one line: a cause that the text so far tells already is not told again.
pub fn text_of(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(if text.is_empty() { "" } else { ": " });
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};

    #[test]
    fn the_code_survives_added_context_and_plain_errors_are_failures() {
        assert_eq!(code_of(&usage(anyhow!("no such key")).context("launch.toml")), 2);
        assert_eq!(code_of(&unmet(anyhow!("no TensorRT"))), 4);
        let io: anyhow::Result<()> = Err(std::io::Error::other("disk")).context("writing");
        assert_eq!(io.map_err(|e| code_of(&e)), Err(1));
    }

    #[test]
    fn a_cause_that_is_told_already_is_not_told_twice() {
        #[derive(Debug)]
        struct Failed(std::io::Error);
        impl fmt::Display for Failed {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a.toml: {}; choose another", self.0)
            }
        }
        impl std::error::Error for Failed {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        let failed = || Failed(std::io::Error::other("no such key"));
        assert_eq!(text_of(&usage(failed())), "a.toml: no such key; choose another");
        assert_eq!(text_of(&anyhow!(failed()).context("opening")), "opening: a.toml: no such key; choose another");
        assert_eq!(text_of(&anyhow!("disk full").context("writing")), "writing: disk full");
    }
}
