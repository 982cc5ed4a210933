//! A plain evaluator of the whole language, slow and obviously right, sharing no code with the library. Every number
//! carries its derivatives along the path taken.
//!
//! Where rounding depends on an order, the order is fixed here: sums and products fold from the left; `dot`, `matmul`,
//! `matvec`, `vsum` and `trace` add from the left, beginning with their first term; `norm` is the root of the sum of
//! squares; the decompositions are described in `linear`.

pub mod contract;
pub mod eval;
pub mod forms;
pub mod linear;
pub mod lists;
pub mod number;
pub mod primitives;
pub mod reader;
pub mod value;

use std::rc::Rc;

use eval::{Limits, Machine};
use number::{DIRECTIONS, Dual};
use value::Value;

/// What a run gives.
pub struct Outcome {
    pub value: Value,
    /// The smallest distance to a kink or to the border of a test that hangs on data.
    pub gap: f64,
    /// Whether a derivative on the way was infinite, NaN or near the limits of doubles.
    pub wild: bool,
}

/// Runs a program. `given` binds inputs and parameters, `wrt` says by which of them the derivatives are.
pub fn run(
    text: &str,
    given: &[(&str, f64)],
    wrt: &[&str],
    limits: Limits,
) -> Result<Outcome, String> {
    assert!(wrt.len() <= DIRECTIONS, "too many directions");
    let seeded = |name: &str, value: f64| {
        let mut dual = Dual::constant(value);
        if let Some(i) = wrt.iter().position(|other| *other == name) {
            dual.slopes[i] = 1.0;
            dual.sizes[i] = 1.0;
            dual.hangs = true;
        }
        Value::Real(dual)
    };
    let program = reader::read_all(text)?;
    number::trace_reset();
    let given = given
        .iter()
        .map(|(name, value)| (Rc::from(*name), seeded(name, *value)))
        .collect();
    let machine = Machine::new(given, limits);
    let value = machine.program(&program, &|name, value| seeded(name, value))?;
    let (gap, wild) = number::trace();
    Ok(Outcome { value, gap, wild })
}
