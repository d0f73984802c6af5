//! Short ways to make and ask nodes, attributes, values and models.

use super::proto::{
    AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, attribute_type,
};

/// The format version of the files made here: of ONNX 1.13, so that runtimes some years old read them.
pub const IR_VERSION: i64 = 8;

impl NodeProto {
    /// A node of ONNX's own operator set, named after its first output.
    pub fn new(op: &str, inputs: &[&str], outputs: &[&str]) -> Self {
        Self {
            input: inputs.iter().map(|s| (*s).to_owned()).collect(),
            output: outputs.iter().map(|s| (*s).to_owned()).collect(),
            name: outputs.first().map(|s| format!("{op}_{s}")),
            op_type: Some(op.to_owned()),
            ..Self::default()
        }
    }

    /// With a whole number as attribute.
    #[must_use]
    pub fn with_int(mut self, name: &str, value: i64) -> Self {
        let attribute =
            AttributeProto { i: Some(value), r#type: Some(attribute_type::INT), ..AttributeProto::default() };
        self.set(name, attribute);
        self
    }

    /// With a number as attribute.
    #[must_use]
    pub fn with_float(mut self, name: &str, value: f32) -> Self {
        let attribute =
            AttributeProto { f: Some(value), r#type: Some(attribute_type::FLOAT), ..AttributeProto::default() };
        self.set(name, attribute);
        self
    }

    /// With whole numbers as attribute.
    #[must_use]
    pub fn with_ints(mut self, name: &str, values: &[i64]) -> Self {
        let attribute =
            AttributeProto { ints: values.to_vec(), r#type: Some(attribute_type::INTS), ..AttributeProto::default() };
        self.set(name, attribute);
        self
    }

    /// With text as attribute.
    #[must_use]
    pub fn with_text(mut self, name: &str, value: &str) -> Self {
        let attribute = AttributeProto {
            s: Some(value.as_bytes().to_vec()),
            r#type: Some(attribute_type::STRING),
            ..AttributeProto::default()
        };
        self.set(name, attribute);
        self
    }

    fn set(&mut self, name: &str, attribute: AttributeProto) {
        self.attribute.retain(|a| a.name() != name);
        self.attribute.push(AttributeProto { name: Some(name.to_owned()), ..attribute });
    }

    /// Whether it is `op` of ONNX's own operator set.
    pub fn is(&self, op: &str) -> bool {
        self.op_type() == op && self.domain().is_empty()
    }

    /// The attribute called `name`.
    pub fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.attribute.iter().find(|a| a.name() == name)
    }

    /// A whole number among its attributes.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.attribute(name)?.i
    }

    /// A number among its attributes.
    pub fn float(&self, name: &str) -> Option<f32> {
        self.attribute(name)?.f
    }

    /// Whole numbers among its attributes.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|a| a.ints.as_slice())
    }

    /// Whether it has a graph of its own (If, Loop, Scan).
    pub fn has_body(&self) -> bool {
        self.attribute.iter().any(|a| a.g.is_some() || !a.graphs.is_empty())
    }

    /// What it is called in messages: its name, or its first output where it has none.
    pub fn label(&self) -> &str {
        match self.name() {
            "" => self.output.first().map_or("", String::as_str),
            name => name,
        }
    }
}

impl ValueInfoProto {
    /// A tensor of a known or half-known shape.
    pub fn tensor(name: &str, element: i32, shape: &[Option<usize>]) -> Self {
        let dim = |d: &Option<usize>| DimensionProto { dim_value: d.map(|d| d as i64), ..DimensionProto::default() };
        let shape = TensorShapeProto { dim: shape.iter().map(dim).collect() };
        let tensor = TensorTypeProto { elem_type: Some(element), shape: Some(shape) };
        let r#type = Some(TypeProto { tensor_type: Some(tensor), ..TypeProto::default() });
        Self { name: Some(name.to_owned()), r#type, ..Self::default() }
    }

    /// A value whose type the runtime infers.
    pub fn untyped(name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..Self::default() }
    }

    /// Its element type, 0 where it is no tensor.
    pub fn element(&self) -> i32 {
        self.r#type.as_ref().and_then(|t| t.tensor_type.as_ref()).map_or(0, TensorTypeProto::elem_type)
    }

    /// Its number of dimensions, where it is known.
    pub fn rank(&self) -> Option<usize> {
        Some(self.r#type.as_ref()?.tensor_type.as_ref()?.shape.as_ref()?.dim.len())
    }
}

impl GraphProto {
    /// The initializer called `name`.
    pub fn initializer(&self, name: &str) -> Option<&TensorProto> {
        self.initializer.iter().find(|t| t.name() == name)
    }
}

impl ModelProto {
    /// A file around `graph`, for operator set `opset`, written by us.
    pub fn new(graph: GraphProto, opset: i64) -> Self {
        Self {
            ir_version: Some(IR_VERSION),
            producer_name: Some("ocellus".to_owned()),
            producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            graph: Some(graph),
            opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(opset) }],
            ..Self::default()
        }
    }

    /// Version of ONNX's own operator set; 0 where the file names none.
    pub fn opset(&self) -> i64 {
        let own = |o: &&OperatorSetIdProto| matches!(o.domain(), "" | "ai.onnx");
        self.opset_import.iter().find(own).map_or(0, OperatorSetIdProto::version)
    }

    /// The metadata value of `key`.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata_props.iter().find(|e| e.key() == key).map(StringStringEntryProto::value)
    }

    /// Sets the metadata value of `key`.
    pub fn set_metadata(&mut self, key: &str, value: &str) {
        self.metadata_props.retain(|e| e.key() != key);
        let entry = StringStringEntryProto { key: Some(key.to_owned()), value: Some(value.to_owned()) };
        self.metadata_props.push(entry);
    }
}
