//! ONNX files: read, changed and written, without ONNX Runtime and without Python.
//!
//! [`read`] gives the messages of onnx.proto3 as they stand in the file ([`proto`]); what the specification does not know
//! is refused, never dropped. [`write()`] gives the bytes back. Between the two: values of constants ([`proto::TensorProto`]),
//! who reads and writes which tensor ([`Links`]), BatchNormalization folded into convolutions ([`fold`]), and old operator
//! sets brought to 13 ([`opset`]).
//!
//! Whether a network is sound, its shapes and types, is ONNX Runtime's to judge.

mod build;
mod error;
pub mod fold;
mod graph;
pub mod opset;
pub mod proto;
mod tensor;
mod wire;

pub use build::IR_VERSION;
pub use error::OnnxError;
pub use graph::{Links, Names};
use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use proto::{GraphProto, ModelProto, ValueInfoProto};

/// Reads a file.
///
/// # Errors
/// Bytes that are no whole ONNX file, hold a field that would be lost, no graph, or keep weights in other files.
pub fn read(bytes: &[u8]) -> Result<ModelProto, OnnxError> {
    wire::check(bytes, wire::Message::Model)?;
    let model = ModelProto::decode(bytes).map_err(|e| OnnxError::Damaged { reason: e.to_string() })?;
    let graph = model.graph.as_ref().ok_or(OnnxError::NoGraph)?;
    graph.initializer.iter().try_for_each(proto::TensorProto::check_is_here)?;
    Ok(model)
}

/// The bytes of a file.
pub fn write(model: &ModelProto) -> Vec<u8> {
    model.encode_to_vec()
}

/// The bytes of `model` around `graph`, with the tensors `wanted` as its outputs. Inputs of the graph are left out: who
/// feeds it knows them.
pub fn with_outputs<'a>(
    model: &ModelProto,
    mut graph: GraphProto,
    wanted: impl IntoIterator<Item = &'a str>,
) -> Vec<u8> {
    let inputs: BTreeSet<&str> = graph.input.iter().map(|i| i.name()).collect();
    let wanted: BTreeSet<&str> = wanted.into_iter().filter(|t| !inputs.contains(t)).collect();
    let declared: BTreeMap<String, ValueInfoProto> =
        graph.output.iter().map(|o| (o.name().to_owned(), o.clone())).collect();
    let outputs = wanted.iter().map(|t| declared.get(*t).cloned().unwrap_or_else(|| ValueInfoProto::untyped(t)));
    graph.output = outputs.collect();
    let bare = ModelProto { graph: None, ..model.clone() };
    write(&ModelProto { graph: Some(graph), ..bare })
}

#[cfg(test)]
mod tests {
    use super::proto::{NodeProto, StringStringEntryProto, TensorProto, data_type};
    use super::*;

    fn sample() -> ModelProto {
        let graph = GraphProto {
            node: vec![NodeProto::new("Conv", &["x", "w"], &["y"]).with_int("group", 1)],
            initializer: vec![TensorProto::from_f32("w", &[1, 1, 1, 1], &[2.0])],
            input: vec![ValueInfoProto::tensor("x", data_type::FLOAT, &[Some(1), Some(1), None, None])],
            output: vec![ValueInfoProto::untyped("y")],
            ..GraphProto::default()
        };
        let mut model = ModelProto::new(graph, 17);
        model.set_metadata("names", "{0: 'car'}");
        model.functions = vec![vec![1, 2, 3]];
        model
    }

    #[test]
    fn what_is_written_is_read_again() {
        let model = sample();
        let bytes = write(&model);
        assert_eq!(read(&bytes).unwrap(), model);
        assert_eq!(write(&read(&bytes).unwrap()), bytes);
        assert_eq!(read(&bytes).unwrap().metadata("names"), Some("{0: 'car'}"));
    }

    #[test]
    fn every_shorter_file_is_refused_or_has_no_graph() {
        let bytes = write(&sample());
        for length in 0..bytes.len() {
            if let Ok(model) = read(&bytes[..length]) {
                // Cut exactly behind a whole field of the outermost message.
                assert!(model.graph.is_some() && model.metadata("names").is_none() || model.functions.is_empty());
            }
        }
        assert_eq!(read(b""), Err(OnnxError::NoGraph));
        assert!(matches!(
            read(b"PK\x03\x04 no network"),
            Err(OnnxError::Damaged { .. } | OnnxError::UnknownField { .. })
        ));
    }

    #[test]
    fn unknown_fields_and_other_files_are_refused_by_name() {
        let mut bytes = write(&sample());
        // Field 99 of the model, a number.
        bytes.extend([0x98, 0x06, 1]);
        assert_eq!(read(&bytes), Err(OnnxError::UnknownField { message: "ModelProto", number: 99 }));
        let mut model = sample();
        let weight = &mut model.graph.as_mut().unwrap().initializer[0];
        weight.data_location = Some(1);
        weight.external_data =
            vec![StringStringEntryProto { key: Some("location".into()), value: Some("w.bin".into()) }];
        let error = read(&write(&model)).unwrap_err().to_string();
        assert!(error.contains("w.bin") && error.contains("save_as_external_data"), "{error}");
    }
}
