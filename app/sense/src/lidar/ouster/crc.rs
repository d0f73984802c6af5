//! CRC-64/XZ (ECMA-182, reflected), with which firmware 3.2 and later closes its packets. Eight bytes a step.

/// The polynomial 42F0E1EBA9EA3693 with its bits reversed.
const POLYNOMIAL: u64 = 0xC96C_5795_D787_0F42;

/// `TABLES[k][b]`: what byte `b` does to the sum when `k` bytes follow it in the step.
static TABLES: [[u64; 256]; 8] = tables();

const fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ POLYNOMIAL } else { sum >> 1 };
            bit += 1;
        }
        tables[0][byte] = sum;
        byte += 1;
    }
    let mut follow = 1;
    while follow < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[follow - 1][byte];
            tables[follow][byte] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        follow += 1;
    }
    tables
}

/// The sum of `bytes`.
pub(super) fn crc64(bytes: &[u8]) -> u64 {
    let (steps, rest) = bytes.as_chunks::<8>();
    let mut sum = u64::MAX;
    for step in steps {
        let mixed = (sum ^ u64::from_le_bytes(*step)).to_le_bytes();
        sum = 0;
        for (table, byte) in TABLES.iter().rev().zip(mixed) {
            sum ^= table[usize::from(byte)];
        }
    }
    for byte in rest {
        sum = (sum >> 8) ^ TABLES[0][usize::from(sum as u8 ^ byte)];
    }
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_catalogue() {
        assert_eq!(crc64(b"123456789"), 0x995D_C9BB_DF19_39FA);
        assert_eq!(crc64(b""), 0);
    }
}
