//! x
use super::Graph;
use crate::error::Result;
/// p
pub fn parse(_t: &str) -> Result<Graph> {
    todo!()
}
