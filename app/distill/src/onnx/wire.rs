//! Looks for fields that the specification does not know, before they would be lost in silence.
//!
//! `prost` drops what its messages have no place for. A network whose file carries such a field may mean something else
//! without it, so it is refused by name: message, field number, and the way there.

use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::OnnxError;

/// Nesting deeper than any network's: graphs within graphs.
const DEPTH_MAX: usize = 60;

/// Messages that are looked into. Those that are kept as bytes are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Type,
    TensorType,
    Shape,
    Dimension,
    Opset,
    Entry,
}

impl Message {
    fn name(self) -> &'static str {
        match self {
            Self::Model => "ModelProto",
            Self::Graph => "GraphProto",
            Self::Node => "NodeProto",
            Self::Attribute => "AttributeProto",
            Self::Tensor => "TensorProto",
            Self::ValueInfo => "ValueInfoProto",
            Self::Type => "TypeProto",
            Self::TensorType => "TypeProto.Tensor",
            Self::Shape => "TensorShapeProto",
            Self::Dimension => "TensorShapeProto.Dimension",
            Self::Opset => "OperatorSetIdProto",
            Self::Entry => "StringStringEntryProto",
        }
    }

    /// Numbers of the fields that are not looked into. Twin of the messages in [`super::proto`].
    const fn plain(self) -> &'static [u32] {
        match self {
            Self::Model => &[1, 2, 3, 4, 5, 6, 20, 25, 26],
            Self::Graph => &[2, 10, 14, 15],
            Self::Node => &[1, 2, 3, 4, 6, 7, 8, 10],
            Self::Attribute => &[1, 2, 3, 4, 7, 8, 9, 13, 14, 15, 20, 21, 22, 23],
            Self::Tensor => &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14],
            Self::ValueInfo => &[1, 3],
            Self::Type => &[4, 5, 6, 7, 8, 9],
            Self::TensorType => &[1],
            Self::Shape => &[],
            Self::Dimension => &[1, 2, 3],
            Self::Opset | Self::Entry => &[1, 2],
        }
    }

    /// Numbers of the fields that are messages, which are looked into.
    const fn inner(self) -> &'static [(u32, Self)] {
        match self {
            Self::Model => &[(7, Self::Graph), (8, Self::Opset), (14, Self::Entry)],
            Self::Graph => &[
                (1, Self::Node),
                (5, Self::Tensor),
                (11, Self::ValueInfo),
                (12, Self::ValueInfo),
                (13, Self::ValueInfo),
                (16, Self::Entry),
            ],
            Self::Node => &[(5, Self::Attribute), (9, Self::Entry)],
            Self::Attribute => &[(5, Self::Tensor), (6, Self::Graph), (10, Self::Tensor), (11, Self::Graph)],
            Self::Tensor => &[(13, Self::Entry), (16, Self::Entry)],
            Self::ValueInfo => &[(2, Self::Type), (4, Self::Entry)],
            Self::Type => &[(1, Self::TensorType)],
            Self::TensorType => &[(2, Self::Shape)],
            Self::Shape => &[(1, Self::Dimension)],
            Self::Dimension | Self::Opset | Self::Entry => &[],
        }
    }
}

/// Refuses `bytes`, a `message`, where they hold a field the specification does not know, or are no such message.
pub(super) fn check(bytes: &[u8], message: Message) -> Result<(), OnnxError> {
    walk(bytes, message, 0)
}

fn walk(mut bytes: &[u8], message: Message, depth: usize) -> Result<(), OnnxError> {
    let damaged = |error: &dyn std::fmt::Display| OnnxError::Damaged { reason: format!("{}: {error}", message.name()) };
    if depth > DEPTH_MAX {
        return Err(damaged(&format!("messages nested deeper than {DEPTH_MAX}")));
    }
    while bytes.has_remaining() {
        let (number, wire) = decode_key(&mut bytes).map_err(|e| damaged(&e))?;
        let inner = message.inner().iter().find(|(known, _)| *known == number).map(|(_, inner)| *inner);
        if inner.is_none() && !message.plain().contains(&number) {
            return Err(OnnxError::UnknownField { message: message.name(), number });
        }
        match inner {
            Some(inner) if wire == WireType::LengthDelimited => {
                let length = decode_varint(&mut bytes).map_err(|e| damaged(&e))?;
                let split = usize::try_from(length).ok().and_then(|length| bytes.split_at_checked(length));
                let Some((part, rest)) = split else {
                    let missing = length.saturating_sub(bytes.len() as u64);
                    return Err(damaged(&format!("{missing} bytes of its {} are missing", inner.name())));
                };
                walk(part, inner, depth + 1)?;
                bytes = rest;
            }
            _ => skip_field(wire, number, &mut bytes, DecodeContext::default()).map_err(|e| damaged(&e))?,
        }
    }
    Ok(())
}
