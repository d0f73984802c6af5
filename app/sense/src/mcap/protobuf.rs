//! Reading the Protocol Buffers wire format: fields of one message in order, borrowed.
//!
//! Which field means what is the schemas' (`foxglove`) business. Groups, which nothing writes any more, are refused.

use super::fault::Fault;

/// The value of a field by its wire type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2: bytes, text, a message, or packed numbers.
    Bytes(&'a [u8]),
    /// Wire type 5.
    Fixed32(u32),
}

impl<'a> Value<'a> {
    /// The bytes of a field of wire type 2.
    pub(crate) fn bytes(self, what: &str) -> Result<&'a [u8], Fault> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            other => Err(Fault::value(what, "bytes", format!("{other:?}"))),
        }
    }

    /// Text.
    pub(crate) fn text(self, what: &str) -> Result<&'a str, Fault> {
        std::str::from_utf8(self.bytes(what)?).map_err(|e| Fault::value(what, "UTF-8 text", e.to_string()))
    }

    /// A double.
    pub(crate) fn f64(self, what: &str) -> Result<f64, Fault> {
        match self {
            Self::Fixed64(bits) => Ok(f64::from_bits(bits)),
            other => Err(Fault::value(what, "a double", format!("{other:?}"))),
        }
    }

    /// An unsigned number of 32 bits, fixed or varint.
    pub(crate) fn u32(self, what: &str) -> Result<u32, Fault> {
        let value = match self {
            Self::Fixed32(value) => return Ok(value),
            Self::Varint(value) | Self::Fixed64(value) => value,
            Self::Bytes(_) => return Err(Fault::value(what, "a number", "bytes")),
        };
        u32::try_from(value).map_err(|_| Fault::value(what, "a number of 32 bits", value.to_string()))
    }

    /// A signed number as a varint.
    pub(crate) fn i64(self, what: &str) -> Result<i64, Fault> {
        match self {
            Self::Varint(value) => Ok(value.cast_signed()),
            other => Err(Fault::value(what, "a varint", format!("{other:?}"))),
        }
    }

    /// Appends a double, or all of a packed run of them.
    pub(crate) fn push_f64(self, what: &str, out: &mut Vec<f64>) -> Result<(), Fault> {
        if let Self::Bytes(bytes) = self {
            let (chunks, rest) = bytes.as_chunks::<8>();
            if !rest.is_empty() {
                return Err(Fault::value(what, "whole doubles", format!("{} bytes", bytes.len())));
            }
            out.extend(chunks.iter().map(|c| f64::from_le_bytes(*c)));
            return Ok(());
        }
        out.push(self.f64(what)?);
        Ok(())
    }
}

/// The fields of one message.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    /// Begins at the first field of `message`.
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { message, at: 0 }
    }

    fn short(&self, what: &str) -> Fault {
        Fault::truncated(&format!("byte {}", self.at), what, self.message.len())
    }

    fn take(&mut self, bytes: u64) -> Result<&'a [u8], Fault> {
        let end = usize::try_from(bytes).ok().and_then(|n| self.at.checked_add(n));
        let slice = end.and_then(|end| self.message.get(self.at..end));
        let slice = slice.ok_or_else(|| self.short(&format!("{bytes} bytes")))?;
        self.at += slice.len();
        Ok(slice)
    }

    fn varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0_u64;
        // 64 bits are at most ten groups of seven.
        for shift in (0..70).step_by(7) {
            let byte = *self.message.get(self.at).ok_or_else(|| self.short("a varint"))?;
            self.at += 1;
            value |= u64::from(byte & 0x7F).checked_shl(shift).unwrap_or(0);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Fault::value(format!("byte {}", self.at), "a varint of at most 10 bytes", "a longer one"))
    }

    fn field(&mut self) -> Result<(u32, Value<'a>), Fault> {
        let at = self.at;
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).unwrap_or(0);
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(to_array(self.take(8)?))),
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(to_array(self.take(4)?))),
            wire => return Err(Fault::value(format!("byte {at}"), "wire type 0, 1, 2 or 5", wire.to_string())),
        };
        if number == 0 {
            return Err(Fault::value(format!("byte {at}"), "a field number above 0", tag.to_string()));
        }
        Ok((number, value))
    }
}

/// `bytes`, which are `N`.
fn to_array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(bytes);
    out
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.message.len() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            // Nothing that follows a broken field can be told apart.
            self.at = self.message.len();
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_every_wire_type() {
        let message = [0x08, 0x96, 0x01, 0x12, 2, b'h', b'i', 0x1D, 1, 0, 0, 0, 0x21, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F];
        let fields: Vec<_> = Fields::new(&message).map(Result::unwrap).collect();
        assert_eq!(fields[0], (1, Value::Varint(150)));
        assert_eq!(fields[1].1.text("x").unwrap(), "hi");
        assert_eq!(fields[2], (3, Value::Fixed32(1)));
        assert_eq!(fields[3].1.f64("x").unwrap(), 1.0);
    }

    #[test]
    fn a_negative_number_is_a_varint_of_ten_bytes() {
        let message = [0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01];
        let (_, value) = Fields::new(&message).next().unwrap().unwrap();
        assert_eq!(value.i64("x").unwrap(), -1);
    }

    #[test]
    fn broken_fields_end_the_walk_with_an_error() {
        for message in [&[0x12, 0xFF, 0x01][..], &[0x0B], &[0x08], &[0xFF; 12], &[0x00, 0x00], &[0x21, 1, 2]] {
            let results: Vec<_> = Fields::new(message).collect();
            assert!(results.last().unwrap().is_err(), "{message:?}");
        }
    }
}
