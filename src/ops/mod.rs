//! The operations. One operation is one row of a table: its name in Scheme, how many arguments it takes, what it computes,
//! how its derivative is built and how ONNX spells it.

mod adjoint;
mod decompose;
mod elementary;
mod emit;
mod fold;
pub mod kernel;
pub(crate) mod numeric;
pub mod real;
mod special;
mod table;
mod types;
pub mod wording;

pub use adjoint::Site;
pub use emit::{Emit, NodeId};
pub(crate) use fold::exact;
pub use fold::fold;
pub use table::{OnnxForm, Op, Role, Row, all, find, nearest};
pub use types::{Elem, Type};

impl Op {
    /// The row of the table that describes this operation.
    pub fn row(self) -> &'static Row {
        table::row(self)
    }

    /// The name in Scheme and in graphs.
    pub fn name(self) -> &'static str {
        self.row().name
    }
}
