//! Products of matrices.

use super::Kind;
use super::evaluator::{Call, Evaluator};
use super::fault::{Outcome, bad};
use super::tensor::{Tensor, broadcast, count, spread};
use crate::ops::Op;
use crate::ops::linear::MAX_SIDE;

type Outputs = Outcome<Vec<Tensor>>;

impl<'a> Evaluator<'a> {
    pub(super) fn matmul(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(2..=2)?;
        let (a, b) = (call.numbers(0)?, call.numbers(1)?);
        Ok(vec![self.product(&a, &b)?])
    }

    pub(super) fn determinant(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=1)?;
        let x = call.numbers(0)?;
        let [.., rows, columns] = x.shape[..] else {
            return Err(bad("takes matrices"));
        };
        if rows != columns || !(1..=MAX_SIDE).contains(&rows) {
            return Err(bad(format!(
                "takes square matrices of at most {MAX_SIDE} rows, not {rows} by {columns}"
            )));
        }
        x.refuse_samples(x.rank() - 2)?;
        x.refuse_samples(x.rank() - 1)?;
        self.charge(x.elements.len())?;
        let matrices = x.elements.chunks(rows * rows);
        let elements = matrices.map(|items| self.op(Op::DetOf, items));
        Ok(vec![Tensor {
            kind: Kind::Number,
            elements: elements.collect::<Outcome<_>>()?,
            shape: x.shape[..x.rank() - 2].to_vec(),
            samples: x.samples,
        }])
    }

    /// Of tensors of one dimension the product is that with a row before and a column behind.
    fn product(&mut self, a: &Tensor, b: &Tensor) -> Outcome<Tensor> {
        if a.rank() == 0 || b.rank() == 0 {
            return Err(bad("multiplies a matrix by a number"));
        }
        let row = (a.rank() == 1).then(|| a.reshaped(vec![1, a.shape[0]], a.samples.map(|_| 1)));
        let column = (b.rank() == 1).then(|| b.reshaped(vec![b.shape[0], 1], b.samples));
        let mut product = self.matrices(row.as_ref().unwrap_or(a), column.as_ref().unwrap_or(b))?;
        for axis in [row.map(|_| 2), column.map(|_| 1)].into_iter().flatten() {
            let axis = product.rank() - axis.min(product.rank());
            product.shape.remove(axis);
            product.samples = product.samples.map(|at| at - usize::from(at > axis));
        }
        Ok(product)
    }

    fn matrices(&mut self, a: &Tensor, b: &Tensor) -> Outcome<Tensor> {
        let (p, q) = (a.rank() - 2, b.rank() - 2);
        let (m, k, n) = (a.shape[p], a.shape[p + 1], b.shape[q + 1]);
        a.refuse_samples(p + 1)?;
        b.refuse_samples(q)?;
        if b.shape[q] != k {
            return Err(bad(format!(
                "multiplies the shapes {:?} and {:?}",
                a.shape, b.shape
            )));
        }
        // the stacks, as tensors that hold where each matrix begins
        let stack = |x: &Tensor, rank: usize| Tensor {
            shape: x.shape[..rank].to_vec(),
            samples: x.samples.filter(|at| *at < rank),
            elements: vec![],
            kind: Kind::Number,
        };
        let (above, below) = (stack(a, p), stack(b, q));
        let (mut shape, mut samples) = broadcast(&[&above, &below])?;
        let rank = shape.len();
        let rows = a.samples.filter(|at| *at == p).map(|_| rank);
        let columns = b.samples.filter(|at| *at == q + 1).map(|_| rank + 1);
        let mut at = [samples, rows, columns].into_iter().flatten();
        samples = at.next();
        if at.next().is_some() {
            return Err(super::fault::unsupported("multiplies samples by samples"));
        }
        let starts = (spread(&above, &shape), spread(&below, &shape));
        shape.extend([m, n]);
        let total = count(&shape)?;
        self.charge(total.saturating_mul(k.max(1)))?;
        let mut elements = Vec::with_capacity(total);
        let mut pairs = Vec::with_capacity(k);
        for (first, second) in starts.0.iter().zip(&starts.1) {
            let (left, right) = (first * m * k, second * k * n);
            for i in 0..m {
                for j in 0..n {
                    pairs.clear();
                    pairs
                        .extend((0..k).map(|l| {
                            (a.elements[left + i * k + l], b.elements[right + l * n + j])
                        }));
                    elements.push(self.dot(&pairs)?);
                }
            }
        }
        Ok(Tensor {
            kind: Kind::Number,
            shape,
            samples,
            elements,
        })
    }

    pub(super) fn gemm(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(2..=3)?;
        let (mut a, mut b) = ((*call.numbers(0)?).clone(), (*call.numbers(1)?).clone());
        if a.rank() != 2 || b.rank() != 2 {
            return Err(bad("multiplies what are not matrices"));
        }
        if call.attributes.flag("transA", false)? {
            a = self.permuted(&a, &[1, 0])?;
        }
        if call.attributes.flag("transB", false)? {
            b = self.permuted(&b, &[1, 0])?;
        }
        let (alpha, beta) = (
            call.attributes.real("alpha", 1.0)?,
            call.attributes.real("beta", 1.0)?,
        );
        let product = self.product(&a, &b)?;
        let mut product = self.scaled(&product, alpha)?;
        if call.optional(2).is_some() {
            let added = self.scaled(&*call.numbers(2)?, beta)?;
            let shape = product.shape.clone();
            product = self.zip(Kind::Number, &[&product, &added], |this, args| {
                this.add(args[0], args[1])
            })?;
            if product.shape != shape {
                return Err(bad("adds what is larger than the product"));
            }
        }
        Ok(vec![product])
    }

    fn scaled(&mut self, x: &Tensor, factor: f64) -> Outcome<Tensor> {
        self.map(Kind::Number, x, |this, x| {
            let factor = this.real(factor);
            this.mul(factor, x)
        })
    }
}
