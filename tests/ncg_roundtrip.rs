//! What is written as `.ncg` reads back to the same graph, and gives the same values to a reader that knows version 1 alone.

#[allow(dead_code)]
mod programs;

use std::path::Path;
use std::sync::Arc;

use ncg::compile::{Model, stages};
use ncg::document;
use ncg::graph::{Graph, parse, simplify, verify_numeric};
use ncg::options::Options;
use ncg::session::{Session, Strided, StridedMut};

fn model(graph: Graph) -> Model {
    Model {
        source: None,
        graph,
        general: None,
        refusal: None,
        fit: None,
    }
}

/// The document without what version 1 does not know.
fn version_1(text: &str) -> String {
    let end = text.find(",\n  \"ncg\": ").unwrap();
    format!("{}\n}}", &text[..end])
}

/// Writes a general graph and reads it back: but for what nothing needs it is the same, and comes to the same numeric graph.
fn general_survives(general: &Graph, numeric: &Graph) {
    let again = |graph: &Graph| {
        let text = ncg::ncg::write(&model(graph.clone())).unwrap();
        ncg::ncg::read_graph(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    };
    let read = again(general);
    let (first, second) = (read.to_string(), again(&read).to_string());
    assert!(first == second, "{first}\n== reads back as\n{second}");
    assert_eq!(read.ports, general.ports);
    let names = |graph: &Graph| -> Vec<_> {
        let functions = graph.functions.iter();
        functions
            .map(|f| (f.name.clone(), f.captures.clone(), f.params.clone(), f.rest))
            .collect()
    };
    assert_eq!(names(&read), names(general));
    let limits = ncg::specialize::Limits::default();
    let came = ncg::specialize::specialize(&read, limits).unwrap();
    if came.to_string() == numeric.to_string() {
        return;
    }
    // what nothing needs may have been the first to need a constant, which then stands elsewhere
    for inputs in POINTS {
        let (got, wanted) = (
            values(model(came.clone()), &inputs),
            values(model(numeric.clone()), &inputs),
        );
        let bits = |values: Vec<f64>| values.iter().map(|x| x.to_bits()).collect::<Vec<u64>>();
        assert_eq!(
            got.map(bits),
            wanted.map(bits),
            "{numeric}\n== comes to\n{came}"
        );
    }
}

/// Writes the graph and reads it back.
fn survives(graph: &Graph) -> String {
    let text = ncg::ncg::write(&model(graph.clone())).unwrap();
    let read = ncg::ncg::read_graph(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let (read, graph) = match verify_numeric(graph) {
        Ok(()) => (simplify(&read), &simplify(graph)),
        Err(_) => (read, graph),
    };
    let (read_text, wanted) = (read.to_string(), graph.to_string());
    assert!(
        read_text == wanted,
        "{wanted}\n== reads back as\n{read_text}"
    );
    assert_eq!(read.ports, graph.ports);
    assert_eq!(read.value, graph.value);
    text
}

/// The outputs for some inputs, or what fails.
fn values(model: Model, inputs: &[f64]) -> Result<Vec<f64>, String> {
    let mut options = Options::new();
    options.set_str("engine", "native").unwrap();
    let model = Arc::new(model);
    let ports = &model.graph.ports;
    let (mut x, mut p) = (Vec::new(), Vec::new());
    for (i, port) in ports.iter().enumerate() {
        let value = inputs[i % inputs.len()];
        match port.is_parameter() {
            true => p.push(value),
            false => x.push(value),
        }
    }
    let mut y = vec![0.0; model.graph.outputs.len()];
    let mut session =
        Session::<f64>::new(model.clone(), &options).map_err(|error| error.to_string())?;
    session
        .eval(
            1,
            &Strided::columns(&x, 1),
            Some(&p),
            &mut StridedMut::columns(&mut y, 1),
            None,
        )
        .map_err(|error| error.to_string())?;
    Ok(y)
}

/// A reader of version 1 sees the same values; where it cannot, the reason holds one of `excuses`.
fn same_in_version_1(graph: &Graph, text: &str) -> bool {
    let read = ncg::ncg::read(&version_1(text), &Options::new()).unwrap_or_else(|error| {
        panic!("{error}\n{text}");
    });
    for inputs in POINTS {
        let wanted = values(model(graph.clone()), &inputs);
        // parameters are inputs there, in the same order
        let mut plain = graph.clone();
        plain
            .ports
            .iter_mut()
            .for_each(|port| port.kind = ncg::graph::PortKind::Input);
        let wanted_plain = values(model(plain), &inputs);
        let got = values(read.clone(), &inputs);
        if wanted.is_err() {
            println!("{wanted:?}");
            return false;
        }
        let same = |a: &f64, b: &f64| {
            a.to_bits() == b.to_bits()
                || (a.is_nan() && b.is_nan())
                || (a - b).abs() <= 1e-15 * b.abs()
        };
        match (&got, &wanted_plain) {
            (Ok(got), Ok(wanted)) => assert!(
                got.len() == wanted.len() && got.iter().zip(wanted).all(|(a, b)| same(a, b)),
                "{got:?} {wanted:?}\n{text}"
            ),
            (got, wanted) => assert_eq!(got, wanted, "{text}"),
        }
    }
    true
}

/// Values of inputs and parameters, in turns.
const POINTS: [[f64; 3]; 3] = [[1.5, 20.0, 3.0], [0.5, 3.0, 1.25], [-3.0, -7.0, 0.5]];

const GRAPHS: [&str; 6] = [
    // one state is read
    "\
input x
input limit
%0 = port 0 real
%1 = port 1 real
%2 = const 1.0 real
%3 = loop %0 real
  %4 = param real
  %5 = < %4 %1 bool
  yield %5
do
  %6 = + %4 %4 real
  yield %6
end
%7 = get %3 0 real
output value %7
",
    // several are, of several types; a value from outside, a constant and a port are read inside
    "\
input x
%0 = port 0 real
%1 = const 0 int
%2 = exp %0 real
%3 = loop %0 %1 real
  %4 = param real
  %5 = param int
  %6 = const 5 int
  %7 = < %5 %6 bool
  yield %7
do
  %8 = * %4 %2 real
  %9 = + %8 %0 real
  %10 = const 1 int
  %11 = + %5 %10 int
  yield %9 %11
end
%12 = get %3 0 real
%13 = get %3 1 int
%14 = + %12 %13 real
output value %14
",
    // loops in loops in branches, and several values of each
    "\
input x
input n
%0 = port 0 real
%1 = port 1 real
%2 = const 0.0 real
%3 = > %0 %2 bool
%4 = if %3 real
  %5 = const 0 int
  %6 = loop %5 %2 int
    %7 = param int
    %8 = param real
    %9 = < %7 %1 bool
    yield %9
  do
    %10 = sin %8 real
    %11 = const 1 int
    %12 = loop %10 %7 real
      %13 = param real
      %14 = param int
      %15 = > %14 %11 bool
      yield %15
    do
      %16 = * %13 %0 real
      %17 = + %16 %8 real
      %18 = - %14 %11 int
      yield %17 %18
    end
    %19 = get %12 0 real
    %20 = get %12 1 int
    %21 = + %19 %20 real
    %22 = + %7 %11 int
    yield %22 %21
  end
  %23 = get %6 0 int
  %24 = get %6 1 real
  yield %23 %24
else
  %25 = const 3 int
  %26 = cos %0 real
  yield %25 %26
end
%27 = get %4 0 int
%28 = get %4 1 real
output value.0 %27
output value.1 %28
value ($0 $1)
",
    // a select is no branch; booleans are carried
    "\
parameter k = 2.0 [0.0, +inf.0]
%0 = port 0 real
%1 = const #t bool
%2 = loop %1 %0 bool
  %3 = param bool
  %4 = param real
  yield %3
do
  %5 = const 100.0 real
  %6 = * %4 %4 real
  %7 = + %6 %0 real
  %8 = < %7 %5 bool
  %9 = select %8 %7 %4 real
  yield %8 %9
end
%10 = get %2 1 real
%11 = neg %10 real
%12 = atan2 %11 %0 real
output value %12
",
    "\
input x
%0 = port 0 real
%1 = sin %0 real
%2 = lu-solve 2 1 %0 %1 %1 %0 %0 %1 real
%3 = get %2 0 real
%4 = get %2 1 real
%5 = det-of %3 %0 %4 %1 real
%6 = floor %0 real
%7 = pick %6 %5 %3 %1 real
output value %7
",
    "\
input x
input y
%0 = port 0 real
%1 = port 1 real
%2 = + %0 %1 real
%3 = + %2 %1 real
output value.0 %0
output value.1 %1
output value.2 %2
output value.3 %3
value [[$0 $1] [$2 $3]]
",
];

#[test]
fn numeric_graphs_read_back_as_they_are() {
    for text in GRAPHS {
        let graph = parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let graph = simplify(&graph);
        verify_numeric(&graph).unwrap();
        let written = survives(&graph);
        if !text.contains("solve") && !text.contains("[[$0") {
            assert!(same_in_version_1(&graph, &written));
        }
    }
}

/// The programs of these folders.
fn contract_programs(folders: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut programs = Vec::new();
    for folder in folders {
        let mut paths: Vec<_> = std::fs::read_dir(root.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "scm"))
            .collect();
        paths.sort();
        programs.extend(paths.iter().map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            (path.display().to_string(), text)
        }));
    }
    programs
}

#[test]
fn every_contract_program_reads_back_as_it_is() {
    let (mut numeric, mut general, mut compared, mut loops) = (0, 0, 0, 0);
    for (path, source) in contract_programs(&["run"]) {
        let Ok(stages) = stages(&source, &Options::new()) else {
            continue;
        };
        println!("{path}");
        if stages.numeric.value != ncg::graph::Value::Procedure {
            let text = survives(&stages.numeric);
            numeric += 1;
            loops += usize::from(text.contains("\"op_type\": \"loop\""));
            compared += usize::from(same_in_version_1(&stages.numeric, &text));
        }
        general_survives(&stages.general, &stages.numeric);
        general += 1;
    }
    assert!(numeric > 250 && general > 250, "{numeric} {general}");
    assert!(loops > 10, "{loops} with loops");
    assert!(compared > 200, "{compared} compared");
}

#[test]
fn a_document_loads_from_a_file() {
    let options = Options::new();
    let source =
        "(parameter k 0.5 0 2) (loop ((i 0) (s 0)) (if (>= i n) s (recur (+ i 1) (+ s (* k x)))))";
    let compiled = Model::compile(source, &options).unwrap();
    let path = std::env::temp_dir().join(format!("ncg-roundtrip-{}.ncg", std::process::id()));
    document::save(&compiled, &path).unwrap();
    let loaded = document::load(&path, &options).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(loaded.graph.to_string(), compiled.graph.to_string());
    assert_eq!(loaded.graph.ports, compiled.graph.ports);
    assert_eq!(loaded.source, compiled.source);
}

#[test]
fn random_programs_read_back_as_they_are() {
    let (mut numeric, mut loops) = (0, 0);
    let mut seed = 1u64;
    for _ in 0..400 {
        // any numbers do: they choose what the program is
        let choices: Vec<u16> = (0..600)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 48) as u16
            })
            .collect();
        let text = programs::program(&choices).text;
        let Ok(stages) = stages(&text, &Options::new()) else {
            continue;
        };
        println!("{text}");
        let written = survives(&stages.numeric);
        general_survives(&stages.general, &stages.numeric);
        numeric += 1;
        loops += usize::from(written.contains("\"op_type\": \"loop\""));
    }
    assert!(
        numeric > 200 && loops > 20,
        "{numeric} numeric, {loops} with loops"
    );
}
