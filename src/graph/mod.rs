//! The dataflow graph: an arena of nodes in which arguments stand before their users, and regions for the arms of `if` and
//! the bodies of loops and functions.
//!
//! A node belongs to one region and may use nodes of that region and of the regions around it. A *numeric* graph holds only
//! numbers, linear algebra, `if` and `loop`; a *general* graph also holds functions, closures and structural operations.

mod arrays;
mod bind;
mod build;
mod choice;
mod copy;
mod live;
mod schedule;
mod simplify;
mod smooth;
mod split;
mod spread;
mod text;
mod verify;

use std::sync::Arc;

use crate::error::Span;
pub use crate::ops::NodeId;
use crate::ops::Op;
pub use crate::ops::{Elem, Linear, Type};
use crate::syntax::ast::Constant;
pub use arrays::{Array, arrays};
pub use bind::bind;
pub use build::Builder;
pub use choice::write_out_choices;
pub use copy::{Arms, Back, Copier, flatten, flatten_batched, hoist, write_out};
pub use simplify::simplify;
pub use smooth::{TEMPERATURE, smooth};
pub use split::{Split, split};
pub use text::parse;
pub use verify::{verify, verify_numeric, verify_operation};

/// Deepest nesting of regions that readers accept and passes recurse into.
pub const MAX_REGION_DEPTH: usize = 1000;

/// A region: an index into [`Graph::regions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RegionId(pub u32);

/// A function: an index into [`Graph::functions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionId(pub u32);

/// What a node computes.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeKind {
    /// A constant.
    Constant(Constant),
    /// An input or parameter of the graph: an index into [`Graph::ports`].
    Port(u32),
    /// A parameter of the region that the node belongs to.
    RegionParam,
    /// An operation on the arguments.
    Op(Op),
    /// An operation as a value: a procedure that can be passed.
    Primitive(Op),
    /// Argument: the test. Its values, read by [`NodeKind::Get`], are the results of the arm that is taken.
    If(RegionId, RegionId),
    /// While the result of the first region, the head, is true: the second, `next`, gives the next states. Arguments: the
    /// initial states, which are the head's parameters. `next` stands inside the head and sees its nodes. The values, read
    /// by [`NodeKind::Get`], are the states for which the head is false.
    Loop(RegionId, RegionId),
    /// Goes back over the iterations of a loop, the last one first. Arguments: the loop, then the initial carries. The
    /// parameters of the region are the states before an iteration, then the carries; its results are the next carries.
    /// The values, read by [`NodeKind::Get`], are the last carries.
    Reverse(RegionId),
    /// Linear algebra on the arguments. Its values are read by [`NodeKind::Get`].
    Linear(Linear),
    /// Value `i` of the argument: an `if`, a loop, a sweep back over one, or linear algebra.
    Get(u32),
    /// A call of a known function: its captures, then its arguments.
    Call(FunctionId),
    /// The closure of a function over the arguments, its captures.
    Closure(FunctionId),
    /// A call of the first argument, a procedure, with the others.
    Apply,
}

/// One node.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it computes.
    pub kind: NodeKind,
    /// From what: nodes that stand before it.
    pub args: Vec<NodeId>,
    /// The type of its value; of a node of several values, of its first.
    pub ty: Type,
    /// Where it comes from in the source.
    pub span: Span,
}

/// A sequence of nodes with parameters and results.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Region {
    /// Nodes of kind [`NodeKind::RegionParam`].
    pub params: Vec<NodeId>,
    /// All nodes of the region, its parameters included, in order.
    pub nodes: Vec<NodeId>,
    /// The values of the region.
    pub results: Vec<NodeId>,
}

/// A function of a general graph. Its body's parameters are the captures, then the parameters, then the rest list.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Its name in the source.
    pub name: Arc<str>,
    /// The names of what it captures.
    pub captures: Vec<Arc<str>>,
    /// The names of its fixed parameters.
    pub params: Vec<Arc<str>>,
    /// Whether one more parameter takes the remaining arguments as a list.
    pub rest: bool,
    /// Its body: one result.
    pub body: RegionId,
}

/// What an input of a graph is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PortKind {
    /// One value a sample.
    Input,
    /// One value for the whole batch, which can be fitted.
    Parameter {
        /// Its value unless another is given.
        initial: f64,
        /// Lower bound, may be `-inf`.
        lower: f64,
        /// Upper bound, may be `+inf`.
        upper: f64,
    },
}

/// An input or a parameter of a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    /// Its name.
    pub name: Arc<str>,
    /// Which of the two.
    pub kind: PortKind,
}

impl Port {
    /// Whether this is a parameter.
    pub fn is_parameter(&self) -> bool {
        matches!(self.kind, PortKind::Parameter { .. })
    }
}

/// How the outputs of a graph make up its value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Output `i`.
    Output(usize),
    /// A value without numbers: a symbol, a character, the empty list.
    Constant(Constant),
    /// A list, with what stands behind its dot.
    List(Vec<Value>, Option<Box<Value>>),
    /// A vector (one size) or a matrix (rows, columns) of numbers, row by row.
    Array(Vec<usize>, Vec<Value>),
    /// A procedure, which has no numbers to show.
    Procedure,
}

impl Value {
    /// The items of an array as it is written: of a vector its numbers, of a matrix its rows.
    pub fn rows(shape: &[usize], items: &[Value]) -> Vec<Value> {
        match shape {
            [_, width] => {
                let rows = items.chunks((*width).max(1));
                rows.map(|row| Value::Array(vec![*width], row.to_vec()))
                    .collect()
            }
            _ => items.to_vec(),
        }
    }

    /// The array with these items, outputs or rows of outputs; `None` if they make up none.
    pub fn array(rows: Vec<Value>) -> Option<Value> {
        if rows.iter().all(|item| matches!(item, Value::Output(_))) {
            return Some(Value::Array(vec![rows.len()], rows));
        }
        let (count, mut items) = (rows.len(), Vec::new());
        let mut width = None;
        for row in rows {
            match row {
                Value::Array(shape, row)
                    if shape.len() == 1 && *width.get_or_insert(row.len()) == row.len() =>
                {
                    items.extend(row);
                }
                _ => return None,
            }
        }
        let width = width.filter(|width| *width > 0)?;
        Some(Value::Array(vec![count, width], items))
    }
}

/// One output of a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Its name.
    pub name: Arc<str>,
    /// The node that computes it.
    pub node: NodeId,
}

/// A graph. Region 0 is its body, whose results are the nodes of the outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// All nodes, arguments before users.
    pub nodes: Vec<Node>,
    /// All regions; the first is the body.
    pub regions: Vec<Region>,
    /// All functions.
    pub functions: Vec<Function>,
    /// Inputs and parameters.
    pub ports: Vec<Port>,
    /// Outputs.
    pub outputs: Vec<Output>,
    /// The value that the outputs make up.
    pub value: Value,
}

impl Graph {
    /// The node with this id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The region with this id.
    pub fn region(&self, id: RegionId) -> &Region {
        &self.regions[id.0 as usize]
    }

    /// The regions that a node holds; of a loop, `next` stands inside the head.
    pub fn regions_of(&self, id: NodeId) -> impl Iterator<Item = RegionId> + use<> {
        let regions = match self.node(id).kind {
            NodeKind::If(a, b) | NodeKind::Loop(a, b) => [Some(a), Some(b)],
            NodeKind::Reverse(a) => [Some(a), None],
            _ => [None, None],
        };
        regions.into_iter().flatten()
    }

    /// The body.
    pub fn body(&self) -> &Region {
        &self.regions[0]
    }

    /// Indices of the ports that are inputs, in order.
    pub fn inputs(&self) -> Vec<usize> {
        (0..self.ports.len())
            .filter(|i| !self.ports[*i].is_parameter())
            .collect()
    }

    /// Indices of the ports that are parameters, in order.
    pub fn parameters(&self) -> Vec<usize> {
        (0..self.ports.len())
            .filter(|i| self.ports[*i].is_parameter())
            .collect()
    }
}
