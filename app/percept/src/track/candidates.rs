//! Which tracks an observation may be, found without asking each: by where boxes lie in the picture, and where positions do.
//!
//! Finds exactly the pairs that [`Gate::admits`] does, in no order that means anything. What has no box is held against all.

use super::cost::{Gate, Prepared, SAME_PLACE_ADMITTED_M};
use super::grid::{FEW, Grid, ROOM, reach_of};

/// An index of a frame's gates; scratch is kept from frame to frame.
#[derive(Debug, Clone)]
pub(super) struct Candidates {
    /// Of those that have a box, where it is looked for.
    windows: Grid,
    /// Of those that have a box, where they are expected along the first axis, in that order.
    places: Vec<(f64, u32)>,
    /// Those without a box.
    boxless: Vec<u32>,
}

impl Default for Candidates {
    fn default() -> Self {
        Self { windows: Grid::default(), places: Vec::with_capacity(ROOM), boxless: Vec::with_capacity(ROOM) }
    }
}

impl Candidates {
    /// Makes ready to be asked about `gates`.
    pub(super) fn index(&mut self, gates: &[Gate]) {
        if gates.len() < FEW {
            return;
        }
        self.windows.lay(gates.iter().map(Gate::reach));
        self.places.clear();
        self.boxless.clear();
        for (index, gate) in gates.iter().enumerate() {
            if !gate.has_box() {
                self.boxless.push(index as u32);
            } else if !gate.position_x().is_nan() {
                self.places.push((gate.position_x(), index as u32));
            }
        }
        self.places.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    }

    /// Gives `visit` each of `gates`, which were indexed before, that admits `seen`, once.
    pub(super) fn visit(&self, gates: &[Gate], seen: &Prepared, mut visit: impl FnMut(usize)) {
        let Some(bbox) = seen.bbox.as_ref().filter(|_| gates.len() >= FEW) else {
            gates.iter().enumerate().filter(|(_, gate)| gate.admits(seen)).for_each(|(t, _)| visit(t));
            return;
        };
        let meets = |t: usize| gates.get(t).is_some_and(|gate| gate.meets(bbox, seen.emerging));
        self.windows.visit(&reach_of(bbox, 0.0), |t| {
            if meets(t) {
                visit(t);
            }
        });
        if let Some(x) = seen.position.as_ref().map(|m| m.xyz.x) {
            let from = self.places.partition_point(|(place, _)| x - place > SAME_PLACE_ADMITTED_M);
            let near = self.places[from..].iter().take_while(|(place, _)| place - x <= SAME_PLACE_ADMITTED_M);
            for t in near.map(|(_, t)| *t as usize) {
                if gates.get(t).is_some_and(|gate| gate.is_beside(seen)) && !meets(t) {
                    visit(t);
                }
            }
        }
        for t in self.boxless.iter().map(|t| *t as usize) {
            if gates.get(t).is_some_and(|gate| gate.admits(seen)) {
                visit(t);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::{Matrix3, Vector3};

    use super::*;
    use crate::detection::BoxPx;
    use crate::report::DistanceSource;
    use crate::track::config::TrackerConfig;
    use crate::track::cuts::{Cuts, Picture, SideEnd};
    use crate::track::motion::{KeptIn, Measured};
    use crate::track::track_state::Track;

    /// Things at random in a picture, some without a box, some without a position.
    struct Crowd(u64);

    impl Crowd {
        fn random(&mut self, span: f64) -> f64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            span * (self.0 >> 40) as f64 / f64::from(1_u32 << 24)
        }

        fn seen(&mut self) -> Prepared {
            let (x, y, w, h) = (self.random(1000.0), self.random(500.0), self.random(60.0), self.random(60.0));
            let [x0, y0, x1, y1] = [x, y, x + w + 1.0, y + h + 1.0].map(|v| v as f32);
            let kind = self.random(1.0);
            let xyz = Vector3::new(self.random(60.0), self.random(20.0), 1.0);
            let age_s = if self.random(1.0) < 0.1 { 0.1 } else { 0.0 };
            Prepared {
                index: 0,
                bbox: (kind < 0.9).then_some(BoxPx { x0, y0, x1, y1 }),
                cuts: Cuts::default(),
                beside: Cuts::default(),
                emerging: self.random(1.0) < 0.2,
                ends: [SideEnd::Own; 2],
                range_m: None,
                score: 0.8,
                listed: true,
                class: 0,
                position: (kind > 0.3)
                    .then(|| Measured::checked(xyz, Matrix3::identity(), DistanceSource::Lidar, age_s))
                    .flatten(),
            }
        }

        fn gate(&mut self, picture: &Picture) -> Gate {
            let mut track = Track::new(1, &self.seen(), KeptIn::Vehicle, &TrackerConfig::default());
            track.predict(self.random(0.2), KeptIn::Vehicle, &TrackerConfig::default());
            let column = (self.random(1.0) < 0.3).then(|| self.random(1000.0) as f32);
            // Some are looked for beyond the picture's edge, which is nowhere.
            Gate::of(&track, Some(picture), column)
        }
    }

    #[test]
    fn finds_just_those_that_admit_an_observation() {
        let (mut crowd, picture) = (Crowd(5), Picture::new((800, 400)));
        let mut candidates = Candidates::default();
        for count in [0, 1, FEW - 1, FEW, 150, 40] {
            let gates: Vec<Gate> = (0..count).map(|_| crowd.gate(&picture)).collect();
            candidates.index(&gates);
            for _ in 0..100 {
                let seen = crowd.seen();
                let mut found = Vec::new();
                candidates.visit(&gates, &seen, |t| found.push(t));
                found.sort_unstable();
                let admit: Vec<usize> = (0..count).filter(|t| gates[*t].admits(&seen)).collect();
                assert_eq!(found, admit, "{count} tracks, {seen:?}");
            }
        }
    }
}
