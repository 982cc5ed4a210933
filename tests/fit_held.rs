//! What hangs on the data of a fit alone is computed once, and to the same bits.

mod fitting;

use std::path::Path;
use std::sync::Arc;

use fitting::{Random, close, fit, params, prepare, run, samples};
use ncg::compile::Model;
use ncg::document;
use ncg::fit::loss::{Kind, Loss};
use ncg::fit::objective::Total;
use ncg::fit::problem::{Data, Problem};
use ncg::fit::{Objective, Residuals};
use ncg::grad;
use ncg::graph::{Graph, NodeKind, split};
use ncg::ops::Op;
use ncg::options::Options;
use ncg::session::{Element, Gradient, Session, Strided, StridedMut};

const COULOMB: &str = "(parameter k 1) (/ (* k q1 q2) (square r))";

fn graph(source: &str) -> Graph {
    Model::compile(source, &Options::new()).unwrap().graph
}

/// The graph in two by its inputs.
fn parts(graph: &Graph) -> Option<(Graph, Graph)> {
    let kept: Vec<bool> = graph
        .ports
        .iter()
        .map(|port| !port.is_parameter())
        .collect();
    split(graph, &kept, 4).map(|parts| (parts.first, parts.rest))
}

/// How often an operation stands in a graph.
fn count(graph: &Graph, wanted: Op) -> usize {
    let nodes = graph.nodes.iter();
    nodes
        .filter(|node| node.kind == NodeKind::Op(wanted))
        .count()
}

#[test]
fn a_graph_is_cut_where_it_is_worth_it() {
    let expensive =
        graph("(parameter a 1) (parameter b 2) (+ (* a (exp (sin x))) (* b x (log x)))");
    let (first, rest) = parts(&expensive).unwrap();
    for op in [Op::Exp, Op::Sin, Op::Log] {
        assert_eq!((count(&first, op), count(&rest, op)), (1, 0), "{op:?}");
    }
    // two columns and x itself, which is multiplied by b first
    assert_eq!(first.outputs.len(), 2);
    // the derivative by k of Coulomb's law is data, and the square stands in place of the distance
    let law = graph(COULOMB);
    let derivative = grad::cheapest_jacobian(&law, &law.parameters());
    let (first, rest) = parts(&derivative).unwrap();
    assert_eq!(first.outputs.len(), 2);
    assert_eq!((count(&derivative, Op::Div), count(&rest, Op::Div)), (2, 1));
    let square = |graph: &Graph| {
        graph
            .nodes
            .iter()
            .any(|n| n.kind == NodeKind::Op(Op::Mul) && n.args[0] == n.args[1])
    };
    assert!(square(&derivative) && !square(&rest));
    // a difference beside the input itself is cheaper than a column more
    assert!(parts(&graph("(parameter a 1) (* (- x 1) (exp (* a x)))")).is_none());
    assert!(parts(&graph("(parameter a 1) (* a x)")).is_none());
    assert!(parts(&graph("(parameter a 1) (exp (* a x))")).is_none());
    // nor is so little work a pass over the data
    assert!(parts(&graph("(parameter a 1) (exp (* a (- x 1)))")).is_none());
    // a column in place of two
    let (first, rest) = parts(&graph("(parameter a 1) (exp (* a (- (/ x t) 1)))")).unwrap();
    assert_eq!((count(&first, Op::Sub), count(&rest, Op::Sub)), (1, 0));
    // a lot of work pays at once, a little later
    let pays = |source: &str| {
        let graph = graph(source);
        let kept: Vec<bool> = graph
            .ports
            .iter()
            .map(|port| !port.is_parameter())
            .collect();
        split(&graph, &kept, 4).unwrap().pays
    };
    assert!(pays("(parameter a 1) (* a (exp x))") <= 2);
    assert!(pays("(parameter a 1) (* a (/ x t) (+ 1 x))") > 2);
}

#[test]
fn what_hangs_on_a_parameter_or_on_the_batch_stays() {
    // what is computed outside of the arms, however it is used within them; what only an arm computes stays there
    let all = graph("(parameter a 1) (let ((e (exp x))) (if (< e a) (* a e) (* a (log x))))");
    let (first, rest) = parts(&all).unwrap();
    assert_eq!(first.outputs.len(), 1);
    assert_eq!((count(&rest, Op::Exp), count(&rest, Op::Log)), (0, 1));
    // the sum over the batch of data is one of a batch, which a block of samples is not
    let squares = grad::squares(&graph("(parameter a 1) (* a (exp x))"), &[0]);
    let mut kept = vec![true; squares.ports.len()];
    kept[0] = false;
    let parameter = squares
        .ports
        .iter()
        .position(|port| port.is_parameter())
        .unwrap();
    kept.fill(true);
    kept[parameter] = false;
    let cut = split(&squares, &kept, 4).unwrap();
    assert_eq!(count(&cut.first, Op::BatchSum), 0);
    assert_eq!(
        count(&cut.rest, Op::BatchSum),
        count(&squares, Op::BatchSum)
    );
    assert_eq!(count(&cut.rest, Op::Exp), 0);
    // nothing kept, nothing cut
    assert!(split(&all, &vec![false; all.ports.len()], 1).is_none());
}

fn session<T: Element>(model: &Arc<Model>, engine: &str) -> Session<T> {
    let mut options = Options::new();
    options.set_str("engine", engine).unwrap();
    Session::new(model.clone(), &options).unwrap()
}

/// Values, Jacobian and gradient through a problem, whose blocks read what was computed once, against the same from a session at
/// once: all bits. Returns how many numbers are computed once for each sample.
fn same_bits<T: Element + Into<f64>>(model: Model, engine: &str, random: &mut Random) -> usize {
    let model = Arc::new(model);
    let (inputs, parameters) = (model.graph.inputs().len(), model.graph.parameters().len());
    let outputs = model.graph.outputs.len();
    let count = 700;
    let data = Data {
        samples: count,
        x: (0..inputs * count)
            .map(|_| 0.1 + 2.0 * random.uniform())
            .collect(),
        y: vec![0.0; outputs * count],
        ..Data::default()
    };
    let mut plain = session::<T>(&model, engine);
    let initial: Vec<f64> = plain.initial().iter().map(|p| p.to_f64()).collect();
    let mut held = session::<T>(&model, engine);
    let all: Vec<usize> = (0..parameters).collect();
    let mut problem =
        Problem::new(&mut held, &data, (&initial, &all), Loss::default(), None).unwrap();
    let x = T::numbers(&data.x);
    let x = Strided::columns(&x, count);
    for round in 0..9 {
        let p: Vec<f64> = initial
            .iter()
            .map(|p| p * (1.0 + 0.01 * f64::from(round)))
            .collect();
        let typed: Vec<T> = p.iter().map(|p| T::of(*p)).collect();
        let (mut y, mut j) = (
            vec![T::ZERO; outputs * count],
            vec![T::ZERO; outputs * parameters * count],
        );
        let (mut to_y, mut to_j) = (
            StridedMut::columns(&mut y, count),
            StridedMut::columns(&mut j, count),
        );
        plain
            .jacobian(count, &x, Some(&typed), Some(&mut to_y), &mut to_j, None)
            .unwrap();
        let mut first = 0;
        for block in 0..problem.block_count() {
            let rows = problem.block_len(block);
            let samples = rows / outputs;
            let (mut r, mut jacobian) = (vec![0.0; rows], vec![0.0; rows * parameters]);
            problem.evaluate(block, &p, &mut r, None).unwrap();
            let values = r.clone();
            problem
                .evaluate(block, &p, &mut r, Some(&mut jacobian))
                .unwrap();
            for o in 0..outputs {
                for s in 0..samples {
                    let row = o * samples + s;
                    let wanted = y[o * count + first + s].to_f64();
                    assert_eq!(r[row].to_bits(), wanted.to_bits());
                    assert_eq!(values[row].to_bits(), wanted.to_bits());
                    for i in 0..parameters {
                        let wanted = j[(o * parameters + i) * count + first + s].to_f64();
                        let got = jacobian[i * rows + row];
                        assert!(
                            got.to_bits() == wanted.to_bits() || got.is_nan() && wanted.is_nan()
                        );
                    }
                }
            }
            first += samples;
        }
        assert_eq!(first, count);
    }
    drop(problem);
    // the reverse sweep: of one block, since sums are added block by block
    let one = Data {
        samples: 200,
        x: data
            .x
            .chunks(count)
            .flat_map(|column| &column[..200])
            .copied()
            .collect(),
        y: vec![0.0; outputs * 200],
        ..Data::default()
    };
    let mut problem =
        Problem::new(&mut held, &one, (&initial, &all), Loss::default(), None).unwrap();
    let mut gradient = vec![0.0; parameters];
    for _ in 0..9 {
        let mut total = Total::new(&mut problem);
        total.evaluate(&initial, &mut gradient).unwrap();
    }
    let (x, typed) = (T::numbers(&one.x), plain.initial().to_vec());
    let x = Strided::columns(&x, 200);
    let mut y = vec![T::ZERO; outputs * 200];
    plain
        .eval(
            200,
            &x,
            Some(&typed),
            &mut StridedMut::columns(&mut y, 200),
            None,
        )
        .unwrap();
    let seeds: Vec<T> = y.iter().map(|y| T::of(2.0 * y.to_f64())).collect();
    let mut sums = vec![T::ZERO; parameters];
    let into = Gradient {
        y: None,
        dx: None,
        dp: Some(&mut sums),
    };
    let seeds = Strided::columns(&seeds, 200);
    plain
        .gradient(200, &x, Some(&typed), Some(&seeds), into, None)
        .unwrap();
    for (got, wanted) in gradient.iter().zip(&sums) {
        assert!(got.to_bits() == wanted.to_f64().to_bits() || got.is_nan());
    }
    held.held().iter().map(|(columns, _)| columns).sum()
}

const SOURCES: [&str; 9] = [
    COULOMB,
    "(parameter a 1.5) (parameter b 0.3) (+ (* a (exp (sin x))) (* b x (log x)))",
    "(parameter a 1.5) (parameter b 0.3) (parameter c 0.7) (list (* a (sqrt x)) (* b (pow x c) (exp (- t))) (sin x))",
    "(parameter a 1.2) (let ((e (exp x))) (if (< e a) (* a e) (* a (log x))))",
    "(parameter a 1.2) (if (< x 1) (* a (exp x)) (* a (log (+ x t))))",
    // a loop over the data, and one that a parameter drives on
    "(parameter a 0.9) (* a (loop ((i 0) (s x)) (if (= i 5) s (recur (+ i 1) (sin (+ s t))))))",
    "(parameter a 0.9) (loop ((i 0) (s x)) (if (= i 4) s (recur (+ i 1) (+ (* a s) (exp t)))))",
    "(parameter a 0.9) (loop ((s x)) (if (> s (+ 3 (exp t))) s (recur (+ s a))))",
    "(parameter a 2) (* a (det (mat [(+ x 2) t 1] [t (+ x 3) 2] [1 2 9])))",
];

#[test]
fn what_is_computed_once_gives_the_same_bits() {
    let mut random = Random(17);
    let mut split = 0;
    for source in SOURCES {
        let model = || Model::compile(source, &Options::new()).unwrap();
        split += usize::from(same_bits::<f64>(model(), "native", &mut random) > 0);
        same_bits::<f32>(model(), "native", &mut random);
    }
    assert!(split >= 7, "{split}");
}

/// The same where every bit of work is worth a column: both parts as graphs of their own.
#[test]
fn both_parts_give_the_bits_of_the_whole() {
    let mut random = Random(23);
    let mut split_at = [0; 2];
    for source in SOURCES {
        let model = graph(source);
        let whole = grad::cheapest_jacobian(&model, &model.parameters());
        let kept: Vec<bool> = whole
            .ports
            .iter()
            .map(|port| !port.is_parameter())
            .collect();
        for (worth, found) in [1, 4].into_iter().zip(&mut split_at) {
            let Some(parts) = split(&whole, &kept, worth) else {
                continue;
            };
            *found += 1;
            let count = 333;
            let inputs = model.inputs().len();
            let mut x: Vec<f64> = (0..inputs * count)
                .map(|_| 0.1 + 2.0 * random.uniform())
                .collect();
            let wanted = values(&whole, &x, count);
            let columns = values(&parts.first, &x, count);
            assert_eq!(columns.len(), parts.first.outputs.len() * count);
            x.extend(columns);
            let got = values(&parts.rest, &x, count);
            let same = got
                .iter()
                .zip(&wanted)
                .all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same && got.len() == wanted.len(), "{source}, {worth}");
        }
    }
    assert!(split_at[0] >= 8 && split_at[1] >= 7, "{split_at:?}");
}

/// The outputs of a graph on inputs column by column, its parameters as they begin.
fn values(graph: &Graph, x: &[f64], count: usize) -> Vec<f64> {
    let options = Options::new();
    let model = Arc::new(Model::from_graph(graph, None, &options).unwrap());
    let mut session = session::<f64>(&model, "native");
    let mut y = vec![0.0; graph.outputs.len() * count];
    let mut table = StridedMut::columns(&mut y, count);
    session
        .eval(count, &Strided::columns(x, count), None, &mut table, None)
        .unwrap();
    y
}

#[test]
fn the_models_of_the_examples_give_the_same_bits() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/models");
    let (mut random, mut some, mut all) = (Random(3), 0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "scm") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let Ok(model) = document::parse(&bytes, &Options::new()) else {
            continue;
        };
        if model.is_numeric()
            && !model.graph.parameters().is_empty()
            && model.graph.nodes.len() < 20_000
        {
            all += 1;
            some += usize::from(same_bits::<f64>(model, "native", &mut random) > 0);
        }
    }
    println!("{some} of {all} models have something that is computed once");
    assert!(some > 3 && all > 10, "{some} of {all}");
}

/// However many steps a fit takes, over starts, hops and profiles: once for each set of data.
#[test]
fn a_fit_computes_it_once() {
    let source = "(parameter a 1 0 9) (parameter b 1 0 9) (* a (exp (- (* b (log x)))))";
    let data = |last: f64| {
        samples(300, 0.5, last, |x| {
            3.0 * x.powf(-1.7) + 0.01 * (77.0 * x).sin()
        })
    };
    let settings = [("profile", "true"), ("hops", "5")];
    let mut fitter = prepare(source, data(5.0), &settings).unwrap();
    assert_eq!(fitter.computed_once(), [(0, 0); 2]);
    run(&mut fitter).unwrap();
    assert!(fitter.outcome().unwrap().evaluations > 20);
    let once = fitter.computed_once();
    assert!(
        once[1].0 > 0 && once.iter().all(|(_, times)| *times <= 1),
        "{once:?}"
    );
    let first = params(&fitter);
    // other data are other numbers
    let noise = fitter.noise();
    fitter.set_data(data(4.0), noise).unwrap();
    run(&mut fitter).unwrap();
    assert_eq!(fitter.computed_once()[1].1, 2);
    assert_eq!(params(&fitter), params(&fit(source, data(4.0), &settings)));
    assert_ne!(params(&fitter), first);
    for optimizer in ["lbfgs", "adam"] {
        let settings = [("optimizer", optimizer), ("max_iterations", "30")];
        let fitter = fit(source, data(5.0), &settings);
        assert_eq!(fitter.computed_once()[0].1, 1);
        assert!(fitter.computed_once()[0].0 > 0);
    }
}

/// ONNX Runtime walks memory for each operation, so that less work is worth a column; its vector instructions may round differently
/// where it joins operations.
#[test]
fn onnx_runtime_reads_what_was_computed_once() {
    let mut random = Random(12);
    let mut column = || -> Vec<f64> { (0..500).map(|_| 0.5 + random.uniform()).collect() };
    let x = [column(), column(), column()].concat();
    let law = |i: usize| 8.9 * x[i] * x[500 + i] / x[1000 + i].powi(2) + 0.01 * (i as f64).sin();
    let data = Data {
        samples: 500,
        y: (0..500).map(law).collect(),
        x: x.clone(),
        ..Data::default()
    };
    let source = format!("(input q1) (input q2) (input r) {COULOMB}");
    let native = fit(&source, data.clone(), &[]);
    assert_eq!(native.computed_once(), [(0, 0); 2]);
    if ncg::engine::ort::probe(None).is_err() {
        return;
    }
    let mut fitter = prepare(&source, data, &[("engine", "onnxruntime")]).unwrap();
    run(&mut fitter).unwrap();
    let [_, (columns, times)] = fitter.computed_once();
    assert!(columns > 0 && times == 1, "{columns} {times}");
    close(params(&fitter)[0], params(&native)[0], 1e-12);
}

/// Rows that come one after the other and leave a window: each block of them has its own numbers.
#[test]
fn rows_that_come_and_go_have_their_own_numbers() {
    let source = "(parameter a 1) (parameter b 1) (+ (* a (exp (sin x))) (* b (log x)))";
    let data = samples(2000, 0.5, 9.0, |x| {
        1.25 * x.sin().exp() - 0.75 * x.ln() + 0.01 * (91.0 * x).sin()
    });
    let whole = fit(source, data.clone(), &[]);
    let mut stream = fitting::without_data(source, &[("window", "150")]).unwrap();
    for first in (0..2000).step_by(125) {
        let part = |column: &[f64]| column[first..first + 125].to_vec();
        let rows = Data {
            samples: 125,
            x: part(&data.x),
            y: part(&data.y),
            ..Data::default()
        };
        let noise = stream.noise();
        stream.add_data(rows, noise).unwrap();
    }
    run(&mut stream).unwrap();
    assert!(
        stream.computed_once()[1].1 > 5,
        "{:?}",
        stream.computed_once()
    );
    for (got, wanted) in params(&stream).iter().zip(params(&whole)) {
        close(*got, wanted, 1e-10);
    }
    // a likelihood, whose sweep has seeds before the columns
    let counts = samples(400, 0.5, 3.0, |x| (20.0 * x.sin().exp()).round());
    let source = "(parameter a 1) (* a (exp (sin x)))";
    let by = |optimizer| {
        params(&fit(
            source,
            counts.clone(),
            &[("loss", "poisson"), ("optimizer", optimizer)],
        ))[0]
    };
    close(by("lbfgs"), by("levmar"), 1e-8);
    assert_eq!(Kind::named("poisson"), Kind::Poisson);
}
