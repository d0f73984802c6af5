//! SHA-256 of files and bytes, as lower-case hexadecimal: for `run.json`, manifests and what is downloaded.
//!
//! A file is read in blocks, never whole. A hash that is not the expected one is an error that names both.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Bytes read at a time: large enough that calls into the kernel do not show beside hashing.
const BLOCK: usize = 64 * 1024;

/// A digest could not be taken, or is not the expected one.
#[derive(Debug, thiserror::Error)]
pub enum DigestError {
    /// The file could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file's bytes are not those that were promised.
    #[error(
        "{path}: its bytes have changed: sha256 expected {expected}, got {got}; restore the file, or, if the change is meant, write the new sha256 into the manifest"
    )]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// The promised digest.
        expected: String,
        /// The digest of the file as it is.
        got: String,
    },
}

/// SHA-256 of `bytes` in lower-case hexadecimal, 64 characters.
pub fn sha256_of_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of the file at `path` in lower-case hexadecimal.
///
/// # Errors
/// [`DigestError::Read`] where the file cannot be read to its end.
pub fn sha256_of_file(path: &Path) -> Result<String, DigestError> {
    let read_error = |source| DigestError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(read_error)?;
    let mut hasher = Sha256::new();
    let mut block = vec![0u8; BLOCK];
    loop {
        let n = file.read(&mut block).map_err(read_error)?;
        let Some(filled) = block.get(..n).filter(|b| !b.is_empty()) else { break };
        hasher.update(filled);
    }
    Ok(hex(&hasher.finalize()))
}

/// Checks that the file at `path` has the SHA-256 `expected` (hexadecimal, either case).
///
/// # Errors
/// [`DigestError::Mismatch`] names both digests; [`DigestError::Read`] where the file cannot be read.
pub fn check_digest(path: &Path, expected: &str) -> Result<(), DigestError> {
    let got = sha256_of_file(path)?;
    if got.eq_ignore_ascii_case(expected.trim()) {
        return Ok(());
    }
    Err(DigestError::Mismatch { path: path.to_owned(), expected: expected.trim().to_owned(), got })
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_digests() {
        // FIPS 180-2, appendix B.1, and the digest of nothing.
        assert_eq!(sha256_of_bytes(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(sha256_of_bytes(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn a_file_has_the_digest_of_its_bytes_across_blocks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let bytes: Vec<u8> = (0..3 * BLOCK + 17).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let digest = sha256_of_bytes(&bytes);
        assert_eq!(sha256_of_file(&path).unwrap(), digest);
        check_digest(&path, &digest.to_uppercase()).unwrap();
    }

    #[test]
    fn a_changed_byte_is_named_with_both_digests() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.onnx");
        std::fs::write(&path, b"abd").unwrap();
        let expected = sha256_of_bytes(b"abc");
        let text = check_digest(&path, &expected).unwrap_err().to_string();
        assert!(text.contains(&expected) && text.contains(&sha256_of_bytes(b"abd")) && text.contains("model.onnx"));
        assert!(matches!(check_digest(&dir.path().join("none"), &expected), Err(DigestError::Read { .. })));
    }
}
