//! Files that are no network: each kind has its own message, with the file, what was expected and what was found.

use std::path::Path;

use ocellus_infer::{InferError, Network, SessionOptions};

use crate::support::{made_here, runtime};

fn error_of(path: &Path) -> InferError {
    Network::load(runtime(), path, &SessionOptions::default()).unwrap_err()
}

/// The error of a file with these bytes; it must name the file.
fn error_of_bytes(bytes: &[u8]) -> InferError {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("broken.onnx");
    std::fs::write(&path, bytes).unwrap();
    let error = error_of(&path);
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    error
}

#[test]
fn missing_empty_and_foreign_files() {
    let missing = error_of(Path::new("/nonexistent/detector.onnx"));
    assert!(matches!(missing, InferError::Missing { .. }), "{missing}");
    assert!(matches!(error_of(Path::new("/")), InferError::Read { .. }));
    assert!(matches!(error_of_bytes(b""), InferError::Empty { .. }));
    let text = error_of_bytes(b"this is not a network but a line of text\n").to_string();
    assert!(text.contains("not an ONNX network") && text.contains("this is not a network"), "{text}");
}

#[test]
fn every_truncation_is_told_with_both_lengths() {
    let whole = std::fs::read(made_here("yolov8_nonsquare_fp32")).unwrap();
    for length in [100, whole.len() / 2, whole.len() - 1] {
        let error = error_of_bytes(&whole[..length]);
        assert!(matches!(error, InferError::Truncated { got, .. } if got == length as u64), "{length}: {error}");
    }
}

#[test]
fn what_only_onnx_runtime_can_see_is_summarised() {
    // An IR version unheard of: field 1 comes first and is one byte.
    let mut newer = std::fs::read(made_here("yolov8_nonsquare_fp32")).unwrap();
    assert_eq!(newer[..2], [0x08, 9]);
    newer[1] = 99;
    let error = error_of_bytes(&newer);
    let InferError::Refused { summary, advice, detail, .. } = &error else { panic!("{error}") };
    assert!(summary.contains("IR version") && advice.contains("newer"), "{error}");
    assert!(detail.contains(summary.as_str()));
    // An empty graph and nothing else: field 7 = "".
    let bare = error_of_bytes(&[0x08, 9, 0x3a, 0]);
    assert!(matches!(&bare, InferError::Refused { advice, .. } if advice.contains("operator set")), "{bare}");
    // An operator that does not exist, in a file that is whole.
    let mut bytes = std::fs::read(made_here("yolov8_nonsquare_fp32")).unwrap();
    let node = bytes.windows(11).position(|window| window == b"AveragePool").unwrap();
    bytes[node..node + 11].copy_from_slice(b"AverageSwim");
    let error = error_of_bytes(&bytes);
    assert!(matches!(&error, InferError::Refused { summary, .. } if summary.contains("AverageSwim")), "{error}");
    assert!(error.to_string().contains("an operator this library does not have"), "{error}");
}

#[test]
fn a_flipped_bit_anywhere_never_panics() {
    let whole = std::fs::read(made_here("depth_metric")).unwrap();
    // Every third byte: each makes a session, and that takes milliseconds.
    for i in (0..whole.len()).step_by(3) {
        let mut bytes = whole.clone();
        bytes[i] ^= 0x10;
        if let Err(error) = Network::from_bytes(runtime(), "flipped", &bytes, &SessionOptions::default()) {
            assert!(error.to_string().contains("flipped"), "{error}");
        }
    }
}
