//! Reverse-mode rules of linear algebra (Giles, "Collected matrix derivative results for forward and reverse mode
//! algorithmic differentiation", 2008).

use super::adjoint::Site;
use super::{Emit, Linear, NodeId, Op, linear};

/// Largest side at which the cofactors differentiate by minors, which holds at singular matrices too.
const MAX_MINORS: usize = 6;

/// The derivative of a determinant by an element is its cofactor.
pub fn det(e: &mut dyn Emit, s: Site, index: usize) -> Option<NodeId> {
    let n = linear::side(s.args.len())? as u32;
    let cofactor = e.linear(Linear::Cofactors { n }, s.args, index);
    Some(e.mul(s.adjoint, cofactor))
}

/// That of its logarithm is an element of the inverse transpose.
pub fn logdet(e: &mut dyn Emit, s: Site, index: usize) -> Option<NodeId> {
    let n = linear::side(s.args.len())?;
    let mut args = transposed(n, s.args);
    let (zero, one) = (e.real(0.0), e.real(1.0));
    args.extend((0..n * n).map(|i| if i % (n + 1) == 0 { one } else { zero }));
    let side = n as u32;
    let inverse = e.linear(Linear::Solve { n: side, m: side }, &args, index);
    Some(e.mul(s.adjoint, inverse))
}

fn transposed(n: usize, a: &[NodeId]) -> Vec<NodeId> {
    (0..n * n).map(|i| a[i % n * n + i / n]).collect()
}

/// The adjoints of the arguments, given those of the values; `None` is zero. Only the `wanted` ones are built.
pub fn linear_adjoints(
    e: &mut dyn Emit,
    linear: Linear,
    args: &[NodeId],
    adjoints: &[Option<NodeId>],
    wanted: &[bool],
) -> Vec<Option<NodeId>> {
    match linear {
        Linear::Solve { n, m } => solve(e, (n as usize, m as usize), args, adjoints, wanted),
        Linear::Cofactors { n } => cofactors(e, n as usize, args, adjoints, wanted),
    }
}

/// `A X = B`: the adjoint of B solves `Aᵀ B̄ = X̄`, that of A is `-B̄ Xᵀ`.
fn solve(
    e: &mut dyn Emit,
    (n, m): (usize, usize),
    args: &[NodeId],
    adjoints: &[Option<NodeId>],
    wanted: &[bool],
) -> Vec<Option<NodeId>> {
    let linear = Linear::Solve {
        n: n as u32,
        m: m as u32,
    };
    let zero = e.real(0.0);
    let mut system = transposed(n, &args[..n * n]);
    system.extend(adjoints.iter().map(|adjoint| adjoint.unwrap_or(zero)));
    let values = 0..n * m;
    let b: Vec<NodeId> = values
        .clone()
        .map(|i| e.linear(linear, &system, i))
        .collect();
    let x: Vec<NodeId> = match wanted[..n * n].contains(&true) {
        true => values.map(|i| e.linear(linear, args, i)).collect(),
        false => Vec::new(),
    };
    let matrix = (0..n * n).map(|place| {
        let (i, j) = (place / n, place % n);
        wanted[place].then(|| {
            let sum = inner(e, (0..m).map(|k| (b[i * m + k], x[j * m + k])));
            e.neg(sum)
        })
    });
    let mut all: Vec<Option<NodeId>> = matrix.collect();
    all.extend(b.into_iter().map(Some));
    all
}

fn inner(e: &mut dyn Emit, pairs: impl Iterator<Item = (NodeId, NodeId)>) -> NodeId {
    let mut sum = None;
    for (a, b) in pairs {
        let product = e.mul(a, b);
        sum = Some(match sum {
            None => product,
            Some(sum) => e.add(sum, product),
        });
    }
    sum.unwrap_or_else(|| e.real(0.0))
}

/// The second derivatives of a determinant are minors of two rows and two columns less. A large matrix takes
/// `(<C̄, C> C - C C̄ᵀ C) / det A` instead, which does not hold where it is singular.
fn cofactors(
    e: &mut dyn Emit,
    n: usize,
    args: &[NodeId],
    adjoints: &[Option<NodeId>],
    wanted: &[bool],
) -> Vec<Option<NodeId>> {
    if n > MAX_MINORS {
        return cofactors_by_division(e, n, args, adjoints, wanted);
    }
    (0..n * n)
        .map(|place| {
            let (k, l) = (place / n, place % n);
            if !wanted[place] {
                return None;
            }
            let mut terms = Vec::new();
            for (index, adjoint) in adjoints.iter().enumerate() {
                let (i, j) = (index / n, index % n);
                let Some(adjoint) = adjoint.filter(|_| i != k && j != l) else {
                    continue;
                };
                let odd = (i + j + k + l + usize::from(k > i) + usize::from(l > j)) % 2 == 1;
                let minor = minor(e, n, args, [i, k], [j, l]);
                terms.push((adjoint, if odd { e.neg(minor) } else { minor }));
            }
            Some(inner(e, terms.into_iter()))
        })
        .collect()
}

/// The determinant without two rows and two columns.
fn minor(
    e: &mut dyn Emit,
    n: usize,
    args: &[NodeId],
    rows: [usize; 2],
    columns: [usize; 2],
) -> NodeId {
    let places = (0..n * n).filter(|at| !rows.contains(&(at / n)) && !columns.contains(&(at % n)));
    let rest: Vec<NodeId> = places.map(|at| args[at]).collect();
    match rest[..] {
        [] => e.real(1.0),
        [only] => only,
        _ => e.op(Op::DetOf, &rest),
    }
}

fn cofactors_by_division(
    e: &mut dyn Emit,
    n: usize,
    args: &[NodeId],
    adjoints: &[Option<NodeId>],
    wanted: &[bool],
) -> Vec<Option<NodeId>> {
    let linear = Linear::Cofactors { n: n as u32 };
    let c: Vec<NodeId> = (0..n * n).map(|i| e.linear(linear, args, i)).collect();
    let det = e.op(Op::DetOf, args);
    let zero = e.real(0.0);
    let seed: Vec<NodeId> = adjoints.iter().map(|a| a.unwrap_or(zero)).collect();
    let whole = inner(e, seed.iter().copied().zip(c.iter().copied()));
    // C̄ᵀ C
    let middle: Vec<NodeId> = (0..n * n)
        .map(|place| {
            let (i, j) = (place / n, place % n);
            inner(e, (0..n).map(|k| (seed[k * n + i], c[k * n + j])))
        })
        .collect();
    (0..n * n)
        .map(|place| {
            let (i, j) = (place / n, place % n);
            wanted[place].then(|| {
                let first = e.mul(whole, c[place]);
                let second = inner(e, (0..n).map(|k| (c[i * n + k], middle[k * n + j])));
                let difference = e.sub(first, second);
                e.div(difference, det)
            })
        })
        .collect()
}
