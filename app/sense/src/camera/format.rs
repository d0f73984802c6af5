//! The picture formats of cameras that are read: their names, and their four-letter codes in Video for Linux.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// How a camera codes its pictures. In the order in which they are preferred: what networks are fed from without a detour
/// first, what must be decoded last but for what has no colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PictureFormat {
    /// A plane of Y, then one of U V at half resolution.
    Nv12,
    /// 4:2:2, Y first.
    Yuyv,
    /// 4:2:2, U first.
    Uyvy,
    /// A JPEG a frame.
    Mjpeg,
    /// Grey, 8 bits.
    Grey,
    /// Grey, 16 bits, little-endian.
    Y16,
}

/// All of them, as preferred, with name and four-letter code.
const FORMATS: [(PictureFormat, &str, &[u8; 4]); 6] = [
    (PictureFormat::Nv12, "nv12", b"NV12"),
    (PictureFormat::Yuyv, "yuyv", b"YUYV"),
    (PictureFormat::Uyvy, "uyvy", b"UYVY"),
    (PictureFormat::Mjpeg, "mjpeg", b"MJPG"),
    (PictureFormat::Grey, "grey", b"GREY"),
    (PictureFormat::Y16, "y16", b"Y16 "),
];

/// Not the name of a format.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("expected one of {names}, got \"{0}\"", names = PictureFormat::names())]
pub struct UnknownFormat(String);

impl fmt::Display for PictureFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORMATS.iter().find(|(format, ..)| format == self).map_or("", |(_, name, _)| name))
    }
}

impl FromStr for PictureFormat {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let found = FORMATS.iter().find(|(_, name, _)| name.eq_ignore_ascii_case(text));
        found.map(|(format, ..)| *format).ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}

impl PictureFormat {
    /// The names of all, for messages.
    pub fn names() -> String {
        FORMATS.map(|(_, name, _)| name).join(", ")
    }

    /// The code of Video for Linux, first letter lowest.
    pub fn code(self) -> u32 {
        FORMATS.iter().find(|(format, ..)| *format == self).map_or(0, |(_, _, code)| u32::from_le_bytes(**code))
    }

    /// The format of a code; `None` where it is not read.
    pub fn from_code(code: u32) -> Option<Self> {
        FORMATS.iter().find(|(.., letters)| u32::from_le_bytes(**letters) == code).map(|(format, ..)| *format)
    }

    /// The name that pixels are packed by; `None` where they come as a file.
    pub fn encoding(self) -> Option<&'static str> {
        match self {
            Self::Nv12 => Some("nv12"),
            Self::Yuyv => Some("yuyv"),
            Self::Uyvy => Some("uyvy"),
            Self::Grey => Some("mono8"),
            Self::Y16 => Some("mono16"),
            Self::Mjpeg => None,
        }
    }
}

/// The four letters of a code.
pub fn letters(code: u32) -> String {
    String::from_utf8_lossy(&code.to_le_bytes()).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_are_those_of_one_table() {
        for (format, name, code) in FORMATS {
            assert_eq!((format.to_string().as_str(), name.parse()), (name, Ok(format)));
            assert_eq!(PictureFormat::from_code(u32::from_le_bytes(*code)), Some(format));
        }
        assert!("h264".parse::<PictureFormat>().unwrap_err().to_string().contains("h264"));
        assert_eq!(letters(PictureFormat::Y16.code()), "Y16");
    }
}
