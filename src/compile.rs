//! The pipeline: source text to the graphs of a model, stage by stage.

use crate::anf::{self, Anf};
use crate::error::Result;
use crate::graph::{Graph, verify, verify_numeric};
use crate::lower::lower;
use crate::specialize::{Limits, specialize};
use crate::syntax::ast::Program;
use crate::syntax::{expand, reader};

/// What each stage made of a source text.
#[derive(Clone, Debug)]
pub struct Stages {
    /// The core AST.
    pub ast: Program,
    /// A-normal form.
    pub anf: Anf,
    /// The general graph.
    pub general: Graph,
    /// The numeric graph.
    pub numeric: Graph,
}

/// Compiles `source`, keeping what each stage makes. Errors carry their place in the source.
pub fn stages(source: &str) -> Result<Stages> {
    compile_stages(source).map_err(|error| error.locate(source))
}

fn compile_stages(source: &str) -> Result<Stages> {
    let data = reader::read(source, reader::Limits::default())?;
    let ast = expand::expand(&data)?;
    let anf = anf::normalize(&ast)?;
    let general = lower(&anf)?;
    verify(&general)?;
    let numeric = specialize(&general, Limits::default())?;
    verify_numeric(&numeric)?;
    Ok(Stages {
        ast,
        anf,
        general,
        numeric,
    })
}
