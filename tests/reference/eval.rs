//! The evaluator: forms, scopes and calls. Tail calls return to the loop in `Machine::run`, so they take no space.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::primitives;
use super::reader::Datum;
use super::value::Value;

pub type Result<T> = std::result::Result<T, String>;

/// A procedure with its scope.
pub struct Closure {
    parameters: Vec<Rc<str>>,
    rest: Option<Rc<str>>,
    body: Rc<Vec<Datum>>,
    /// Where the body begins among these data.
    start: usize,
    env: Env,
}

/// A scope; `None` is the top level.
pub type Env = Option<Rc<Frame>>;

pub struct Frame {
    names: RefCell<Vec<(Rc<str>, Option<Value>)>>,
    outer: Env,
    /// The `loop` form that made this scope.
    again: Option<Rc<Vec<Datum>>>,
}

/// What a tail position gives: a value, or what is left to evaluate.
pub enum Step {
    Done(Value),
    Tail(Datum, Env),
}

/// The deepest nesting of evaluations, and the most calls and rounds of loops.
#[derive(Clone, Copy)]
pub struct Limits {
    pub depth: usize,
    pub steps: u64,
}

pub struct Machine {
    globals: RefCell<HashMap<Rc<str>, Value>>,
    given: HashMap<Rc<str>, Value>,
    /// The names that top-level forms define anywhere.
    defined: RefCell<HashSet<Rc<str>>>,
    limits: Limits,
    depth: Cell<usize>,
    steps: Cell<u64>,
}

pub(super) fn frame(
    names: Vec<(Rc<str>, Option<Value>)>,
    outer: &Env,
    again: Option<Rc<Vec<Datum>>>,
) -> Env {
    Some(Rc::new(Frame {
        names: RefCell::new(names),
        outer: outer.clone(),
        again,
    }))
}

/// The frames of a scope, innermost first.
fn frames(env: &Env) -> impl Iterator<Item = &Rc<Frame>> {
    std::iter::successors(env.as_ref(), |frame| frame.outer.as_ref())
}

pub(super) fn named(datum: &Datum) -> Result<Rc<str>> {
    let name = datum.symbol().cloned();
    name.ok_or_else(|| format!("{} is no name", datum.quote()))
}

/// What follows the word of a form; at least `least` data.
pub(super) fn rest<'a>(items: &'a [Datum], least: usize, what: &str) -> Result<&'a [Datum]> {
    match items.len() > least {
        true => Ok(&items[1..]),
        false => Err(format!("{what}: a part is missing")),
    }
}

/// The names and inits of `((name init) …)`.
pub(super) fn bindings(datum: &Datum) -> Result<Vec<(Rc<str>, Datum)>> {
    if matches!(datum, Datum::Atom(Value::Nil)) {
        return Ok(Vec::new());
    }
    let list = datum.items().ok_or("bindings are no list")?;
    list.iter()
        .map(|binding| match binding.items() {
            Some([name, init, ..]) => Ok((named(name)?, init.clone())),
            _ => Err("a bad binding".to_string()),
        })
        .collect()
}

/// The names that the definitions of a body bind.
fn defined_names(body: &[Datum], names: &mut Vec<Rc<str>>) {
    for datum in body {
        if let Some(inner) = datum.form("begin") {
            defined_names(&inner[1..], names);
        } else if let Some([_, target, ..]) = datum.form("define") {
            let name = match target {
                Datum::List(items, _) => items[0].symbol(),
                target => target.symbol(),
            };
            names.extend(name.cloned());
        }
    }
}

impl Machine {
    pub fn new(given: HashMap<Rc<str>, Value>, limits: Limits) -> Machine {
        Machine {
            globals: RefCell::default(),
            given,
            defined: RefCell::default(),
            limits,
            depth: Cell::new(0),
            steps: Cell::new(0),
        }
    }

    /// Runs top-level forms; the last gives the value. `seeded` makes the value of a parameter from its initial value.
    pub fn program(&self, program: &[Datum], seeded: &dyn Fn(&str, f64) -> Value) -> Result<Value> {
        for datum in program {
            let parameter = datum.form("parameter");
            let Some(items) = parameter.or(datum.form("input")) else {
                continue;
            };
            let name = named(&rest(items, 1, "parameter")?[0])?;
            let value = match (self.given.get(&name), items.get(2)) {
                (Some(value), _) => value.clone(),
                (None, Some(Datum::Atom(init))) => {
                    seeded(&name, init.number().ok_or("no number")?.real().value)
                }
                (None, _) => return Err(format!("{name} has no value")),
            };
            self.globals.borrow_mut().insert(name, value);
        }
        let mut names = Vec::new();
        defined_names(program, &mut names);
        self.defined.borrow_mut().extend(names);
        let mut value = None;
        for datum in program {
            if datum.form("parameter").or(datum.form("input")).is_none() {
                value = Some(self.eval(datum, &None)?);
            }
        }
        value.ok_or_else(|| "an empty program".into())
    }

    pub fn eval(&self, datum: &Datum, env: &Env) -> Result<Value> {
        if self.depth.get() >= self.limits.depth {
            return Err("the recursion depth is exceeded".into());
        }
        self.depth.set(self.depth.get() + 1);
        let result = self.run(datum, env);
        self.depth.set(self.depth.get() - 1);
        result
    }

    fn run(&self, datum: &Datum, env: &Env) -> Result<Value> {
        let (mut datum, mut env) = (datum.clone(), env.clone());
        loop {
            match self.step(&datum, &env)? {
                Step::Done(value) => return Ok(value),
                Step::Tail(next, scope) => (datum, env) = (next, scope),
            }
        }
    }

    fn step(&self, datum: &Datum, env: &Env) -> Result<Step> {
        let items = match datum {
            Datum::Atom(Value::Symbol(name)) => return self.lookup(name, env).map(Step::Done),
            Datum::Atom(value) => return Ok(Step::Done(value.clone())),
            Datum::List(items, None) => items,
            Datum::List(_, Some(_)) => return Err("a dotted call".into()),
        };
        if let Some(name) = items[0].symbol()
            && !self.bound(name, env)
            && let Some(step) = self.form(name, items, env)?
        {
            return Ok(step);
        }
        let callee = self.eval(&items[0], env)?;
        let mut arguments = Vec::new();
        for item in &items[1..] {
            arguments.push(self.eval(item, env)?);
        }
        self.call(&callee, arguments)
    }

    fn bound(&self, name: &str, env: &Env) -> bool {
        let local = frames(env).any(|f| f.names.borrow().iter().any(|(other, _)| &**other == name));
        local || self.defined.borrow().contains(name) || self.globals.borrow().contains_key(name)
    }

    fn lookup(&self, name: &Rc<str>, env: &Env) -> Result<Value> {
        for frame in frames(env) {
            if let Some((_, value)) = frame.names.borrow().iter().rfind(|(n, _)| n == name) {
                let value = value.clone();
                return value.ok_or_else(|| format!("{name} is used before its definition"));
            }
        }
        if let Some(value) = self.globals.borrow().get(name) {
            return Ok(value.clone());
        }
        if primitives::exists(name) {
            return Ok(Value::Primitive(name.clone()));
        }
        if self.defined.borrow().contains(name) {
            return Err(format!("{name} is used before its definition"));
        }
        let given = self.given.get(name).cloned();
        given.ok_or_else(|| format!("unbound variable {name}"))
    }

    pub(super) fn tick(&self) -> Result<()> {
        self.steps.set(self.steps.get() + 1);
        match self.steps.get() > self.limits.steps {
            true => Err("the step limit is exceeded".into()),
            false => Ok(()),
        }
    }

    pub fn call(&self, callee: &Value, mut arguments: Vec<Value>) -> Result<Step> {
        let closure = match callee {
            Value::Closure(closure) => closure,
            Value::Primitive(name) => return primitives::call(self, name, arguments),
            other => return Err(format!("{other} is not a procedure")),
        };
        self.tick()?;
        let count = closure.parameters.len();
        if arguments.len() < count || (closure.rest.is_none() && arguments.len() > count) {
            return Err(format!("{} arguments, not {count}", arguments.len()));
        }
        let extra = arguments.split_off(count);
        let named = closure.parameters.iter().cloned();
        let mut names: Vec<_> = named.zip(arguments.into_iter().map(Some)).collect();
        if let Some(rest) = &closure.rest {
            names.push((rest.clone(), Some(Value::list(extra))));
        }
        let env = frame(names, &closure.env, None);
        self.body(&closure.body[closure.start..], &env)
    }

    pub fn call_value(&self, callee: &Value, arguments: Vec<Value>) -> Result<Value> {
        match self.call(callee, arguments)? {
            Step::Done(value) => Ok(value),
            Step::Tail(datum, env) => self.eval(&datum, &env),
        }
    }

    /// A body: definitions in a scope of their own, then expressions.
    fn body(&self, body: &[Datum], env: &Env) -> Result<Step> {
        let mut names = Vec::new();
        defined_names(body, &mut names);
        match names.is_empty() {
            true => self.sequence(body, env),
            false => {
                let names = names.into_iter().map(|name| (name, None)).collect();
                self.sequence(body, &frame(names, env, None))
            }
        }
    }

    pub(super) fn sequence(&self, body: &[Datum], env: &Env) -> Result<Step> {
        let (last, first) = body.split_last().ok_or("an empty body")?;
        for datum in first {
            self.eval(datum, env)?;
        }
        Ok(Step::Tail(last.clone(), env.clone()))
    }

    fn closure(
        &self,
        parameters: &[Datum],
        rest: Option<&Value>,
        body: &Rc<Vec<Datum>>,
        start: usize,
        env: &Env,
    ) -> Result<Value> {
        let rest = match rest {
            Some(Value::Symbol(name)) => Some(name.clone()),
            Some(_) => return Err("a bad rest parameter".into()),
            None => None,
        };
        Ok(Value::Closure(Rc::new(Closure {
            parameters: parameters.iter().map(named).collect::<Result<_>>()?,
            rest,
            body: body.clone(),
            start,
            env: env.clone(),
        })))
    }

    fn define(&self, items: &Rc<Vec<Datum>>, env: &Env) -> Result<()> {
        let (name, value) = match &rest(items, 2, "define")?[0] {
            Datum::List(head, tail) => {
                let closure = self.closure(&head[1..], tail.as_ref(), items, 2, env)?;
                (named(&head[0])?, closure)
            }
            target => (named(target)?, self.eval(&items[2], env)?),
        };
        match env {
            None => drop(self.globals.borrow_mut().insert(name, value)),
            Some(frame) => assign(frame, &name, value),
        }
        Ok(())
    }

    /// A form of the language, if `word` is one.
    fn form(&self, word: &str, items: &Rc<Vec<Datum>>, env: &Env) -> Result<Option<Step>> {
        let eval = |datum: &Datum| self.eval(datum, env);
        let tail = |datum: &Datum| Step::Tail(datum.clone(), env.clone());
        let done = |value: Value| Ok(Some(Step::Done(value)));
        let no = || Ok(Some(Step::Done(Value::Bool(false))));
        Ok(Some(match word {
            "quote" => return done(rest(items, 1, word)?[0].quote()),
            "quasiquote" => return done(self.quasi(&rest(items, 1, word)?[0], 1, env)?),
            "define" => {
                self.define(items, env)?;
                return no();
            }
            "lambda" => {
                let closure = match &rest(items, 2, word)?[0] {
                    Datum::Atom(Value::Nil) => self.closure(&[], None, items, 2, env),
                    Datum::Atom(name) => self.closure(&[], Some(name), items, 2, env),
                    Datum::List(names, tail) => self.closure(names, tail.as_ref(), items, 2, env),
                };
                return done(closure?);
            }
            "begin" => self.sequence(rest(items, 1, word)?, env)?,
            "if" => match eval(&rest(items, 2, word)?[0])?.truth() {
                true => tail(&items[2]),
                false if items.len() > 3 => tail(&items[3]),
                false => return no(),
            },
            "when" | "unless" => match eval(&items[1])?.truth() == (word == "when") {
                true => self.sequence(&items[2..], env)?,
                false => return no(),
            },
            "and" | "or" => {
                let Some((last, first)) = items[1..].split_last() else {
                    return done(Value::Bool(word == "and"));
                };
                for datum in first {
                    let value = eval(datum)?;
                    if value.truth() == (word == "or") {
                        return done(value);
                    }
                }
                tail(last)
            }
            "cond" => return self.cond(items, env).map(Some),
            "case" => return self.case(items, env).map(Some),
            "let" if items.len() > 1 && items[1].symbol().is_some() => {
                let name = named(&items[1])?;
                let bindings = bindings(&rest(items, 3, word)?[1])?;
                let names: Vec<Datum> = bindings
                    .iter()
                    .map(|(name, _)| Datum::Atom(Value::Symbol(name.clone())))
                    .collect();
                let inits = bindings.iter().map(|(_, init)| eval(init));
                let inits = inits.collect::<Result<Vec<Value>>>()?;
                let scope = frame(vec![(name.clone(), None)], env, None);
                let closure = self.closure(&names, None, items, 3, &scope)?;
                assign(scope.as_ref().unwrap(), &name, closure.clone());
                self.call(&closure, inits)?
            }
            "let" => {
                let mut names = Vec::new();
                for (name, init) in bindings(&rest(items, 2, word)?[0])? {
                    names.push((name, Some(eval(&init)?)));
                }
                self.body(&items[2..], &frame(names, env, None))?
            }
            "let*" => {
                let mut scope = env.clone();
                for (name, init) in bindings(&rest(items, 2, word)?[0])? {
                    let value = self.eval(&init, &scope)?;
                    scope = frame(vec![(name, Some(value))], &scope, None);
                }
                self.body(&items[2..], &scope)?
            }
            "letrec" | "letrec*" => {
                let bindings = bindings(&rest(items, 2, word)?[0])?;
                let names = bindings.iter().map(|(name, _)| (name.clone(), None));
                let scope = frame(names.collect(), env, None);
                for (name, init) in &bindings {
                    let value = self.eval(init, &scope)?;
                    assign(scope.as_ref().unwrap(), name, value);
                }
                self.body(&items[2..], &scope)?
            }
            "loop" => {
                let mut names = Vec::new();
                for (name, init) in bindings(&rest(items, 2, word)?[0])? {
                    names.push((name, Some(eval(&init)?)));
                }
                self.body(&items[2..], &frame(names, env, Some(items.clone())))?
            }
            "recur" => {
                self.tick()?;
                let frame_of = frames(env).find(|frame| frame.again.is_some());
                let scope = frame_of.ok_or("recur outside a loop")?;
                let form = scope.again.clone().unwrap();
                let bindings = bindings(&form[1])?;
                if bindings.len() + 1 != items.len() {
                    return Err("recur: a wrong number of arguments".into());
                }
                let mut names = Vec::new();
                for ((name, _), datum) in bindings.into_iter().zip(&items[1..]) {
                    names.push((name, Some(eval(datum)?)));
                }
                self.body(&form[2..], &frame(names, &scope.outer, Some(form.clone())))?
            }
            "do" => self.do_loop(items, env)?,
            "soft-choice" => return done(self.soft_choice(items, env)?),
            _ => return Ok(None),
        }))
    }
}

fn assign(frame: &Frame, name: &str, value: Value) {
    let mut names = frame.names.borrow_mut();
    match names.iter_mut().rfind(|(other, _)| &**other == name) {
        Some(entry) => entry.1 = Some(value),
        None => names.push((Rc::from(name), Some(value))),
    }
}
