//! Gaussian elimination on a tensor of matrices, B by rows by columns, where B is the number of samples, of members of a
//! population, their product, or 1.

use super::axes::Axes;
use super::messages::{graph_attribute, int_attribute, sized, whole_tensor};
use super::write::Writer;
use crate::onnx::proto::tensor_proto::DataType;
use crate::onnx::proto::tensor_shape_proto::dimension::Value as Dim;

/// What an elimination is for.
#[derive(Clone, Copy, PartialEq)]
pub enum Goal {
    /// The product of the pivots, negated at each exchange of rows.
    Det,
    /// The sum of the logarithms of their sizes.
    LogDet,
    /// The triangle, and the right sides beside it.
    Solve,
    /// The same with complete pivoting, for all columns but the last, and the product of the pivots of these.
    Cofactors,
}

/// What an elimination leaves. What its goal does not need is an empty name.
#[derive(Default)]
pub struct Eliminated {
    pub matrix: String,
    /// B by 1: the product of the pivots, or the sum of the logarithms of their sizes.
    pub total: String,
    /// B by 1: whether a pivot is zero.
    pub singular: String,
    /// B by the side: where each column of the first matrix stands.
    pub places: String,
}

/// A state of a loop: its initial tensor, type and shape.
type State = (String, DataType, Vec<Dim>);

fn side(size: usize) -> Dim {
    Dim::DimValue(size as i64)
}

/// How many matrices there are.
fn matrices(axes: Axes) -> Dim {
    match axes == Axes::NONE {
        true => Dim::DimValue(1),
        false => Dim::DimParam("B".into()),
    }
}

impl Writer<'_> {
    /// Makes the columns zero below the diagonal, one by one, in the order of the native kernel and so to its bits. The
    /// elements there are left as they are: nobody reads them again.
    pub fn eliminate(
        &mut self,
        goal: Goal,
        n: usize,
        width: usize,
        axes: Axes,
        start: String,
    ) -> Eliminated {
        let (number, one) = (self.data_type(false), vec![matrices(axes), side(1)]);
        let shape = vec![matrices(axes), side(n), side(width)];
        let mut states: Vec<State> = vec![(start, number, shape)];
        if goal != Goal::Solve {
            let first = if goal == Goal::LogDet { 0.0 } else { 1.0 };
            let first = self.numerals(&[1, 1], &[first]);
            states.push((self.each(first, 2, axes), number, one.clone()));
        }
        let trips = match goal {
            Goal::Cofactors => n - 1,
            _ => n,
        };
        if goal == Goal::Cofactors {
            let no = self.truths_of(&[1, 1], false);
            states.push((self.each(no, 2, axes), DataType::Bool, one));
            let places = self.wholes_of(&[1, n as i64], (0..n as i64).collect());
            let places = self.each(places, 2, axes);
            let shape = vec![matrices(axes), side(n)];
            states.push((places, DataType::Int64, shape));
        }
        let last = self.count_up("eliminate", trips, states, |writer, k, states| {
            writer.column(goal, n, width, k, states)
        });
        let mut last = last.into_iter();
        let mut next = || last.next().unwrap_or_default();
        Eliminated {
            matrix: next(),
            total: next(),
            singular: next(),
            places: next(),
        }
    }

    /// A loop of so many iterations: its last states. `body` makes of the number of the iteration and its states the next.
    fn count_up(
        &mut self,
        name: &str,
        trips: usize,
        states: Vec<State>,
        body: impl FnOnce(&mut Self, &str, Vec<String>) -> Vec<String>,
    ) -> Vec<String> {
        let mut input = vec![self.whole(trips as i64), self.known_truth(true)];
        input.extend(states.iter().map(|(start, ..)| start.clone()));
        self.open();
        let k = self.input(DataType::Int64, &[]);
        let going = self.input(DataType::Bool, &[]);
        let inside = states.iter().map(|(_, data_type, dims)| {
            let name = self.names.numbered("in");
            let info = sized(&name, *data_type, dims.clone());
            self.part().inputs.push(info);
            name
        });
        let inside = inside.collect();
        let next = body(self, &k, inside);
        self.output(going, DataType::Bool, &[]);
        for (tensor, (_, data_type, dims)) in next.into_iter().zip(&states) {
            self.part().take(&tensor);
            let info = sized(&tensor, *data_type, dims.clone());
            self.part().outputs.push(info);
        }
        let body = self.close().into_graph(name.into());
        let last = states.iter().map(|_| self.names.numbered("Loop"));
        let last: Vec<String> = last.collect();
        let attribute = vec![graph_attribute("body", body)];
        self.part()
            .push_with("Loop", input, last.clone(), attribute);
        last
    }

    /// The states after column `k`.
    fn column(
        &mut self,
        goal: Goal,
        n: usize,
        width: usize,
        k: &str,
        states: Vec<String>,
    ) -> Vec<String> {
        let mut states = states.into_iter();
        let mut matrix = states.next().unwrap_or_default();
        let axis = self.row(&[0]);
        let here = self.push("Unsqueeze", vec![k.into(), axis]);
        let complete = goal == Goal::Cofactors;
        let (row, column) = match complete {
            true => self.largest(&matrix, n, k),
            false => (self.largest_in_column(&matrix, n, k), String::new()),
        };
        let order = self.range(n);
        let order = self.exchange(order, k, &row);
        matrix = self.rows_at(matrix, order);
        if complete {
            matrix = self.exchange_columns(matrix, width, k, &column);
        }
        let pivot_row = self.on_axis("Gather", 1, vec![matrix.clone(), here.clone()]);
        let factors = self.on_axis("Gather", 2, vec![matrix.clone(), here.clone()]);
        let pivot = self.on_axis("Gather", 2, vec![pivot_row.clone(), here]);
        let zero = self.numeral(0.0);
        let singular = self.push("Equal", vec![pivot.clone(), zero]);
        // a column of zeros stays as it is
        let rows = self.row_numbers(n);
        let below = self.push("Greater", vec![rows, k.into()]);
        let regular = self.push("Not", vec![singular.clone()]);
        let changed = self.push("And", vec![below, regular]);
        let factors = self.push("Div", vec![factors, pivot.clone()]);
        let product = self.push("Mul", vec![factors, pivot_row]);
        let rest = self.push("Sub", vec![matrix.clone(), product]);
        let mut next = vec![self.push("Where", vec![changed, rest, matrix])];
        if let Some(total) = states.next() {
            let axis = self.row(&[2]);
            let pivot = self.push("Squeeze", vec![pivot, axis]);
            next.push(self.total(goal, total, pivot, [&row, &column], k));
        }
        if let Some(before) = states.next() {
            let axis = self.row(&[2]);
            let singular = self.push("Squeeze", vec![singular, axis]);
            next.push(self.push("Or", vec![before, singular]));
        }
        if let Some(places) = states.next() {
            next.push(self.exchange(places, k, &column));
        }
        next
    }

    /// What becomes of a total with one more pivot, which these exchanges have brought to its place.
    fn total(
        &mut self,
        goal: Goal,
        total: String,
        pivot: String,
        exchanged: [&str; 2],
        k: &str,
    ) -> String {
        if goal == Goal::LogDet {
            let size = self.push("Abs", vec![pivot]);
            let log = self.push("Log", vec![size]);
            return self.push("Add", vec![total, log]);
        }
        let same = exchanged.into_iter().filter(|place| !place.is_empty());
        let same: Vec<String> = same
            .map(|place| self.push("Equal", vec![place.into(), k.into()]))
            .collect();
        // two exchanges are none, and so are two that are none
        let even = same
            .into_iter()
            .reduce(|a, b| self.push("Equal", vec![a, b]))
            .unwrap_or_default();
        let negated = self.push("Neg", vec![pivot.clone()]);
        let signed = self.push("Where", vec![even, pivot, negated]);
        self.push("Mul", vec![total, signed])
    }

    /// V⁻¹ `right`, from the last row to the first: V is the upper triangle of the first `n` rows and columns of `matrix`,
    /// and `right` is n by m.
    pub fn substitute(
        &mut self,
        matrix: &str,
        right: String,
        n: usize,
        m: usize,
        axes: Axes,
    ) -> String {
        let shape = vec![matrices(axes), side(n), side(m)];
        let state = (right, self.data_type(false), shape);
        let last = self.count_up("substitute", n, vec![state], |writer, k, states| {
            let right = states.into_iter().next().unwrap_or_default();
            let last = writer.row(&[n as i64 - 1]);
            let here = writer.push("Sub", vec![last, k.into()]);
            let column = writer.on_axis("Gather", 2, vec![matrix.into(), here.clone()]);
            let pivot = writer.on_axis("Gather", 1, vec![column.clone(), here.clone()]);
            let row = writer.on_axis("Gather", 1, vec![right.clone(), here.clone()]);
            let solved = writer.push("Div", vec![row, pivot]);
            let product = writer.push("Mul", vec![column, solved.clone()]);
            let rest = writer.push("Sub", vec![right.clone(), product]);
            let rows = writer.row_numbers(n);
            let above = writer.push("Less", vec![rows.clone(), here.clone()]);
            let rest = writer.push("Where", vec![above, rest, right]);
            let same = writer.push("Equal", vec![rows, here]);
            vec![writer.push("Where", vec![same, solved, rest])]
        });
        last.into_iter().next().unwrap_or_default()
    }

    /// The first of the rows from `k` on that have the largest size in column `k`, B by 1.
    fn largest_in_column(&mut self, matrix: &str, n: usize, k: &str) -> String {
        let column = self.on_axis("Gather", 2, vec![matrix.into(), k.into()]);
        let range = self.range(n);
        let from = self.push("GreaterOrEqual", vec![range.clone(), k.into()]);
        let first = self.push("Equal", vec![range, k.into()]);
        self.place_of_largest(column, from, first)
    }

    /// Row and column of the largest size from row and column `k` on, the first of those that tie.
    fn largest(&mut self, matrix: &str, n: usize, k: &str) -> (String, String) {
        let square = self.cut(matrix, 2, 0, n);
        let shape = self.row(&[-1, (n * n) as i64]);
        let square = self.push("Reshape", vec![square, shape]);
        let (side, count) = (n as i64, (n * n) as i64);
        let rows = self.row(&(0..count).map(|at| at / side).collect::<Vec<_>>());
        let columns = self.row(&(0..count).map(|at| at % side).collect::<Vec<_>>());
        let [(below, top), (right, left)] = [rows, columns].map(|places| {
            let from = self.push("GreaterOrEqual", vec![places.clone(), k.into()]);
            (from, self.push("Equal", vec![places, k.into()]))
        });
        let from = self.push("And", vec![below, right]);
        let first = self.push("And", vec![top, left]);
        let place = self.place_of_largest(square, from, first);
        let side = self.whole(side);
        let row = self.push("Div", vec![place.clone(), side.clone()]);
        (row, self.push("Mod", vec![place, side]))
    }

    /// Where each row has the first of its largest sizes among the elements of `from`, as comparisons find it that begin
    /// with the element of `first`: a NaN there stays, and others are passed over.
    fn place_of_largest(&mut self, values: String, from: String, first: String) -> String {
        let [zero, least, most] = [0.0, -1.0, f64::INFINITY].map(|value| self.numeral(value));
        let rest = self.push("Where", vec![first, most, least]);
        let sizes = self.push("Abs", vec![values]);
        let known = self.push("GreaterOrEqual", vec![sizes.clone(), zero]);
        let known = self.push("And", vec![from, known]);
        let sizes = self.push("Where", vec![known, sizes, rest]);
        self.on_axis("ArgMax", 1, vec![sizes])
    }

    /// `k` in place of `other`, and the other way round.
    fn exchange(&mut self, places: String, k: &str, other: &str) -> String {
        let is_k = self.push("Equal", vec![places.clone(), k.into()]);
        let is_other = self.push("Equal", vec![places.clone(), other.into()]);
        let rest = self.push("Where", vec![is_other, k.into(), places]);
        self.push("Where", vec![is_k, other.into(), rest])
    }

    fn exchange_columns(&mut self, matrix: String, width: usize, k: &str, other: &str) -> String {
        let order = self.range(width);
        let order = self.exchange(order, k, other);
        let axis = self.row(&[1]);
        let order = self.push("Unsqueeze", vec![order, axis]);
        let shape = self.push("Shape", vec![matrix.clone()]);
        let order = self.push("Expand", vec![order, shape]);
        self.on_axis("GatherElements", 2, vec![matrix, order])
    }

    /// The rows of each matrix at these places.
    pub fn rows_at(&mut self, matrix: String, places: String) -> String {
        let axis = self.row(&[2]);
        let places = self.push("Unsqueeze", vec![places, axis]);
        let attribute = vec![int_attribute("batch_dims", 1)];
        self.apply("GatherND", vec![matrix, places], attribute)
    }

    /// 0, 1 and so on, so many.
    fn range(&mut self, count: usize) -> String {
        self.row(&(0..count as i64).collect::<Vec<_>>())
    }

    /// The same as a column.
    fn row_numbers(&mut self, count: usize) -> String {
        self.wholes_of(&[count as i64, 1], (0..count as i64).collect())
    }

    /// A constant tensor of whole numbers.
    fn wholes_of(&mut self, dims: &[i64], values: Vec<i64>) -> String {
        self.shared(&format!("wholes {dims:?} {values:?}"), |name| {
            whole_tensor(name, dims, &values)
        })
    }

    /// A row of whole constants, which says axes, a shape or places.
    pub fn row(&mut self, values: &[i64]) -> String {
        self.wholes_of(&[values.len() as i64], values.to_vec())
    }
}
