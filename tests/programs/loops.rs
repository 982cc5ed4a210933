//! Loops and recursion. All of them end: a counter bounds what hangs on data.

use super::{Gen, Ty};

/// How a loop is written.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Loop,
    Named,
    Do,
    Letrec,
    Define,
    Mutual,
}

/// A loop in the making: its counter, the names and types of its state, and the test that ends it.
struct Round {
    counter: (String, Ty),
    state: Vec<(String, Ty)>,
    end: String,
    step: usize,
}

impl Gen<'_> {
    /// How often something may go round here.
    fn trips(&mut self) -> usize {
        let most = [40, 5, 3][self.loops.min(2)];
        match self.pick(4) {
            0 => self.pick(3),
            1 | 2 => self.pick(8.min(most) + 1),
            _ => self.pick(most + 1),
        }
    }

    /// A loop that gives a real.
    pub(super) fn iteration(&mut self, d: usize) -> String {
        if self.loops >= 3 {
            return self.real(d);
        }
        let forms = [
            Form::Loop,
            Form::Named,
            Form::Do,
            Form::Letrec,
            Form::Define,
            Form::Mutual,
        ];
        let form = forms[self.pick(forms.len())];
        let count = 1 + self.pick(3);
        let mut types = vec![Ty::Real];
        for _ in 1..count {
            let n = 1 + self.pick(3);
            let all = [
                Ty::Real,
                Ty::Real,
                Ty::Mix,
                Ty::Vec(n),
                Ty::Data,
                Ty::Mat(2, 2),
                Ty::List(n),
            ];
            types.push(all[self.pick(all.len())]);
        }
        let inits: Vec<String> = types
            .iter()
            .map(|ty| match ty {
                Ty::Mix | Ty::Data => self.pick(3).to_string(),
                ty => self.part(*ty, d),
            })
            .collect();
        let names = self.names(count + 1);
        let trips = self.trips();
        let on_data = self.pick(2) == 1;
        let counter = (names[0].clone(), if on_data { Ty::Data } else { Ty::Int });
        let state: Vec<_> = names[1..].iter().cloned().zip(types).collect();
        let step = 1 + self.pick(4) / 3;
        let mut all = vec![counter.clone()];
        all.extend(state.iter().cloned());
        self.loops += 1;
        let text = self.with(&all, |g| {
            let i = &counter.0;
            let end = match (on_data, g.pick(3)) {
                (false, _) if step > 1 => format!("(>= {i} {trips})"),
                (false, choice) => format!("({} {i} {trips})", ["=", ">=", ">="][choice]),
                (true, 0) => format!("(>= {i} (min {trips} (abs {})))", g.real(1)),
                (true, 1) => format!("(or (>= {i} {trips}) {})", g.test(d.min(2))),
                (true, _) => format!("(or (>= {i} {trips}) (> (abs {}) 2.5))", state[0].0),
            };
            let round = Round {
                counter,
                state,
                end,
                step,
            };
            g.written(form, &round, &names, &inits, d)
        });
        self.loops -= 1;
        text
    }

    fn written(
        &mut self,
        form: Form,
        round: &Round,
        names: &[String],
        inits: &[String],
        d: usize,
    ) -> String {
        let (f, h) = (self.fresh("go"), self.fresh("go"));
        let pairs: Vec<String> = names[1..]
            .iter()
            .zip(inits)
            .map(|(n, i)| format!("({n} {i})"))
            .collect();
        let (i, pairs, all) = (&names[0], pairs.join(" "), names.join(" "));
        let start = inits.join(" ");
        match form {
            Form::Loop => format!("(loop (({i} 0) {pairs}) {})", self.body(round, "recur", d)),
            Form::Named => format!("(let {f} (({i} 0) {pairs}) {})", self.body(round, &f, d)),
            Form::Do => self.do_loop(round, inits, d),
            Form::Letrec => {
                let body = self.body(round, &f, d);
                format!("(letrec (({f} (lambda ({all}) {body}))) ({f} 0 {start}))")
            }
            Form::Define => {
                let body = self.body(round, &f, d);
                format!("(let () (define ({f} {all}) {body}) ({f} 0 {start}))")
            }
            Form::Mutual => {
                let (one, other) = (self.body(round, &h, d), self.body(round, &f, d));
                format!(
                    "(letrec (({f} (lambda ({all}) {one})) ({h} (lambda ({all}) {other}))) ({f} 0 {start}))"
                )
            }
        }
    }

    /// What the state becomes in a round. What grows is tamed.
    fn update(&mut self, name: &str, ty: Ty, d: usize) -> String {
        match ty {
            Ty::Real => match self.pick(4) {
                0 => format!("(tame {})", self.real(d)),
                1 => format!("(+ (* 0.5 {name}) (tame {}))", self.real(d)),
                2 => format!("(tame (+ {name} {}))", self.real(d)),
                _ => format!("(- {name} (* 0.125 (tame {})))", self.real(d)),
            },
            Ty::Mix => format!("(+ {name} (tame {}))", self.real(d)),
            Ty::Data => match self.pick(3) {
                0 => format!("(+ {name} 1)"),
                1 => format!("(modulo (+ {name} {}) 7)", self.data(d.min(1))),
                _ => format!("(if {} (+ {name} 1) {name})", self.test(d.min(2))),
            },
            Ty::Vec(n) => match self.pick(3) {
                0 => format!("(* 0.5 (+ {name} {}))", self.vector(n, d)),
                1 => format!("(normalize (+ {name} {}))", self.vector(n, d)),
                _ => format!("(* 0.25 (matvec {} {name}))", self.matrix(n, n, d.min(1))),
            },
            Ty::Mat(n, m) => match self.pick(2) {
                0 => format!("(* 0.5 (+ {name} {}))", self.matrix(n, m, d)),
                _ => format!(
                    "(transpose (* 0.5 (matmul {name} {})))",
                    self.matrix(n, m, d.min(1))
                ),
            },
            Ty::List(n) => match self.pick(3) {
                0 => format!("(map tame {name})"),
                1 => format!("(cdr (append {name} (list (tame {}))))", self.real(d)),
                _ => format!(
                    "(map (lambda (a b) (* 0.5 (+ a b))) {name} {})",
                    self.list(n, d)
                ),
            },
            ty => self.part(ty, d),
        }
    }

    fn again(&mut self, round: &Round, callee: &str, d: usize) -> String {
        let updates: Vec<String> = round
            .state
            .iter()
            .map(|(name, ty)| self.update(name, *ty, d))
            .collect();
        let (i, step) = (&round.counter.0, round.step);
        format!("({callee} (+ {i} {step}) {})", updates.join(" "))
    }

    /// The body of a loop: its end, and what goes on in one of many shapes.
    fn body(&mut self, round: &Round, callee: &str, d: usize) -> String {
        let (end, d) = (&round.end, d.min(3));
        let result = self.result(round, d);
        match self.pick(8) {
            0..3 => format!("(if {end} {result} {})", self.again(round, callee, d)),
            3 => format!("(if (not {end}) {} {result})", self.again(round, callee, d)),
            4 => {
                let (test, one) = (self.test(d), self.again(round, callee, d));
                format!(
                    "(cond ({end} {result}) ({test} {one}) (else {}))",
                    self.again(round, callee, d)
                )
            }
            5 => {
                let name = self.fresh("w");
                let value = self.real(d);
                let again = self.with(&[(name.clone(), Ty::Real)], |g| g.again(round, callee, d));
                format!("(if {end} {result} (let (({name} {value})) {again}))")
            }
            6 => {
                let (i, one) = (&round.counter.0, self.again(round, callee, d));
                let other = self.again(round, callee, d);
                format!("(if {end} {result} (case (modulo {i} 3) ((0 2) {one}) (else {other})))")
            }
            _ => format!(
                "(cond ({end} {result}) (else 1 (begin {})))",
                self.again(round, callee, d)
            ),
        }
    }

    /// What a loop gives: a real of its state.
    fn result(&mut self, round: &Round, d: usize) -> String {
        let (name, ty) = round.state[self.pick(round.state.len())].clone();
        let real = self.real(d.min(1));
        match ty {
            Ty::Real => name,
            Ty::Mix | Ty::Data => format!("(+ {real} {name})"),
            Ty::Vec(_) => format!("(+ {real} (vsum {name}))"),
            Ty::Mat(..) => format!("(+ {real} (trace {name}))"),
            Ty::List(_) => format!("(fold-left + {real} {name})"),
            _ => real,
        }
    }

    fn do_loop(&mut self, round: &Round, inits: &[String], d: usize) -> String {
        let d = d.min(3);
        let mut specs = vec![format!("({0} 0 (+ {0} {1}))", round.counter.0, round.step)];
        for ((name, ty), init) in round.state.iter().zip(inits) {
            let update = self.update(name, *ty, d);
            specs.push(format!("({name} {init} {update})"));
        }
        let result = self.result(round, d);
        let body = ["", " 1", " (list 1 2)"][self.pick(3)];
        format!("(do ({}) ({} {result}){body})", specs.join(" "), round.end)
    }

    /// Recursion that is not a tail call: over a list, a counter, or as deep as data say.
    pub(super) fn recursion(&mut self, d: usize) -> String {
        if self.loops >= 3 {
            return self.real(d);
        }
        self.loops += 1;
        let f = self.fresh("rec");
        let text = match self.pick(5) {
            0 => {
                let n = self.pick(4);
                let list = self.list(n, d);
                let (h, r) = (self.fresh("h"), self.fresh("r"));
                let base = self.real(d.min(1));
                let bound = [(h.clone(), Ty::Real), (r.clone(), Ty::Real)];
                let body = self.with(&bound, |g| g.real(d));
                let inner = format!("(let* (({h} (car l)) ({r} ({f} (cdr l)))) {body})");
                format!("(letrec (({f} (lambda (l) (if (null? l) {base} {inner})))) ({f} {list}))")
            }
            1 => {
                // at top level, where it sees the top level only
                let trips = self.trips();
                let (n, r) = (self.fresh("n"), self.fresh("r"));
                let bound = [(n.clone(), Ty::Int), (r.clone(), Ty::Real)];
                let (base, body) = self.at_top(|g| (g.real(1), g.with(&bound, |g| g.real(d))));
                let inner = format!("(let (({r} ({f} (- {n} 1)))) {body})");
                self.top
                    .push(format!("(define ({f} {n}) (if (= {n} 0) {base} {inner}))"));
                format!("({f} {trips})")
            }
            2 => {
                let (trips, n) = (self.trips(), self.fresh("n"));
                let (base, factor) = (self.real(d.min(1)), self.real(d));
                let body = format!("(+ (* 0.5 ({f} (- {n} 1))) (tame {factor}))");
                format!("(let {f} (({n} {trips})) (if (= {n} 0) {base} {body}))")
            }
            3 => {
                let (base, n) = (self.real(d.min(1)), self.fresh("n"));
                let tree = format!("(+ ({f} (- {n} 1)) (* 0.5 ({f} (- {n} 2))))");
                let deep = self.pick(6);
                format!("(letrec (({f} (lambda ({n}) (if (< {n} 2) {base} {tree})))) ({f} {deep}))")
            }
            _ => {
                let (base, n, real) = (self.real(d.min(1)), self.fresh("n"), self.real(d));
                let body = self.with(&[(n.clone(), Ty::Real)], |g| g.real(d.min(2)));
                let inner = format!("(* (tame {body}) ({f} (- {n} 1.)))");
                format!(
                    "(letrec (({f} (lambda ({n}) (if (<= {n} 0.) {base} {inner})))) ({f} (min 4. (abs {real}))))"
                )
            }
        };
        self.loops -= 1;
        text
    }
}
