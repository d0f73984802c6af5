//! The states of a track and the source of track ids.

/// Gives out track ids, each once. One per run, lent to every tracker of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackIds {
    next: u64,
}

impl Default for TrackIds {
    fn default() -> Self {
        Self { next: 1 }
    }
}

impl TrackIds {
    /// A source whose first id is 1.
    pub fn new() -> Self {
        Self::default()
    }

    /// An id that was never given before.
    pub fn issue(&mut self) -> u64 {
        let id = self.next;
        // 2^64 ids at 200 births in each of 30 frames a second last 97 million years.
        self.next = self.next.wrapping_add(1);
        id
    }
}

/// Where a track stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrackPhase {
    /// Seen too few times to be sure that it is more than a false detection; listed all the same.
    Tentative,
    /// Seen often enough, and seen in the newest frame.
    Confirmed,
    /// Was confirmed, is not seen now: its filters coast until it comes back or its time is up.
    Lost,
    /// Over. Its id is never used again.
    Removed,
}

/// What a frame did to a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TrackEvent {
    /// An observation fits it; `enough` says that it now has as many as confirmation needs.
    Seen {
        /// Whether the hits suffice for confirmation.
        enough: bool,
    },
    /// No observation fits it; `too_long` says that its time unseen is up.
    Missed {
        /// Whether it has been unseen for longer than its state allows.
        too_long: bool,
    },
}

impl TrackPhase {
    /// The state after `event`.
    pub(super) fn after(self, event: TrackEvent) -> Self {
        match (self, event) {
            (Self::Removed, _) => Self::Removed,
            (Self::Tentative, TrackEvent::Seen { enough: false }) => Self::Tentative,
            (Self::Tentative | Self::Confirmed | Self::Lost, TrackEvent::Seen { .. }) => Self::Confirmed,
            (Self::Tentative, TrackEvent::Missed { too_long: false }) => Self::Tentative,
            (Self::Confirmed | Self::Lost, TrackEvent::Missed { too_long: false }) => Self::Lost,
            (Self::Tentative | Self::Confirmed | Self::Lost, TrackEvent::Missed { too_long: true }) => Self::Removed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_track_is_confirmed_lost_found_and_removed_for_good() {
        let seen = TrackEvent::Seen { enough: true };
        let missed = TrackEvent::Missed { too_long: false };
        let over = TrackEvent::Missed { too_long: true };
        assert_eq!(TrackPhase::Tentative.after(TrackEvent::Seen { enough: false }), TrackPhase::Tentative);
        assert_eq!(TrackPhase::Tentative.after(missed), TrackPhase::Tentative);
        assert_eq!(TrackPhase::Tentative.after(seen), TrackPhase::Confirmed);
        assert_eq!(TrackPhase::Confirmed.after(missed), TrackPhase::Lost);
        assert_eq!(TrackPhase::Lost.after(seen), TrackPhase::Confirmed);
        assert_eq!(TrackPhase::Lost.after(over), TrackPhase::Removed);
        assert_eq!(TrackPhase::Removed.after(seen), TrackPhase::Removed);
    }

    #[test]
    fn ids_are_given_once() {
        let mut ids = TrackIds::new();
        assert_eq!((ids.issue(), ids.issue(), ids.issue()), (1, 2, 3));
    }
}
