//! The cheapest assignment of rows to columns, each row free to stay unassigned at a price.
//!
//! Shortest augmenting paths with potentials (Jonker and Volgenant 1987, in the form of Kuhn's Hungarian method): exact,
//! O(rows^2 * (rows + columns)), deterministic, scratch kept between calls. Not for thousands of rows: callers split
//! their problem into connected components first.

/// A pair that must not be chosen.
pub const FORBIDDEN: f64 = 1e9;

/// Scratch of the solver; reuse it to avoid allocation.
#[derive(Debug, Default, Clone)]
pub struct AssignmentSolver {
    row_potential: Vec<f64>,
    column_potential: Vec<f64>,
    row_of_column: Vec<usize>,
    previous_column: Vec<usize>,
    shortest: Vec<f64>,
    visited: Vec<bool>,
}

/// Marks a column without a row in the solver's one-based tables.
const NONE: usize = 0;

impl AssignmentSolver {
    /// Assigns each of `rows` rows to one of `columns` columns or to none, at the least sum of costs, where a row
    /// without a column costs `unassigned`. `cost` is row-major, `rows * columns` long; values that are not finite, or
    /// at least `FORBIDDEN`, are never chosen (a `cost` that is too short forbids what it lacks). `column_of_row` is
    /// cleared and gets `rows` entries.
    pub fn solve(
        &mut self,
        (rows, columns): (usize, usize),
        cost: &[f64],
        unassigned: f64,
        column_of_row: &mut Vec<Option<usize>>,
    ) {
        // Each row may also take one of `rows` dummy columns at the price of staying unassigned.
        let total = columns + rows;
        self.prepare(rows, total);
        for row in 1..=rows {
            self.augment(row, total, |r, c| {
                if c > columns {
                    return unassigned;
                }
                let value = cost.get((r - 1) * columns + c - 1).copied().unwrap_or(FORBIDDEN);
                if value.is_finite() { value.min(FORBIDDEN) } else { FORBIDDEN }
            });
        }
        column_of_row.clear();
        column_of_row.resize(rows, None);
        for column in 1..=columns {
            let row = self.row_of_column[column];
            if row != NONE && cost.get((row - 1) * columns + column - 1).is_some_and(|&c| c < FORBIDDEN) {
                column_of_row[row - 1] = Some(column - 1);
            }
        }
    }

    fn prepare(&mut self, rows: usize, total: usize) {
        self.row_potential.clear();
        self.row_potential.resize(rows + 1, 0.0);
        self.column_potential.clear();
        self.column_potential.resize(total + 1, 0.0);
        self.row_of_column.clear();
        self.row_of_column.resize(total + 1, NONE);
        self.previous_column.clear();
        self.previous_column.resize(total + 1, NONE);
    }

    /// Finds the cheapest augmenting path from `row` to a free column (Dijkstra on reduced costs) and takes it.
    fn augment(&mut self, row: usize, total: usize, cost: impl Fn(usize, usize) -> f64) {
        self.shortest.clear();
        self.shortest.resize(total + 1, f64::INFINITY);
        self.visited.clear();
        self.visited.resize(total + 1, false);
        self.row_of_column[0] = row;
        let mut column = 0;
        loop {
            self.visited[column] = true;
            let from = self.row_of_column[column];
            let mut delta = f64::INFINITY;
            let mut next = 0;
            for c in 1..=total {
                if self.visited[c] {
                    continue;
                }
                let reduced = cost(from, c) - self.row_potential[from] - self.column_potential[c];
                if reduced < self.shortest[c] {
                    self.shortest[c] = reduced;
                    self.previous_column[c] = column;
                }
                if self.shortest[c] < delta {
                    delta = self.shortest[c];
                    next = c;
                }
            }
            self.shift_potentials(total, delta);
            column = next;
            if self.row_of_column[column] == NONE {
                break;
            }
        }
        while column != 0 {
            let previous = self.previous_column[column];
            self.row_of_column[column] = self.row_of_column[previous];
            column = previous;
        }
    }

    fn shift_potentials(&mut self, total: usize, delta: f64) {
        for c in 0..=total {
            if self.visited[c] {
                let row = self.row_of_column[c];
                self.row_potential[row] += delta;
                self.column_potential[c] -= delta;
            } else {
                self.shortest[c] -= delta;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(columns: usize, cost: &[f64], unassigned: f64, chosen: &[Option<usize>]) -> f64 {
        chosen.iter().enumerate().map(|(r, c)| c.map_or(unassigned, |c| cost[r * columns + c])).sum()
    }

    fn brute_force(rows: usize, columns: usize, cost: &[f64], unassigned: f64) -> f64 {
        fn go(row: usize, rows: usize, columns: usize, cost: &[f64], unassigned: f64, used: u32) -> f64 {
            if row == rows {
                return 0.0;
            }
            let mut best = unassigned + go(row + 1, rows, columns, cost, unassigned, used);
            for c in (0..columns).filter(|c| used & (1 << c) == 0) {
                let rest = go(row + 1, rows, columns, cost, unassigned, used | (1 << c));
                best = best.min(cost[row * columns + c] + rest);
            }
            best
        }
        go(0, rows, columns, cost, unassigned, 0)
    }

    #[test]
    fn equals_brute_force_on_random_rectangles() {
        let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 40) as f64 / f64::from(1_u32 << 24)
        };
        let mut solver = AssignmentSolver::default();
        let mut chosen = Vec::new();
        for case in 0..400 {
            let (rows, columns) = (1 + case % 6, 1 + (case / 6) % 6);
            let cost: Vec<f64> =
                (0..rows * columns).map(|_| if random() < 0.3 { FORBIDDEN } else { random() }).collect();
            solver.solve((rows, columns), &cost, 0.7, &mut chosen);
            let mut used = vec![false; columns];
            for c in chosen.iter().flatten() {
                assert!(!std::mem::replace(&mut used[*c], true), "column {c} twice");
            }
            let best = brute_force(rows, columns, &cost, 0.7);
            assert!((price(columns, &cost, 0.7, &chosen) - best).abs() < 1e-9);
        }
    }

    #[test]
    fn empty_nan_and_short_matrices_are_ordinary() {
        let mut solver = AssignmentSolver::default();
        let mut chosen = vec![Some(9)];
        solver.solve((0, 3), &[], 1.0, &mut chosen);
        assert!(chosen.is_empty());
        solver.solve((2, 0), &[], 1.0, &mut chosen);
        assert_eq!(chosen, [None, None]);
        solver.solve((2, 2), &[f64::NAN, f64::INFINITY, 0.5], 1.0, &mut chosen);
        assert_eq!(chosen, [None, Some(0)]);
    }
}
