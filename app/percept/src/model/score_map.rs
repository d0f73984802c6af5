//! From a network's raw score to an honest one: monotone tables that its manifest stores and decoding applies.
//!
//! Contract: scores are 0 to 1; a table is rising in raw scores and never falling in honest ones, straight between knots
//! and constant beyond its ends. Fitting a table is the judge's business.

use thiserror::Error;

/// Knots a table may have: it is applied to every detection.
pub const KNOTS_MAX: usize = 64;

/// Why knots are no table.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ScoreTableError {
    /// Too many, or none.
    #[error("{got} knots; a table has 1 to {KNOTS_MAX}")]
    Count {
        /// Knots given.
        got: usize,
    },
    /// A score outside 0 to 1, or not a number.
    #[error("knot {index} is ({raw}, {honest}); both scores must be between 0 and 1")]
    Range {
        /// Index of the knot.
        index: usize,
        /// Raw score.
        raw: f32,
        /// Honest score.
        honest: f32,
    },
    /// Raw scores must rise and honest ones must not fall.
    #[error("knot {index} does not lie beyond the one before it: raw scores must rise and honest ones must not fall")]
    Order {
        /// Index of the knot.
        index: usize,
    },
}

/// A monotone table.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreTable {
    knots: Vec<[f32; 2]>,
}

impl ScoreTable {
    /// A table of (raw, honest) knots.
    ///
    /// # Errors
    /// [`ScoreTableError`] names the knot that is wrong.
    pub fn new(knots: Vec<[f32; 2]>) -> Result<Self, ScoreTableError> {
        if knots.is_empty() || knots.len() > KNOTS_MAX {
            return Err(ScoreTableError::Count { got: knots.len() });
        }
        let share = |v: f32| (0.0..=1.0).contains(&v);
        if let Some(index) = knots.iter().position(|[raw, honest]| !share(*raw) || !share(*honest)) {
            let [raw, honest] = knots[index];
            return Err(ScoreTableError::Range { index, raw, honest });
        }
        match knots.windows(2).position(|w| w[1][0] <= w[0][0] || w[1][1] < w[0][1]) {
            Some(before) => Err(ScoreTableError::Order { index: before + 1 }),
            None => Ok(Self { knots }),
        }
    }

    /// The honest score.
    pub fn apply(&self, raw: f32) -> f32 {
        let above = self.knots.partition_point(|k| k[0] < raw);
        match (above.checked_sub(1).and_then(|i| self.knots.get(i)), self.knots.get(above)) {
            (None, Some(first)) => first[1],
            (Some(last), None) => last[1],
            (Some(a), Some(b)) => {
                // Rounding must not lift a score above the next knot: the map rises everywhere.
                (a[1] + (b[1] - a[1]) * (raw - a[0]) / (b[0] - a[0])).clamp(a[1], b[1])
            }
            (None, None) => raw,
        }
    }

    /// A raw score below which no honest one reaches `honest`; above every score where none does.
    pub fn raw_floor(&self, honest: f32) -> f32 {
        let reached = self.knots.partition_point(|k| k[1] < honest);
        match (reached.checked_sub(1).and_then(|i| self.knots.get(i)), self.knots.get(reached)) {
            (None, _) => 0.0,
            (Some(_), None) => f32::INFINITY,
            (Some(a), Some(b)) => a[0] + (b[0] - a[0]) * (honest - a[1]) / (b[1] - a[1]),
        }
    }
}

/// The tables of a network: one for all classes, others for single ones.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScoreMap {
    /// For classes without a table of their own; `None` leaves their scores as they are.
    pub all: Option<ScoreTable>,
    /// By class; may be shorter than the class list.
    pub per_class: Vec<Option<ScoreTable>>,
}

impl ScoreMap {
    /// The table of a class.
    pub fn table(&self, class: usize) -> Option<&ScoreTable> {
        self.per_class.get(class).and_then(Option::as_ref).or(self.all.as_ref())
    }

    /// The honest score of a class.
    pub fn apply(&self, class: usize, raw: f32) -> f32 {
        self.table(class).map_or(raw, |table| table.apply(raw))
    }

    /// See [`ScoreTable::raw_floor`].
    pub fn raw_floor(&self, class: usize, honest: f32) -> f32 {
        self.table(class).map_or(honest, |table| table.raw_floor(honest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> ScoreTable {
        ScoreTable::new(vec![[0.1, 0.0], [0.5, 0.2], [0.6, 0.2], [0.9, 0.8]]).unwrap()
    }

    #[test]
    fn a_table_rises_and_ends_flat() {
        let table = table();
        assert_eq!((table.apply(0.0), table.apply(0.1), table.apply(1.0)), (0.0, 0.0, 0.8));
        assert!((table.apply(0.3) - 0.1).abs() < 1e-6 && (table.apply(0.75) - 0.5).abs() < 1e-6);
        let steps: Vec<f32> = (0..=1000).map(|i| table.apply(i as f32 / 1000.0)).collect();
        assert!(steps.windows(2).all(|w| w[0] <= w[1]));
    }

    #[test]
    fn the_floor_lets_through_what_reaches_it_and_no_more() {
        let table = table();
        for honest in [0.05, 0.1999, 0.3, 0.79] {
            let floor = table.raw_floor(honest);
            assert!(table.apply(floor + 1e-4) >= honest && table.apply(floor - 1e-4) < honest, "{honest}: {floor}");
        }
        assert_eq!(table.raw_floor(0.0), 0.0);
        assert_eq!(table.raw_floor(0.81), f32::INFINITY);
    }

    #[test]
    fn what_is_no_table_is_named() {
        assert_eq!(ScoreTable::new(vec![]), Err(ScoreTableError::Count { got: 0 }));
        assert!(ScoreTable::new(vec![[0.5, f32::NAN]]).unwrap_err().to_string().contains("knot 0"));
        assert_eq!(ScoreTable::new(vec![[0.1, 0.5], [0.2, 0.4]]), Err(ScoreTableError::Order { index: 1 }));
        assert_eq!(ScoreTable::new(vec![[0.1, 0.5], [0.1, 0.6]]), Err(ScoreTableError::Order { index: 1 }));
    }

    #[test]
    fn a_class_without_a_table_takes_the_common_one() {
        let map = ScoreMap { all: Some(table()), per_class: vec![None, ScoreTable::new(vec![[0.0, 0.5]]).ok()] };
        assert_eq!((map.apply(0, 0.5), map.apply(1, 0.9), map.apply(7, 0.5)), (0.2, 0.5, 0.2));
        assert_eq!(ScoreMap::default().apply(3, 0.4), 0.4);
    }
}
