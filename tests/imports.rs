//! Networks inside programs: values and gradients against the same network written in Scheme and against the file as a model
//! of its own, on all engines; saved, fitted, interpreted; what is refused, and which files a text may read.
#![cfg(feature = "cli")]

mod networks;
mod onnx_models;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use ncg::compile::{Model, Text};
use ncg::document::{self, Files};
use ncg::graph::{Node, NodeKind, PortKind};
use ncg::interp::{bind_program, interpreter};
use ncg::network::Networks;
use ncg::onnx::proto::tensor_proto::DataType;
use ncg::options::Options;
use networks::*;
use onnx_models::{Dim, constant, entry, graph, model, node};

/// The weights of the network `y = tanh(x a + b) c + d` with two inputs and three hidden units, by name.
const WEIGHTS: [(&str, &[i64], &[f64]); 4] = [
    ("a", &[2, 3], &[0.5, -0.75, 1.25, 0.3, 0.8, -0.6]),
    ("b", &[3], &[0.1, -0.2, 0.05]),
    ("c", &[3, 1], &[1.5, -0.4, 0.7]),
    ("d", &[1], &[0.25]),
];

/// The same network in Scheme.
const BY_HAND: &str = "
    (define (net x y)
      (+ (+ (+ (* (tanh (+ (+ (* x net.a.0.0) (* y net.a.1.0)) net.b.0)) net.c.0.0)
               (* (tanh (+ (+ (* x net.a.0.1) (* y net.a.1.1)) net.b.1)) net.c.1.0))
            (* (tanh (+ (+ (* x net.a.0.2) (* y net.a.1.2)) net.b.2)) net.c.2.0))
         net.d.0))";

/// The parameters of that, in the order of the file.
fn declared_by_hand() -> String {
    let mut text = String::new();
    for (name, shape, values) in WEIGHTS {
        for (i, value) in values.iter().enumerate() {
            let place = match shape {
                [_, width] => format!("{}.{}", i as i64 / width, i as i64 % width),
                _ => i.to_string(),
            };
            text += &format!("(parameter net.{name}.{place} {value})\n");
        }
    }
    text
}

fn network() -> Vec<u8> {
    let batch = |size| [Dim::Free("N"), Dim::Fixed(size)];
    let mut graph = graph(
        vec![
            node("MatMul", &["x", "a"], &["xa"]),
            node("Add", &["xa", "b"], &["xab"]),
            node("Tanh", &["xab"], &["h"]),
            node("MatMul", &["h", "c"], &["hc"]),
            node("Add", &["hc", "d"], &["y"]),
        ],
        vec![entry("x", DataType::Double, &batch(2))],
        vec![entry("y", DataType::Double, &batch(1))],
    );
    graph.initializer = WEIGHTS
        .iter()
        .map(|(name, shape, values)| {
            let raw = values.iter().flat_map(|value| value.to_le_bytes());
            constant(name, DataType::Double, shape, raw.collect())
        })
        .collect();
    model(graph)
}

/// A folder of its own with that network as `net.onnx`.
fn workshop(name: &str) -> PathBuf {
    let folder = networks::folder(name);
    std::fs::write(folder.join("net.onnx"), network()).unwrap();
    folder
}

/// Programs that call the network `net`, their samples, and whether their structure hangs on data.
const PROGRAMS: [(&str, &[f64], bool); 8] = [
    ("(net x y)", &[0.3, -0.7, 1.5, 0.2], false),
    (
        "(parameter k 2) (+ (* k x) (net x y) (net y x) (* (net 1 x) (net #t 2.5)))",
        &[0.3, -0.7, 1.5, 0.2],
        false,
    ),
    // a recursion that is written out
    (
        "(define (walk n x v) (if (= n 0) x (walk (- n 1) (+ x (* 0.1 v)) (+ v (* 0.1 (net x v)))))) (walk 12 x 0.5)",
        &[0.4, -0.9],
        false,
    ),
    // a loop of its own length for each sample
    (
        "(parameter k 2) (input x) (input n)
         (loop ((i 0) (x x) (v 0.)) (if (< i n) (recur (+ i 1) (+ x (* 0.1 v)) (+ v (* 0.1 (- (net x v) (* k x))))) x))",
        &[0.3, 4.0, 0.9, 31.0],
        false,
    ),
    // in an arm, in a procedure in a procedure, and as a value
    (
        "(define (f g) (lambda (a) (g a (g a a)))) (if (> x 0) ((f net) x) (apply net (map (lambda (q) (net q 1)) (list x 2))))",
        &[0.3, -0.3],
        false,
    ),
    ("(fold-left net x '(1 2 3))", &[0.3, -0.3], false),
    // its derivative by a weight that the program reads itself
    ("(+ (net x y) (square net.a.0.0))", &[0.3, -0.3], false),
    // a recursion whose depth hangs on the sample
    (
        "(parameter k 2) (input n) (input x)
         (define (walk n x) (if (<= n 0) 0 (+ (net x n) (* k (net n x)) (walk (- n 1) (* 0.5 x))))) (walk n x)",
        &[3.0, 0.4, 7.0, -0.2],
        true,
    ),
];

#[test]
fn it_computes_what_the_same_network_in_scheme_computes() {
    let folder = workshop("by-hand");
    for (program, x, general) in PROGRAMS {
        let imported = compile(&format!("(import net \"net.onnx\")\n{program}"), &folder).unwrap();
        let written = format!("{}{BY_HAND}\n{program}", declared_by_hand());
        let written = Model::compile(&written, &Options::new()).unwrap();
        assert_eq!(imported.graph.ports, written.graph.ports, "{program}");
        assert_eq!(imported.is_numeric(), !general, "{program}");
        let (imported, written) = (Arc::new(imported), Arc::new(written));
        for engine in engines() {
            if general && engine == "native" {
                continue;
            }
            let what = format!("{program} on {engine}");
            let wanted = run(&written, engine, x).unwrap();
            let found = run(&imported, engine, x).unwrap();
            near(&found, &wanted, &what);
            assert!(
                wanted.2.iter().filter(|d| **d != 0.0).count() >= 12,
                "{what}"
            );
        }
    }
}

#[test]
fn it_computes_what_the_file_computes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/onnx");
    let files = std::fs::read_dir(&folder).unwrap();
    let mut files: Vec<String> = files
        .map(|file| file.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".onnx"))
        .collect();
    files.sort();
    assert!(files.len() >= 7);
    let mut regions = 0;
    for file in files {
        let alone = document::load(&folder.join(&file), &Options::new()).unwrap();
        let count = alone.graph.inputs().len();
        let names: Vec<String> = (0..count).map(|i| format!("q{i}")).collect();
        let names = names.join(" ");
        let source = format!("(import f \"{file}\") (f {names})");
        let imported = compile(&source, &folder).unwrap();
        let loops = |model: &Model| {
            let nodes = model.graph.nodes.iter();
            let regions = |node: &&Node| matches!(node.kind, NodeKind::Loop(..) | NodeKind::If(..));
            nodes.filter(regions).count()
        };
        assert_eq!(loops(&imported), loops(&alone), "{file}");
        regions += loops(&alone);
        let own: Vec<String> = imported
            .graph
            .ports
            .iter()
            .map(|p| p.name.to_string())
            .collect();
        for port in alone.graph.ports.iter().filter(|port| port.is_parameter()) {
            assert!(own.contains(&format!("f.{}", port.name)), "{file}: {own:?}");
        }
        let x: Vec<f64> = (0..2 * count).map(|i| (1.7 * i as f64).sin()).collect();
        let (alone, imported) = (Arc::new(alone), Arc::new(imported));
        let wanted = run(&alone, "native", &x).unwrap();
        for engine in engines() {
            let found = run(&imported, engine, &x).unwrap();
            near(&found, &wanted, &format!("{file} on {engine}"));
        }
    }
    assert!(regions > 3, "{regions}");
}

#[test]
fn several_outputs_are_a_list() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/onnx");
    let source = "(import f \"mixed-script.onnx\") (define ys (f 1 2 x 0)) (list (length ys) (apply + (map exp ys)))";
    let model = Arc::new(compile(source, &folder).unwrap());
    // it ends with the logarithm of a softmax
    let (y, dx, _) = run(&model, "native", &[0.7]).unwrap();
    assert!((y[1] - 1.0).abs() < 1e-12 && dx[0].abs() < 1e-12, "{y:?}");
    assert_eq!(y[0], 3.0);
}

#[test]
fn imports_have_weights_of_their_own() {
    let folder = workshop("two");
    let source = "(import f \"net.onnx\") (import g \"net.onnx\") (- (f x y) (* 2 (g x y)))";
    let model = Arc::new(compile(source, &folder).unwrap());
    let (.., dp) = run(&model, "native", &[0.3, 0.4]).unwrap();
    assert_eq!(dp.len(), 26);
    for (by_f, by_g) in dp[..13].iter().zip(&dp[13..]) {
        assert!((by_g + 2.0 * by_f).abs() < 1e-14 && *by_f != 0.0);
    }
}

#[test]
fn the_option_weights_and_declarations_say_what_they_are() {
    let folder = workshop("weights");
    let names = |weights: &str, source: &str| -> Vec<String> {
        let folder = folder.to_str().unwrap();
        let options = options(&[("folder", folder), ("weights", weights)]);
        let model = document::compile(source, &options).unwrap();
        let ports = model.graph.ports.iter();
        ports.map(|port| port.name.to_string()).collect()
    };
    let source = "(import net \"net.onnx\") (net u v)";
    assert_eq!(names("constant", source), ["u", "v"]);
    assert_eq!(
        names("b,d*", source),
        ["net.b.0", "net.b.1", "net.b.2", "net.d.0", "u", "v"]
    );
    assert_eq!(names("arrays", source).len(), 15);
    // before and behind the import
    for declared in [
        "(parameter net.d.0 7 -1 8) (import net \"net.onnx\") (net u v)",
        "(import net \"net.onnx\") (parameter net.d.0 7 -1 8) (net u v)",
    ] {
        let model = compile(declared, &folder).unwrap();
        let ports = &model.graph.ports;
        assert_eq!(ports.len(), 15, "{declared}");
        let port = ports.iter().find(|port| &*port.name == "net.d.0").unwrap();
        let wanted = PortKind::Parameter {
            initial: 7.0,
            lower: -1.0,
            upper: 8.0,
        };
        assert_eq!(port.kind, wanted, "{declared}");
        let plain = Arc::new(compile(source, &folder).unwrap());
        let (before, ..) = run(&plain, "native", &[0.1, 0.2]).unwrap();
        let (after, ..) = run(&Arc::new(model), "native", &[0.1, 0.2]).unwrap();
        assert!((after[0] - before[0] - 6.75).abs() < 1e-14, "{declared}");
    }
}

#[test]
fn a_saved_model_needs_no_file() {
    let folder = workshop("saved");
    for (program, x, general) in PROGRAMS {
        let source = format!("(import net \"net.onnx\")\n{program}");
        let model = Arc::new(compile(&source, &folder).unwrap());
        let engine = if general { "tagged" } else { "native" };
        let wanted = run(&model, engine, x).unwrap();
        let text = ncg::ncg::write(&model).unwrap();
        let saved = document::parse(text.as_bytes(), &Options::new()).unwrap();
        assert_eq!(saved.graph.ports, model.graph.ports, "{program}");
        assert_eq!(ncg::ncg::write(&saved).unwrap(), text, "{program}");
        let saved = Arc::new(saved);
        assert_eq!(run(&saved, engine, x).unwrap(), wanted, "{program}");
        assert_eq!(run(&saved, "tagged", x).unwrap().0.len(), wanted.0.len());
        if !general {
            let bytes = ncg::onnx::write(&model, &Options::new()).unwrap();
            let exported = Arc::new(document::parse(&bytes, &Options::new()).unwrap());
            assert_eq!(run(&exported, engine, x).unwrap(), wanted, "{program}");
        }
    }
}

/// A model that this library exports is a network as well.
#[test]
fn own_models_can_be_imported() {
    let folder = workshop("own");
    let write = |name: &str, source: &str| {
        let model = Model::compile(source, &Options::new()).unwrap();
        let bytes = ncg::onnx::write(&model, &Options::new()).unwrap();
        std::fs::write(folder.join(name), bytes).unwrap();
    };
    write("line.onnx", "(parameter k 3 0 4) (list (* k x) (+ x y))");
    let model = compile("(import f \"line.onnx\") (apply * (f u 2))", &folder).unwrap();
    assert_eq!(&*model.graph.ports[0].name, "f.k");
    assert!(matches!(
        model.graph.ports[0].kind,
        PortKind::Parameter { upper: 4.0, .. }
    ));
    let (y, dx, dp) = run(&Arc::new(model), "native", &[5.0]).unwrap();
    assert_eq!((y, dx, dp), (vec![105.0], vec![36.0], vec![35.0]));
}

#[test]
fn interpreted_programs_import_too() {
    let folder = workshop("interpreted");
    let options = options(&[("folder", folder.to_str().unwrap())]);
    let files = Files::of(None, &options);
    for (program, x, general) in PROGRAMS {
        let source = format!("(import net \"net.onnx\")\n{program}");
        let direct = Model::compile(files.text(&source), &options).unwrap();
        let bound = bind_program(interpreter().unwrap(), files.text(&source), &options).unwrap();
        assert_eq!(bound.graph.ports, direct.graph.ports, "{program}");
        if !general {
            assert_eq!(
                bound.graph.to_string(),
                direct.graph.to_string(),
                "{program}"
            );
        }
        let wanted = run(&Arc::new(direct), "tagged", x).unwrap();
        near(
            &run(&Arc::new(bound), "tagged", x).unwrap(),
            &wanted,
            program,
        );
    }
}

#[test]
fn errors_name_the_file_and_stand_where_it_is_imported() {
    let folder = workshop("errors");
    let mut strange = ncg::onnx::decode(&network()).unwrap();
    let operator = &mut strange.graph.as_mut().unwrap().node[2];
    (operator.op_type, operator.name) = (Some("Conv".into()), Some("here".into()));
    let strange = prost::Message::encode_to_vec(&strange);
    std::fs::write(folder.join("strange.onnx"), strange).unwrap();
    std::fs::write(folder.join("text.onnx"), "(+ 1 2)").unwrap();
    for (source, parts, line) in [
        (
            "\n(import f \"strange.onnx\") (f 1 2)",
            &[
                "cannot import \"strange.onnx\"",
                "operator Conv at node \"here\"",
            ][..],
            2,
        ),
        (
            "(import f \"text.onnx\") (f 1 2)",
            &["cannot import \"text.onnx\"", "ONNX"],
            1,
        ),
        (
            "\n\n(import f \"none.onnx\") (f 1 2)",
            &["cannot import \"none.onnx\"", "none.onnx: "],
            3,
        ),
        (
            "(import f net.onnx) (f 1 2)",
            &["it is written (import NAME \"FILE.onnx\")"],
            1,
        ),
        ("(import f) (f 1 2)", &["it is written (import NAME"], 1),
        (
            "(import (scheme base)) 1",
            &["it is written (import NAME"],
            1,
        ),
        (
            "(define (f x) (import g \"net.onnx\")) (f 1)",
            &["\"import\" may stand only at the top level"],
            1,
        ),
        (
            "(import f \"net.onnx\")\n(f 1)",
            &["\"f\" takes 2 arguments, not 1"],
            2,
        ),
        (
            "(import f \"net.onnx\")\n(map f '(1))",
            &["\"f\" takes 2 arguments, not 1"],
            2,
        ),
        (
            "(import f \"net.onnx\")\n(f '(1) 2)",
            &["the network \"f\" takes one number as its argument \"x.0\", not a pair"],
            2,
        ),
        (
            "(import f \"net.onnx\")\n\n(f 1\n  [1 2])",
            &[
                "the network \"f\" takes one number as its argument \"x.1\", not a vector of 2 numbers",
            ],
            3,
        ),
        (
            "(import f \"net.onnx\")\n(map (lambda (g) (g x 'up)) (list f))",
            &["the network \"f\" takes one number as its argument \"x.1\", not the symbol up"],
            2,
        ),
        (
            "(import f \"net.onnx\") (define (f x) x) (f 1)",
            &["\"f\" is declared as an import already"],
            1,
        ),
        (
            "(import f \"net.onnx\")\n(import f \"net.onnx\") (f 1 2)",
            &["\"f\" is declared twice"],
            2,
        ),
        (
            "(parameter f 1)\n(import f \"net.onnx\") (f 1 2)",
            &["\"f\" is declared twice"],
            2,
        ),
        (
            "(input f.d.0)\n(import f \"net.onnx\") (f 1 2)",
            &["\"f.d.0\", a weight of f, is declared already"],
            2,
        ),
        (
            "(import f \"net.onnx\")\n(input f.d.0) (f 1 2)",
            &["\"f.d.0\" is declared twice"],
            2,
        ),
        (
            "(import f \"net.onnx\")\n(parameter f.d.0 1) (parameter f.d.0 1) (f 1 2)",
            &["\"f.d.0\" is declared twice"],
            2,
        ),
    ] {
        let error = compile(source, &folder).unwrap_err();
        for part in parts {
            assert!(error.message.contains(part), "{source}: {error}");
        }
        assert_eq!(
            error.place.as_ref().map(|place| place.line),
            Some(line),
            "{source}: {error}"
        );
    }
    let many: String = (0..65)
        .map(|i| format!("(import f{i} \"net.onnx\")\n"))
        .collect();
    let error = compile(&format!("{many} 1"), &folder).unwrap_err();
    assert!(error.message.contains("at most 64"), "{error}");
    let small = options(&[("folder", folder.to_str().unwrap()), ("max_nodes", "60")]);
    let source = "(import f \"net.onnx\") (import g \"net.onnx\") (+ (f 1 2) (g 1 2))";
    let error = document::compile(source, &small).unwrap_err();
    assert!(
        error.message.contains("raise the option max_nodes"),
        "{error}"
    );
    assert_eq!(error.kind, ncg::ErrorKind::Limit);
}

/// A text reads no file unless its host says so, and then none outside of the folder; a file that was loaded reads what it names.
#[test]
fn a_text_reads_only_what_it_may() {
    let folder = workshop("access");
    let inside = folder.join("inside");
    std::fs::create_dir_all(&inside).unwrap();
    std::fs::write(inside.join("net.onnx"), network()).unwrap();
    let absolute = |path: &Path| format!("(import f {:?}) (f 1 x)", path.to_str().unwrap());
    let outer = absolute(&folder.join("net.onnx"));
    let inner = absolute(&inside.join("net.onnx"));
    let (climbing, plain) = (
        "(import f \"../net.onnx\") (f 1 x)".to_string(),
        "(import f \"net.onnx\") (f 1 x)".to_string(),
    );
    for source in [&outer, &inner, &climbing, &plain] {
        // from memory
        for error in [
            document::compile(source, &Options::new()).unwrap_err(),
            document::parse(source.as_bytes(), &Options::new()).unwrap_err(),
        ] {
            assert!(error.message.contains("the option folder"), "{error}");
        }
        let error = Model::compile(source, &Options::new()).unwrap_err();
        assert!(error.message.contains("without access to files"), "{error}");
        // confined to a folder
        let confined = compile(source, &inside);
        let loaded = inside.join("model.scm");
        std::fs::write(&loaded, source).unwrap();
        let settings = options(&[("folder", inside.to_str().unwrap())]);
        let loaded_confined = document::load(&loaded, &settings);
        for result in [confined, loaded_confined] {
            match source == &outer || source == &climbing {
                true => {
                    let error = result.unwrap_err();
                    assert!(error.message.contains("does not lie below"), "{error}");
                }
                false => assert_eq!(result.unwrap().graph.inputs().len(), 1),
            }
        }
        // a file that was loaded by its path
        document::load(&loaded, &Options::new()).unwrap();
    }
    // nor does it learn what is there
    for name in ["../nothing.onnx", "/nothing/at/all.onnx"] {
        let source = format!("(import f \"{name}\") (f 1 x)");
        let error = compile(&source, &inside).unwrap_err();
        assert!(error.message.contains("does not lie below"), "{error}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(folder.join("net.onnx"), inside.join("link.onnx")).unwrap();
        let error = compile("(import f \"link.onnx\") (f 1 x)", &inside).unwrap_err();
        assert!(error.message.contains("does not lie below"), "{error}");
        // neither a device nor a folder is a file to read
        for name in ["/dev/zero", "/tmp"] {
            let source = absolute(Path::new(name));
            let error = compile(&source, Path::new("/")).unwrap_err();
            assert!(error.message.contains("no regular file"), "{error}");
        }
    }
}

/// Networks can come from elsewhere than from files.
#[test]
fn a_host_may_hold_its_networks_in_memory() {
    struct Memory;
    impl Networks for Memory {
        fn network(&self, file: &str) -> ncg::Result<ncg::graph::Graph> {
            assert_eq!(file, "friction");
            Ok(ncg::onnx::import(&network())?.graph)
        }
    }
    let text = Text {
        source: "(import f \"friction\") (f x 1)",
        networks: &Memory,
    };
    let model = Arc::new(Model::compile(text, &Options::new()).unwrap());
    assert_eq!(run(&model, "native", &[0.5]).unwrap().2.len(), 13);
}

fn ncg(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ncg"));
    command.current_dir(folder).args(arguments);
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(said).unwrap()
}

/// Physics and network fitted together by the command; the text with the fitted weights is a model again.
#[test]
fn the_command_fits_what_it_imports() {
    let folder = workshop("command");
    let source = "(import net \"net.onnx\")\n(parameter k 1)\n(+ (* k x) (net x y))\n";
    std::fs::write(folder.join("model.scm"), source).unwrap();
    // the truth: another k, and other weights of the last layer
    let truth = "(parameter net.c.0.0 1) (parameter net.d.0 -0.5) (import net \"net.onnx\") (+ (* 3 x) (net x y))";
    let truth = Arc::new(compile(truth, &folder).unwrap());
    let mut table = "x,y,z\n".to_string();
    for i in 0..40 {
        let (x, y) = (
            1.5 * (0.7 * f64::from(i)).sin(),
            1.5 * (1.3 * f64::from(i)).cos(),
        );
        let (z, ..) = run(&truth, "native", &[x, y]).unwrap();
        table += &format!("{x:?},{y:?},{:?}\n", z[0]);
    }
    std::fs::write(folder.join("data.csv"), table).unwrap();
    let fit = [
        "fit",
        "model.scm",
        "--data",
        "data.csv",
        "--target",
        "z",
        "--fix",
        "net.a*",
        "--fix",
        "net.b*",
        "-o",
        "fitted.scm",
        "--json",
    ];
    let output = ncg(&folder, &fit);
    assert!(output.status.success(), "{}", text(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let parameters = report["parameters"].as_object().unwrap();
    assert_eq!(parameters.len(), 5);
    for (name, parameter) in parameters {
        let wanted = match name.as_str() {
            "k" => 3.0,
            "net.c.0.0" => 1.0,
            "net.c.1.0" => -0.4,
            "net.c.2.0" => 0.7,
            "net.d.0" => -0.5,
            other => panic!("{other}"),
        };
        let value = parameter["value"].as_f64().unwrap();
        assert!((value - wanted).abs() < 1e-9, "{parameter}");
    }
    let inputs = "{\"x\": 0.5, \"y\": -1}";
    let output = ncg(&folder, &["run", "fitted.scm", "--inputs", inputs]);
    let value: f64 = text(&output).trim().parse().unwrap();
    let (wanted, ..) = run(&truth, "native", &[0.5, -1.0]).unwrap();
    assert!((value - wanted[0]).abs() < 1e-9, "{value}");
    // elsewhere the text does not find the network
    std::fs::create_dir(folder.join("elsewhere")).unwrap();
    let mut elsewhere = fit;
    elsewhere[11] = "elsewhere/fitted.scm";
    let output = ncg(&folder, &elsewhere);
    assert!(!output.status.success());
    assert!(text(&output).contains("cannot import"), "{}", text(&output));
    // a pattern that fits nothing is a mistake
    let output = ncg(
        &folder,
        &[
            "fit",
            "model.scm",
            "--data",
            "data.csv",
            "--target",
            "z",
            "--fix",
            "nest.*",
        ],
    );
    assert!(
        text(&output).contains("no parameter of the model begins with \"nest.\""),
        "{}",
        text(&output)
    );
}

#[test]
fn the_command_says_how_a_text_imports() {
    let folder = workshop("text");
    let source = "(import net \"net.onnx\") (net x 1)";
    let run = |arguments: &[&str]| {
        let inputs = ["run", "-e", source, "--inputs", "{\"x\": 0.5}"];
        ncg(&folder, &[&inputs[..], arguments].concat())
    };
    let refused = run(&[]);
    assert!(!refused.status.success());
    assert!(
        text(&refused).contains("--set folder=."),
        "{}",
        text(&refused)
    );
    let output = run(&["--set", "folder=."]);
    assert!(output.status.success(), "{}", text(&output));
    let interpreted = run(&["--set", "folder=.", "--interpret"]);
    assert_eq!(text(&output), text(&interpreted));
    let explained = ncg(&folder, &["explain", "-e", source, "--set", "folder=."]);
    assert!(
        text(&explained).contains("net = import \"net.onnx\""),
        "{}",
        text(&explained)
    );
}
