//! What kind of file a shared library is, from its ELF header alone, so that nothing unfit is ever opened.
//!
//! Opening a truncated library can kill the process (its last pages are mapped and absent), and opening one for
//! another processor gives a message that helps nobody. Layouts are those of the System V ABI, chapter 4 (ELF64).

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

/// ELF64 file header's length in bytes.
const HEADER: usize = 64;
/// ELF64 program header's length in bytes.
const PROGRAM_HEADER: usize = 56;
/// `e_type` of a shared object.
const ET_DYN: u16 = 3;
/// `p_type` of a loadable segment.
const PT_LOAD: u32 = 1;

/// What a file was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A complete shared object for this processor.
    Fit,
    /// A shared object for another processor, named.
    OtherMachine(String),
    /// Shorter than its own headers say: bytes needed and bytes there.
    Truncated {
        /// Bytes needed.
        expected: u64,
        /// Bytes there.
        got: u64,
    },
    /// No shared object; says what it is.
    Other(String),
}

/// `e_machine` of the processor this program was built for, and its name.
pub(crate) const fn our_machine() -> (u16, &'static str) {
    if cfg!(target_arch = "x86_64") {
        (62, "x86_64")
    } else if cfg!(target_arch = "aarch64") {
        (183, "aarch64")
    } else {
        (0, "unknown")
    }
}

/// The usual name of an `e_machine` number.
fn machine_name(machine: u16) -> String {
    match machine {
        3 => "x86 (32 bit)".to_owned(),
        40 => "arm (32 bit)".to_owned(),
        62 => "x86_64".to_owned(),
        183 => "aarch64".to_owned(),
        243 => "riscv".to_owned(),
        other => format!("ELF machine {other}"),
    }
}

/// Reads the headers of the file at `path` and tells what it is.
///
/// # Errors
/// Only what the system says when the file cannot be read.
pub(crate) fn kind_of(path: &Path) -> std::io::Result<Kind> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut header = [0u8; HEADER];
    if let Err(error) = file.read_exact(&mut header) {
        return match error.kind() {
            ErrorKind::UnexpectedEof if length == 0 => Ok(Kind::Other("an empty file".to_owned())),
            ErrorKind::UnexpectedEof => Ok(Kind::Other(format!("a file of {length} bytes, too short for a library"))),
            _ => Err(error),
        };
    }
    if !header.starts_with(b"\x7fELF") {
        return Ok(Kind::Other("not an ELF file".to_owned()));
    }
    if !matches!(&header[4..6], [2, 1]) {
        return Ok(Kind::OtherMachine(format!("{} (not 64 bit little endian)", machine_name(u16_at(&header, 18)))));
    }
    if u16_at(&header, 18) != our_machine().0 {
        return Ok(Kind::OtherMachine(machine_name(u16_at(&header, 18))));
    }
    if u16_at(&header, 16) != ET_DYN {
        return Ok(Kind::Other("an ELF file that is no shared library".to_owned()));
    }
    let expected = bytes_needed(&mut file, &header)?;
    Ok(if expected > length { Kind::Truncated { expected, got: length } } else { Kind::Fit })
}

/// Bytes that the program headers and the segments they load reach to.
fn bytes_needed(file: &mut File, header: &[u8; HEADER]) -> std::io::Result<u64> {
    let offset = u64_at(header, 32);
    let count = u64::from(u16_at(header, 56));
    let mut needed = offset.saturating_add(count * PROGRAM_HEADER as u64);
    let mut program_header = [0u8; PROGRAM_HEADER];
    file.seek(SeekFrom::Start(offset))?;
    for _ in 0..count {
        match file.read_exact(&mut program_header) {
            // The headers themselves lie past the end: `needed` already says so.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            other => other?,
        }
        if u32_at(&program_header, 0) == PT_LOAD {
            needed = needed.max(u64_at(&program_header, 8).saturating_add(u64_at(&program_header, 32)));
        }
    }
    Ok(needed)
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..at + N).and_then(|part| part.try_into().ok()).unwrap_or([0; N])
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes_at(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes_at(bytes, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF64 header with one loadable segment of `segment` bytes, for processor `machine`.
    fn elf(machine: u16, segment: u64) -> Vec<u8> {
        let mut bytes = vec![0u8; HEADER + PROGRAM_HEADER];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[16..18].copy_from_slice(&ET_DYN.to_le_bytes());
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes[32..40].copy_from_slice(&(HEADER as u64).to_le_bytes());
        bytes[56..58].copy_from_slice(&1u16.to_le_bytes());
        bytes[HEADER..HEADER + 4].copy_from_slice(&PT_LOAD.to_le_bytes());
        bytes[HEADER + 32..HEADER + 40].copy_from_slice(&segment.to_le_bytes());
        bytes
    }

    fn kind(bytes: &[u8]) -> Kind {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lib.so");
        std::fs::write(&path, bytes).unwrap();
        kind_of(&path).unwrap()
    }

    #[test]
    fn tells_fit_foreign_truncated_and_other() {
        let ours = our_machine().0;
        let foreign = if ours == 62 { 183 } else { 62 };
        assert_eq!(kind(&elf(ours, 100)), Kind::Fit);
        assert_eq!(kind(&elf(foreign, 100)), Kind::OtherMachine(machine_name(foreign)));
        assert_eq!(kind(&elf(ours, 5000)), Kind::Truncated { expected: 5000, got: 120 });
        assert!(matches!(kind(b""), Kind::Other(what) if what.contains("empty")));
        assert!(matches!(kind(b"\x7fELF"), Kind::Other(what) if what.contains("4 bytes")));
        assert!(matches!(kind(&[b'x'; 100]), Kind::Other(what) if what.contains("not an ELF")));
    }

    #[test]
    fn every_truncation_of_a_real_program_is_told() {
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(kind(&whole), Kind::Fit);
        for length in [64, 100, whole.len() / 3] {
            assert!(matches!(kind(&whole[..length]), Kind::Truncated { got, .. } if got == length as u64));
        }
    }
}
