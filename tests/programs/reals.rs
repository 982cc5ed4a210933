//! Reals, integers and tests.

use super::{Gen, Ty};

impl Gen<'_> {
    fn leaf(&mut self) -> String {
        match self.pick(4) {
            3 => self.literal(),
            _ => match self.variable(Ty::Real) {
                Some(name) => name,
                None => self.literal(),
            },
        }
    }

    pub(super) fn real(&mut self, depth: usize) -> String {
        if self.bare(depth) {
            return self.leaf();
        }
        let d = depth - 1;
        match self.pick(26) {
            0 => self.leaf(),
            1 | 2 => self.arithmetic(d),
            3 | 4 if !self.exact => self.smooth(d),
            3 | 4 => self.unary(d),
            5 => match self.pick(3) {
                0 => format!(
                    "(/ {} (+ 1. (square (tame {}))))",
                    self.real(d),
                    self.real(d)
                ),
                1 => format!("(/ {} {})", self.real(d), self.real(d)),
                _ => format!("(/ {} {} 2.)", self.real(d), self.literal()),
            },
            6 => {
                let op = ["max", "min"][self.pick(2)];
                let more = match self.pick(3) {
                    2 => self.real(d),
                    _ => String::new(),
                };
                format!("({op} {} {} {more})", self.real(d), self.real(d))
            }
            7 | 8 => self.binding(d, |g| g.real(d)),
            9 | 10 => format!("(if {} {} {})", self.test(d), self.real(d), self.real(d)),
            11 | 12 => self.branches(d),
            13 => self.call(d),
            14 => {
                let (mix, real) = (self.mix(d), self.real(d));
                let op = ["+", "*"][self.pick(2)];
                match self.pick(3) {
                    0 => format!("({op} {mix} {real})"),
                    1 => format!("({op} {real} {mix})"),
                    _ => format!("(- {real} {mix})"),
                }
            }
            15 => match self.pick(3) {
                0 => format!("(* 0.25 {})", self.int(d)),
                1 => format!("(+ {} {})", self.real(d), self.data(d)),
                _ => format!("(* (not {}) {})", self.test(d), self.real(d)),
            },
            16 | 17 => self.list_to_real(d),
            18 | 19 => self.tensor_to_real(d),
            20..23 => self.iteration(d),
            23 => self.recursion(d),
            24 => self.symbols(d),
            _ => self.higher_order(d),
        }
    }

    fn arithmetic(&mut self, d: usize) -> String {
        let op = ["+", "-", "*"][self.pick(3)];
        match (self.pick(4), op) {
            (3, _) => format!("({op} {} {} {})", self.real(d), self.real(d), self.leaf()),
            (_, "*") => format!("(* (tame {}) {})", self.real(d), self.real(d)),
            _ => format!("({op} {} {})", self.real(d), self.real(d)),
        }
    }

    fn unary(&mut self, d: usize) -> String {
        let a = self.real(d);
        match self.pick(10) {
            0 => format!("(- {a})"),
            1 => format!("(abs {a})"),
            2 => format!("(square (tame {a}))"),
            3 => format!("(sqrt (abs {a}))"),
            4 => format!("(floor {a})"),
            5 => format!("(round {a})"),
            6 => format!("(relu {a})"),
            7 => format!("(let ((q {a})) (- q (truncate q)))"),
            8 => format!("(/ (+ 2. (abs {a})))"),
            _ => format!("(sqrt {a})"),
        }
    }

    /// Functions whose last bits are the platform's.
    fn smooth(&mut self, d: usize) -> String {
        let a = self.real(d);
        match self.pick(9) {
            0 => format!("(sin {a})"),
            1 => format!("(exp (min 2. {a}))"),
            2 => format!("(log (+ 1. (abs {a})))"),
            3 => format!("(tanh (tame {a}))"),
            4 => format!("(sigmoid {a})"),
            5 => format!("(cos (tame {a}))"),
            6 => format!("(expt (tame {a}) {})", self.pick(5)),
            7 => {
                let n = 2 + self.pick(2);
                format!("(logdet {})", self.dominant(n, d))
            }
            _ => {
                let (options, weights) = (self.reals(2, d), self.reals(2, d));
                format!("(soft-choice ({options}) (vec {weights}))")
            }
        }
    }

    /// So many reals, separated by spaces.
    pub(super) fn reals(&mut self, count: usize, d: usize) -> String {
        let reals: Vec<String> = (0..count).map(|_| self.real(d)).collect();
        reals.join(" ")
    }

    fn branches(&mut self, d: usize) -> String {
        match self.pick(9) {
            0 => {
                let first = format!("({} {})", self.test(d), self.real(d));
                let second = format!("({} 1 {})", self.test(d), self.real(d));
                format!("(cond {first} {second} (else {}))", self.real(d))
            }
            1 => {
                let receiver = self.function(d);
                format!(
                    "(cond ({} => {receiver}) (else {}))",
                    self.real(d),
                    self.real(d)
                )
            }
            2 => {
                let key = self.int(d);
                let (a, b) = (self.real(d), self.real(d));
                format!(
                    "(case {key} ((0 2 4) {a}) ((1) {b}) (else {}))",
                    self.real(d)
                )
            }
            3 => {
                let key = self.data(d);
                format!(
                    "(case {key} ((0 2) {}) (else {}))",
                    self.real(d),
                    self.real(d)
                )
            }
            4 => format!("(+ 0. (when {} {}))", self.test(d), self.real(d)),
            5 => format!("(+ 0. (unless {} 1 {}))", self.test(d), self.real(d)),
            6 => format!("(+ 0. (and {} {}))", self.test(d), self.real(d)),
            7 => format!(
                "(+ 0. (or (and {} {}) {}))",
                self.test(d),
                self.real(d),
                self.real(d)
            ),
            _ => {
                let n = 1 + self.pick(3);
                let choice = format!(
                    "(if {} {} {})",
                    self.test(d),
                    self.list(n, d),
                    self.list(n, d)
                );
                format!("(car {choice})")
            }
        }
    }

    fn call(&mut self, d: usize) -> String {
        match self.pick(3) {
            0 => format!("({} {})", self.function(d), self.real(d)),
            1 => format!("({} {} {})", self.function2(d), self.real(d), self.real(d)),
            _ => {
                let arms = (self.function(d), self.function(d));
                let test = self.test(d);
                format!("((if {test} {} {}) {})", arms.0, arms.1, self.real(d))
            }
        }
    }

    /// A procedure from a real to a real.
    pub(super) fn function(&mut self, depth: usize) -> String {
        if self.bare(depth) {
            return self.variable(Ty::F1).unwrap_or("tame".into());
        }
        let d = depth - 1;
        match self.pick(9) {
            0 => self.variable(Ty::F1).unwrap_or("tame".into()),
            1 => ["abs", "-", "square", "floor"][self.pick(4)].into(),
            2 => {
                let compose = self.helper("compose");
                format!("({compose} {} {})", self.function(d), self.function(d))
            }
            3 => {
                let adder = self.helper("adder");
                format!("({adder} {})", self.real(d))
            }
            4 => format!("(cadr (list {} {}))", self.function(d), self.function(d)),
            _ => {
                let name = self.name();
                let body = self.with(&[(name.clone(), Ty::Real)], |g| g.real(d));
                format!("(lambda ({name}) {body})")
            }
        }
    }

    /// A procedure from two reals to a real.
    pub(super) fn function2(&mut self, depth: usize) -> String {
        let name = self.variable(Ty::F2);
        match self.pick(4) {
            0 if name.is_some() => name.unwrap(),
            1 => ["+", "max", "-", "min"][self.pick(4)].into(),
            _ => {
                let names = self.names(2);
                let bound: Vec<_> = names.iter().map(|name| (name.clone(), Ty::Real)).collect();
                let body = self.with(&bound, |g| g.real(depth.saturating_sub(1)));
                format!("(lambda ({}) {body})", names.join(" "))
            }
        }
    }

    pub(super) fn mix(&mut self, depth: usize) -> String {
        let integer = self.pick(4).to_string();
        if self.bare(depth) {
            return self.variable(Ty::Mix).unwrap_or(integer);
        }
        let d = depth - 1;
        match self.pick(4) {
            0 => self.variable(Ty::Mix).unwrap_or(integer),
            1 => format!("(if {} {integer} {})", self.test(d), self.real(d)),
            2 => format!("(when {} {})", self.test(d), self.real(d)),
            _ => {
                let n = self.pick(3);
                format!("(fold-left + 0 {})", self.list(n, d))
            }
        }
    }

    pub(super) fn int(&mut self, depth: usize) -> String {
        let literal = self.pick(6).to_string();
        if self.bare(depth) {
            return self.variable(Ty::Int).unwrap_or(literal);
        }
        let d = depth - 1;
        match self.pick(10) {
            0 => self.variable(Ty::Int).unwrap_or(literal),
            1 => literal,
            2 => format!("(+ {} {literal})", self.int(d)),
            3 => format!("(- {} {})", self.int(d), self.int(d)),
            4 => format!("(quotient {} 2)", self.int(d)),
            5 => format!("(modulo (* 3 {}) 7)", self.int(d)),
            6 => format!("(max {} {})", self.int(d), self.int(d)),
            7 => {
                let n = self.pick(4);
                format!("(length {})", self.list(n, d))
            }
            8 => format!("(/ (* 6 {}) 3)", self.int(d)),
            _ => format!("(remainder (- {}) 4)", self.int(d)),
        }
    }

    pub(super) fn data(&mut self, depth: usize) -> String {
        let literal = self.pick(6).to_string();
        if self.bare(depth) {
            return self.variable(Ty::Data).unwrap_or(literal);
        }
        let d = depth - 1;
        match self.pick(6) {
            0 => self.variable(Ty::Data).unwrap_or(literal),
            1 | 2 => format!("(if {} {} {})", self.test(d), self.int(d), self.int(d)),
            3 => format!("(modulo (+ {} {}) 5)", self.data(d), self.data(d)),
            4 => format!("(- {} {literal})", self.data(d)),
            _ => format!("(abs (* 2 {}))", self.data(d)),
        }
    }

    pub(super) fn test(&mut self, depth: usize) -> String {
        let op = ["<", ">", "<=", ">=", "="][self.pick(5)];
        if self.bare(depth) {
            return format!("({op} {} {})", self.leaf(), self.leaf());
        }
        let d = depth - 1;
        match self.pick(14) {
            0..4 => format!("({op} {} {})", self.real(d), self.real(d)),
            4 => format!("({op} {} {} {})", self.real(d), self.real(d), self.real(d)),
            5 => format!("({op} {} {})", self.int(d), self.data(d)),
            6 => format!("(not {})", self.test(d)),
            7 => format!("(and {} {})", self.test(d), self.test(d)),
            8 => format!("(or {} {})", self.test(d), self.test(d)),
            9 => {
                let sign = ["zero?", "positive?", "negative?"][self.pick(3)];
                format!("({sign} {})", self.real(d))
            }
            10 => format!("({} {})", ["even?", "odd?"][self.pick(2)], self.data(d)),
            11 => [
                "#t",
                "#f",
                "(eq? 'a 'b)",
                "(null? (cdr '(1)))",
                "(equal? '(1 (2)) (list 1 (list 2)))",
                "(memq 'b '(a b c))",
                "(pair? (list 1))",
            ][self.pick(7)]
            .into(),
            12 => self.real(d),
            _ => format!("(if {} {} {})", self.test(d), self.test(d), self.test(d)),
        }
    }
}
