//! Ouster's packet profiles: where in a pixel's bytes each field lies. The legacy layout and all profiles up to firmware 3.2.

use crate::lidar::bytes::{u8_at, u16_at, u32_at};

/// Where a range lies: its byte, its bits, and what a count is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RangeField {
    at: usize,
    bits: u32,
    /// Millimetres as a power of two.
    shift: u32,
}

/// A profile's layout of one pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// Its name in the metadata.
    pub name: &'static str,
    /// Bytes of one pixel.
    pub pixel_bytes: usize,
    /// By return: where its range, and the byte of its reflectivity, lie.
    returns: &'static [(RangeField, usize)],
    /// Byte and mask of the flags; they end at the byte's top.
    flags: (usize, u8),
    signal_at: Option<usize>,
    near_ir: NearIr,
    /// Firmware before 2.0: no packet header, a status word behind each column.
    pub legacy: bool,
    /// The header of functional safety (32-bit frame numbers) whatever the metadata says.
    pub fusa: bool,
}

/// How the light that was there anyway is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NearIr {
    None,
    /// 16 bits at this byte.
    Wide(usize),
    /// 8 bits at this byte, worth 16 counts each.
    Narrow(usize),
}

const fn wide(at: usize, reflectivity_at: usize) -> (RangeField, usize) {
    (RangeField { at, bits: 19, shift: 0 }, reflectivity_at)
}

const fn narrow(at: usize, reflectivity_at: usize) -> (RangeField, usize) {
    (RangeField { at, bits: 15, shift: 3 }, reflectivity_at)
}

const LEGACY_RETURN: (RangeField, usize) = (RangeField { at: 0, bits: 20, shift: 0 }, 4);

/// A profile of the current packet format with flags beside a 19-bit range.
const fn current(name: &'static str, pixel_bytes: usize, returns: &'static [(RangeField, usize)]) -> Profile {
    Profile {
        name,
        pixel_bytes,
        returns,
        flags: (2, 0xF8),
        signal_at: None,
        near_ir: NearIr::None,
        legacy: false,
        fusa: false,
    }
}

/// A profile of 15-bit ranges.
const fn low_rate(name: &'static str, pixel_bytes: usize, returns: &'static [(RangeField, usize)]) -> Profile {
    Profile { flags: (1, 0x80), near_ir: NearIr::Narrow(3), ..current(name, pixel_bytes, returns) }
}

/// All that are known.
pub const PROFILES: [Profile; 14] = [
    Profile {
        flags: (3, 0xF0),
        signal_at: Some(6),
        near_ir: NearIr::Wide(8),
        legacy: true,
        ..current("LEGACY", 12, &[LEGACY_RETURN])
    },
    Profile { signal_at: Some(6), near_ir: NearIr::Wide(8), ..current("RNG19_RFL8_SIG16_NIR16", 12, &[wide(0, 4)]) },
    Profile {
        signal_at: Some(8),
        near_ir: NearIr::Wide(12),
        ..current("RNG19_RFL8_SIG16_NIR16_DUAL", 16, &[wide(0, 3), wide(4, 7)])
    },
    low_rate("RNG15_RFL8_NIR8", 4, &[narrow(0, 2)]),
    low_rate("RNG15_RFL8_NIR8_DUAL", 8, &[narrow(0, 2), narrow(4, 6)]),
    Profile { fusa: true, ..low_rate("FUSA_RNG15_RFL8_NIR8_DUAL", 8, &[narrow(0, 2), narrow(4, 6)]) },
    Profile { near_ir: NearIr::None, ..low_rate("RNG15_RFL8_WIN8", 4, &[narrow(0, 2)]) },
    low_rate("RNG15_RFL8_NIR8_ZONE16", 8, &[narrow(0, 2)]),
    Profile {
        signal_at: Some(6),
        near_ir: NearIr::Wide(8),
        ..current("RNG19_RFL8_SIG16_NIR16_ZONE16", 12, &[wide(0, 4)])
    },
    Profile { signal_at: Some(8), ..current("RNG19_RFL8_SIG16_ZONE16_DUAL", 16, &[wide(0, 3), wide(4, 7)]) },
    Profile {
        signal_at: Some(4),
        near_ir: NearIr::Wide(6),
        ..current("RNG19_RFL8_SIG16_NIR16_RGB16", 16, &[wide(0, 3)])
    },
    Profile {
        signal_at: Some(8),
        near_ir: NearIr::Wide(12),
        ..current("RNG19_RFL8_SIG16_NIR16_RGB16_DUAL", 20, &[wide(0, 3), wide(4, 7)])
    },
    Profile {
        signal_at: Some(8),
        near_ir: NearIr::Wide(12),
        ..current("FIVE_WORD_PIXEL", 20, &[wide(0, 3), wide(4, 7)])
    },
    Profile {
        signal_at: Some(8),
        near_ir: NearIr::Wide(12),
        ..current("PROFILE_FIVE_WORD_PIXEL", 20, &[wide(0, 3), wide(4, 7)])
    },
];

/// One pixel's measurement.
#[derive(Debug, Clone, Copy)]
pub struct Pixel<'a> {
    profile: &'a Profile,
    bytes: &'a [u8],
}

impl Profile {
    /// The profile of that name.
    pub fn named(name: &str) -> Option<Self> {
        PROFILES.into_iter().find(|p| p.name == name)
    }

    /// The pixel in `bytes`.
    pub fn pixel<'a>(&'a self, bytes: &'a [u8]) -> Pixel<'a> {
        Pixel { profile: self, bytes }
    }
}

impl Pixel<'_> {
    /// Its bytes as sent.
    pub fn bytes(&self) -> &[u8] {
        self.bytes
    }

    /// How many returns it may have.
    pub fn returns(&self) -> usize {
        self.profile.returns.len()
    }

    /// Range in millimetres and reflectivity of a return; range 0 where nothing came back.
    pub fn range_and_reflectivity(&self, of_return: usize) -> (u32, u8) {
        let Some((range, reflectivity_at)) = self.profile.returns.get(of_return) else { return (0, 0) };
        // Ranges fill less than 32 bits; where a pixel has only so many bytes, they are at its beginning.
        let counts = u32_at(self.bytes, range.at) & ((1 << range.bits) - 1);
        (counts << range.shift, u8_at(self.bytes, *reflectivity_at))
    }

    /// Photons of the first return; `None` where the profile leaves them out.
    pub fn signal(&self) -> Option<u16> {
        self.profile.signal_at.map(|at| u16_at(self.bytes, at))
    }

    /// Light that was there without the laser; `None` where the profile leaves it out.
    pub fn near_ir(&self) -> Option<u16> {
        match self.profile.near_ir {
            NearIr::None => None,
            NearIr::Wide(at) => Some(u16_at(self.bytes, at)),
            NearIr::Narrow(at) => Some(u16::from(u8_at(self.bytes, at)) << 4),
        }
    }

    /// Flags of the first return.
    pub fn flags(&self) -> u8 {
        let (at, mask) = self.profile.flags;
        (u8_at(self.bytes, at) & mask) >> mask.trailing_zeros()
    }
}
