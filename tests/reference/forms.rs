//! The larger forms.

use super::eval::{Env, Machine, Result, Step, frame, named, rest};
use super::number::{Dual, sum};
use super::primitives;
use super::reader::Datum;
use super::value::Value;

impl Machine {
    pub(super) fn cond(&self, items: &[Datum], env: &Env) -> Result<Step> {
        for clause in &items[1..] {
            let clause = clause.items().ok_or("a bad clause")?;
            let is_else = clause[0].symbol().is_some_and(|name| &**name == "else");
            let value = match is_else {
                true => Value::Bool(true),
                false => self.eval(&clause[0], env)?,
            };
            if !value.truth() {
                continue;
            }
            return self.clause(clause, value, env);
        }
        Ok(Step::Done(Value::Bool(false)))
    }

    /// What a chosen clause gives: its body, its receiver applied to `value`, or `value`.
    fn clause(&self, clause: &[Datum], value: Value, env: &Env) -> Result<Step> {
        match &clause[1..] {
            [] => Ok(Step::Done(value)),
            [arrow, receiver] if arrow.symbol().is_some_and(|name| &**name == "=>") => {
                let receiver = self.eval(receiver, env)?;
                self.call(&receiver, vec![value])
            }
            body => self.sequence(body, env),
        }
    }

    pub(super) fn case(&self, items: &[Datum], env: &Env) -> Result<Step> {
        let key = self.eval(&rest(items, 1, "case")?[0], env)?;
        for clause in &items[2..] {
            let clause = clause.items().ok_or("a bad clause")?;
            let chosen = match &clause[0] {
                Datum::List(data, _) => data.iter().any(|datum| datum.quote().eqv(&key)),
                Datum::Atom(Value::Symbol(name)) => &**name == "else",
                Datum::Atom(_) => false,
            };
            if chosen {
                return self.clause(clause, key, env);
            }
        }
        Ok(Step::Done(Value::Bool(false)))
    }

    pub(super) fn do_loop(&self, items: &[Datum], env: &Env) -> Result<Step> {
        let specs: Vec<&[Datum]> = match &rest(items, 2, "do")?[0] {
            Datum::Atom(_) => Vec::new(),
            list => {
                let list = list.items().ok_or("do: bad bindings")?;
                let specs = list.iter().map(|spec| spec.items().ok_or("do: a binding"));
                specs.collect::<std::result::Result<_, _>>()?
            }
        };
        let exit = items[2].items().ok_or("do: a bad test")?;
        let mut names = Vec::new();
        for spec in &specs {
            names.push((named(&spec[0])?, Some(self.eval(&spec[1], env)?)));
        }
        loop {
            self.tick()?;
            let scope = frame(names, env, None);
            if self.eval(&exit[0], &scope)?.truth() {
                return match exit.len() {
                    1 => Ok(Step::Done(Value::Bool(false))),
                    _ => self.sequence(&exit[1..], &scope),
                };
            }
            for datum in &items[3..] {
                self.eval(datum, &scope)?;
            }
            names = Vec::new();
            for spec in &specs {
                let next = spec.get(2).unwrap_or(&spec[0]);
                names.push((named(&spec[0])?, Some(self.eval(next, &scope)?)));
            }
        }
    }

    /// The sum of the options, weighted by the softmax of the weights.
    pub(super) fn soft_choice(&self, items: &[Datum], env: &Env) -> Result<Value> {
        let parts = rest(items, 2, "soft-choice")?;
        let mut options = Vec::new();
        for option in parts[0].items().ok_or("soft-choice: no options")? {
            options.push(self.eval(option, env)?);
        }
        let weights: Vec<Dual> = match self.eval(&parts[1], env)? {
            Value::Tensor(tensor) => tensor.data.clone(),
            _ => return Err("soft-choice: the weights are no vector".into()),
        };
        if weights.len() != options.len() || options.len() < 2 {
            return Err("soft-choice: a wrong number of weights".into());
        }
        let top = weights.iter().map(|w| w.value).fold(f64::MIN, f64::max);
        let powers: Vec<Dual> = weights
            .iter()
            .map(|weight| {
                let power = (weight.value - top).exp();
                weight.chain(power, power)
            })
            .collect();
        let total = sum(powers.iter().copied());
        let terms = options.iter().zip(&powers).map(|(option, power)| {
            let share = Value::Real(power.div(total));
            primitives::value(self, "*", vec![option.clone(), share])
        });
        primitives::value(self, "+", terms.collect::<Result<_>>()?)
    }

    pub(super) fn quasi(&self, datum: &Datum, level: usize, env: &Env) -> Result<Value> {
        let (items, dotted) = match datum {
            Datum::Atom(value) => return Ok(value.clone()),
            Datum::List(items, tail) => (items, tail),
        };
        if let Some([_, inner]) = datum.form("unquote") {
            return match level {
                1 => self.eval(inner, env),
                _ => Ok(Value::list(vec![
                    Value::symbol("unquote"),
                    self.quasi(inner, level - 1, env)?,
                ])),
            };
        }
        if let Some([_, inner]) = datum.form("quasiquote") {
            let inner = self.quasi(inner, level + 1, env)?;
            return Ok(Value::list(vec![Value::symbol("quasiquote"), inner]));
        }
        let mut values = Vec::new();
        let mut tail = dotted.clone().unwrap_or(Value::Nil);
        let mut i = 0;
        while i < items.len() {
            // `(a . ,b)` reads as `(a unquote b)`
            let is_unquote = items[i].symbol().is_some_and(|name| &**name == "unquote");
            if is_unquote && i > 0 && i + 2 == items.len() && level == 1 {
                tail = self.eval(&items[i + 1], env)?;
                break;
            }
            match items[i].form("unquote-splicing") {
                Some([_, inner]) if level == 1 => {
                    let (mut spliced, end) = self.eval(inner, env)?.parts();
                    values.append(&mut spliced);
                    match end {
                        Value::Nil => {}
                        end if i + 1 == items.len() => tail = end,
                        end => return Err(format!("{end} is no list to splice")),
                    }
                }
                Some([_, inner]) => values.push(Value::list(vec![
                    Value::symbol("unquote-splicing"),
                    self.quasi(inner, level - 1, env)?,
                ])),
                _ => values.push(self.quasi(&items[i], level, env)?),
            }
            i += 1;
        }
        Ok(Value::list_with_tail(values, tail))
    }
}
