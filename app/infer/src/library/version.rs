//! Version of an ONNX Runtime library: `major.minor.patch`, ordered.

use std::fmt;
use std::str::FromStr;

/// A version as `OrtApiBase::GetVersionString` gives it; anything after the third number is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Always 1 so far.
    pub major: u32,
    /// Grows with the C interface: a library of minor version n offers the interfaces 1 to n.
    pub minor: u32,
    /// Mends only.
    pub patch: u32,
}

impl Version {
    /// The version of three numbers.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no version of the form 1.31.1")]
pub struct BadVersion(pub String);

impl FromStr for Version {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        let mut numbers = text.trim().split('.').map(|part| {
            let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<u32>().ok()
        });
        match (numbers.next().flatten(), numbers.next().flatten(), numbers.next().flatten()) {
            (Some(major), Some(minor), patch) => Ok(Self { major, minor, patch: patch.unwrap_or(0) }),
            _ => Err(BadVersion(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_ordered() {
        assert_eq!("1.31.1".parse(), Ok(Version::new(1, 31, 1)));
        assert_eq!("1.9".parse(), Ok(Version::new(1, 9, 0)));
        assert_eq!("1.24.0-dev+7".parse(), Ok(Version::new(1, 24, 0)));
        assert!("".parse::<Version>().is_err() && "onnx".parse::<Version>().is_err());
        assert!(Version::new(1, 9, 0) < Version::new(1, 20, 0), "numbers, not text");
    }
}
