//! Vectors and matrices. The decomposition is Doolittle's with partial pivoting: the row with the largest absolute value
//! of the column, the first of those that tie. The determinant is the product of the pivots from the left, negated
//! for an odd number of exchanges; `solve` substitutes forwards, then backwards, subtracting in the order of the columns;
//! `inv` solves for the columns of the identity; `logdet` adds the logarithms of the sizes of the pivots.

use std::rc::Rc;

use super::eval::Result;
use super::number::{Dual, sum};
use super::primitives::number;
use super::value::{Tensor, Value};

pub const NAMES: &str = "vec ref dot cross norm normalize vsum vlen scale mat matmul matvec transpose trace det logdet \
    inv solve outer eye zeros ones";

type Rows = Vec<Vec<Dual>>;

fn vector<'a>(name: &str, value: &'a Value) -> Result<&'a [Dual]> {
    match value {
        Value::Tensor(tensor) if tensor.shape.len() == 1 => Ok(&tensor.data),
        other => Err(format!("{name}: {other} is no vector")),
    }
}

fn matrix(name: &str, value: &Value) -> Result<Rows> {
    match value {
        Value::Tensor(tensor) if tensor.shape.len() == 2 => {
            let width = tensor.shape[1];
            Ok((0..tensor.shape[0])
                .map(|i| tensor.data[i * width..(i + 1) * width].to_vec())
                .collect())
        }
        other => Err(format!("{name}: {other} is no matrix")),
    }
}

fn square(name: &str, value: &Value) -> Result<Rows> {
    let rows = matrix(name, value)?;
    match rows.iter().all(|row| row.len() == rows.len()) {
        true => Ok(rows),
        false => Err(format!("{name}: the matrix is not square")),
    }
}

fn size(name: &str, value: &Value) -> Result<usize> {
    match value {
        Value::Int(n) if (1..=64).contains(n) => Ok(*n as usize),
        other => Err(format!("{name}: {other} is no size")),
    }
}

fn from_vector(data: Vec<Dual>) -> Value {
    Value::tensor(vec![data.len()], data)
}

fn from_rows(rows: Rows) -> Value {
    Value::tensor(vec![rows.len(), rows[0].len()], rows.concat())
}

fn dot(name: &str, a: &[Dual], b: &[Dual]) -> Result<Dual> {
    match a.len() == b.len() {
        true => Ok(sum(a.iter().zip(b).map(|(a, b)| a.mul(*b)))),
        false => Err(format!("{name}: lengths {} and {}", a.len(), b.len())),
    }
}

fn transpose(rows: &Rows) -> Rows {
    (0..rows[0].len())
        .map(|j| rows.iter().map(|row| row[j]).collect())
        .collect()
}

/// The root of the sum of squares; its derivative is 0 where it is 0.
fn norm(v: &[Dual]) -> Dual {
    let squares = sum(v.iter().map(|a| a.mul(*a)));
    squares.border(Dual::constant(0.0));
    match squares.value == 0.0 {
        true => Dual::constant(squares.value.sqrt()),
        false => squares.sqrt(),
    }
}

fn decompose(mut rows: Rows) -> (Rows, Vec<usize>, bool) {
    let n = rows.len();
    let (mut order, mut odd): (Vec<usize>, bool) = ((0..n).collect(), false);
    for k in 0..n {
        let mut pivot = k;
        for i in k + 1..n {
            if rows[i][k].value.abs() > rows[pivot][k].value.abs() {
                pivot = i;
            }
        }
        if pivot != k {
            rows.swap(pivot, k);
            order.swap(pivot, k);
            odd = !odd;
        }
        if rows[k][k].value == 0.0 {
            // the whole column is zero
            continue;
        }
        for i in k + 1..n {
            let above = rows[k].clone();
            let factor = rows[i][k].div(above[k]);
            rows[i][k] = factor;
            for (a, above) in rows[i].iter_mut().zip(&above).skip(k + 1) {
                *a = a.sub(factor.mul(*above));
            }
        }
    }
    (rows, order, odd)
}

fn solve(rows: Rows, b: &[Dual]) -> Vec<Dual> {
    let n = rows.len();
    let (lu, order, _) = decompose(rows);
    let mut x: Vec<Dual> = order.iter().map(|i| b[*i]).collect();
    for i in 0..n {
        for j in 0..i {
            x[i] = x[i].sub(lu[i][j].mul(x[j]));
        }
    }
    for i in (0..n).rev() {
        for j in i + 1..n {
            x[i] = x[i].sub(lu[i][j].mul(x[j]));
        }
        x[i] = x[i].div(lu[i][i]);
    }
    x
}

fn values(rows: &Rows) -> Rows {
    let constant = |row: &Vec<Dual>| row.iter().map(|a| Dual::constant(a.value)).collect();
    rows.iter().map(constant).collect()
}

fn det_value(rows: Rows) -> f64 {
    let (lu, _, odd) = decompose(rows);
    let product = (0..lu.len()).map(|i| lu[i][i].value).reduce(|a, b| a * b);
    match odd {
        true => -product.unwrap_or(1.0),
        false => product.unwrap_or(1.0),
    }
}

/// The determinant, its derivative by cofactors.
fn det(rows: &Rows) -> Dual {
    let n = rows.len();
    let mut terms = Vec::new();
    for i in 0..n {
        for j in 0..n {
            let mut minor = values(rows);
            minor.remove(i);
            remove_column(&mut minor, j);
            let sign = if (i + j) % 2 == 0 { 1.0 } else { -1.0 };
            terms.push((rows[i][j], sign * laplace(&minor)));
        }
    }
    Dual::join(det_value(values(rows)), &terms)
}

fn remove_column(rows: &mut Rows, j: usize) {
    for row in rows {
        row.remove(j);
    }
}

/// The determinant by expansion along the first row.
fn laplace(rows: &Rows) -> f64 {
    if rows.is_empty() {
        return 1.0;
    }
    let mut total = 0.0;
    for j in 0..rows.len() {
        let mut minor = rows[1..].to_vec();
        remove_column(&mut minor, j);
        let sign = if j % 2 == 0 { 1.0 } else { -1.0 };
        total += sign * rows[0][j].value * laplace(&minor);
    }
    total
}

fn identity(n: usize) -> Rows {
    let entry = |i: usize, j: usize| Dual::constant(if i == j { 1.0 } else { 0.0 });
    (0..n)
        .map(|i| (0..n).map(|j| entry(i, j)).collect())
        .collect()
}

pub fn call(name: &str, arguments: &[Value]) -> Result<Value> {
    Ok(match (name, arguments) {
        ("vec", all) => {
            let reals = all.iter().map(|a| number(name, a).map(|a| a.real()));
            from_vector(reals.collect::<Result<_>>()?)
        }
        ("mat", rows) => {
            let rows: Result<Rows> = rows
                .iter()
                .map(|row| vector(name, row).map(<[Dual]>::to_vec))
                .collect();
            let rows = rows?;
            match rows.first() {
                Some(first) if rows.iter().all(|row| row.len() == first.len()) => from_rows(rows),
                _ => return Err("mat: the rows have different lengths".into()),
            }
        }
        ("ref", [Value::Tensor(tensor), Value::Int(i)]) => reference(tensor, *i)?,
        ("ref", [_, i]) => return Err(format!("ref: {i} is no index")),
        ("dot", [a, b]) => Value::Real(dot(name, vector(name, a)?, vector(name, b)?)?),
        ("cross", [a, b]) => match (vector(name, a)?, vector(name, b)?) {
            ([a1, a2, a3], [b1, b2, b3]) => from_vector(vec![
                a2.mul(*b3).sub(a3.mul(*b2)),
                a3.mul(*b1).sub(a1.mul(*b3)),
                a1.mul(*b2).sub(a2.mul(*b1)),
            ]),
            _ => return Err("cross: vectors of three are wanted".into()),
        },
        ("norm", [v]) => Value::Real(norm(vector(name, v)?)),
        ("normalize", [v]) => {
            let v = vector(name, v)?;
            let length = norm(v);
            from_vector(v.iter().map(|a| a.div(length)).collect())
        }
        ("vsum", [Value::Tensor(tensor)]) => Value::Real(sum(tensor.data.iter().copied())),
        ("vlen", [v]) => Value::Int(vector(name, v)?.len() as i64),
        ("scale", [Value::Tensor(tensor), factor]) => {
            let factor = number(name, factor)?.real();
            let data = tensor.data.iter().map(|a| a.mul(factor)).collect();
            Value::tensor(tensor.shape.clone(), data)
        }
        ("matmul", [a, b]) => {
            let (a, b) = (matrix(name, a)?, transpose(&matrix(name, b)?));
            let row = |row: &Vec<Dual>| b.iter().map(|column| dot(name, row, column)).collect();
            from_rows(a.iter().map(row).collect::<Result<Rows>>()?)
        }
        ("matvec", [a, v]) => {
            let (a, v) = (matrix(name, a)?, vector(name, v)?);
            let products = a.iter().map(|row| dot(name, row, v));
            from_vector(products.collect::<Result<_>>()?)
        }
        ("transpose", [a]) => from_rows(transpose(&matrix(name, a)?)),
        ("trace", [a]) => {
            let rows = square(name, a)?;
            Value::Real(sum((0..rows.len()).map(|i| rows[i][i])))
        }
        ("det", [a]) => Value::Real(det(&square(name, a)?)),
        ("logdet", [a]) => {
            let (lu, _, _) = decompose(square(name, a)?);
            let logs = (0..lu.len()).map(|i| {
                let pivot = lu[i][i];
                pivot.chain(pivot.value.abs().ln(), 1.0 / pivot.value)
            });
            Value::Real(sum(logs))
        }
        ("solve", [a, b]) => {
            let (rows, b) = (square(name, a)?, vector(name, b)?);
            match rows.len() == b.len() {
                true => from_vector(solve(rows, b)),
                false => return Err("solve: sizes differ".into()),
            }
        }
        ("inv", [a]) => {
            let rows = square(name, a)?;
            let columns = identity(rows.len());
            let columns = columns.iter().map(|column| solve(rows.clone(), column));
            from_rows(transpose(&columns.collect()))
        }
        ("outer", [a, b]) => {
            let (a, b) = (vector(name, a)?, vector(name, b)?);
            let row = |a: &Dual| b.iter().map(|b| a.mul(*b)).collect();
            from_rows(a.iter().map(row).collect())
        }
        ("eye", [n]) => from_rows(identity(size(name, n)?)),
        ("zeros" | "ones", sizes @ ([_] | [_, _])) => {
            let shape: Vec<usize> = sizes.iter().map(|n| size(name, n)).collect::<Result<_>>()?;
            let one = Dual::constant(if name == "ones" { 1.0 } else { 0.0 });
            let count = shape.iter().product();
            Value::tensor(shape, vec![one; count])
        }
        _ => return Err(format!("{name}: a wrong number or type of arguments")),
    })
}

fn reference(tensor: &Rc<Tensor>, i: i64) -> Result<Value> {
    let index = usize::try_from(i).ok().filter(|i| *i < tensor.shape[0]);
    let index = index.ok_or_else(|| format!("ref: {i} is out of range"))?;
    Ok(match tensor.shape[..] {
        [_, width] => from_vector(tensor.data[index * width..(index + 1) * width].to_vec()),
        _ => Value::Real(tensor.data[index]),
    })
}
