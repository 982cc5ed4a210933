//! Linear algebra: the kernels against expansion by minors, their scalar form against the kernels, and its nodes in graphs.

use std::sync::Arc;

use ncg::compile::Model;
use ncg::graph::{self, Builder, Graph, Linear, NodeId, NodeKind, Port, PortKind, Type, Value};
use ncg::ops::linear::{self, MAX_SIDE};
use ncg::ops::{Emit, Op, linear_values};
use ncg::options::Options;
use ncg::session::{Gradient, Session, Strided, StridedMut};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    /// A small whole number, so that determinants of small matrices are exact.
    fn whole(&mut self) -> f64 {
        self.below(9) as f64 - 4.0
    }

    fn real(&mut self) -> f64 {
        self.below(2_000_001) as f64 / 1e6 - 1.0
    }

    fn matrix(&mut self, n: usize) -> Vec<f64> {
        (0..n * n).map(|_| self.real()).collect()
    }

    /// A matrix of whole numbers of this rank at most.
    fn of_rank(&mut self, n: usize, rank: usize) -> Vec<f64> {
        let mut a = vec![0.0; n * n];
        for _ in 0..rank {
            let u: Vec<f64> = (0..n).map(|_| self.below(5) as f64 - 2.0).collect();
            let v: Vec<f64> = (0..n).map(|_| self.below(5) as f64 - 2.0).collect();
            for (i, x) in a.iter_mut().enumerate() {
                *x += u[i / n] * v[i % n];
            }
        }
        a
    }
}

fn without(n: usize, a: &[f64], row: usize, column: usize) -> Vec<f64> {
    let places = (0..n * n).filter(|at| at / n != row && at % n != column);
    places.map(|at| a[at]).collect()
}

/// By expansion along the first row.
fn laplace(n: usize, a: &[f64]) -> f64 {
    if n == 0 {
        return 1.0;
    }
    let term = |j: usize| {
        let sign = if j.is_multiple_of(2) { 1.0 } else { -1.0 };
        sign * a[j] * laplace(n - 1, &without(n, a, 0, j))
    };
    (0..n).map(term).sum()
}

fn cofactors(n: usize, a: &[f64]) -> Vec<f64> {
    let mut memory = a.to_vec();
    linear::cofactors(n, &mut memory, &mut vec![0.0; n * n]);
    memory
}

#[track_caller]
fn near(got: f64, wanted: f64, scale: f64) {
    assert!(
        (got - wanted).abs() <= 1e-12 * scale,
        "{got} is not {wanted} at scale {scale}"
    );
}

#[test]
fn determinants_are_those_by_minors() {
    let mut random = Random(1);
    for n in 1..=7 {
        for _ in 0..20 {
            let a: Vec<f64> = (0..n * n).map(|_| random.whole()).collect();
            let wanted = laplace(n, &a);
            let scale = 1.0 + wanted.abs();
            near(linear::det(n, &mut a.clone()), wanted, 1e3 * scale);
            if wanted != 0.0 {
                near(linear::logdet(n, &mut a.clone()), wanted.abs().ln(), 10.0);
            }
        }
    }
}

#[test]
fn cofactors_are_signed_minors_at_every_rank() {
    let mut random = Random(2);
    for n in 1..=7 {
        for rank in 0..=n {
            for _ in 0..10 {
                let a = random.of_rank(n, rank);
                let got = cofactors(n, &a);
                let minors: Vec<f64> = (0..n * n)
                    .map(|at| {
                        let (i, j) = (at / n, at % n);
                        let sign = if (i + j) % 2 == 0 { 1.0 } else { -1.0 };
                        sign * laplace(n - 1, &without(n, &a, i, j))
                    })
                    .collect();
                let size = a.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
                let scale = size.powi(n as i32 - 1) * 10.0;
                for (got, wanted) in got.iter().zip(&minors) {
                    near(*got, *wanted, scale);
                }
            }
        }
    }
}

#[test]
fn the_largest_side_gives_the_adjugate() {
    let mut random = Random(3);
    let n = MAX_SIDE;
    let a = random.matrix(n);
    let (det, cofactors) = (linear::det(n, &mut a.clone()), cofactors(n, &a));
    for i in 0..n {
        for j in 0..n {
            let sum: f64 = (0..n).map(|k| a[i * n + k] * cofactors[j * n + k]).sum();
            near(sum / det, if i == j { 1.0 } else { 0.0 }, 1e3);
        }
    }
}

#[test]
fn solutions_solve() {
    let mut random = Random(4);
    for n in [1, 2, 3, 5, 8, 17, 64] {
        for m in [1, 3] {
            let a = random.matrix(n);
            let b: Vec<f64> = (0..n * m).map(|_| random.real()).collect();
            let (mut left, mut x) = (a.clone(), b.clone());
            linear::solve(n, &mut left, &mut x);
            let size = x.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
            for i in 0..n {
                for k in 0..m {
                    let sum: f64 = (0..n).map(|j| a[i * n + j] * x[j * m + k]).sum();
                    near(sum, b[i * m + k], size * 100.0);
                }
            }
        }
    }
}

/// The value of each node, which must be a constant.
fn constants(builder: &Builder, nodes: &[NodeId]) -> Vec<f64> {
    let value = |node: &NodeId| builder.known(*node).expect("constants fold");
    nodes.iter().map(value).collect()
}

fn bits(values: &[f64]) -> Vec<u64> {
    // no NaN has more to say than that it is one
    let bits = |x: &f64| if x.is_nan() { 0 } else { (x + 0.0).to_bits() };
    values.iter().map(bits).collect()
}

#[test]
fn the_scalar_form_has_the_bits_of_the_kernels() {
    let mut random = Random(5);
    for n in 1..=8_usize {
        for round in 0..6 {
            let a = match round {
                0 | 1 => random.of_rank(n, n - 1),
                2 => random.of_rank(n, 1),
                _ => random.matrix(n),
            };
            let b: Vec<f64> = (0..n * 2).map(|_| random.real()).collect();
            let mut builder = Builder::new(vec![]);
            let nodes: Vec<NodeId> = a.iter().chain(&b).map(|x| builder.real(*x)).collect();
            let solve = Linear::Solve { n: n as u32, m: 2 };
            let written = linear_values(&mut builder, solve, &nodes);
            let (mut left, mut x) = (a.clone(), b.clone());
            linear::solve(n, &mut left, &mut x);
            assert_eq!(bits(&constants(&builder, &written)), bits(&x), "{n}");
            for op in [Op::DetOf, Op::LogDetOf] {
                let ncg::ops::OnnxForm::Decomposed(form) = op.row().onnx else {
                    panic!("{} has no scalar form", op.name());
                };
                let written = form(&mut builder, &nodes[..n * n]);
                let kernel = match op {
                    Op::DetOf => linear::det(n, &mut a.clone()),
                    _ => linear::logdet(n, &mut a.clone()),
                };
                let written = constants(&builder, &[written]);
                assert_eq!(bits(&written), bits(&[kernel]), "{n} {}", op.name());
            }
            let linear = Linear::Cofactors { n: n as u32 };
            let written = linear_values(&mut builder, linear, &nodes[..n * n]);
            let kernel = cofactors(n, &a);
            let scale = kernel.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
            for (got, wanted) in constants(&builder, &written).iter().zip(kernel) {
                near(*got, wanted, 1.0 + 10.0 * scale);
            }
        }
    }
}

fn ports(count: usize) -> Vec<Port> {
    let port = |i: usize| Port {
        name: format!("x{i}").into(),
        kind: PortKind::Input,
    };
    (0..count).map(port).collect()
}

/// The sum of the values of `linear` on ports.
fn sum_of(linear: Linear) -> Graph {
    let mut builder = Builder::new(ports(linear.arguments()));
    let args: Vec<NodeId> = (0..linear.arguments()).map(|i| builder.port(i)).collect();
    let values = builder.linear_values(linear, &args, 0..linear.values());
    let again = builder.linear_values(linear, &args, 0..linear.values());
    assert_eq!(values, again, "equal nodes are shared");
    let sum = values
        .into_iter()
        .reduce(|a, b| builder.op(Op::Add, &[a, b]));
    builder.finish_one(sum.expect("it has values"))
}

#[test]
fn graphs_with_linear_algebra_read_back_and_simplify() {
    for linear in [
        Linear::Solve { n: 3, m: 2 },
        Linear::Cofactors { n: 4 },
        Linear::Solve { n: 1, m: 1 },
    ] {
        let graph = sum_of(linear);
        graph::verify_numeric(&graph).unwrap();
        assert_eq!(graph::parse(&graph.to_string()).unwrap(), graph);
        let simple = graph::simplify(&graph);
        graph::verify_numeric(&simple).unwrap();
        assert_eq!(simple.nodes.len(), graph.nodes.len());
        assert_eq!(graph::simplify(&simple), simple);
        assert!(graph.batched().iter().all(|batched| *batched));
    }
}

#[test]
fn only_used_values_stay() {
    let linear = Linear::Solve { n: 2, m: 1 };
    let mut builder = Builder::new(ports(6));
    let args: Vec<NodeId> = (0..6).map(|i| builder.port(i)).collect();
    let values = builder.linear_values(linear, &args, 0..linear.values());
    let graph = graph::simplify(&builder.finish_one(values[1]));
    let gets = graph
        .nodes
        .iter()
        .filter(|node| matches!(node.kind, NodeKind::Get(_)));
    assert_eq!(
        gets.map(|node| node.kind.clone()).collect::<Vec<_>>(),
        [NodeKind::Get(1)]
    );
}

#[test]
fn malformed_linear_algebra_is_refused() {
    for (text, message) in [
        (
            "%0 = const 1.0 real\n%1 = cofactors 0 real\noutput v %0",
            "from 1 to 64",
        ),
        (
            "%0 = const 1.0 real\n%1 = cofactors 65 real\noutput v %0",
            "from 1 to 64",
        ),
        (
            "%0 = const 1.0 real\n%1 = cofactors 2 %0 real\noutput v %0",
            "4 arguments",
        ),
        (
            "%0 = const 1.0 real\n%1 = lu-solve 1 1 %0 real\noutput v %0",
            "2 arguments",
        ),
        (
            "%0 = const 1.0 real\n%1 = lu-solve 1\noutput v %0",
            "a name is expected",
        ),
        (
            "%0 = const 1.0 real\n%1 = lu-solve %0 real\noutput v %0",
            "index",
        ),
        (
            "%0 = const 1.0 real\n%1 = cofactors 1 %0 real\n%2 = get %1 1 real\noutput v %2",
            "reads value 1",
        ),
    ] {
        let error = graph::parse(text).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    let graph = graph::parse("%0 = const 1.0 real\n%1 = det-of %0 %0 real\noutput v %1").unwrap();
    assert!(graph::verify_numeric(&graph).is_err());
}

#[test]
fn picks_fold() {
    let mut builder = Builder::new(ports(2));
    let (x, y) = (builder.port(0), builder.port(1));
    let index = builder.int(1);
    assert_eq!(builder.op(Op::Pick, &[index, x, y]), y);
    let [a, b, out] = [5.0, 6.0, 2.0].map(|value| builder.real(value));
    let picked = builder.op(Op::Pick, &[index, a, b]);
    assert_eq!(builder.known(picked), Some(6.0));
    let picked = builder.op(Op::Pick, &[out, a, b]);
    assert!(builder.known(picked).unwrap().is_nan());
    let picked = builder.op(Op::Pick, &[x, a, b]);
    assert_eq!(builder.graph().node(picked).ty, Type::REAL);
}

#[test]
fn arrays_as_values_read_back() {
    let vector = Value::Array(vec![2], vec![Value::Output(0), Value::Output(0)]);
    let rows = |columns: usize| {
        let items = vec![Value::Output(0); 2 * columns];
        Value::Array(vec![2, columns], items)
    };
    let empty = Value::Array(vec![0], vec![]);
    for value in [vector, rows(1), rows(3), empty] {
        let list = Value::List(vec![value.clone(), Value::Procedure], None);
        for value in [value, list] {
            let builder = Builder::new(ports(1));
            let node = builder.port(0);
            let mut graph = builder.finish_one(node);
            graph.value = value;
            assert_eq!(graph::parse(&graph.to_string()).unwrap(), graph);
        }
    }
}

/// `rows` by `columns` elements as a matrix of a program.
fn written(rows: usize, columns: usize, element: impl Fn(usize, usize) -> String) -> String {
    let row = |i| (0..columns).map(|j| element(i, j)).collect::<Vec<_>>();
    let rows = (0..rows).map(|i| format!("[{}]", row(i).join(" ")));
    format!("(mat {})", rows.collect::<Vec<_>>().join(" "))
}

/// What a program gives: its outputs for each sample, and the derivatives of their sum by the inputs.
fn run(text: &str, engine: &str, inputs: usize, x: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let model = Arc::new(Model::compile(text, &Options::new()).unwrap());
    let mut options = Options::new();
    options.set_str("engine", engine).unwrap();
    let outputs = model.graph.outputs.len();
    let mut session = Session::<f64>::new(model, &options).unwrap();
    let samples = x.len() / inputs;
    let (mut y, mut dx) = (vec![0.0; samples * outputs], vec![0.0; x.len()]);
    let into = Gradient {
        y: Some(&mut StridedMut::rows(&mut y, outputs)),
        dx: Some(&mut StridedMut::rows(&mut dx, inputs)),
        dp: None,
    };
    let table = Strided::rows(x, inputs);
    session
        .gradient(samples, &table, None, None, into, None)
        .unwrap();
    (y, dx)
}

fn declared(count: usize) -> String {
    (0..count).map(|i| format!("(input x{i})")).collect()
}

#[test]
fn the_native_engine_runs_the_kernels() {
    let mut random = Random(6);
    for n in [3, 4, 5, 7, 12] {
        let count = n * n;
        let matrix = written(n, n, |i, j| format!("x{}", i * n + j));
        for samples in [1, 3, 300] {
            let x: Vec<f64> = (0..count * samples).map(|_| random.real()).collect();
            let text = format!("{}(det {matrix})", declared(count));
            let (y, dx) = run(&text, "native", count, &x);
            for (s, a) in x.chunks(count).enumerate() {
                assert_eq!(y[s].to_bits(), linear::det(n, &mut a.to_vec()).to_bits());
                let cofactors = cofactors(n, a);
                let size = cofactors.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
                for (got, wanted) in dx[s * count..].iter().zip(&cofactors) {
                    near(*got, *wanted, size);
                }
            }
            let text = format!("{}(logdet {matrix})", declared(count));
            let (y, _) = run(&text, "native", count, &x);
            for (s, a) in x.chunks(count).enumerate() {
                assert_eq!(y[s].to_bits(), linear::logdet(n, &mut a.to_vec()).to_bits());
            }
        }
    }
}

#[test]
fn the_native_engine_solves_alone_and_in_batches() {
    let mut random = Random(7);
    for n in [2, 4, 5, 9] {
        // the right side differs from sample to sample; the matrix does not, or in one element
        for own in [false, true] {
            let a = random.matrix(n);
            let corner = |i: usize, j: usize| match own && i == 0 && j == 0 {
                true => "x0".to_string(),
                false => format!("{:?}", a[i * n + j]),
            };
            let b: Vec<String> = (0..n).map(|i| format!("x{i}")).collect();
            let matrix = written(n, n, corner);
            let text = format!("{}(solve {matrix} [{}])", declared(n), b.join(" "));
            for samples in [1, 200] {
                let x: Vec<f64> = (0..n * samples).map(|_| random.real()).collect();
                let (y, _) = run(&text, "native", n, &x);
                for (s, b) in x.chunks(n).enumerate() {
                    let (mut a, mut b) = (a.clone(), b.to_vec());
                    if own {
                        a[0] = b[0];
                    }
                    linear::solve(n, &mut a, &mut b);
                    assert_eq!(bits(&y[s * n..(s + 1) * n]), bits(&b), "{n}");
                }
            }
        }
    }
}

/// Steps of an implicit method: a system is solved in a loop whose length differs from sample to sample.
#[test]
fn systems_are_solved_in_loops() {
    for n in [2, 6] {
        let matrix = written(n, n, |i, j| match i.abs_diff(j) {
            0 => "(+ 2 x0)".to_string(),
            1 => "(- x1)".to_string(),
            _ => "0".to_string(),
        });
        let start = vec!["x1"; n].join(" ");
        let text = format!(
            "(input x0)(input x1)(define m {matrix})
             (let go ((t 0.) (v [{start}]))
               (if (< t x0) (go (+ t 0.25) (solve m v)) (vsum v)))"
        );
        let x: Vec<f64> = (0..260)
            .flat_map(|i| [i as f64 / 100.0, 0.2 + i as f64 / 1000.0])
            .collect();
        let (y, dx) = run(&text, "native", 2, &x);
        for (s, point) in x.chunks(2).enumerate() {
            let mut v = vec![point[1]; n];
            let mut t = 0.0;
            while t < point[0] {
                let mut a: Vec<f64> = (0..n * n)
                    .map(|at| match (at / n).abs_diff(at % n) {
                        0 => 2.0 + point[0],
                        1 => -point[1],
                        _ => 0.0,
                    })
                    .collect();
                linear::solve(n, &mut a, &mut v);
                t += 0.25;
            }
            let sum = v.iter().copied().reduce(|a, b| a + b).unwrap();
            assert_eq!(y[s].to_bits(), sum.to_bits(), "{point:?}");
            let (alone, slopes) = run(&text, "native", 2, point);
            assert_eq!(alone[0].to_bits(), sum.to_bits());
            assert_eq!(bits(&slopes), bits(&dx[2 * s..2 * s + 2]));
            let h = 1e-6;
            let at = |x1: f64| run(&text, "native", 2, &[point[0], x1]).0[0];
            if s % 20 == 7 {
                let difference = (at(point[1] + h) - at(point[1] - h)) / (2.0 * h);
                assert!((difference - dx[2 * s + 1]).abs() < 1e-8, "{point:?}");
            }
        }
    }
}

#[test]
fn onnx_runtime_agrees() {
    if let Err(error) = ncg::engine::ort::probe(None) {
        assert!(std::env::var_os("NCG_REQUIRE_ALL").is_none(), "{error}");
        println!("skipped: {error}");
        return;
    }
    let mut random = Random(8);
    // from 9 on, elimination is a loop
    for n in [1, 2, 5, 8, 9, 16] {
        let matrix = written(n, n, |i, j| format!("x{}", i * n + j));
        let x: Vec<f64> = (0..n * n * 40).map(|_| random.real()).collect();
        for body in ["(det m)", "(logdet m)", "(vsum (* (inv m) (inv m)))"] {
            let text = format!("{}(define m {matrix}){body}", declared(n * n));
            let (first, second) = (
                run(&text, "native", n * n, &x),
                run(&text, "onnxruntime", n * n, &x),
            );
            for (s, (a, b)) in first.0.iter().zip(&second.0).enumerate() {
                // a system with large solutions loses digits
                let mut scale = 1.0 + a.abs();
                let slopes = n * n * s..n * n * (s + 1);
                first.1[slopes.clone()]
                    .iter()
                    .for_each(|d| scale += d.abs());
                near(*a, *b, scale);
                for (a, b) in first.1[slopes.clone()].iter().zip(&second.1[slopes]) {
                    near(*a, *b, scale * scale * 10.0);
                }
            }
        }
    }
}
