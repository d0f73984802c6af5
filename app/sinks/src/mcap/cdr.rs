//! Writing CDR, little endian (OMG DDSI-RTPS 10.2 and CORBA CDR): what ROS 2 middleware writes on every usual machine.

/// A message being written.
#[derive(Debug, Default)]
pub(super) struct CdrWriter {
    bytes: Vec<u8>,
}

/// Representation CDR_LE, no options.
const ENCAPSULATION: [u8; 4] = [0, 1, 0, 0];

macro_rules! number {
    ($name:ident, $type:ty) => {
        /// The number at its alignment.
        pub(super) fn $name(&mut self, value: $type) -> &mut Self {
            self.align(size_of::<$type>());
            self.bytes.extend_from_slice(&value.to_le_bytes());
            self
        }
    };
}

impl CdrWriter {
    /// Begins a new message, keeping the allocation.
    pub(super) fn begin(&mut self) -> &mut Self {
        self.bytes.clear();
        self.bytes.extend_from_slice(&ENCAPSULATION);
        self
    }

    /// The message so far.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Padding counts from the end of the encapsulation.
    fn align(&mut self, bytes: usize) {
        let body = self.bytes.len() - ENCAPSULATION.len().min(self.bytes.len());
        let padding = body.next_multiple_of(bytes) - body;
        self.bytes.resize(self.bytes.len() + padding, 0);
    }

    number!(u8, u8);
    number!(i32, i32);
    number!(u32, u32);
    number!(f64, f64);

    /// A boolean of one byte.
    pub(super) fn boolean(&mut self, value: bool) -> &mut Self {
        self.u8(value.into())
    }

    /// A length; what does not fit 32 bits was refused before.
    pub(super) fn length(&mut self, length: usize) -> &mut Self {
        self.u32(u32::try_from(length).unwrap_or(u32::MAX))
    }

    /// A string with its closing zero.
    pub(super) fn string(&mut self, text: &str) -> &mut Self {
        self.length(text.len() + 1);
        self.bytes.extend_from_slice(text.as_bytes());
        self.u8(0)
    }

    /// A sequence of bytes.
    pub(super) fn byte_sequence(&mut self, bytes: &[u8]) -> &mut Self {
        self.length(bytes.len());
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// A sequence of `bytes` bytes that `fill` appends.
    pub(super) fn byte_sequence_with(&mut self, bytes: usize, fill: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        self.length(bytes);
        self.bytes.reserve(bytes);
        fill(&mut self.bytes);
        self
    }

    /// A fixed array of f64.
    pub(super) fn f64_array(&mut self, values: &[f64]) -> &mut Self {
        for value in values {
            self.f64(*value);
        }
        self
    }

    /// A sequence of f64.
    pub(super) fn f64_sequence(&mut self, values: &[f64]) -> &mut Self {
        self.length(values.len()).f64_array(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alignment_is_of_the_body() {
        let mut cdr = CdrWriter::default();
        cdr.begin().u8(7).string("a").f64(1.5);
        let mut expected = vec![0, 1, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0, b'a', 0, 0, 0, 0, 0, 0, 0];
        expected.extend(1.5_f64.to_le_bytes());
        assert_eq!(cdr.bytes(), expected);
        // A sequence's length is aligned, its elements too.
        cdr.begin().boolean(true).f64_sequence(&[2.0]);
        assert_eq!(cdr.bytes().len(), 4 + 4 + 4 + 8);
    }
}
