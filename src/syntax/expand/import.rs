//! Imports: networks of files as procedures.
//!
//! A file is read before its program is expanded, by whoever has access to files; what stands here is given the weights.

use std::sync::Arc;

use super::declare::{DeclaredValue, Number};
use super::{Bound, Expander, fail, usage};
use crate::error::{Result, Span};
use crate::syntax::ast::{Expr, ExprKind, Import};
use crate::syntax::datum::{Datum, DatumKind};

/// Most networks that one program imports.
const MAX_IMPORTS: usize = 64;

/// What the top level of a program imports, in order; the weights are not known yet.
pub fn imports(data: &[Datum]) -> Result<Vec<Import>> {
    let forms = data.iter().filter(|datum| datum.form("import").is_some());
    let imports = forms.map(import).collect::<Result<Vec<Import>>>()?;
    match imports.get(MAX_IMPORTS) {
        Some(import) => {
            let message = format!("a program imports at most {MAX_IMPORTS} networks");
            Err(fail(import.span, message))
        }
        None => Ok(imports),
    }
}

fn import(form: &Datum) -> Result<Import> {
    match form.list() {
        Some([_, name, file]) => match (name.symbol(), &file.kind) {
            (Some(name), DatumKind::Str(file)) => Ok(Import {
                name: name.clone(),
                file: file.clone(),
                weights: Vec::new(),
                span: form.span,
            }),
            _ => Err(usage(form, FORM)),
        },
        _ => Err(usage(form, FORM)),
    }
}

const FORM: &str = "(import NAME \"FILE.onnx\")";

impl Expander {
    /// Binds the name of a network to its procedure, and declares its weights: parameters `NAME.WEIGHT`. One that is declared
    /// already keeps the value and bounds that it was given there.
    pub(super) fn import(&mut self, form: &Datum) -> Result<()> {
        let mut import = import(form)?;
        let items = form.list().unwrap_or_default();
        let index = self.imports.len();
        let weights = self.weights.next().unwrap_or_default();
        let name = self.new_name(&items[1])?;
        for weight in weights {
            let own: Arc<str> = Arc::from(format!("{name}.{}", weight.name));
            let place = match self.scope.get(&own).and_then(|stack| stack.last()) {
                None => {
                    let number = Some((weight.initial, weight.lower, weight.upper));
                    let place = self.add(own, number, form.span);
                    self.weight_at.insert(place);
                    place
                }
                Some(Bound::Declared(place)) if self.declarations[*place].initial.is_some() => {
                    *place
                }
                Some(_) => {
                    let message = format!("\"{own}\", a weight of {name}, is declared already");
                    return Err(fail(form.span, message));
                }
            };
            import.weights.push(place);
        }
        let var = self.fresh(&name);
        self.scope.insert(name, vec![Bound::Var(var)]);
        self.values.push(DeclaredValue {
            var,
            value: Expr::new(ExprKind::Import(index), form.span),
            what: "an import",
        });
        self.imports.push(import);
        Ok(())
    }

    /// Gives a weight the value and bounds of a declaration of the same name; whether there is such a weight.
    pub(super) fn declare_weight(&mut self, name: &str, number: Number, span: Span) -> bool {
        let Some(Bound::Declared(place)) = self.scope.get(name).and_then(|stack| stack.last())
        else {
            return false;
        };
        let (Some((initial, lower, upper)), true) = (number, self.weight_at.remove(place)) else {
            return false;
        };
        let declaration = &mut self.declarations[*place];
        (declaration.lower, declaration.upper) = (lower, upper);
        (declaration.initial, declaration.span) = (Some(initial), span);
        true
    }
}
