//! Random numeric graphs with loops and branches, whose loops end and whose values stay small. They are read off a list of
//! choices, so that a failing one shrinks.
#![allow(dead_code)]

use std::sync::Arc;

use ncg::graph::{Builder, Elem, Graph, NodeId, Output, Port, PortKind, Type, Value};
use ncg::ops::{Emit, Op};

/// Two inputs, two parameters and two outputs.
pub fn graph(choices: &[u16]) -> Graph {
    let input = |name: &str| Port {
        name: Arc::from(name),
        kind: PortKind::Input,
    };
    let parameter = |name: &str| Port {
        name: Arc::from(name),
        kind: PortKind::Parameter {
            initial: 1.0,
            lower: f64::NEG_INFINITY,
            upper: f64::INFINITY,
        },
    };
    let ports = vec![input("x"), input("y"), parameter("k"), parameter("m")];
    let mut random = Random {
        builder: Builder::new(ports),
        choices: choices.iter(),
        seen: (0..4).map(NodeId).collect(),
    };
    random.steps(4, 2);
    let outputs = ["a", "b"].map(|name| Output {
        name: Arc::from(name),
        node: random.pick(),
    });
    let shape = Value::List(vec![Value::Output(0), Value::Output(1)], None);
    random.builder.finish(outputs.to_vec(), shape)
}

struct Random<'a> {
    builder: Builder,
    choices: std::slice::Iter<'a, u16>,
    /// The reals that can be used here.
    seen: Vec<NodeId>,
}

impl Random<'_> {
    /// A choice among this many; the first once the list is used up.
    fn choose(&mut self, count: usize) -> usize {
        self.choices
            .next()
            .map_or(0, |choice| *choice as usize % count)
    }

    fn pick(&mut self) -> NodeId {
        let back = self.choose(self.seen.len());
        self.seen[self.seen.len() - 1 - back]
    }

    fn op(&mut self, op: Op, args: &[NodeId]) -> NodeId {
        self.builder.op(op, args)
    }

    /// A few more values; regions at most `depth` deep.
    fn steps(&mut self, most: usize, depth: usize) {
        for _ in 0..=self.choose(most) {
            let kinds = if depth == 0 { 5 } else { 8 };
            match self.choose(kinds) {
                5 => self.branch(depth - 1),
                6 | 7 => self.repeat(depth - 1),
                _ => {
                    let value = self.value();
                    self.seen.push(value);
                }
            }
        }
    }

    fn value(&mut self) -> NodeId {
        let (a, b) = (self.pick(), self.pick());
        match self.choose(14) {
            0 => self.op(Op::Add, &[a, b]),
            1 => self.op(Op::Sub, &[a, b]),
            2 | 3 => {
                let (a, b) = (self.op(Op::Sin, &[a]), self.op(Op::Tanh, &[b]));
                self.op(Op::Mul, &[a, b])
            }
            4 => self.op(Op::Cos, &[a]),
            5 => self.op(Op::Neg, &[a]),
            6 => self.op(Op::Abs, &[a]),
            7 => self.op(Op::Sigmoid, &[a]),
            8 => self.op(Op::Max, &[a, b]),
            9 => {
                let test = self.test();
                self.op(Op::Select, &[test, a, b])
            }
            10 => {
                let down = self.op(Op::Floor, &[a]);
                self.op(Op::Mul, &[down, b])
            }
            11 => {
                let one = self.builder.real(1.0);
                let square = self.op(Op::Mul, &[b, b]);
                let positive = self.op(Op::Add, &[square, one]);
                self.op(Op::Div, &[a, positive])
            }
            12 => self.builder.real(0.0),
            _ => {
                let half = self.builder.real(0.5);
                self.op(Op::Mul, &[a, half])
            }
        }
    }

    fn test(&mut self) -> NodeId {
        let (a, b) = (self.pick(), self.pick());
        match self.choose(3) {
            0 => self.op(Op::Less, &[a, b]),
            1 => {
                let zero = self.builder.real(0.0);
                self.op(Op::Greater, &[a, zero])
            }
            _ => {
                let (a, half) = (self.op(Op::Sin, &[a]), self.builder.real(0.5));
                self.op(Op::LessEqual, &[a, half])
            }
        }
    }

    /// A branch of one or two values; one arm may hold what is infinite or NaN where it is not taken.
    fn branch(&mut self, depth: usize) {
        let count = 1 + self.choose(2);
        let guarded = self.choose(3);
        let (test, x) = match guarded {
            0 => {
                let (x, small) = (self.pick(), self.builder.real(0.25));
                (self.op(Op::Greater, &[x, small]), Some(x))
            }
            _ => (self.test(), None),
        };
        let arm = |random: &mut Self, x: Option<NodeId>| {
            let seen = random.seen.len();
            random.builder.open_region(&[]);
            if let Some(x) = x {
                let op = [Op::Sqrt, Op::Log][random.choose(2)];
                let value = random.op(op, &[x]);
                random.seen.push(value);
            }
            random.steps(2, depth);
            let results = (0..count).map(|_| random.pick()).collect();
            random.seen.truncate(seen);
            random.builder.close_region(results)
        };
        let then = arm(self, x);
        let otherwise = arm(self, None);
        let values = self.builder.branch(test, then, otherwise);
        self.seen.extend(values);
    }

    /// A loop of at most four iterations, by a counter and perhaps a test on what it computes.
    fn repeat(&mut self, depth: usize) {
        let count = 1 + self.choose(3);
        let (zero, one) = (self.builder.int(0), self.builder.int(1));
        let most = match self.choose(3) {
            0 => {
                let most = self.choose(5) as i64;
                self.builder.int(most)
            }
            // one for each sample, or for the value of a parameter
            _ => {
                let (x, four) = (self.pick(), self.builder.real(4.0));
                let sin = self.op(Op::Sin, &[x]);
                self.op(Op::Mul, &[sin, four])
            }
        };
        let mut inits = vec![zero];
        inits.extend((0..count).map(|_| self.pick()));
        let mut types = vec![Type::Scalar(Elem::Int)];
        types.resize(1 + count, Type::REAL);
        let seen = self.seen.len();
        let params = self.builder.open_loop(&types);
        self.seen.extend(&params[1..]);
        self.steps(2, depth);
        let mut flag = self.op(Op::Less, &[params[0], most]);
        if self.choose(2) == 1 {
            let test = self.test();
            flag = self.op(Op::And, &[flag, test]);
        }
        self.builder.open_next();
        self.steps(2, depth);
        let mut results = vec![self.op(Op::Add, &[params[0], one])];
        for _ in 0..count {
            let next = match self.choose(4) {
                0 => self.pick(),
                _ => self.value(),
            };
            results.push(next);
        }
        self.seen.truncate(seen);
        let next = self.builder.close_region(results);
        let head = self.builder.close_region(vec![flag]);
        let values = self.builder.repeat(inits, head, next);
        self.seen.extend(&values[1..]);
    }
}
