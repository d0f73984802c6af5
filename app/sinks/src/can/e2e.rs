//! AUTOSAR end-to-end protection, profile 1, variant A: byte 0 the checksum, the low half of byte 1 the counter, both bytes
//! of the data identifier in the checksum.
//!
//! The checksum has the polynomial of CRC-8 SAE J1850 with start and final value 0, as the profile asks for
//! (PRS_E2EProtocol, profile 1), over the data identifier (low byte, high byte) and all bytes after the checksum.

/// x^8 + x^4 + x^3 + x^2 + 1.
const POLYNOMIAL: u8 = 0x1D;
/// The counter runs from 0 to this; 15 would mean an error.
pub const COUNTER_MAX: u8 = 14;

fn crc8(start: u8, bytes: impl IntoIterator<Item = u8>) -> u8 {
    bytes.into_iter().fold(start, |crc, byte| {
        (0..8).fold(crc ^ byte, |c, _| if c & 0x80 != 0 { (c << 1) ^ POLYNOMIAL } else { c << 1 })
    })
}

/// CRC-8 SAE J1850 as catalogues list it: start and final value 0xFF.
pub fn crc8_sae_j1850(bytes: &[u8]) -> u8 {
    crc8(0xFF, bytes.iter().copied()) ^ 0xFF
}

/// Writes counter and checksum into a message whose signals are in place.
pub fn protect(data: &mut [u8; 8], data_id: u16, counter: u8) {
    let [checksum, second, ..] = data;
    *second = (*second & 0xF0) | counter.min(COUNTER_MAX);
    *checksum = 0;
    let rest = data.iter().copied().skip(1);
    let sum = crc8(0, data_id.to_le_bytes().into_iter().chain(rest));
    if let Some(checksum) = data.first_mut() {
        *checksum = sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_published_one() {
        // The check value of CRC-8/SAE-J1850, and AUTOSAR's own examples of that CRC.
        assert_eq!(crc8_sae_j1850(b"123456789"), 0x4B);
        assert_eq!(crc8_sae_j1850(&[0, 0, 0, 0]), 0x59);
        assert_eq!(crc8_sae_j1850(&[0xF2, 0x01, 0x83]), 0x37);
        assert_eq!(crc8_sae_j1850(&[0x0F, 0xAA, 0x00, 0x55]), 0x79);
        assert_eq!(crc8_sae_j1850(&[0x00, 0xFF, 0x55, 0x11]), 0xB8);
        assert_eq!(crc8_sae_j1850(&[0xFF, 0xFF, 0xFF, 0xFF]), 0x74);
    }

    #[test]
    fn profile_1_protects_as_the_specification_s_example() {
        // Data identifier 0x123, eight bytes of zeros, counters 0 to 2.
        for (counter, expected) in [(0, [0xCC, 0]), (1, [0x91, 1]), (2, [0x76, 2])] {
            let mut data = [0u8; 8];
            protect(&mut data, 0x123, counter);
            assert_eq!(data[..2], expected);
        }
        let mut data = [0xFF; 8];
        protect(&mut data, 0x123, 14);
        assert_eq!(data[1], 0xFE, "the upper half of byte 1 belongs to the signals");
    }
}
