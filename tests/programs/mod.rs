//! Random well-typed programs over the whole language, made from a string of choices: a shorter string and smaller choices
//! make a simpler program, which is how failures shrink.
//!
//! The programs end, and their numbers mostly stay small. A program is `exact` if every operation in it rounds exactly,
//! so that evaluators agree to the bit. Whether a number is an exact integer is part of its type here; `Ty::Mix` may be
//! either, and only meets operations that cannot tell an exact zero from a real one.

mod data;
mod loops;
mod reals;

/// The inputs of every program, in this order.
pub const INPUTS: [&str; 3] = ["x", "y", "z"];

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ty {
    Real,
    /// A real, an exact integer or `#f`.
    Mix,
    /// An exact integer that is known when the program is compiled.
    Int,
    /// An exact integer that hangs on data.
    Data,
    /// A list of so many reals.
    List(usize),
    Vec(usize),
    Mat(usize, usize),
    /// A procedure from a real, or two, to a real.
    F1,
    F2,
}

pub struct Program {
    pub text: String,
    pub parameters: Vec<String>,
    /// Whether every operation rounds exactly.
    pub exact: bool,
    /// Where to evaluate it.
    pub points: Vec<[f64; 3]>,
}

pub struct Gen<'a> {
    choices: &'a [u16],
    at: usize,
    /// What is bound, innermost last.
    scope: Vec<(String, Ty)>,
    /// How many of these are bound at top level.
    globals: usize,
    count: usize,
    /// How many nodes may still be made.
    budget: usize,
    /// How many loops or recursions are around.
    loops: usize,
    /// Definitions at top level.
    top: Vec<String>,
    exact: bool,
}

/// Primitives that no program here uses: their names are there to be shadowed.
const SHADOWS: [&str; 6] = ["atan", "cosh", "softplus", "string?", "erf", "member"];

const REALS: [f64; 10] = [0.5, 1.0, -1.5, 2.0, 0.25, -0.75, 3.0, 0.1, 0.0, -2.0];

/// Definitions that programs use now and then.
const HELPERS: [(&str, &str); 7] = [
    ("compose", "(define (compose f g) (lambda (v) (f (g v))))"),
    ("twice", "(define (twice f v) (f (f v)))"),
    ("adder", "(define (adder n) (lambda (v) (+ v n)))"),
    (
        "sumsq",
        "(define (sumsq l) (if (null? l) 0 (+ (* (car l) (car l)) (sumsq (cdr l)))))",
    ),
    ("total", "(define (total a . rest) (+ a (apply + rest)))"),
    (
        "insert",
        "(define (insert v l) (cond ((null? l) (list v)) ((<= v (car l)) (cons v l)) (else (cons (car l) (insert v (cdr l))))))",
    ),
    (
        "evaluate",
        "(define (evaluate e env) (cond ((number? e) e) ((symbol? e) (cdr (assq e env))) \
         ((eq? (car e) 'add) (+ (evaluate (cadr e) env) (evaluate (caddr e) env))) \
         ((eq? (car e) 'mul) (* (evaluate (cadr e) env) (evaluate (caddr e) env))) \
         ((eq? (car e) 'neg) (- 0. (evaluate (cadr e) env))) (else 0)))",
    ),
];

/// Makes the program of a string of choices.
pub fn program(choices: &[u16]) -> Program {
    let mut g = Gen {
        choices,
        at: 0,
        scope: Vec::new(),
        globals: 0,
        count: 0,
        budget: 0,
        loops: 0,
        top: Vec::new(),
        exact: true,
    };
    g.exact = g.pick(4) < 3;
    g.budget = 20 + g.pick(130);
    let mut head: String = INPUTS.map(|name| format!("(input {name})\n")).concat();
    for name in INPUTS {
        g.scope.push((name.into(), Ty::Real));
    }
    let mut parameters = Vec::new();
    for i in 0..g.pick(3) {
        let name = format!("p{i}");
        let bounds = ["", " -50 50", " -inf.0 +inf.0"][g.pick(3)];
        head += &format!("(parameter {name} {}{bounds})\n", g.literal());
        g.scope.push((name.clone(), Ty::Real));
        parameters.push(name);
    }
    head += "(define (tame v) (/ v (+ 1. (* 0.0625 (* v v)))))\n";
    g.globals = g.scope.len();
    for _ in 0..g.pick(4) {
        g.definition();
    }
    let depth = 3 + g.pick(5);
    let body = match g.pick(12) {
        10 => format!("(not {})", g.test(depth)),
        11 => g.data(depth),
        _ => g.real(depth),
    };
    let top = g.top.join("\n");
    let mut points = vec![
        [0.0, 0.0, 0.0],
        [1.0, -1.0, 2.0],
        [0.5, 0.5, -0.5],
        [-2.25, 1.5, 0.1],
        [1.7, -0.3, 0.9],
    ];
    for _ in 0..2 {
        points.push([0; 3].map(|_| g.pick(6001) as f64 / 1000.0 - 3.0));
    }
    Program {
        text: format!("{head}{top}\n{body}\n"),
        parameters,
        exact: g.exact,
        points,
    }
}

impl Gen<'_> {
    /// One of `n` choices; 0, the simplest, where the string has ended.
    fn pick(&mut self, n: usize) -> usize {
        let choice = self.choices.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        (usize::from(choice) * n) >> 16
    }

    /// Whether the next part must be a leaf.
    fn bare(&mut self, depth: usize) -> bool {
        self.budget = self.budget.saturating_sub(1);
        depth == 0 || self.budget == 0
    }

    fn number(&mut self) -> f64 {
        match self.pick(3) {
            0 | 1 => REALS[self.pick(REALS.len())],
            _ => self.pick(6000) as f64 / 1000.0 - 3.0,
        }
    }

    fn literal(&mut self) -> String {
        format!("{:?}", self.number())
    }

    fn fresh(&mut self, stem: &str) -> String {
        self.count += 1;
        format!("{stem}{}", self.count)
    }

    /// A name for a variable: a new one, one that hides another, or the name of a primitive.
    fn name(&mut self) -> String {
        match self.pick(8) {
            6 => {
                let i = self.pick(self.scope.len());
                self.scope[i].0.clone()
            }
            7 => SHADOWS[self.pick(SHADOWS.len())].into(),
            _ => self.fresh("v"),
        }
    }

    /// Different names.
    fn names(&mut self, count: usize) -> Vec<String> {
        let mut names = Vec::new();
        while names.len() < count {
            let name = self.name();
            match names.contains(&name) {
                true => names.push(self.fresh("v")),
                false => names.push(name),
            }
        }
        names
    }

    /// The variables of a type that are not hidden.
    fn visible(&self, ty: Ty) -> Vec<String> {
        let last = |name: &String| self.scope.iter().rfind(|(other, _)| other == name);
        let mut names: Vec<String> = self
            .scope
            .iter()
            .filter(|(name, other)| {
                *other == ty && last(name).is_some_and(|(_, other)| *other == ty)
            })
            .map(|(name, _)| name.clone())
            .collect();
        names.dedup();
        names
    }

    /// A variable of a type, inner ones more often.
    fn variable(&mut self, ty: Ty) -> Option<String> {
        let names = self.visible(ty);
        match names.is_empty() {
            true => None,
            false => {
                let i = match self.pick(2) {
                    0 => names.len() - 1 - self.pick(names.len().min(3)),
                    _ => self.pick(names.len()),
                };
                Some(names[i].clone())
            }
        }
    }

    /// Makes a part inside of which `names` are bound.
    fn with<T>(&mut self, names: &[(String, Ty)], make: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.scope.len();
        self.scope.extend_from_slice(names);
        let part = make(self);
        self.scope.truncate(before);
        part
    }

    /// Makes a part that sees the top level only.
    fn at_top<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> T {
        let hidden = self.scope.split_off(self.globals);
        let part = make(self);
        self.scope.truncate(self.globals);
        self.scope.extend(hidden);
        part
    }

    /// A part of a type.
    fn part(&mut self, ty: Ty, depth: usize) -> String {
        match ty {
            Ty::Real => self.real(depth),
            Ty::Mix => self.mix(depth),
            Ty::Int => self.int(depth),
            Ty::Data => self.data(depth),
            Ty::List(n) => self.list(n, depth),
            Ty::Vec(n) => self.vector(n, depth),
            Ty::Mat(n, m) => self.matrix(n, m, depth),
            Ty::F1 => self.function(depth),
            Ty::F2 => self.function2(depth),
        }
    }

    /// The name of a helper, which is defined at top level if it is not yet.
    fn helper(&mut self, name: &'static str) -> &'static str {
        let text = HELPERS.iter().find(|(other, _)| *other == name).unwrap().1;
        if !self.top.iter().any(|line| line == text) {
            self.top.push(text.into());
        }
        name
    }

    /// A definition at top level that later parts see.
    fn definition(&mut self) {
        let depth = 2 + self.pick(3);
        let (name, ty, text) = match self.pick(5) {
            0 => {
                let name = self.fresh("g");
                let text = format!("(define {name} {})", self.real(depth));
                (name, Ty::Real, text)
            }
            1 | 2 => {
                let name = self.fresh("f");
                let argument = self.name();
                self.loops += 1;
                let body = self.with(&[(argument.clone(), Ty::Real)], |g| g.real(depth));
                self.loops -= 1;
                let text = format!("(define ({name} {argument}) {body})");
                (name, Ty::F1, text)
            }
            3 => {
                let name = self.fresh("f");
                let text = format!("(define {name} {})", self.function2(depth));
                (name, Ty::F2, text)
            }
            _ => {
                let (name, n) = (self.fresh("g"), 1 + self.pick(3));
                let ty = [Ty::List(n), Ty::Vec(n), Ty::Mat(n, n)][self.pick(3)];
                let text = format!("(define {name} {})", self.part(ty, depth));
                (name, ty, text)
            }
        };
        self.top.push(text);
        self.scope.push((name, ty));
        self.globals = self.scope.len();
    }

    /// `(let ((name value) …) body)` in one of its forms; `body` is made with the names bound.
    fn binding(&mut self, depth: usize, body: impl FnOnce(&mut Self) -> String) -> String {
        let count = 1 + self.pick(2);
        let mut types = Vec::new();
        for _ in 0..count {
            let n = 1 + self.pick(3);
            let all = [
                Ty::Real,
                Ty::Real,
                Ty::Real,
                Ty::Mix,
                Ty::Int,
                Ty::Data,
                Ty::List(n),
                Ty::Vec(n),
                Ty::F1,
                Ty::F2,
            ];
            types.push(all[self.pick(all.len())]);
        }
        let form = self.pick(5);
        if form < 2 {
            let names = self.names(count);
            let values: Vec<String> = types.iter().map(|ty| self.part(*ty, depth)).collect();
            let bound: Vec<_> = names.iter().cloned().zip(types.iter().copied()).collect();
            let pairs: Vec<String> = names
                .iter()
                .zip(&values)
                .map(|(n, v)| format!("({n} {v})"))
                .collect();
            let body = self.with(&bound, body);
            return match form {
                0 => format!("(let ({}) {body})", pairs.join(" ")),
                _ => format!(
                    "((lambda ({}) {body}) {})",
                    names.join(" "),
                    values.join(" ")
                ),
            };
        }
        // in sequence: each value sees the names before it; definitions need names that hide nothing
        let (mut bound, mut parts) = (Vec::new(), Vec::new());
        for ty in types {
            let name = match form {
                2 => self.name(),
                _ => self.fresh("d"),
            };
            let value = self.with(&bound, |g| g.part(ty, depth));
            parts.push(match form {
                2 => format!("({name} {value})"),
                _ => format!("(define {name} {value})"),
            });
            bound.push((name, ty));
        }
        let body = self.with(&bound, body);
        match form {
            2 => format!("(let* ({}) {body})", parts.join(" ")),
            3 => format!("(let () {} {body})", parts.join(" ")),
            _ => format!("((lambda () {} {body}))", parts.join(" ")),
        }
    }
}
