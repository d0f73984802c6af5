//! Reading CDR, the encoding of ROS 2 messages (OMG DDSI-RTPS 10.2 for the encapsulation, CORBA CDR for the body).
//!
//! Bytes in, values out; borrows strings and byte sequences. Little and big endian, alignment from the end of the four
//! bytes of encapsulation, at most 8 (4 in XCDR2). Every length is checked against what is there before anything is
//! allocated. Parameter lists and delimited bodies (mutable and appendable types) are refused by name: ROS 2 writes none.

use super::fault::Fault;

/// A cursor over one message.
#[derive(Debug, Clone)]
pub(crate) struct Cdr<'a> {
    body: &'a [u8],
    at: usize,
    little: bool,
    align_max: usize,
}

/// Bytes of the encapsulation: two of representation, two of options.
const ENCAPSULATION_BYTES: usize = 4;

macro_rules! number {
    ($name:ident, $type:ty, $bytes:literal) => {
        /// The number at its alignment.
        pub(crate) fn $name(&mut self, what: &str) -> Result<$type, Fault> {
            let bytes: [u8; $bytes] = self.array(what)?;
            Ok(if self.little { <$type>::from_le_bytes(bytes) } else { <$type>::from_be_bytes(bytes) })
        }
    };
}

impl<'a> Cdr<'a> {
    /// Begins at the encapsulation of `message`.
    pub(crate) fn new(message: &'a [u8]) -> Result<Self, Fault> {
        let Some((head, body)) = message.split_at_checked(ENCAPSULATION_BYTES) else {
            return Err(Fault::truncated("encapsulation", "the 4 bytes of a CDR encapsulation", message.len()));
        };
        let (little, align_max) = match (head[0], head[1]) {
            (0, 0) => (false, 8),
            (0, 1) => (true, 8),
            (0, 6) => (false, 4),
            (0, 7) => (true, 4),
            (a, b) => {
                let expected = "plain CDR (00 00 or 00 01) or XCDR2 (00 06 or 00 07)";
                return Err(Fault::value("encapsulation", expected, format!("{a:02X} {b:02X}")));
            }
        };
        Ok(Self { body, at: 0, little, align_max })
    }

    fn align(&mut self, bytes: usize) {
        self.at = self.at.next_multiple_of(bytes.min(self.align_max));
    }

    fn take(&mut self, bytes: usize, what: &str) -> Result<&'a [u8], Fault> {
        let end = self.at.checked_add(bytes);
        let slice = end.and_then(|end| self.body.get(self.at..end)).ok_or_else(|| {
            let at = self.at.saturating_add(ENCAPSULATION_BYTES);
            Fault::truncated(what, format!("{bytes} bytes at byte {at}"), self.body.len() + ENCAPSULATION_BYTES)
        })?;
        self.at += bytes;
        Ok(slice)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Fault> {
        self.align(N);
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N, what)?);
        Ok(bytes)
    }

    number!(u8, u8, 1);
    number!(i32, i32, 4);
    number!(u32, u32, 4);
    number!(f64, f64, 8);

    /// A boolean of one byte.
    pub(crate) fn boolean(&mut self, what: &str) -> Result<bool, Fault> {
        Ok(self.u8(what)? != 0)
    }

    /// A string: its length with the closing zero, then its bytes.
    pub(crate) fn string(&mut self, what: &str) -> Result<&'a str, Fault> {
        let length = self.u32(what)? as usize;
        let bytes = self.take(length, what)?;
        let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
        std::str::from_utf8(bytes).map_err(|e| Fault::value(what, "UTF-8 text", e.to_string()))
    }

    /// A sequence of bytes.
    pub(crate) fn bytes(&mut self, what: &str) -> Result<&'a [u8], Fault> {
        let length = self.u32(what)? as usize;
        self.take(length, what)
    }

    /// A fixed array of bytes.
    pub(crate) fn octets(&mut self, bytes: usize, what: &str) -> Result<&'a [u8], Fault> {
        self.take(bytes, what)
    }

    /// A sequence's length, checked against the least its elements can take, so that it may be allocated for.
    pub(crate) fn length(&mut self, element_bytes_min: usize, what: &str) -> Result<usize, Fault> {
        let length = self.u32(what)? as usize;
        let there = self.body.len().saturating_sub(self.at);
        if length.saturating_mul(element_bytes_min) > there {
            let expected = format!("{length} elements of at least {element_bytes_min} bytes, {there} bytes are left");
            return Err(Fault::truncated(what, expected, self.body.len() + ENCAPSULATION_BYTES));
        }
        Ok(length)
    }

    /// A sequence of f64.
    pub(crate) fn f64_sequence(&mut self, what: &str) -> Result<Vec<f64>, Fault> {
        let length = self.length(8, what)?;
        (0..length).map(|_| self.f64(what)).collect()
    }

    /// A fixed array of f64.
    pub(crate) fn f64_array<const N: usize>(&mut self, what: &str) -> Result<[f64; N], Fault> {
        let mut values = [0.0; N];
        for value in &mut values {
            *value = self.f64(what)?;
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alignment_counts_from_the_body_and_both_orders_read_the_same() {
        // A byte, a string at 4, a double at 16.
        let mut little = vec![0, 1, 0, 0, 7, 9, 9, 9, 2, 0, 0, 0, b'a', 0, 9, 9, 9, 9, 9, 9];
        little.extend(1.5_f64.to_le_bytes());
        let mut big = vec![0, 0, 0, 0, 7, 9, 9, 9, 0, 0, 0, 2, b'a', 0, 9, 9, 9, 9, 9, 9];
        big.extend(1.5_f64.to_be_bytes());
        for message in [little, big] {
            let mut cdr = Cdr::new(&message).unwrap();
            assert_eq!(cdr.u8("a").unwrap(), 7);
            assert_eq!(cdr.string("b").unwrap(), "a");
            assert_eq!(cdr.f64("c").unwrap(), 1.5);
            assert!(cdr.u8("d").is_err());
        }
    }

    #[test]
    fn xcdr2_aligns_eight_byte_numbers_to_four() {
        let mut message = vec![0, 7, 0, 0, 1, 0, 0, 0];
        message.extend(2.5_f64.to_le_bytes());
        let mut cdr = Cdr::new(&message).unwrap();
        assert_eq!(cdr.u32("a").unwrap(), 1);
        assert_eq!(cdr.f64("b").unwrap(), 2.5);
    }

    #[test]
    fn lengths_that_lie_are_refused_before_anything_is_allocated() {
        let message = [0, 1, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2];
        assert!(Cdr::new(&message).unwrap().bytes("data").is_err());
        assert!(Cdr::new(&message).unwrap().string("text").is_err());
        let fault = Cdr::new(&message).unwrap().f64_sequence("d").unwrap_err();
        let error = fault.at("file".into());
        assert!(error.to_string().contains("4294967295") && error.to_string().contains("(d)"), "{error}");
        assert_eq!(error.reason(), "truncated");
    }

    #[test]
    fn other_encapsulations_are_named() {
        let fault = Cdr::new(&[0, 3, 0, 0]).unwrap_err();
        assert!(fault.to_string().contains("00 03"), "{fault}");
        assert!(Cdr::new(&[0]).is_err());
    }
}
