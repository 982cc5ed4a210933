//! The operations. One operation is one row of a table: its name in Scheme, how many arguments it takes, what it computes,
//! how its derivative is built and how ONNX spells it.

mod adjoint;
mod adjoint_linear;
mod decompose;
mod decompose_linear;
mod elementary;
mod emit;
mod fold;
pub mod kernel;
pub mod linear;
pub(crate) mod numeric;
pub mod real;
mod soft_choice;
mod special;
mod table;
mod types;
pub mod wording;

pub use adjoint::Site;
pub use adjoint_linear::linear_adjoints;
pub use decompose_linear::{MAX_WRITTEN_SIDE, values as linear_values};
pub use emit::{Emit, NodeId};
pub(crate) use fold::exact;
pub use fold::fold;
pub use linear::Linear;
pub use numeric::{PAIRS, pair_kernels};
pub use soft_choice::{SoftChoice, soft_choice};
pub use table::{OnnxForm, Op, Role, Row, all, find, nearest};
pub use types::{Elem, Type};

impl Op {
    /// The row of the table that describes this operation.
    pub fn row(self) -> &'static Row {
        table::row(self)
    }

    /// Whether the result depends smoothly on argument `index` of `count`: the derivative by it is not zero everywhere.
    pub fn passes(self, index: usize, count: usize) -> bool {
        match self.row().role {
            Role::Numeric { adjoint, .. } => adjoint::exists(adjoint, index, count),
            _ => false,
        }
    }

    /// The name in Scheme and in graphs.
    pub fn name(self) -> &'static str {
        self.row().name
    }
}
