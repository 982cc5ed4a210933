//! Lists, symbols, closures, vectors and matrices.

use super::{Gen, Ty};

impl Gen<'_> {
    /// A list of `n` reals.
    pub(super) fn list(&mut self, n: usize, depth: usize) -> String {
        let plain = |g: &mut Self, d: usize| match n {
            0 => "'()".into(),
            _ => format!("(list {})", g.reals(n, d)),
        };
        if self.bare(depth) {
            let name = self.variable(Ty::List(n));
            return name.unwrap_or_else(|| plain(self, 0));
        }
        let d = depth - 1;
        match self.pick(14) {
            0 => self.variable(Ty::List(n)).unwrap_or_else(|| plain(self, 0)),
            1 => plain(self, d),
            2 => {
                let items: Vec<String> = (0..n).map(|_| self.literal()).collect();
                format!("'({})", items.join(" "))
            }
            3 if n > 0 => format!("(cons {} {})", self.real(d), self.list(n - 1, d)),
            4 => format!("(map {} {})", self.function(d), self.list(n, d)),
            5 => {
                let (f, first) = (self.function2(d), self.list(n, d));
                format!("(map {f} {first} {})", self.list(n, d))
            }
            6 => format!("(reverse {})", self.list(n, d)),
            7 if n > 0 => {
                let k = self.pick(n + 1);
                format!("(append {} {})", self.list(k, d), self.list(n - k, d))
            }
            8 => {
                let k = self.pick(3);
                format!("(list-tail {} {k})", self.list(n + k, d))
            }
            9 => format!("(cdr {})", self.list(n + 1, d)),
            10 if n > 0 => {
                let k = self.pick(n);
                let (first, rest) = (self.real(d), self.list(k, d));
                let last: Vec<String> = (k + 1..n).map(|_| format!(",{}", self.real(d))).collect();
                format!("`(,{first} ,@{rest} {})", last.join(" "))
            }
            11 => {
                let (name, index) = (self.name(), self.pick(3));
                let body = self.with(&[(name.clone(), Ty::Int)], |g| g.real(d));
                format!("(map (lambda ({name}) {body}) (iota {n} {index}))")
            }
            12 => {
                let kept: Vec<String> = (0..n)
                    .map(|_| format!("(cons 3 {})", self.real(d)))
                    .collect();
                let lost = format!("(cons 1 {})", self.real(0));
                let pairs = format!("(list {lost} {})", kept.join(" "));
                format!("(map cdr (filter (lambda (p) (> (car p) 2)) {pairs}))")
            }
            _ => format!(
                "(if {} {} {})",
                self.test(d),
                self.list(n, d),
                self.list(n, d)
            ),
        }
    }

    pub(super) fn list_to_real(&mut self, d: usize) -> String {
        let n = 1 + self.pick(4);
        match self.pick(11) {
            0 => format!(
                "(fold-left {} {} {})",
                self.function2(d),
                self.real(d),
                self.list(n, d)
            ),
            1 => format!(
                "(fold-right {} {} {})",
                self.function2(d),
                self.real(d),
                self.list(n, d)
            ),
            2 => {
                let op = ["+", "*"][self.pick(2)];
                format!("(reduce {op} 0. {})", self.list(n, d))
            }
            3 => {
                let op = ["+", "max", "*", "min"][self.pick(4)];
                format!("(apply {op} {} {})", self.real(d), self.list(n, d))
            }
            4 => format!("(list-ref {} {})", self.list(n, d), self.pick(n)),
            5 => format!("(car {})", self.list(n, d)),
            6 => format!("(cadr {})", self.list(n + 1, d)),
            7 => {
                let sumsq = self.helper("sumsq");
                format!("(+ 0. ({sumsq} {}))", self.list(n, d))
            }
            8 => {
                let total = self.helper("total");
                format!("({total} {})", self.reals(n, d))
            }
            9 => {
                let names = self.names(2);
                let bound = [
                    (names[0].clone(), Ty::Real),
                    (names[1].clone(), Ty::List(n)),
                ];
                let body = self.with(&bound, |g| g.real(d));
                let list = self.list(n + 1, d);
                format!(
                    "(apply (lambda ({} . {}) {body}) {list})",
                    names[0], names[1]
                )
            }
            _ => {
                let insert = self.helper("insert");
                let sorted = format!("(fold-right {insert} '() {})", self.list(n.min(3), d));
                format!("(list-ref {sorted} {})", self.pick(n.min(3)))
            }
        }
    }

    /// Reals by way of symbols: association lists, dispatch, a small evaluator.
    pub(super) fn symbols(&mut self, d: usize) -> String {
        let (a, b) = (self.real(d), self.real(d));
        let environment = match self.pick(3) {
            0 => format!("(list (cons 'a {a}) (cons 'b {b}))"),
            1 => format!("`((a . ,{a}) (b . ,{b}))"),
            _ => format!("(map cons '(a b) (list {a} {b}))"),
        };
        match self.pick(5) {
            0 => format!("(cdr (assq 'b {environment}))"),
            1 => format!("(cond ((assq 'a {environment}) => cdr) (else 0.))"),
            2 => {
                let key = ["'a", "'c", "\"k\"", "#\\a"][self.pick(4)];
                format!("(case {key} ((a #\\a) {a}) ((b) 1.) (else {b}))")
            }
            3 => {
                let op = ["+", "-", "*"][self.pick(3)];
                format!("((cdr (assoc '(p 1) (list (cons 'q max) (cons '(p 1) {op})))) {a} {b})")
            }
            _ => {
                let evaluate = self.helper("evaluate");
                let e = self.quoted(3);
                format!("(+ 0. ({evaluate} '{e} {environment}))")
            }
        }
    }

    fn quoted(&mut self, depth: usize) -> String {
        match self.pick(if depth == 0 { 3 } else { 7 }) {
            0 | 1 => ["a", "b"][self.pick(2)].into(),
            2 => self.literal(),
            3 | 4 => format!(
                "(add {} {})",
                self.quoted(depth - 1),
                self.quoted(depth - 1)
            ),
            5 => format!(
                "(mul {} {})",
                self.quoted(depth - 1),
                self.quoted(depth - 1)
            ),
            _ => format!("(neg {})", self.quoted(depth - 1)),
        }
    }

    pub(super) fn higher_order(&mut self, d: usize) -> String {
        let count = 1 + self.pick(3);
        let functions: Vec<String> = (0..count).map(|_| self.function(d)).collect();
        let functions = format!("(list {})", functions.join(" "));
        let start = self.real(d);
        match self.pick(5) {
            0 => {
                let twice = self.helper("twice");
                format!("({twice} {} {start})", self.function(d))
            }
            1 => format!("(fold-left (lambda (acc f) (f acc)) {start} {functions})"),
            2 => format!("(fold-left + 0. (map (lambda (f) (f {start})) {functions}))"),
            3 => format!("((list-ref {functions} {}) {start})", self.pick(count)),
            _ => {
                let names = self.names(3);
                let bound: Vec<_> = names.iter().map(|name| (name.clone(), Ty::Real)).collect();
                let body = self.with(&bound, |g| g.real(d));
                let [a, b, c] = &names[..] else {
                    unreachable!()
                };
                let curried = format!("(lambda ({a}) (lambda ({b}) (lambda ({c}) {body})))");
                format!("((({curried} {start}) {}) {})", self.real(d), self.real(d))
            }
        }
    }

    pub(super) fn vector(&mut self, n: usize, depth: usize) -> String {
        if self.bare(depth) {
            let name = self.variable(Ty::Vec(n));
            return name.unwrap_or_else(|| format!("[{}]", self.reals(n, 0)));
        }
        let d = depth - 1;
        match self.pick(15) {
            0 => {
                let name = self.variable(Ty::Vec(n));
                name.unwrap_or_else(|| format!("(vec {})", self.reals(n, d)))
            }
            1 => format!("(vec {})", self.reals(n, d)),
            2 => format!("[{}]", self.reals(n, d)),
            3 | 4 => {
                let op = ["+", "-", "*"][self.pick(3)];
                format!("({op} {} {})", self.vector(n, d), self.vector(n, d))
            }
            5 => {
                let op = ["+", "-", "*"][self.pick(3)];
                format!("({op} {} {})", self.real(d), self.vector(n, d))
            }
            6 => format!("(scale {} {})", self.vector(n, d), self.real(d)),
            7 => {
                let m = 1 + self.pick(3);
                format!("(matvec {} {})", self.matrix(n, m, d), self.vector(m, d))
            }
            8 => format!("(normalize {})", self.vector(n, d)),
            9 => {
                let m = 1 + self.pick(3);
                let row = self.pick(m);
                format!("(ref {} {row})", self.matrix(m, n, d))
            }
            10 => format!(
                "(if {} {} {})",
                self.test(d),
                self.vector(n, d),
                self.vector(n, d)
            ),
            11 => format!("(solve {} {})", self.dominant(n, d), self.vector(n, d)),
            12 => match n {
                3 => format!("(cross {} {})", self.vector(3, d), self.vector(3, d)),
                _ => format!("(/ {} 2.)", self.vector(n, d)),
            },
            13 => format!("(let ((q {})) (sqrt (+ (* q q) 1.)))", self.vector(n, d)),
            _ => format!("(apply vec {})", self.list(n, d)),
        }
    }

    pub(super) fn matrix(&mut self, n: usize, m: usize, depth: usize) -> String {
        let plain = |g: &mut Self, d: usize| {
            let rows: Vec<String> = (0..n).map(|_| format!("[{}]", g.reals(m, d))).collect();
            format!("(mat {})", rows.join(" "))
        };
        if self.bare(depth) {
            let name = self.variable(Ty::Mat(n, m));
            return name.unwrap_or_else(|| plain(self, 0));
        }
        let d = depth - 1;
        match self.pick(11) {
            0 => self
                .variable(Ty::Mat(n, m))
                .unwrap_or_else(|| plain(self, 0)),
            1 | 2 => plain(self, d.min(1)),
            3 => {
                let k = 1 + self.pick(3);
                format!("(matmul {} {})", self.matrix(n, k, d), self.matrix(k, m, d))
            }
            4 => format!("(transpose {})", self.matrix(m, n, d)),
            5 => format!("(outer {} {})", self.vector(n, d), self.vector(m, d)),
            6 => {
                let op = ["+", "-", "*"][self.pick(3)];
                format!("({op} {} {})", self.matrix(n, m, d), self.matrix(n, m, d))
            }
            7 => format!("(* {} {})", self.real(d), self.matrix(n, m, d)),
            8 if n == m => format!("(inv {})", self.dominant(n, d)),
            9 => match self.pick(3) {
                0 if n == m => format!("(eye {n})"),
                1 => format!("(zeros {n} {m})"),
                _ => format!("(ones {n} {m})"),
            },
            _ => format!(
                "(if {} {} {})",
                self.test(d),
                self.matrix(n, m, d),
                plain(self, 0)
            ),
        }
    }

    /// A square matrix whose diagonal outweighs the rest.
    pub(super) fn dominant(&mut self, n: usize, d: usize) -> String {
        let mut rows = Vec::new();
        for i in 0..n {
            let mut row = Vec::new();
            for j in 0..n {
                let part = self.real(d.min(2));
                row.push(match i == j {
                    true => format!("(+ 9. (tame {part}))"),
                    false => format!("(tame {part})"),
                });
            }
            rows.push(format!("[{}]", row.join(" ")));
        }
        // rows in another order take exchanges
        if n > 1 && self.pick(3) == 2 {
            rows.rotate_left(1);
        }
        format!("(mat {})", rows.join(" "))
    }

    pub(super) fn tensor_to_real(&mut self, d: usize) -> String {
        let n = 1 + self.pick(4);
        match self.pick(9) {
            0 => format!("(dot {} {})", self.vector(n, d), self.vector(n, d)),
            1 => format!("(norm {})", self.vector(n, d)),
            2 => format!("(vsum {})", self.vector(n, d)),
            3 | 4 => {
                let index = match self.pick(4) {
                    3 => format!("(modulo {} {n})", self.int(d)),
                    2 => format!("(- (vlen {}) 1)", self.vector(n, 0)),
                    _ => self.pick(n).to_string(),
                };
                format!("(ref {} {index})", self.vector(n, d))
            }
            5 => format!("(trace {})", self.matrix(n, n, d)),
            6 => format!("(det {})", self.dominant(n.max(2), d)),
            7 => {
                let n = 2 + self.pick(2);
                format!("(det {})", self.matrix(n, n, d))
            }
            _ => format!("(ref (ref {} {}) 0)", self.matrix(n, 2, d), self.pick(n)),
        }
    }
}
