//! Linear algebra on small matrices in terms of scalar operations, for ONNX Runtime. Branches become selections: a row comes up by
//! exchanges that each element decides for itself.

use super::{Emit, Linear, NodeId, Op, linear};

/// Largest side of a matrix that is written out; an ONNX file does larger ones in a loop over the columns.
pub const MAX_WRITTEN_SIDE: usize = 8;

/// `pick`: from the first number to the last, the one whose place is the index.
pub fn pick(e: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    let missing = e.real(f64::NAN);
    let items = args[1..].iter().enumerate();
    items.fold(missing, |rest, (place, item)| {
        let place = e.int(place as i64);
        let chosen = e.op(Op::Equal, &[args[0], place]);
        e.select(chosen, *item, rest)
    })
}

/// The product of the pivots from the left.
pub fn det(e: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    let lu = Lu::of(e, args, &[]);
    let pivots = lu.pivots();
    let product = pivots[1..].iter().fold(pivots[0], |a, b| e.mul(a, *b));
    lu.exchanges.iter().fold(product, |product, exchanged| {
        let negated = e.neg(product);
        e.select(*exchanged, negated, product)
    })
}

/// The sum of the logarithms of the sizes of the pivots.
pub fn logdet(e: &mut dyn Emit, args: &[NodeId]) -> NodeId {
    let lu = Lu::of(e, args, &[]);
    let logs: Vec<NodeId> = lu
        .pivots()
        .into_iter()
        .map(|pivot| {
            let size = e.op(Op::Abs, &[pivot]);
            e.op(Op::Log, &[size])
        })
        .collect();
    logs[1..].iter().fold(logs[0], |a, b| e.add(a, *b))
}

/// The values of an operation of linear algebra.
pub fn values(e: &mut dyn Emit, linear: Linear, args: &[NodeId]) -> Vec<NodeId> {
    let n = linear.side();
    match linear {
        Linear::Solve { .. } => solve(e, &args[..n * n], &args[n * n..]),
        Linear::Cofactors { .. } => cofactors(e, n, args),
    }
}

/// A decomposed matrix, and the rows of another that changed places with its rows.
struct Lu {
    n: usize,
    rows: Vec<Vec<NodeId>>,
    /// For each pair of rows, whether they changed places.
    exchanges: Vec<NodeId>,
}

impl Lu {
    /// In the order of the native kernel, and so to the same bits.
    fn of(e: &mut dyn Emit, a: &[NodeId], b: &[NodeId]) -> Lu {
        let n = linear::side(a.len()).unwrap_or(1);
        let m = b.len() / n;
        let rows = (0..n).map(|i| [&a[i * n..(i + 1) * n], &b[i * m..(i + 1) * m]].concat());
        let mut lu = Lu {
            n,
            rows: rows.collect(),
            exchanges: Vec::new(),
        };
        for k in 0..n {
            lu.bring_up(e, k);
            lu.eliminate(e, k);
        }
        lu
    }

    /// Brings the row with the largest pivot for column `k` up to row `k`.
    fn bring_up(&mut self, e: &mut dyn Emit, k: usize) {
        let mut largest = e.op(Op::Abs, &[self.rows[k][k]]);
        let mut place = e.int(k as i64);
        for i in k + 1..self.n {
            let size = e.op(Op::Abs, &[self.rows[i][k]]);
            let larger = e.op(Op::Greater, &[size, largest]);
            let row = e.int(i as i64);
            largest = e.select(larger, size, largest);
            place = e.select(larger, row, place);
        }
        for i in k + 1..self.n {
            let row = e.int(i as i64);
            let exchanged = e.op(Op::Equal, &[place, row]);
            self.exchanges.push(exchanged);
            for j in 0..self.rows[k].len() {
                let (a, b) = (self.rows[k][j], self.rows[i][j]);
                self.rows[k][j] = e.select(exchanged, b, a);
                self.rows[i][j] = e.select(exchanged, a, b);
            }
        }
    }

    fn eliminate(&mut self, e: &mut dyn Emit, k: usize) {
        let zero = e.real(0.0);
        let pivot = self.rows[k][k];
        let skip = e.op(Op::Equal, &[pivot, zero]);
        for i in k + 1..self.n {
            let old = self.rows[i][k];
            let factor = e.div(old, pivot);
            self.rows[i][k] = e.select(skip, old, factor);
            for j in k + 1..self.n {
                let product = e.mul(factor, self.rows[k][j]);
                let old = self.rows[i][j];
                let rest = e.sub(old, product);
                self.rows[i][j] = e.select(skip, old, rest);
            }
        }
    }

    fn pivots(&self) -> Vec<NodeId> {
        (0..self.n).map(|i| self.rows[i][i]).collect()
    }
}

fn solve(e: &mut dyn Emit, a: &[NodeId], b: &[NodeId]) -> Vec<NodeId> {
    let lu = Lu::of(e, a, b);
    let n = lu.n;
    let mut x: Vec<Vec<NodeId>> = lu.rows.iter().map(|row| row[n..].to_vec()).collect();
    let subtract = |e: &mut dyn Emit, x: &mut Vec<Vec<NodeId>>, i: usize, j: usize| {
        for column in 0..x[i].len() {
            let product = e.mul(lu.rows[i][j], x[j][column]);
            x[i][column] = e.sub(x[i][column], product);
        }
    };
    for i in 0..n {
        (0..i).for_each(|j| subtract(e, &mut x, i, j));
    }
    for i in (0..n).rev() {
        (i + 1..n).for_each(|j| subtract(e, &mut x, i, j));
        for value in &mut x[i] {
            *value = e.div(*value, lu.rows[i][i]);
        }
    }
    x.concat()
}

/// Cofactors by expansion along the rows above and below one (Laplace): without division, so that singular matrices are no
/// special case.
fn cofactors(e: &mut dyn Emit, n: usize, a: &[NodeId]) -> Vec<NodeId> {
    let row = |i: usize| &a[i * n..(i + 1) * n];
    let above = minors(e, n, (0..n).map(row));
    let below = minors(e, n, (0..n).rev().map(row));
    let mut all = Vec::with_capacity(n * n);
    for i in 0..n {
        for j in 0..n {
            let rest = ((1usize << n) - 1) & !(1 << j);
            let mut sum = None;
            for columns in subsets(n).filter(|s| s & !rest == 0 && s.count_ones() as usize == i) {
                let others = rest & !columns;
                let product = e.mul(above[columns], below[others]);
                // how many pairs of a column above and one below stand in the wrong order; the rows below come backwards
                let wrong: u32 = (0..n)
                    .filter(|c| columns >> c & 1 == 1)
                    .map(|c| (others & ((1 << c) - 1)).count_ones())
                    .sum();
                let k = n - 1 - i;
                let odd = (wrong as usize + i + j + k * k.saturating_sub(1) / 2) % 2 == 1;
                let term = if odd { e.neg(product) } else { product };
                sum = Some(match sum {
                    None => term,
                    Some(sum) => e.add(sum, term),
                });
            }
            all.push(sum.unwrap_or_else(|| e.real(1.0)));
        }
    }
    all
}

fn subsets(n: usize) -> std::ops::Range<usize> {
    0..1 << n
}

/// For each set of columns, the determinant of that many of the first rows in these columns.
fn minors<'a>(e: &mut dyn Emit, n: usize, rows: impl Iterator<Item = &'a [NodeId]>) -> Vec<NodeId> {
    let rows: Vec<&[NodeId]> = rows.collect();
    let mut minors = vec![e.real(1.0); 1 << n];
    for columns in subsets(n).skip(1) {
        let size = columns.count_ones() as usize;
        if size == n {
            continue;
        }
        let row = rows[size - 1];
        let mut sum = None;
        for (place, column) in (0..n).filter(|c| columns >> c & 1 == 1).enumerate() {
            let product = e.mul(row[column], minors[columns & !(1 << column)]);
            let odd = (size - 1 + place) % 2 == 1;
            let term = if odd { e.neg(product) } else { product };
            sum = Some(match sum {
                None => term,
                Some(sum) => e.add(sum, term),
            });
        }
        minors[columns] = sum.unwrap_or(minors[0]);
    }
    minors
}
