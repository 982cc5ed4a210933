//! stub
use super::Program;
use crate::error::Result;
use crate::graph::Graph;
use crate::ops::real::Real;
/// stub
pub fn prepare<T: Real>(_g: &Graph) -> Result<Box<dyn Program<T>>> {
    todo!()
}
