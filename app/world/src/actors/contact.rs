//! Who touches whom, and when: found once, when a world is made; those who touch stand still from then on.

use super::footprint::Footprint;
use super::{Actor, Ego};
use crate::road::Road;

/// Coarse step of the search; pairs that could touch within it are looked at again in steps of [`FINE_S`].
const COARSE_S: f64 = 0.1;
/// Fine step; bisection goes on from here.
const FINE_S: f64 = 0.01;

/// One party of a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Party {
    Ego,
    Actor(usize),
}

/// A contact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Contact {
    pub(crate) t_s: f64,
    pub(crate) a: Party,
    pub(crate) b: Party,
}

/// Finds all contacts up to `end_s` in order of time, freezing the parties as it goes.
pub(crate) fn freeze_contacts(road: &Road, ego: &mut Ego, actors: &mut [Actor], end_s: f64) -> Vec<Contact> {
    let mut found = Vec::new();
    let mut from_s = 0.0;
    // Each pass freezes at least one more party, so there are at most as many passes as parties.
    for _ in 0..=actors.len() {
        let Some(contact) = first_contact(road, ego, actors, (from_s, end_s)) else { break };
        for party in [contact.a, contact.b] {
            let motion = match party {
                Party::Ego => &mut ego.motion,
                Party::Actor(i) => &mut actors[i].motion,
            };
            motion.frozen_s = Some(motion.frozen_s.map_or(contact.t_s, |t| t.min(contact.t_s)));
        }
        from_s = contact.t_s;
        found.push(contact);
    }
    found
}

fn outline(road: &Road, ego: &Ego, actors: &[Actor], party: Party, t: f64) -> Footprint {
    match party {
        Party::Ego => ego.footprint(road, t),
        Party::Actor(i) => actors[i].footprint(road, t),
    }
}

fn moving(ego: &Ego, actors: &[Actor], party: Party, t: f64) -> bool {
    let motion = match party {
        Party::Ego => &ego.motion,
        Party::Actor(i) => &actors[i].motion,
    };
    motion.moves() && motion.frozen_s.is_none_or(|end| t < end)
}

fn first_contact(road: &Road, ego: &Ego, actors: &[Actor], span: (f64, f64)) -> Option<Contact> {
    let parties: Vec<Party> = std::iter::once(Party::Ego).chain((0..actors.len()).map(Party::Actor)).collect();
    let steps = ((span.1 - span.0) / COARSE_S) as usize + 1;
    let mut before: Vec<Footprint> = parties.iter().map(|&p| outline(road, ego, actors, p, span.0)).collect();
    for step in 0..steps {
        let (t0, t1) = (span.0 + step as f64 * COARSE_S, span.0 + (step + 1) as f64 * COARSE_S);
        let live: Vec<bool> = parties.iter().map(|&p| moving(ego, actors, p, t0)).collect();
        let after: Vec<Footprint> = (0..parties.len())
            .map(|i| if live[i] { outline(road, ego, actors, parties[i], t1) } else { before[i] })
            .collect();
        let mut best: Option<Contact> = None;
        for i in 0..parties.len() {
            for j in i + 1..parties.len() {
                if !(live[i] || live[j]) {
                    continue;
                }
                let way = before[i].centre_distance(&after[i]) + before[j].centre_distance(&after[j]);
                if before[i].centre_distance(&before[j]) > before[i].radius() + before[j].radius() + way {
                    continue;
                }
                let touch = |t: f64| {
                    outline(road, ego, actors, parties[i], t).overlaps(&outline(road, ego, actors, parties[j], t))
                };
                if let Some(t_s) = first_touch(touch, t0, t1).filter(|t| best.is_none_or(|b| *t < b.t_s)) {
                    best = Some(Contact { t_s, a: parties[i], b: parties[j] });
                }
            }
        }
        if best.is_some() {
            return best;
        }
        before = after;
    }
    None
}

/// First time in `t0..=t1` at which `touch` turns true; a pair that touches at `t0` already was frozen before.
fn first_touch(touch: impl Fn(f64) -> bool, t0: f64, t1: f64) -> Option<f64> {
    if touch(t0) {
        return None;
    }
    let mut free = t0;
    while free < t1 {
        let next = (free + FINE_S).min(t1);
        if touch(next) {
            let (mut low, mut high) = (free, next);
            for _ in 0..12 {
                let mid = 0.5 * (low + high);
                if touch(mid) { high = mid } else { low = mid }
            }
            return Some(high);
        }
        free = next;
    }
    None
}
