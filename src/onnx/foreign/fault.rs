//! What goes wrong inside an operator, before it is said of which node.

use super::super::operators;
use crate::error::{Error, ErrorKind};

/// Why an operator cannot be read.
pub(super) enum Fault {
    /// The file contradicts itself.
    Bad(String),
    /// The file is right, and more than can be read.
    Unsupported(String),
    /// It passes a limit.
    Limit(String),
    /// It is said already of which node.
    Whole(Error),
}

pub(super) type Outcome<T> = std::result::Result<T, Fault>;

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Whole(error)
    }
}

impl Fault {
    /// The error, said of `user`.
    pub fn of(self, user: &str) -> Error {
        match self {
            Fault::Bad(what) => operators::bad(&format!("{user} {what}")),
            Fault::Unsupported(what) => operators::unsupported(&format!("{user} {what}")),
            Fault::Limit(what) => {
                let message = format!("the ONNX model is too large: {user} {what}");
                Error::new(ErrorKind::Limit, message)
            }
            Fault::Whole(error) => error,
        }
    }
}

pub(super) fn bad(what: impl Into<String>) -> Fault {
    Fault::Bad(what.into())
}

pub(super) fn unsupported(what: impl Into<String>) -> Fault {
    Fault::Unsupported(what.into())
}
