//! The cheapest assignment of rows to columns, each row free to stay unassigned at a price.
//!
//! Shortest augmenting paths with potentials (Jonker and Volgenant 1987) on the pairs that exist: exact, deterministic,
//! scratch kept between calls. With e pairs the work is at most rows * (e + columns^2), and near e where most rows find
//! their own column free.

/// A pair that must not be chosen, in a dense matrix. Any value that is not finite does.
pub const FORBIDDEN: f64 = f64::INFINITY;

/// A row, a column, and what taking them together costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// Index of the row.
    pub row: u32,
    /// Index of the column.
    pub column: u32,
    /// Cost, finite.
    pub cost: f64,
}

/// Scratch of the solver; reuse it to avoid allocation.
#[derive(Debug, Default, Clone)]
pub struct AssignmentSolver {
    /// First pair of each row, and the end.
    row_start: Vec<usize>,
    row_potential: Vec<f64>,
    column_potential: Vec<f64>,
    row_of_column: Vec<Option<usize>>,
    /// Of the path being sought: distance of each column (infinite where not reached), the row it was reached from,
    /// whether it is settled; and the columns reached.
    distance: Vec<f64>,
    reached_from: Vec<usize>,
    settled: Vec<bool>,
    reached: Vec<usize>,
    dense: Vec<Pair>,
}

/// Where a path of augmentation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// At a free column.
    Column(usize),
    /// At this row, which gives up its column and stays unassigned.
    Row(usize),
}

impl AssignmentSolver {
    /// Assigns each of `rows` rows to one of `columns` columns or to none, at the least sum of costs, where a row
    /// without a column costs `unassigned`. `pairs` are those that may be taken, sorted by row, each once; pairs out of
    /// range or of no finite cost are passed over. `column_of_row` is cleared and gets `rows` entries.
    pub fn solve(
        &mut self,
        (rows, columns): (usize, usize),
        pairs: &[Pair],
        unassigned: f64,
        column_of_row: &mut Vec<Option<usize>>,
    ) {
        column_of_row.clear();
        column_of_row.resize(rows, None);
        self.prepare(rows, columns, pairs, unassigned);
        for row in 0..rows {
            self.augment(row, pairs, unassigned, column_of_row);
        }
    }

    /// The same of a dense row-major matrix of `rows * columns` costs, where `FORBIDDEN` marks what must not be chosen;
    /// what a matrix that is too short lacks is forbidden too.
    pub fn solve_dense(
        &mut self,
        (rows, columns): (usize, usize),
        cost: &[f64],
        unassigned: f64,
        column_of_row: &mut Vec<Option<usize>>,
    ) {
        let mut pairs = std::mem::take(&mut self.dense);
        pairs.clear();
        for (row, costs) in cost.chunks(columns.max(1)).enumerate().take(rows) {
            let cells = costs.iter().enumerate().filter(|(_, c)| c.is_finite());
            pairs.extend(cells.map(|(column, &cost)| Pair { row: row as u32, column: column as u32, cost }));
        }
        self.solve((rows, columns), &pairs, unassigned, column_of_row);
        self.dense = pairs;
    }

    fn prepare(&mut self, rows: usize, columns: usize, pairs: &[Pair], unassigned: f64) {
        self.row_start.clear();
        self.row_start.extend((0..=rows).map(|row| pairs.partition_point(|p| (p.row as usize) < row)));
        self.column_potential.clear();
        self.column_potential.resize(columns, 0.0);
        self.row_potential.clear();
        for row in 0..rows {
            let cheapest = self.pairs_of(row, pairs).map(|(_, cost)| cost).fold(unassigned, f64::min);
            self.row_potential.push(cheapest);
        }
        self.row_of_column.clear();
        self.row_of_column.resize(columns, None);
        self.distance.clear();
        self.distance.resize(columns, f64::INFINITY);
        self.reached_from.clear();
        self.reached_from.resize(columns, 0);
        self.settled.clear();
        self.settled.resize(columns, false);
        self.reached.clear();
    }

    /// Columns and costs of a row's pairs.
    fn pairs_of<'a>(&self, row: usize, pairs: &'a [Pair]) -> impl Iterator<Item = (usize, f64)> + use<'a> {
        let columns = self.column_potential.len();
        let range = self.row_start[row]..self.row_start[row + 1];
        let own = pairs.get(range).unwrap_or(&[]).iter().map(|p| (p.column as usize, p.cost));
        own.filter(move |(column, cost)| *column < columns && cost.is_finite())
    }

    /// Finds the cheapest path from the new `row` to a free column, or to a row that had better stay unassigned
    /// (Dijkstra on reduced costs), and takes it.
    fn augment(&mut self, row: usize, pairs: &[Pair], unassigned: f64, column_of_row: &mut [Option<usize>]) {
        let (mut current, mut so_far) = (row, 0.0);
        let (mut giving_up, mut giving_up_at) = (f64::INFINITY, row);
        let end = loop {
            let give_up = so_far + unassigned - self.row_potential[current];
            if give_up < giving_up {
                (giving_up, giving_up_at) = (give_up, current);
            }
            self.reach(current, so_far, pairs);
            match self.nearest_unsettled() {
                Some(column) if self.distance[column] <= giving_up => {
                    so_far = self.distance[column];
                    self.settled[column] = true;
                    match self.row_of_column[column] {
                        None => break End::Column(column),
                        Some(next) => current = next,
                    }
                }
                _ => {
                    so_far = giving_up;
                    break End::Row(giving_up_at);
                }
            }
        };
        self.shift_potentials(row, so_far);
        self.take(row, end, column_of_row);
        for column in self.reached.drain(..) {
            self.distance[column] = f64::INFINITY;
            self.settled[column] = false;
        }
    }

    /// Shortens the distances of the columns that `row`, itself `so_far` away, pairs with.
    fn reach(&mut self, row: usize, so_far: f64, pairs: &[Pair]) {
        for (column, cost) in self.pairs_of(row, pairs) {
            let distance = so_far + cost - self.row_potential[row] - self.column_potential[column];
            if !self.settled[column] && distance < self.distance[column] {
                if self.distance[column].is_infinite() {
                    self.reached.push(column);
                }
                self.distance[column] = distance;
                self.reached_from[column] = row;
            }
        }
    }

    /// Of the columns reached and not settled the nearest; of equals that with the smallest index.
    fn nearest_unsettled(&self) -> Option<usize> {
        let open = self.reached.iter().copied().filter(|&c| !self.settled[c]);
        open.min_by(|&a, &b| self.distance[a].total_cmp(&self.distance[b]).then(a.cmp(&b)))
    }

    fn shift_potentials(&mut self, row: usize, length: f64) {
        self.row_potential[row] += length;
        for &column in self.reached.iter().filter(|&&c| self.settled[c]) {
            let gain = length - self.distance[column];
            self.column_potential[column] -= gain;
            if let Some(owner) = self.row_of_column[column] {
                self.row_potential[owner] += gain;
            }
        }
    }

    /// Moves every row on the path to `end` to its next column.
    fn take(&mut self, row: usize, end: End, column_of_row: &mut [Option<usize>]) {
        let mut free = match end {
            End::Column(column) => Some(column),
            End::Row(last) => column_of_row[last].take(),
        };
        while let Some(column) = free {
            let owner = self.reached_from[column];
            self.row_of_column[column] = Some(owner);
            let before = column_of_row[owner].replace(column);
            free = before.filter(|_| owner != row);
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
        for case in 0..4000 {
            let (rows, columns) = (1 + case % 6, 1 + (case / 6) % 6);
            let cost: Vec<f64> =
                (0..rows * columns).map(|_| if random() < 0.3 { FORBIDDEN } else { 2.0 * random() - 0.5 }).collect();
            solver.solve_dense((rows, columns), &cost, 0.7, &mut chosen);
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
        solver.solve_dense((0, 3), &[], 1.0, &mut chosen);
        assert!(chosen.is_empty());
        solver.solve_dense((2, 0), &[], 1.0, &mut chosen);
        assert_eq!(chosen, [None, None]);
        solver.solve_dense((2, 2), &[f64::NAN, f64::INFINITY, 0.5], 1.0, &mut chosen);
        assert_eq!(chosen, [None, Some(0)]);
    }
}
