//! Whether bytes are a whole ONNX file, told from the top level of its protobuf message before ONNX Runtime sees it.
//!
//! ONNX Runtime says "Protobuf parsing failed" for a text file, half a file and a picture alike. Here the top-level
//! fields of `ModelProto` (onnx.proto) are walked, their lengths alone, which tells those apart. What is inside the
//! graph is ONNX Runtime's to judge.

use crate::InferError;

/// `ModelProto.graph`.
const GRAPH: u64 = 7;

/// Fields of `ModelProto` that carry a length (strings, messages), and their names for messages to people.
const WITH_LENGTH: [(u64, &str); 10] = [
    (2, "producer name"),
    (3, "producer version"),
    (4, "domain"),
    (6, "description"),
    (GRAPH, "graph"),
    (8, "operator set"),
    (14, "metadata"),
    (20, "training part"),
    (25, "functions"),
    (26, "configuration"),
];

/// Fields that are plain numbers: `ir_version`, `model_version`.
const NUMBERS: [u64; 2] = [1, 5];

/// Formats a network is often mistaken for, by what their first bytes are; offset, bytes, name, what to do.
const OTHERS: [(usize, &[u8], &str, &str); 9] = [
    (0, b"version https://git-lfs", "a Git LFS pointer", "fetch the file itself with `git lfs pull`"),
    (0, b"PK\x03\x04", "a zip archive, perhaps PyTorch weights (.pt)", "export the weights to ONNX"),
    (4, b"TFL3", "a TensorFlow Lite model", "convert it to ONNX"),
    (0, b"\x89HDF", "an HDF5 file (Keras)", "convert it to ONNX"),
    (0, b"\x80\x02", "a Python pickle (old PyTorch weights)", "export the weights to ONNX"),
    (0, b"ftrt", "a TensorRT engine", "name the ONNX file it was built from"),
    (0, b"\x1f\x8b", "a gzip file", "unpack it first"),
    (0, b"\x89PNG", "a picture", "name the network's .onnx file"),
    (0, b"<", "a web page or XML", "fetch the file itself; this is what a browser shows in its place"),
];

/// Checks that `bytes`, called `network` in messages, can be an ONNX file and are all there.
///
/// # Errors
/// [`InferError::Empty`], [`InferError::Truncated`] or [`InferError::NotOnnx`].
pub(crate) fn check(network: &str, bytes: &[u8]) -> Result<(), InferError> {
    if bytes.is_empty() {
        return Err(InferError::Empty { network: network.to_owned() });
    }
    // ONNX Runtime's own format, a flatbuffer.
    if bytes.get(4..8) == Some(b"ORTM") {
        return Ok(());
    }
    let other = |found: String, advice| InferError::NotOnnx { network: network.to_owned(), found, advice };
    if let Some((_, _, name, advice)) =
        OTHERS.iter().find(|(at, magic, ..)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(magic)))
    {
        return Err(other((*name).to_owned(), advice));
    }
    let mut fields = Fields { bytes, at: 0 };
    let mut graph_seen = false;
    while fields.at < bytes.len() {
        match fields.next() {
            Field::Known { number } => graph_seen |= number == GRAPH,
            Field::Short { part, expected } => {
                let got = bytes.len() as u64;
                return Err(InferError::Truncated { network: network.to_owned(), part, expected, got });
            }
            Field::Foreign => {
                return Err(other(look_of(bytes), "name the network's .onnx file"));
            }
        }
    }
    if graph_seen { Ok(()) } else { Err(other("a file without a graph".to_owned(), "copy or export it again")) }
}

/// What unknown bytes look like.
fn look_of(bytes: &[u8]) -> String {
    /// Enough to recognise a file by.
    const SHOWN: usize = 24;
    let start = bytes.get(..SHOWN).unwrap_or(bytes);
    match std::str::from_utf8(start) {
        Ok(text) if !text.contains('\0') => format!("text that begins {text:?}"),
        _ => format!("{} bytes of another kind", bytes.len()),
    }
}

/// A top-level field.
enum Field {
    /// One that `ModelProto` has, all there.
    Known { number: u64 },
    /// One that reaches past the end.
    Short { part: &'static str, expected: u64 },
    /// None of `ModelProto`'s.
    Foreign,
}

struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Fields<'_> {
    fn next(&mut self) -> Field {
        let short = Field::Short { part: "last field", expected: self.bytes.len() as u64 + 1 };
        let tag = match self.varint() {
            Varint::Value(tag) => tag,
            Varint::Short => return short,
            Varint::Bad => return Field::Foreign,
        };
        let number = tag >> 3;
        match tag & 7 {
            0 if NUMBERS.contains(&number) => match self.varint() {
                Varint::Value(_) => Field::Known { number },
                Varint::Short => short,
                Varint::Bad => Field::Foreign,
            },
            2 => {
                let Some((_, part)) = WITH_LENGTH.iter().find(|(known, _)| *known == number) else {
                    return Field::Foreign;
                };
                match self.varint() {
                    Varint::Value(length) => self.skip(number, part, length),
                    Varint::Short => short,
                    Varint::Bad => Field::Foreign,
                }
            }
            _ => Field::Foreign,
        }
    }

    fn skip(&mut self, number: u64, part: &'static str, length: u64) -> Field {
        let end = (self.at as u64).saturating_add(length);
        match usize::try_from(end) {
            Ok(end) if end <= self.bytes.len() => {
                self.at = end;
                Field::Known { number }
            }
            // Protobuf messages end at 2 GiB: a length beyond it is no length.
            _ if length > 1 << 31 => Field::Foreign,
            _ => Field::Short { part, expected: end },
        }
    }

    /// Base-128 number, least significant group first, at most 10 bytes.
    fn varint(&mut self) -> Varint {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let Some(&byte) = self.bytes.get(self.at) else { return Varint::Short };
            self.at += 1;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Varint::Value(value);
            }
        }
        Varint::Bad
    }
}

enum Varint {
    Value(u64),
    Short,
    Bad,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ir_version 8, then a graph of `graph` bytes, then one metadata entry.
    fn model(graph: usize) -> Vec<u8> {
        let mut bytes = vec![0x08, 8, 0x3a, (graph & 0x7f) as u8 | 0x80, (graph >> 7) as u8];
        bytes.extend(std::iter::repeat_n(0x11, graph));
        bytes.extend([0x72, 2, 9, 9]);
        bytes
    }

    #[test]
    fn a_whole_file_passes_and_every_shorter_one_is_told() {
        let whole = model(300);
        check("n", &whole).unwrap();
        for length in 3..305 {
            let error = check("n", &whole[..length]).unwrap_err();
            assert!(matches!(error, InferError::Truncated { .. }), "{length}: {error}");
        }
        let InferError::Truncated { part, expected, got, .. } = check("n", &whole[..100]).unwrap_err() else {
            panic!("another error")
        };
        assert_eq!((part, expected, got), ("graph", 305, 100));
        // Cut exactly behind a field there is no end missing, but no graph either.
        assert!(matches!(check("n", &whole[..2]), Err(InferError::NotOnnx { .. })));
    }

    #[test]
    fn other_files_are_named() {
        let found = |bytes: &[u8]| check("n", bytes).unwrap_err().to_string();
        assert!(found(b"").contains("0 bytes"));
        assert!(found(b"hello, this is text and no network").contains("\"hello, this is text"));
        assert!(found(b"version https://git-lfs.github.com/spec/v1\n").contains("git lfs pull"));
        assert!(found(b"PK\x03\x04rest").contains("PyTorch"));
        assert!(found(b"<!DOCTYPE html>").contains("web page"));
        assert!(found(&[0u8; 64]).contains("another kind"));
        assert!(found(&[0xff; 64]).contains("another kind"));
    }
}
