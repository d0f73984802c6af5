//! Signals in bytes: the twin of `launch/ocellus.dbc`, little-endian throughout. A test decodes what is written here with an
//! independent reader of that file.

use ocellus_percept::report::{Object, Risk, SensorState};

use super::e2e::protect;

/// Obstacles that a cycle lists, most urgent first.
pub const OBJECT_SLOTS: usize = 8;

/// Offsets of the messages from the base identifier: state, nearest, then the slots of the list from 16 on.
const STATE: u16 = 0;
const NEAREST: u16 = 1;
const OBJECT_FIRST: u16 = 16;

/// A code of its own for what is not known: all ones of an unsigned signal, the least of a signed one.
const RISK_UNKNOWN: u64 = 7;
const CLASS_EMPTY: u64 = 15;
const SLOT_NONE: u64 = 15;

/// One frame for the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CanFrame {
    /// Its 11-bit identifier.
    pub id: u16,
    /// Its bytes.
    pub data: [u8; 8],
}

/// What the state message says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct State {
    /// Whether anything in this cycle is to be believed.
    pub valid: bool,
    /// The highest risk listed.
    pub risk: Option<Risk>,
    /// State of the sensor that made the newest report; `None` before the first.
    pub sensor: Option<SensorState>,
    /// Obstacles in the newest report.
    pub objects: usize,
    /// Age of the newest report, seconds.
    pub age_s: f64,
    /// Sensor time of the newest report, milliseconds within its minute.
    pub clock_ms: u16,
}

/// Identifiers and the counter of a cycle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cycle {
    /// Identifier of the state message.
    pub base_id: u16,
    /// The cycle's counter.
    pub counter: u8,
    /// Whether its content is to be believed.
    pub valid: bool,
}

impl Cycle {
    fn frame(&self, offset: u16, mut data: Bits) -> CanFrame {
        let id = self.base_id + offset;
        data.put(12, 1, u64::from(self.valid));
        // The identifier serves as data identifier, too: both are unique on the bus.
        protect(&mut data.bytes, id, self.counter);
        CanFrame { id, data: data.bytes }
    }

    pub(super) fn state(&self, state: &State) -> CanFrame {
        let mut data = Bits::default();
        data.put(13, 3, risk_code(state.risk));
        data.put(16, 3, state.sensor.map_or(7, sensor_code));
        data.put(24, 8, state.objects.min(255) as u64);
        data.put_unsigned(32, 16, Some(state.age_s), 0.001);
        data.put(48, 16, state.clock_ms.into());
        self.frame(STATE, data)
    }

    pub(super) fn nearest(&self, nearest: Option<(usize, &Object)>, age_s: f64) -> CanFrame {
        let mut data = Bits::default();
        let object = nearest.map(|(_, object)| object);
        data.put(13, 3, risk_code(object.and_then(|o| o.risk)));
        data.put_unsigned(16, 12, object.and_then(|o| o.gap_m), 0.05);
        data.put_signed(28, 12, object.and_then(closing_mps), 0.05);
        data.put_unsigned(40, 8, object.and_then(|o| o.ttc_s), 0.1);
        data.put_unsigned(48, 8, Some(age_s), 0.01);
        data.put(56, 4, object.map_or(CLASS_EMPTY, class_code));
        data.put(60, 4, nearest.map_or(SLOT_NONE, |(slot, _)| slot as u64));
        self.frame(NEAREST, data)
    }

    pub(super) fn object(&self, slot: usize, object: Option<&Object>) -> CanFrame {
        let mut data = Bits::default();
        data.put(13, 3, risk_code(object.and_then(|o| o.risk)));
        // Ids are never used again within a run; their low byte tells eight obstacles apart.
        data.put(16, 8, object.map_or(0, |o| o.track & 0xFF));
        data.put_signed(24, 12, object.and_then(|o| o.position_m).map(|p| p[0]), 0.05);
        data.put_signed(36, 10, object.and_then(|o| o.position_m).map(|p| p[1]), 0.1);
        data.put_signed(46, 10, object.and_then(closing_mps), 0.2);
        data.put(56, 4, object.map_or(CLASS_EMPTY, class_code));
        self.frame(OBJECT_FIRST + slot as u16, data)
    }
}

/// Rate at which an obstacle comes nearer along the vehicle's axis.
fn closing_mps(object: &Object) -> Option<f64> {
    object.velocity_rel_mps.map(|v| -v[0])
}

fn risk_code(risk: Option<Risk>) -> u64 {
    match risk {
        None => RISK_UNKNOWN,
        Some(Risk::Clear) => 0,
        Some(Risk::Watch) => 1,
        Some(Risk::Warn) => 2,
        Some(Risk::Critical) => 3,
    }
}

fn sensor_code(state: SensorState) -> u64 {
    match state {
        SensorState::Fresh => 0,
        SensorState::Late => 1,
        SensorState::Stale => 2,
        SensorState::Blind => 3,
    }
}

fn class_code(object: &Object) -> u64 {
    match object.class.as_str() {
        "unknown" => 0,
        "person" | "pedestrian" | "person_sitting" | "rider" => 1,
        "bicycle" | "cyclist" => 2,
        "car" => 3,
        "motorcycle" => 4,
        "bus" => 5,
        "truck" | "van" => 6,
        "train" | "tram" => 7,
        "dog" | "cat" | "horse" | "cow" | "sheep" => 8,
        _ => 14,
    }
}

/// Eight bytes, signals put in by their first bit.
#[derive(Debug, Clone, Copy, Default)]
struct Bits {
    bytes: [u8; 8],
}

impl Bits {
    /// Puts the low `len` bits of `raw` at bit `start`.
    fn put(&mut self, start: u32, len: u32, raw: u64) {
        let mask = (1u64 << len) - 1;
        let all = u64::from_le_bytes(self.bytes);
        self.bytes = ((all & !(mask << start)) | ((raw & mask) << start)).to_le_bytes();
    }

    /// A value of 0 or more; all ones where it is not known, one less where it is too large.
    fn put_unsigned(&mut self, start: u32, len: u32, value: Option<f64>, step: f64) {
        let unknown = (1u64 << len) - 1;
        let raw = value.filter(|v| v.is_finite()).map(|v| ((v / step).round().max(0.0) as u64).min(unknown - 1));
        self.put(start, len, raw.unwrap_or(unknown));
    }

    /// A value of either sign; the least of all where it is not known, clamped to the others.
    fn put_signed(&mut self, start: u32, len: u32, value: Option<f64>, step: f64) {
        let most = (1i64 << (len - 1)) - 1;
        let raw = value.filter(|v| v.is_finite()).map(|v| ((v / step).round() as i64).clamp(-most, most));
        self.put(start, len, raw.unwrap_or(-most - 1) as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_keep_to_their_bits_and_unknown_has_its_own_code() {
        let mut bits = Bits { bytes: [0xFF; 8] };
        bits.put(12, 1, 0);
        assert_eq!(bits.bytes[1], 0xEF);
        let mut bits = Bits::default();
        bits.put_unsigned(16, 12, Some(1e9), 0.05);
        bits.put_signed(28, 12, Some(-1e9), 0.05);
        assert_eq!(u64::from_le_bytes(bits.bytes) >> 16 & 0xFFF, 4094);
        assert_eq!(u64::from_le_bytes(bits.bytes) >> 28 & 0xFFF, 0x801);
        bits.put_unsigned(16, 12, None, 0.05);
        bits.put_signed(28, 12, Some(f64::NAN), 0.05);
        assert_eq!(u64::from_le_bytes(bits.bytes) >> 16, 0x80_0FFF);
    }
}
