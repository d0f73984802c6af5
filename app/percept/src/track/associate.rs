//! Who is who: of all pairs that gating left, the cheapest consistent choice.
//!
//! Pairs fall into connected components; most have a single pair and need no solver, the others are solved exactly,
//! each for itself. The choice does not depend on the order in which pairs are offered.

use super::assignment::{AssignmentSolver, Pair};

/// A track and an observation that may belong together.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Offer {
    component: u32,
    track: u32,
    seen: u32,
    cost: f64,
}

/// Scratch of association, kept from frame to frame.
#[derive(Debug, Clone, Default)]
pub(super) struct Associator {
    offers: Vec<Offer>,
    parent: Vec<u32>,
    tracks: Vec<u32>,
    seen: Vec<u32>,
    pairs: Vec<Pair>,
    chosen: Vec<Option<usize>>,
    solver: AssignmentSolver,
    matches: Vec<(u32, u32)>,
}

impl Associator {
    /// Forgets all pairs and begins with `tracks` tracks and `seen` observations.
    pub(super) fn begin(&mut self, tracks: usize, seen: usize) {
        self.offers.clear();
        self.matches.clear();
        self.parent.clear();
        self.parent.extend(0..(tracks + seen) as u32);
    }

    /// Offers the pair (`track`, `seen`) of `tracks` tracks at `cost`.
    pub(super) fn offer(&mut self, (track, seen): (usize, usize), tracks: usize, cost: f64) {
        let (a, b) = (self.root(track as u32), self.root((tracks + seen) as u32));
        // The smaller root stays, so that components do not depend on the order of offers.
        let (low, high) = (a.min(b), a.max(b));
        self.parent[high as usize] = low;
        self.offers.push(Offer { component: 0, track: track as u32, seen: seen as u32, cost });
    }

    /// The (track, observation) pairs chosen, by component; a pair costing `unassigned` or more is never among them.
    pub(super) fn solve(&mut self, unassigned: f64) -> &[(u32, u32)] {
        for i in 0..self.offers.len() {
            self.offers[i].component = self.root(self.offers[i].track);
        }
        self.offers.sort_unstable_by_key(|o| (o.component, o.track, o.seen));
        let mut start = 0;
        while start < self.offers.len() {
            let component = self.offers[start].component;
            let length = self.offers[start..].iter().take_while(|o| o.component == component).count();
            self.solve_component(start..start + length, unassigned);
            start += length;
        }
        &self.matches
    }

    fn solve_component(&mut self, range: std::ops::Range<usize>, unassigned: f64) {
        let offers = &self.offers[range];
        if let [only] = offers {
            if only.cost < unassigned {
                self.matches.push((only.track, only.seen));
            }
            return;
        }
        self.tracks.clear();
        self.seen.clear();
        self.seen.extend(offers.iter().map(|o| o.seen));
        self.seen.sort_unstable();
        self.seen.dedup();
        self.pairs.clear();
        for offer in offers {
            if self.tracks.last() != Some(&offer.track) {
                self.tracks.push(offer.track);
            }
            if let (Ok(column), true) = (self.seen.binary_search(&offer.seen), offer.cost < unassigned) {
                let row = self.tracks.len() as u32 - 1;
                self.pairs.push(Pair { row, column: column as u32, cost: offer.cost });
            }
        }
        self.solver.solve((self.tracks.len(), self.seen.len()), &self.pairs, unassigned, &mut self.chosen);
        for (row, column) in self.chosen.iter().enumerate() {
            if let Some(column) = column {
                self.matches.push((self.tracks[row], self.seen[*column]));
            }
        }
    }

    /// Root of a node's component, halving the path on the way.
    fn root(&mut self, mut node: u32) -> u32 {
        while self.parent[node as usize] != node {
            let grandparent = self.parent[self.parent[node as usize] as usize];
            self.parent[node as usize] = grandparent;
            node = grandparent;
        }
        node
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_the_best_whole_not_the_best_pair_whatever_the_order() {
        let offers = [(0, 0, 0.1), (0, 1, 0.2), (1, 0, 0.2), (2, 3, 0.4), (3, 4, 0.95)];
        let expected = vec![(0, 1), (1, 0), (2, 3)];
        let mut associator = Associator::default();
        for rotation in 0..offers.len() {
            associator.begin(4, 5);
            for (t, s, c) in offers.iter().cycle().skip(rotation).take(offers.len()) {
                associator.offer((*t, *s), 4, *c);
            }
            assert_eq!(associator.solve(0.9), expected);
        }
    }
}
