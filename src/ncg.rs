//! stub
use crate::compile::Model;
use crate::error::Result;
use crate::options::Options;
/// stub
pub fn read(_t: &str, _o: &Options) -> Result<Model> {
    todo!()
}
/// stub
pub fn write(_m: &Model) -> Result<String> {
    todo!()
}
