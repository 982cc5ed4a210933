//! The attributes of a node, taken one by one; one that is left is an error.

use super::super::proto::{AttributeProto, GraphProto, NodeProto, TensorProto};
use super::fault::{Outcome, bad, unsupported};

/// The attributes of a node that have not been looked at.
pub(super) struct Attributes<'a> {
    left: Vec<&'a AttributeProto>,
}

impl<'a> Attributes<'a> {
    pub fn of(node: &'a NodeProto) -> Attributes<'a> {
        Attributes {
            left: node.attribute.iter().collect(),
        }
    }

    fn take(&mut self, name: &str) -> Option<&'a AttributeProto> {
        let at = self.left.iter().position(|other| other.name() == name)?;
        Some(self.left.swap_remove(at))
    }

    /// One of the values of an attribute, which must be there if the attribute is.
    fn value<T>(
        &mut self,
        name: &str,
        value: impl Fn(&'a AttributeProto) -> Option<T>,
    ) -> Outcome<Option<T>> {
        let Some(attribute) = self.take(name) else {
            return Ok(None);
        };
        match value(attribute) {
            Some(value) => Ok(Some(value)),
            None => Err(bad(format!(
                "has an attribute {name:?} of another type than it takes"
            ))),
        }
    }

    pub fn int(&mut self, name: &str) -> Outcome<Option<i64>> {
        self.value(name, |attribute| attribute.i)
    }

    pub fn int_or(&mut self, name: &str, default: i64) -> Outcome<i64> {
        Ok(self.int(name)?.unwrap_or(default))
    }

    pub fn flag(&mut self, name: &str, default: bool) -> Outcome<bool> {
        Ok(self.int_or(name, i64::from(default))? != 0)
    }

    pub fn real(&mut self, name: &str, default: f64) -> Outcome<f64> {
        let value = self.value(name, |attribute| attribute.f)?;
        Ok(value.map_or(default, f64::from))
    }

    pub fn ints(&mut self, name: &str) -> Outcome<Option<&'a [i64]>> {
        self.value(name, |attribute| Some(&attribute.ints[..]))
    }

    pub fn reals(&mut self, name: &str) -> Outcome<Option<Vec<f64>>> {
        self.value(name, |attribute| {
            Some(attribute.floats.iter().map(|x| f64::from(*x)).collect())
        })
    }

    pub fn word(&mut self, name: &str) -> Outcome<Option<&'a str>> {
        self.value(name, |attribute| {
            std::str::from_utf8(attribute.s.as_deref()?).ok()
        })
    }

    pub fn tensor(&mut self, name: &str) -> Outcome<Option<&'a TensorProto>> {
        self.value(name, |attribute| attribute.t.as_ref())
    }

    pub fn words(&mut self, name: &str) -> Outcome<Option<Vec<&'a str>>> {
        self.value(name, |attribute| {
            let words = attribute.strings.iter();
            words.map(|word| std::str::from_utf8(word).ok()).collect()
        })
    }

    /// A graph, which has to be there.
    pub fn graph(&mut self, name: &str) -> Outcome<&'a GraphProto> {
        let graph = self.value(name, |attribute| attribute.g.as_ref())?;
        graph.ok_or_else(|| bad(format!("lacks the graph {name:?}")))
    }

    /// An attribute that changes nothing here.
    pub fn ignore(&mut self, name: &str) {
        self.take(name);
    }

    pub fn end(self) -> Outcome<()> {
        match self.left.first() {
            None => Ok(()),
            Some(left) => Err(unsupported(format!(
                "has the attribute {:?}, which is not known",
                left.name()
            ))),
        }
    }
}
