//! Programs whose structure hangs on data, the interpreter, arrays and warnings; the pages and examples that come along.

use super::*;

/// A program whose structure hangs on data: how deep it recurses, and how long its value is.
const GENERAL: &str =
    "(define (fib n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))\n(* k (fib x))";

#[test]
fn a_program_whose_structure_hangs_on_data_runs_on_the_tagged_engine() {
    let inputs = "--inputs={\"x\": [10, 1], \"k\": 0.5}";
    let run = ["run", "-e", GENERAL, inputs, "--grad=k"];
    let got = answer(&run);
    assert_eq!(got["value"], json!([27.5, 0.5]));
    assert_eq!(got["gradient"], json!({"k": 56.0}));
    assert_eq!(got["engine"], "tagged");
    assert_eq!(answer(&[&run[..], &["--engine=tagged"]].concat()), got);
    let engines = answer(&["engines"]);
    let runtime = engines["engines"].as_array().unwrap().iter().any(|engine| {
        engine["name"] == "onnxruntime" && engine["device"] == "cpu" && engine["available"] == true
    });
    if runtime {
        let by_paths = answer(&[&run[..], &["--engine=onnxruntime"]].concat());
        assert_eq!(by_paths["value"], got["value"]);
        assert_eq!(by_paths["gradient"], got["gradient"]);
        assert_eq!(by_paths["engine"], "onnxruntime");
    }
    let error = failure(&[&run[..], &["--engine=native"]].concat(), 1);
    assert_eq!(error["code"], "NCG_ERR_UNSUPPORTED");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("hangs on data") && message.contains("engine=tagged"),
        "{message}"
    );
    // the value need not be a number
    let list = "(define (count n) (if (< n 1) '() (cons n (count (- n 1)))))\n(count x)";
    let got = answer(&["run", "-e", list, "--inputs={\"x\": 2}"]);
    assert_eq!(got["value"], json!({"list": [2.0, 1.0]}));
    assert_eq!(
        text(&["run", "-e", list, "--inputs={\"x\": 2}"]),
        "(2.0 1.0)\n"
    );
    let error = failure(&["run", "-e", list, "--inputs={\"x\": 2}", "--grad=x"], 1);
    assert!(error["message"].as_str().unwrap().contains("a pair"));

    let info = answer(&["info", "-e", GENERAL]);
    assert_eq!(info["kind"], "general");
    let runs: Vec<(&Value, &Value)> = info["engines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|engine| (&engine["name"], &engine["runs"]))
        .collect();
    let yes_no = [
        ("native", false),
        ("onnxruntime", runtime),
        ("tagged", true),
    ];
    for ((name, runs), (wanted, does)) in runs.iter().zip(yes_no) {
        assert_eq!((*name, *runs), (&json!(wanted), &json!(does)));
    }
    let folder = folder("general");
    let onnx = folder.join("f.onnx");
    let error = failure(&["export", "-e", GENERAL, "-o", path(&onnx)], 1);
    assert_eq!(error["code"], "NCG_ERR_UNSUPPORTED");
    let explained = answer(&["explain", "-e", GENERAL]);
    assert!(
        explained["numeric"]
            .as_str()
            .unwrap()
            .contains("hangs on data")
    );
}

#[test]
fn explain_shows_the_heap_of_a_run() {
    let program =
        "(define (pairs n) (if (< n 1) '() (cons n (pairs (- n 1)))))\n(cons 'a (pairs x))";
    let arguments = ["explain", "--heap", "-e", program, "--inputs={\"x\": 2}"];
    let got = answer(&arguments);
    let heap = got["heap"].as_array().unwrap();
    let tags: Vec<&str> = heap
        .iter()
        .map(|cell| cell["tag"].as_str().unwrap())
        .collect();
    assert_eq!(tags, ["real", "nil", "real", "pair", "symbol", "pair"]);
    assert_eq!(heap[3]["payload"], json!([0.0, 1.0, 0.0, 0.0]));
    assert_eq!(heap[3]["text"], "(1.0 . ())");
    assert_eq!(heap[5]["text"], "(2.0 . @0)");
    assert_eq!(got["values"][0]["payload"][0], 4.0);
    let drawn = text(&arguments);
    assert!(
        drawn.contains("      3  pair    0 1      (1.0 . ())\n"),
        "{drawn}"
    );
    let batch = ["explain", "--heap", "-e", program, "--inputs={\"x\": [2]}"];
    assert!(
        failure(&batch, 1)["message"]
            .as_str()
            .unwrap()
            .contains("one run")
    );
    let plain = text(&["explain", "--heap", "-e", "(* 2 3)"]);
    assert!(plain.contains("the heap is empty"), "{plain}");
}

#[test]
fn demo_fits_and_writes() {
    let folder = folder("demo");
    let got = answer(&["demo", "--output", path(&folder)]);
    for fit in got["fits"].as_array().unwrap() {
        for (name, parameter) in fit["parameters"].as_object().unwrap() {
            let value = |key: &str| parameter[key].as_f64().unwrap();
            match parameter["certified"].as_bool().unwrap() {
                true => assert!(value("digits") > 6.0, "{name} of {fit}"),
                false => {
                    let away = (value("value") - value("reference")).abs();
                    assert!(away < 3.0 * value("std_error"), "{name} of {fit}");
                }
            }
        }
    }
    let written = got["written"].as_array().unwrap();
    assert!(written.len() >= 12);
    for file in written {
        assert!(Path::new(file.as_str().unwrap()).is_file(), "{file}");
    }
}

#[test]
fn examples_are_well() {
    for entry in std::fs::read_dir(format!("{ROOT}/examples/models")).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "scm") {
            continue;
        }
        let source = std::fs::read_to_string(&file).unwrap();
        assert!(
            source.starts_with("; ") && source.contains("(parameter "),
            "{file:?}"
        );
        // tests/models.rs holds those that lie beside their data
        let name = path(&file).trim_end_matches(".scm");
        if Path::new(&format!("{}.csv", name.trim_end_matches("-loop"))).exists() {
            continue;
        }
        assert_ne!(answer(&["info", path(&file)])["parameters"], json!([]));
        let data = file.with_extension("csv");
        let data = Path::new(ROOT)
            .join("examples/data")
            .join(data.file_name().unwrap());
        if data.exists() {
            let target = if data.ends_with("coulomb.csv") {
                "force"
            } else {
                "y"
            };
            let fit = answer(&[
                "fit",
                path(&file),
                "--data",
                path(&data),
                "--target",
                target,
            ]);
            assert!(fit["loss"].is_number(), "{file:?}");
        }
    }
}

#[test]
fn help_has_an_example_for_each_command() {
    for name in [
        "run", "fit", "compile", "export", "info", "engines", "explain", "check", "demo",
    ] {
        let help = text(&[name, "--help"]);
        assert!(help.contains(&format!("Example:\n  ncg {name}")), "{help}");
    }
    assert!(text(&["--version"]).starts_with("ncg "));
}

#[test]
fn the_reference_page_is_current() {
    let file = format!("{ROOT}/docs/cli.md");
    let text = ncg::cli::reference();
    if std::env::var("UPDATE_GOLDEN").is_ok_and(|value| value == "1") {
        std::fs::write(&file, &text).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap();
    assert_eq!(found, text, "UPDATE_GOLDEN=1 rewrites docs/cli.md");
}

#[test]
fn programs_run_through_the_interpreter() {
    let program = "(* a (exp (* (- 0 b) x)))";
    let inputs = r#"{"a": 2.5, "b": 0.8, "x": [1.5, 2.0]}"#;
    let run = |more: &[&str]| {
        let base = ["run", "-e", program, "--inputs", inputs, "--grad", "a,b"];
        let mut answer = answer(&[&base, more].concat());
        let engine = answer["engine"].take();
        (answer, engine)
    };
    let (direct, _) = run(&["--engine", "native"]);
    assert_eq!(run(&["--engine", "native", "--interpret"]).0, direct);
    assert_eq!(run(&["--engine", "native", "--specialize"]).0, direct);
    let (literal, engine) = run(&["--interpret", "--engine", "tagged"]);
    assert_eq!(
        (&literal["value"], engine),
        (&direct["value"], json!("tagged"))
    );

    let folder = folder("interpreter");
    let file = |name: &str| path(&folder.join(name)).to_string();
    let (interpreter, source) = (file("interpreter.ncg"), file("program.scm"));
    let written = answer(&["compile", "--interpreter", "-o", &interpreter]);
    assert_eq!(written["inputs"], json!(["program", "env"]));
    std::fs::write(&source, program).unwrap();
    let (bound, compiled) = (file("bound.ncg"), file("compiled.ncg"));
    answer(&["bind", &interpreter, &source, "-o", &bound]);
    answer(&["compile", &source, "-o", &compiled]);
    let read = |file: &str| std::fs::read_to_string(file).unwrap();
    assert_eq!(read(&bound), read(&compiled));
    answer(&[
        "bind",
        &interpreter,
        "-e",
        "(* 3 x)",
        "--literals",
        "all",
        "-o",
        &bound,
    ]);
    let run = answer(&["run", &bound, "--inputs", r#"{"x": 2}"#, "--grad", "lit.0"]);
    assert_eq!(
        (&run["value"], &run["gradient"]["lit.0"]),
        (&json!(6.0), &json!(2.0))
    );

    // an interpreter of one's own, whose programs are numbers
    let own = file("own.scm");
    std::fs::write(&own, "(+ (car program) (cdr (assq 'x env)))").unwrap();
    answer(&["compile", &own, "--interpreter", "-o", &interpreter]);
    answer(&["bind", &interpreter, "-e", "(input x) 4", "-o", &bound]);
    let run = answer(&["run", &bound, "--inputs", r#"{"x": 2}"#]);
    assert_eq!(run["value"], json!(6.0));

    let said = |arguments: &[&str]| message(arguments, 1);
    assert!(said(&["bind", &compiled, &source, "-o", &bound]).contains("no interpreter"));
    assert!(said(&["bind", &interpreter, &compiled, "-o", &bound]).contains("source text"));
    assert!(said(&["compile", &source, "--interpreter", "-o", &bound]).contains("no interpreter"));
    assert!(said(&["run", "-e", "(oops x)", "--interpret"]).contains("oops"));
    let loops = "(define (f n) (if (= n 0) 0 (+ 1 (f (- n 1))))) (f x)";
    assert!(
        said(&["run", "-e", loops, "--specialize", "--inputs", "{\"x\": 3}"])
            .contains("--specialize")
    );
    let literal = answer(&["run", "-e", loops, "--interpret", "--inputs", r#"{"x": 3}"#]);
    assert_eq!(
        (literal["value"].as_f64(), &literal["engine"]),
        (Some(3.0), &json!("tagged"))
    );
}

#[test]
fn warnings_stand_on_stderr_or_in_the_object() {
    let program = "(parameter k 2)\n(input z)\n(if (< x k) (* k x) x)";
    let inputs = r#"{"x": 1, "z": 0}"#;
    let drawn = "warning: the constant \"k\" stands inside a branch test: its gradient through the test is zero\n \
                 --> line 3, column 5\n  |\n3 | (if (< x k) (* k x) x)\n  |     ^^^^^^^\n";
    let ran = ncg(&["run", "-e", program, "--inputs", inputs]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "2.0\n"));
    let unused = "warning: input \"z\" is never used\n";
    assert!(
        ran.stderr.contains(drawn) && ran.stderr.contains(unused),
        "{}",
        ran.stderr
    );

    let test = json!({
        "kind": "zero-gradient",
        "name": "k",
        "message": "the constant \"k\" stands inside a branch test: its gradient through the test is zero",
        "line": 3,
        "column": 5,
        "offset": 30,
    });
    let input = json!({"kind": "unused", "name": "z", "message": "input \"z\" is never used"});
    let both = |got: &Value| {
        let got = got["warnings"].as_array().unwrap();
        assert!(
            got.len() == 2 && got.contains(&test) && got.contains(&input),
            "{got:?}"
        );
    };
    both(&answer(&["info", "-e", program]));
    both(&answer(&["explain", "-e", program]));
    both(&answer(&["run", "-e", program, "--inputs", inputs]));

    // none: an empty list where a model is looked into, and no word elsewhere
    let plain = "(parameter k 2) (* k x)";
    assert_eq!(answer(&["info", "-e", plain])["warnings"], json!([]));
    assert!(
        answer(&["run", "-e", plain, "--inputs", r#"{"x": 1}"#])
            .get("warnings")
            .is_none()
    );
    assert_eq!(ncg(&["info", "-e", plain]).stderr, "");

    let folder = folder("warnings");
    let data = folder.join("data.csv");
    std::fs::write(&data, "x,z,y\n1,0,2\n2,0,4\n3,0,3\n4,0,4\n").unwrap();
    let data = format!("--data={}", data.display());
    both(&answer(&["check", "-e", program, &data, "--target=y"]));
    both(&answer(&["fit", "-e", program, &data, "--target=y"]));
    let ran = ncg(&["fit", "-e", program, &data, "--target=y"]);
    assert!(
        ran.code == 0 && ran.stderr.contains(drawn),
        "{}",
        ran.stderr
    );
    let file = folder.join("model.ncg");
    let ran = ncg(&["compile", "-e", program, "-o", file.to_str().unwrap()]);
    assert!(
        ran.code == 0 && ran.stderr.contains(drawn),
        "{}",
        ran.stderr
    );
}

#[test]
fn arrays_are_values_of_vectors_and_matrices() {
    let program = "(input x 3)(parameter w [1 2 3])(parameter m (mat [1 0] [0 1]))(dot x w)";
    let run = |inputs: &str, rest: &[&str]| {
        answer(&[&["run", "-e", program, "--inputs", inputs][..], rest].concat())
    };
    assert_eq!(run(r#"{"x": [1, 2, 3]}"#, &[])["value"], json!(14.0));
    let batch = r#"{"x": [[1, 2, 3], [4, 5, 6]]}"#;
    assert_eq!(run(batch, &[])["value"], json!([14.0, 32.0]));
    let given = r#"{"x": [1, 2, 3], "w": [1, 0, -1], "m": [[2, 0], [0, 2]]}"#;
    let answer = run(given, &["--grad", "x,w"]);
    assert_eq!(answer["value"], json!(-2.0));
    let wanted = json!({"x.0": 1.0, "x.1": 0.0, "x.2": -1.0, "w.0": 1.0, "w.1": 2.0, "w.2": 3.0});
    assert_eq!(answer["gradient"], wanted);
    assert_eq!(
        run(r#"{"x.0": 1, "x.1": [1, 2], "x.2": 0}"#, &[])["value"],
        json!([3.0, 5.0])
    );
    let value = |program: &str, inputs: &str| {
        crate::answer(&["run", "-e", program, "--inputs", inputs])["value"].clone()
    };
    let matrix = "(input m 2 3)(transpose (* 2 m))";
    let one = r#"{"m": [[1, 2, 3], [4, 5, 6]]}"#;
    assert_eq!(
        value(matrix, one),
        json!([[2.0, 8.0], [4.0, 10.0], [6.0, 12.0]])
    );
    let two = r#"{"m": [[[1, 2, 3], [4, 5, 6]], [[0, 0, 0], [0, 0, 1]]]}"#;
    assert_eq!(value(matrix, two)[1][2], json!([0.0, 2.0]));
    assert_eq!(
        text(&["run", "-e", matrix, "--inputs", one]),
        "[[2.0 8.0] [4.0 10.0] [6.0 12.0]]\n"
    );
    for (inputs, wanted) in [
        (r#"{"x": [1, 2]}"#, "vector of 3 numbers"),
        (r#"{"x": 1}"#, "vector of 3 numbers"),
        (r#"{"x": [[1, 2, 3], [1, 2]]}"#, "vector of 3 numbers"),
        (r#"{"x": [1, 2, "a"]}"#, "not a number"),
        (r#"{"x": [1, 2, 3], "w": [[1, 2, 3]]}"#, "is a parameter"),
        (r#"{"x": [1, 2, 3], "x.1": 3}"#, "given twice"),
        (r#"{"x.0": 1, "x.1": 3}"#, "x.2"),
    ] {
        let error = failure(&["run", "-e", program, "--inputs", inputs], 1);
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(wanted), "{inputs}: {message}");
    }
}
