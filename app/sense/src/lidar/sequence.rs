//! The books of a packet stream: which packets came, came twice, came late in order, or never came.
//!
//! Contract: every packet has a place in the sender's sequence, counted up from anywhere. `received` is every packet told
//! of, `unique + duplicates = received`, and `lost` is the places between the first and the newest one that no packet
//! took. A packet that fills its place later is lost no more. What is lost before the first or after the newest packet
//! nobody can know. Where the sender starts again, what was lost until then stays counted.

/// Places remembered behind the newest one. A packet further behind is a sender that started again: no network holds
/// a packet back for a thousand others.
const WINDOW: u64 = 1024;
const WORDS: usize = (WINDOW / 64) as usize;

/// Where a packet stands in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Next in order, after `missed` places that nobody took yet.
    Next {
        /// Places passed over.
        missed: u64,
    },
    /// An earlier place that was empty.
    Reordered,
    /// A place that was taken.
    Duplicate,
    /// Far behind: the sender started again.
    Restart,
}

/// The books of one stream.
#[derive(Debug, Clone)]
pub struct Sequence {
    newest: Option<u64>,
    oldest: u64,
    seen: [u64; WORDS],
    /// Packets at a place of their own.
    pub unique: u64,
    /// Packets at a taken place.
    pub duplicates: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Times the sender started again.
    pub restarts: u64,
    /// Places nobody took.
    pub lost: u64,
}

impl Default for Sequence {
    fn default() -> Self {
        Self { newest: None, oldest: 0, seen: [0; WORDS], unique: 0, duplicates: 0, reordered: 0, restarts: 0, lost: 0 }
    }
}

impl Sequence {
    /// The newest place taken.
    pub fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// The sender says that it started again: the next place is the first.
    pub fn restart(&mut self) {
        self.newest = None;
        self.restarts += 1;
    }

    /// Enters a packet at `place`.
    pub fn enter(&mut self, place: u64) -> Place {
        let Some(newest) = self.newest else { return self.first(place) };
        if place > newest {
            let missed = place - newest - 1;
            self.forget(newest, place);
            self.take(place);
            self.newest = Some(place);
            self.unique += 1;
            self.lost += missed;
            return Place::Next { missed };
        }
        if newest - place >= WINDOW {
            self.restarts += 1;
            self.first(place);
            return Place::Restart;
        }
        if self.is_taken(place) {
            self.duplicates += 1;
            return Place::Duplicate;
        }
        self.take(place);
        self.unique += 1;
        self.reordered += 1;
        if place < self.oldest {
            self.lost += self.oldest - place - 1;
            self.oldest = place;
        } else {
            self.lost -= 1;
        }
        Place::Reordered
    }

    fn first(&mut self, place: u64) -> Place {
        self.seen = [0; WORDS];
        self.take(place);
        (self.newest, self.oldest) = (Some(place), place);
        self.unique += 1;
        Place::Next { missed: 0 }
    }

    fn slot(place: u64) -> (usize, u64) {
        let bit = place % WINDOW;
        ((bit / 64) as usize, 1 << (bit % 64))
    }

    fn take(&mut self, place: u64) {
        let (word, bit) = Self::slot(place);
        if let Some(word) = self.seen.get_mut(word) {
            *word |= bit;
        }
    }

    fn is_taken(&self, place: u64) -> bool {
        let (word, bit) = Self::slot(place);
        self.seen.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Empties the places after `newest` up to `place`, which reuse those of a window ago.
    fn forget(&mut self, newest: u64, place: u64) {
        if place - newest >= WINDOW {
            self.seen = [0; WORDS];
            return;
        }
        for passed in newest + 1..=place {
            let (word, bit) = Self::slot(passed);
            if let Some(word) = self.seen.get_mut(word) {
                *word &= !bit;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_reordering_and_duplication_balance() {
        let mut books = Sequence::default();
        // Sent: 10..20. 12 and 15 never come, 16 comes before 14, 13 comes twice.
        for place in [10, 11, 13, 13, 16, 14, 17, 18, 19] {
            books.enter(place);
        }
        assert_eq!((books.unique, books.duplicates, books.reordered, books.lost), (8, 1, 1, 2));
        assert_eq!(books.unique + books.lost, 10);
    }

    #[test]
    fn packets_before_the_first_one_widen_the_span() {
        let mut books = Sequence::default();
        for place in [10, 7, 8, 12] {
            books.enter(place);
        }
        // 7 to 12 were sent; 9 and 11 are missing.
        assert_eq!((books.unique, books.lost, books.reordered), (4, 2, 2));
    }

    #[test]
    fn a_far_jump_forward_is_loss_and_one_back_a_restart() {
        let mut books = Sequence::default();
        books.enter(5);
        assert_eq!(books.enter(10_005), Place::Next { missed: 9_999 });
        assert_eq!(books.enter(3), Place::Restart);
        assert_eq!(books.enter(4), Place::Next { missed: 0 });
        assert_eq!((books.unique, books.lost, books.restarts), (4, 9_999, 1));
    }
}
