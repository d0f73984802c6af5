//! Whether what a sensor gives shows anything, judged in the order of its frames; and what comes of those that do not.
//!
//! A blind sweep is lost: fusion goes on with the last that was seen, as long as that is young enough. A blind picture keeps its
//! way, so that it can be looked at, and no network is asked what is on it.

use ocellus_percept::blind::{BlindWatch, Blindness};

use super::frame::{Content, Item};
use super::notes::Notes;

/// The ledger's reason for a sweep that shows nothing.
const BLIND: &str = "blind";

/// Judges a prepared item of the sensor that `watch` follows. `None` of one that was lost before it could be looked at.
pub fn judge(watch: &mut BlindWatch, item: &mut Item) -> Option<Option<Blindness>> {
    let look = item.look?;
    let blind = watch.step(item.origin.t, &look);
    match &mut item.content {
        Content::Frame(frame) => {
            frame.blind = blind;
            frame.repeated = watch.repeats();
            if blind.is_some() {
                frame.inputs.clear();
                frame.parts = 0;
            }
        }
        Content::Sweep(_) if blind.is_some() => item.content = Content::Lost(BLIND),
        Content::Sweep(_) | Content::Lost(_) => {}
    }
    Some(blind)
}

/// Follows all sensors of a replay.
pub struct Watches {
    /// By run sensor: its name, its watch, and what was said of it last.
    sensors: Vec<(String, BlindWatch, Option<Blindness>)>,
    notes: Notes,
}

impl Watches {
    /// Watches that have seen nothing yet.
    pub fn new(sensors: impl IntoIterator<Item = String>, notes: Notes) -> Self {
        let sensors = sensors.into_iter().map(|name| (name, BlindWatch::default(), None)).collect();
        Self { sensors, notes }
    }

    /// Judges the next item, and says where its sensor has become blind.
    pub fn judge(&mut self, item: &mut Item) {
        let Some((name, watch, last)) = self.sensors.get_mut(item.origin.sensor) else { return };
        let Some(blind) = judge(watch, item) else { return };
        if let Some(why) = blind.filter(|_| *last != blind) {
            self.notes.say("blind", format!("{name}: its frames are {} from {} on", why.name(), item.origin.seq));
        }
        *last = blind;
    }
}
