//! Bringing together the parts of one frame that several producers made (a detector, a depth network).
//!
//! Contract: each producer delivers its parts in increasing sequence number and may leave numbers out. Frames leave in increasing
//! number. A frame leaves when every producer has delivered its part of it or has passed it by (delivered a later one, or finished):
//! so what is given out, and in which order, does not depend on how the producers interleave. Beyond `pending_max` frames the oldest leaves
//! as it is, `forced`, and that alone depends on timing: in a lossless run the bound must exceed what the queues
//! between the producers and here can hold together.
//!
//! A plain struct: the thread that feeds it is the caller's. Nothing is allocated after warm-up.

use std::collections::VecDeque;

/// A frame's parts, by producer.
#[derive(Debug, PartialEq, Eq)]
pub struct Joined<P, const N: usize> {
    /// The frame's number.
    pub seq: u64,
    /// What each producer delivered of it.
    pub parts: [Option<P>; N],
    /// Whether it left while a part might still have come: too many were pending, or the caller forced it.
    pub forced: bool,
}

impl<P, const N: usize> Joined<P, N> {
    /// Whether every part is there.
    pub fn is_complete(&self) -> bool {
        self.parts.iter().all(Option::is_some)
    }
}

/// A part that cannot be joined, handed back.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unjoined<P> {
    /// Its frame has left.
    #[error("frame {seq} has left without the part of producer {producer}: it was forced out")]
    Late {
        /// The frame's number.
        seq: u64,
        /// Whose part it is.
        producer: usize,
        /// The part.
        part: P,
    },
    /// Its producer delivered this number or a later one before, or has finished, or does not exist.
    #[error("producer {producer} delivered frame {seq} out of order: each must deliver increasing numbers")]
    OutOfOrder {
        /// The frame's number.
        seq: u64,
        /// Whose part it is.
        producer: usize,
        /// The part.
        part: P,
    },
}

/// Joins the parts of `N` producers.
pub struct Join<P, const N: usize> {
    /// By increasing number.
    pending: VecDeque<Joined<P, N>>,
    pending_max: usize,
    /// The first number that each producer may still deliver.
    open_from: [u64; N],
    /// Numbers below this have left.
    left_below: u64,
}

impl<P, const N: usize> Join<P, N> {
    /// Nothing pending; at most `pending_max` frames will be.
    pub fn new(pending_max: usize) -> Self {
        Self {
            pending: VecDeque::with_capacity(pending_max.saturating_add(1).min(1024)),
            pending_max,
            open_from: [0; N],
            left_below: 0,
        }
    }

    /// Takes the part of frame `seq` from `producer`. Then [`Join::pop`] until it answers `None`.
    ///
    /// # Errors
    /// The part, where its frame has left already or the producer is not in order.
    pub fn put(&mut self, producer: usize, seq: u64, part: P) -> Result<(), Unjoined<P>> {
        let in_order = |from: &&mut u64| seq >= **from && seq < u64::MAX;
        let Some(open_from) = self.open_from.get_mut(producer).filter(in_order) else {
            return Err(Unjoined::OutOfOrder { seq, producer, part });
        };
        *open_from = seq + 1;
        if seq < self.left_below {
            return Err(Unjoined::Late { seq, producer, part });
        }
        let index = self.pending.partition_point(|frame| frame.seq < seq);
        if self.pending.get(index).is_none_or(|frame| frame.seq != seq) {
            self.pending.insert(index, Joined { seq, parts: [const { None }; N], forced: false });
        }
        if let Some(slot) = self.pending.get_mut(index).and_then(|frame| frame.parts.get_mut(producer)) {
            *slot = Some(part);
        }
        Ok(())
    }

    /// `producer` will deliver nothing more.
    pub fn finish(&mut self, producer: usize) {
        if let Some(open_from) = self.open_from.get_mut(producer) {
            *open_from = u64::MAX;
        }
    }

    /// The next frame that may leave.
    pub fn pop(&mut self) -> Option<Joined<P, N>> {
        let oldest = self.pending.front()?.seq;
        let settled = self.open_from.iter().all(|from| *from > oldest);
        if settled || self.pending.len() > self.pending_max { self.leave(!settled) } else { None }
    }

    /// The oldest frame as it is, where the caller will not wait for its parts any longer (a live run's time limit).
    pub fn force(&mut self) -> Option<Joined<P, N>> {
        self.leave(true)
    }

    fn leave(&mut self, forced: bool) -> Option<Joined<P, N>> {
        let frame = self.pending.pop_front()?;
        self.left_below = frame.seq + 1;
        Some(Joined { forced, ..frame })
    }

    /// How many frames wait for parts.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pop_all(join: &mut Join<char, 2>) -> Vec<(u64, [Option<char>; 2], bool)> {
        std::iter::from_fn(|| join.pop()).map(|frame| (frame.seq, frame.parts, frame.forced)).collect()
    }

    #[test]
    fn complete_frames_leave_in_order() {
        let mut join = Join::<char, 2>::new(8);
        join.put(0, 0, 'a').unwrap();
        join.put(0, 1, 'b').unwrap();
        assert_eq!(pop_all(&mut join), []);
        join.put(1, 0, 'A').unwrap();
        assert_eq!(pop_all(&mut join), [(0, [Some('a'), Some('A')], false)]);
        join.put(1, 1, 'B').unwrap();
        assert_eq!(pop_all(&mut join), [(1, [Some('b'), Some('B')], false)]);
    }

    #[test]
    fn a_part_that_was_passed_by_is_not_waited_for() {
        let mut join = Join::<char, 2>::new(8);
        join.put(0, 3, 'a').unwrap();
        join.put(1, 5, 'B').unwrap();
        assert_eq!(pop_all(&mut join), [(3, [Some('a'), None], false)]);
        join.finish(0);
        assert_eq!(pop_all(&mut join), [(5, [None, Some('B')], false)]);
    }

    #[test]
    fn the_result_does_not_depend_on_how_producers_interleave() {
        let parts = [(0, 0, 'a'), (0, 1, 'b'), (0, 3, 'd')];
        let others = [(1, 1, 'B'), (1, 2, 'C'), (1, 3, 'D')];
        let run = |order: &[usize]| {
            let (mut join, mut mine, mut theirs) = (Join::<char, 2>::new(8), parts.iter(), others.iter());
            let mut out = Vec::new();
            for which in order {
                let (producer, seq, part) = *if *which == 0 { mine.next() } else { theirs.next() }.unwrap();
                join.put(producer, seq, part).unwrap();
                out.extend(pop_all(&mut join));
            }
            join.finish(0);
            join.finish(1);
            out.extend(pop_all(&mut join));
            out
        };
        let expected = run(&[0, 0, 0, 1, 1, 1]);
        assert_eq!(expected.iter().map(|frame| frame.0).collect::<Vec<_>>(), [0, 1, 2, 3]);
        for order in [[1, 1, 1, 0, 0, 0], [0, 1, 0, 1, 0, 1], [1, 0, 0, 1, 1, 0]] {
            assert_eq!(run(&order), expected);
        }
    }

    #[test]
    fn too_many_pending_force_the_oldest_out_and_its_late_part_is_handed_back() {
        let mut join = Join::<char, 2>::new(2);
        for (seq, part) in [(0, 'a'), (1, 'b'), (2, 'c')] {
            join.put(0, seq, part).unwrap();
        }
        assert_eq!(pop_all(&mut join), [(0, [Some('a'), None], true)]);
        assert_eq!(join.pending(), 2);
        assert_eq!(join.put(1, 0, 'A'), Err(Unjoined::Late { seq: 0, producer: 1, part: 'A' }));
        join.put(1, 1, 'B').unwrap();
        assert_eq!(pop_all(&mut join), [(1, [Some('b'), Some('B')], false)]);
        assert!(join.force().is_some_and(|frame| frame.seq == 2 && frame.forced && !frame.is_complete()));
        assert_eq!(join.force(), None);
    }

    #[test]
    fn out_of_order_duplicate_and_foreign_parts_are_handed_back() {
        let mut join = Join::<char, 2>::new(2);
        join.put(0, 4, 'a').unwrap();
        for (producer, seq) in [(0, 4), (0, 3), (2, 9), (1, u64::MAX)] {
            assert_eq!(join.put(producer, seq, 'x'), Err(Unjoined::OutOfOrder { seq, producer, part: 'x' }));
        }
    }
}
