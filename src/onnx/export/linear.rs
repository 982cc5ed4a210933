//! Linear algebra on sides that are not written out, as operators on tensors of one matrix for each sample or member of a
//! population, or of one for all: LU decomposition as in the native kernels, in a `Loop` over the columns.

use super::axes::Axes;
use super::eliminate::Goal;
use super::messages::{int_attribute, ints_attribute, numbers};
use super::part::Values;
use super::write::Writer;
use crate::graph::NodeId;
use crate::ops::{Linear, Op, linear};

impl Writer<'_> {
    /// A determinant or its logarithm.
    pub fn determinant(&mut self, id: NodeId, op: Op) {
        let form = self.form;
        let (args, axes) = (&form.node(id).args, self.axes[id.index()]);
        let n = linear::side(args.len()).unwrap_or(1);
        let matrix = self.matrices(args, n, n, axes);
        let goal = match op {
            Op::DetOf => Goal::Det,
            _ => Goal::LogDet,
        };
        let total = self.eliminate(goal, n, n, axes, matrix).total;
        let (operator, to) = match axes {
            Axes { members: true, .. } => ("Reshape", self.shape(axes)),
            Axes { samples: true, .. } => ("Squeeze", self.row(&[1])),
            _ => ("Squeeze", self.row(&[0, 1])),
        };
        let name = self.name_for(id, operator);
        self.part().push(operator, vec![total, to], name.clone());
        self.bind(id, name);
    }

    /// Linear algebra of several values.
    pub fn linear(&mut self, id: NodeId, linear: Linear) {
        let form = self.form;
        let (args, axes) = (&form.node(id).args, self.axes[id.index()]);
        let n = linear.side();
        // one row for each value
        let (values, order) = match linear {
            Linear::Solve { m, .. } => (self.solution(args, n, m as usize, axes), [1, 2, 0]),
            Linear::Cofactors { .. } => (self.adjugate(args, n, axes), [2, 1, 0]),
        };
        let order = vec![ints_attribute("perm", order.to_vec())];
        let values = self.apply("Transpose", vec![values], order);
        let all = self.row(&[-1]);
        let values = self.push("Reshape", vec![values, all]);
        let tensors = match axes == Axes::NONE {
            true => self.scalars(id, &values, linear.values()),
            false => self.split(id, values, linear.values(), axes),
        };
        let log = None;
        self.part().values.insert(id, Values { tensors, log });
    }

    /// So many tensors along these axes, from one of all of them.
    fn split(&mut self, id: NodeId, values: String, count: usize, axes: Axes) -> Vec<String> {
        let (size, row) = (self.flat_size(axes), self.row(&[count as i64]));
        let sizes = self.once(
            &format!("sizes {count} {axes:?}"),
            "Expand",
            vec![size, row],
        );
        let tensors = (0..count).map(|_| self.names.numbered("Split"));
        let mut tensors: Vec<String> = tensors.collect();
        let axis = vec![int_attribute("axis", 0)];
        self.part()
            .push_with("Split", vec![values, sizes], tensors.clone(), axis);
        if axes.members {
            let shape = self.shape(axes);
            for index in self.values_read.get(&id).cloned().unwrap_or_default() {
                let flat = std::mem::take(&mut tensors[index as usize]);
                tensors[index as usize] = self.push("Reshape", vec![flat, shape.clone()]);
            }
        }
        tensors
    }

    /// Those values of a node that are read, each as a scalar.
    fn scalars(&mut self, id: NodeId, values: &str, count: usize) -> Vec<String> {
        let mut tensors = vec![String::new(); count];
        for index in self.values_read.get(&id).cloned().unwrap_or_default() {
            let place = self.whole(i64::from(index));
            tensors[index as usize] = self.on_axis("Gather", 0, vec![values.into(), place]);
        }
        tensors
    }

    /// X of A X = B: B, and X, of so many matrices of n by m.
    fn solution(&mut self, args: &[NodeId], n: usize, m: usize, axes: Axes) -> String {
        let (left, right) = args.split_at(n * n);
        let rows = left.chunks_exact(n).zip(right.chunks_exact(m));
        let rows: Vec<NodeId> = rows.flat_map(|(a, b)| [a, b].concat()).collect();
        let both = self.matrices(&rows, n, n + m, axes);
        let done = self.eliminate(Goal::Solve, n, n + m, axes, both).matrix;
        let right = self.cut(&done, 2, n, n + m);
        self.substitute(&done, right, n, m, axes)
    }

    /// The adjugate of each matrix A. Elimination makes M = [V u; 0 d] of P A Q, and R of P; then that of A is
    /// ±det(V) Q [V⁻¹ (d R₁ - u r); r], where r is the last row of R and R₁ the others: no division by the last pivot, and
    /// zero if there are two pivots of zero.
    fn adjugate(&mut self, args: &[NodeId], n: usize, axes: Axes) -> String {
        let left = self.matrices(args, n, n, axes);
        let unit = self.unit(n, axes);
        let both = self.on_axis("Concat", 2, vec![left, unit]);
        let done = self.eliminate(Goal::Cofactors, n, 2 * n, axes, both);
        let above = self.cut(&done.matrix, 1, 0, n - 1);
        let below = self.cut(&done.matrix, 1, n - 1, n);
        let (u, rows) = (self.cut(&above, 2, n - 1, n), self.cut(&above, 2, n, 2 * n));
        let (d, row) = (self.cut(&below, 2, n - 1, n), self.cut(&below, 2, n, 2 * n));
        let scaled = self.push("Mul", vec![d, rows]);
        let product = self.push("Mul", vec![u, row.clone()]);
        let right = self.push("Sub", vec![scaled, product]);
        let first = self.substitute(&above, right, n - 1, n, axes);
        let all = self.on_axis("Concat", 1, vec![first, row]);
        let axis = self.row(&[2]);
        let minor = self.push("Unsqueeze", vec![done.total, axis.clone()]);
        let all = self.push("Mul", vec![minor, all]);
        let singular = self.push("Unsqueeze", vec![done.singular, axis]);
        let zero = self.numeral(0.0);
        let all = self.push("Where", vec![singular, zero, all]);
        self.rows_at(all, done.places)
    }

    /// A unit matrix for each of the matrices.
    fn unit(&mut self, n: usize, axes: Axes) -> String {
        let element = self.element;
        let unit = self.shared(&format!("unit matrix {n}"), |name| {
            let values = (0..n * n).map(|at| if at % (n + 1) == 0 { 1.0 } else { 0.0 });
            let values: Vec<f64> = values.collect();
            numbers(name, &[1, n as i64, n as i64], element, &values)
        });
        self.each(unit, 3, axes)
    }
}
