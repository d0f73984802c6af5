//! Numbers out of packets: little-endian, and nothing beyond the packet's end is ever read.

/// `N` bytes at `at`; zeros beyond the end, which the parsers' checks of length exclude.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    if let Some(there) = at.checked_add(N).and_then(|end| bytes.get(at..end)) {
        out.copy_from_slice(there);
    }
    out
}

/// The byte at `at`.
pub(super) fn u8_at(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

/// The 16-bit number at `at`.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

/// The 32-bit number at `at`.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

/// The signed 32-bit number at `at`.
pub(super) fn i32_at(bytes: &[u8], at: usize) -> i32 {
    i32::from_le_bytes(array(bytes, at))
}

/// The signed 16-bit number at `at`.
pub(super) fn i16_at(bytes: &[u8], at: usize) -> i16 {
    i16::from_le_bytes(array(bytes, at))
}

/// The 64-bit number at `at`.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_beyond_the_end() {
        let bytes = [1, 2, 3, 4];
        assert_eq!((u16_at(&bytes, 2), u32_at(&bytes, 0)), (0x0403, 0x0403_0201));
        assert_eq!((u16_at(&bytes, 3), u32_at(&bytes, 1), u64_at(&bytes, 0), u8_at(&bytes, 4)), (0, 0, 0, 0));
        assert_eq!(u16_at(&bytes, usize::MAX), 0);
    }
}
