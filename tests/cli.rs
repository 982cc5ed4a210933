//! The command, as a process: what it prints, what it writes, and how it fails.
#![cfg(feature = "cli")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const MISRA: [&str; 5] = [
    "fit",
    "examples/models/misra1a.scm",
    "--data",
    "examples/data/misra1a.csv",
    "--target=y",
];

/// What a run of the command left behind.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ncg"));
    command.current_dir(ROOT).args(arguments);
    command.stdin(Stdio::null()).env_remove("RUST_BACKTRACE");
    command
}

fn ncg(arguments: &[&str]) -> Ran {
    let output = command(arguments).output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The JSON object that a successful run prints, and nothing else.
fn answer(arguments: &[&str]) -> Value {
    let ran = ncg(&[arguments, &["--json"]].concat());
    assert_eq!(ran.code, 0, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stderr, "", "{arguments:?}");
    serde_json::from_str(&ran.stdout).unwrap()
}

/// The text of a successful run.
fn text(arguments: &[&str]) -> String {
    let ran = ncg(arguments);
    assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.stderr);
    ran.stdout
}

/// The error of a failing run: the same message on stderr and, with --json, as an object on stdout.
fn failure(arguments: &[&str], code: i32) -> Value {
    let plain = ncg(arguments);
    assert_eq!(plain.code, code, "{arguments:?}: {}", plain.stderr);
    assert_eq!(plain.stdout, "", "{arguments:?}");
    assert!(plain.stderr.starts_with("error: "), "{}", plain.stderr);
    let ran = ncg(&[arguments, &["--json"]].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (code, ""));
    let object: Value = serde_json::from_str(&ran.stdout).unwrap();
    let error = &object["error"];
    let message = error["message"].as_str().unwrap();
    assert!(!message.is_empty());
    if code == 1 {
        assert!(plain.stderr.contains(message), "{}", plain.stderr);
    }
    error.clone()
}

fn message(arguments: &[&str], code: i32) -> String {
    let error = failure(arguments, code);
    error["message"].as_str().unwrap().to_string()
}

/// An empty folder of this test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("cli")
        .join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn evaluate(expression: &str, inputs: &str) -> Value {
    answer(&[
        "run",
        "-e",
        expression,
        "--inputs",
        inputs,
        "--engine=native",
    ])
}

#[test]
fn values_have_their_shapes() {
    let cases = [
        ("(+ x 1)", r#"{"x": 1.5}"#, json!(2.5)),
        ("(+ 1 2)", "{}", json!(3)),
        ("(< x 1)", r#"{"x": 1.5}"#, json!(false)),
        ("(* 2 x)", r#"{"x": [1, 2.5]}"#, json!([2.0, 5.0])),
        (
            "(/ 1. x)",
            r#"{"x": [0, "-inf", "nan"]}"#,
            json!(["inf", -0.0, "nan"]),
        ),
        (
            "(list x (list 1 #t))",
            r#"{"x": 2}"#,
            json!({"list": [2.0, {"list": [1, true]}]}),
        ),
        (
            "(cons x 3)",
            r#"{"x": 2}"#,
            json!({"list": [2.0], "tail": 3}),
        ),
        ("'a", "{}", json!({"symbol": "a"})),
        (r"#\b", "{}", json!({"char": "b"})),
        ("\"text\"", "{}", json!({"string": "text"})),
        ("'()", "{}", json!({"list": []})),
        ("car", "{}", json!({"procedure": true})),
        (
            "(list x 'a)",
            r#"{"x": [1, 2]}"#,
            json!([{"list": [1.0, {"symbol": "a"}]}, {"list": [2.0, {"symbol": "a"}]}]),
        ),
        ("(* 2 x)", r#"{"x": []}"#, json!([])),
    ];
    for (expression, inputs, expected) in cases {
        let got = evaluate(expression, inputs);
        assert_eq!(got["value"], expected, "{expression} {inputs}");
        assert_eq!(
            (&got["engine"], &got["device"], &got["dtype"]),
            (&json!("native"), &json!("cpu"), &json!("f64"))
        );
        assert_eq!(got.get("gradient"), None);
    }
    let plain = |expression, inputs| text(&["run", "-e", expression, "--inputs", inputs]);
    assert_eq!(plain("(+ 1 2)", "{}"), "3\n");
    assert_eq!(plain("(* 2 x)", r#"{"x": [1, 2]}"#), "2.0\n4.0\n");
    assert_eq!(plain("(list x 1 'a #t)", r#"{"x": 1}"#), "(1.0 1 a #t)\n");
}

#[test]
fn gradients_are_of_the_sum() {
    let program = "(parameter k 2) (* k x y)";
    let inputs = r#"{"x": [1, 2, 3], "y": 10}"#;
    let arguments = ["run", "-e", program, "--inputs", inputs, "--grad", "x,y,k"];
    let got = answer(&arguments);
    assert_eq!(got["value"], json!([20.0, 40.0, 60.0]));
    let expected = json!({"x": [20.0, 20.0, 20.0], "y": 12.0, "k": 60.0});
    assert_eq!(got["gradient"], expected);
    let order: Vec<&String> = got["gradient"].as_object().unwrap().keys().collect();
    assert_eq!(order, ["x", "y", "k"]);
    assert!(text(&arguments).ends_with("d/dx = 20.0 20.0 20.0\nd/dy = 12.0\nd/dk = 60.0\n"));
    let given = r#"{"x": 1, "y": 1, "k": 7}"#;
    let got = answer(&["run", "-e", program, "--inputs", given, "--grad=k"]);
    assert_eq!(
        (&got["value"], &got["gradient"]),
        (&json!(7.0), &json!({"k": 1.0}))
    );
    let single = ["run", "-e", "(* x 0.1)", "--inputs", r#"{"x": 1}"#];
    let got = answer(&[&single[..], &["--dtype=f32", "--grad=x"]].concat());
    assert_eq!((&got["value"], &got["dtype"]), (&json!(0.1), &json!("f32")));
}

#[test]
fn inputs_come_from_files_and_programs_from_stdin() {
    let folder = folder("files");
    let inputs = folder.join("inputs.json");
    std::fs::write(&inputs, r#"{"x": 4}"#).unwrap();
    let inputs = format!("@{}", path(&inputs));
    let program = folder.join("root.scm");
    std::fs::write(&program, "(sqrt x)").unwrap();
    let got = answer(&["run", path(&program), "--inputs", &inputs]);
    assert_eq!(got["value"], json!(2.0));
    let file = std::fs::File::open(&program).unwrap();
    let output = command(&["run", "-", "--inputs", &inputs])
        .stdin(file)
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"2.0\n");
}

#[test]
fn an_input_can_be_bound_to_an_integer() {
    let sum = "(define (sum i) (if (> i n) 0 (+ (* k i) (sum (+ i 1))))) (sum 1)";
    let inputs = r#"{"k": 2.5}"#;
    let run = [
        "run", "-e", sum, "--inputs", inputs, "--grad", "k", "--bind",
    ];
    let found = answer(&[&run[..], &["n=4"]].concat());
    assert_eq!(found["value"], 25.0);
    assert_eq!(found["gradient"]["k"], 10.0);
    for (bind, said) in [
        ("n", "exact integer"),
        ("n=1.5", "exact integer"),
        ("m=4", "no input"),
        ("n=1,n=2", "twice"),
    ] {
        let message = message(&[&run[..], &[bind]].concat(), 1);
        assert!(message.contains(said), "{bind}: {message}");
    }
}

#[test]
fn settings_reach_the_compiler_and_the_session() {
    let choice = [
        "run",
        "-e",
        "(soft-choice (1. 3.) (vec a 0.))",
        "--inputs",
        r#"{"a": 2}"#,
    ];
    let with = |setting: &'static str| {
        let found = answer(&[&choice[..], &["--set", setting]].concat());
        found["value"].as_f64().unwrap()
    };
    // softmax of 2 and 0, and of 1 and 0
    assert!((with("soft_choice_temperature=1") - 1.2384058440442).abs() < 1e-12);
    assert!((with("soft_choice_temperature=2") - 1.5378828427399902).abs() < 1e-12);
    assert_eq!(with("soft_choice_hard=true"), 1.0);
    let endless = ["run", "-e", "(loop ((i x)) (if (< i 0) i (recur (+ i 1))))"];
    let limited = ["--inputs", r#"{"x": 1}"#, "--set", "max_steps=50"];
    assert!(message(&[&endless[..], &limited].concat(), 1).contains("more than 50 iterations"));
    for (setting, said) in [("max_step=5", "max_steps"), ("max_steps", "NAME=VALUE")] {
        let message = message(&[&choice[..], &["--set", setting]].concat(), 1);
        assert!(message.contains(said), "{message}");
    }
}

#[test]
fn bad_inputs_are_named() {
    let run =
        |expression: &str, inputs: &str| message(&["run", "-e", expression, "--inputs", inputs], 1);
    let two = run("(+ x y)", "{}");
    assert!(two.contains("\"x\", \"y\" have no value"), "{two}");
    assert!(run("(+ speed 1)", r#"{"sped": 1}"#).contains("did you mean \"speed\"?"));
    assert!(run("x", r#"{"x": "fast"}"#).contains("not a number"));
    assert!(run("x", r#"{"x": [1, [2]]}"#).contains("at index 1"));
    assert!(run("(+ x y)", r#"{"x": [1, 2], "y": [1]}"#).contains("2 values"));
    assert!(run("(parameter k 1) k", r#"{"k": [1, 2]}"#).contains("\"k\" is a parameter"));
    assert!(run("x", "{x: 1}").contains("not JSON"));
    assert!(run("x", "[1]").contains("not a JSON object"));
    assert!(run("x", "@/no/such/file").contains("/no/such/file"));
    let gradient = ["run", "-e", "(+ speed 1)", "--inputs", r#"{"speed": 1}"#];
    let gradient = message(&[&gradient[..], &["--grad", "sped"]].concat(), 1);
    assert!(gradient.contains("did you mean \"speed\"?"), "{gradient}");
    let symbol = message(&["run", "-e", "(parameter k 1) 'a", "--grad=k"], 1);
    assert!(symbol.contains("no number to differentiate"), "{symbol}");
}

#[test]
fn bad_programs_are_placed() {
    let cases = [
        ("(+ 1\n   (* 2 3)", "NCG_ERR_PARSE", 1, 1, "never closed"),
        (
            "(+ 1\n   (foo 3))",
            "NCG_ERR_COMPILE",
            2,
            5,
            "unbound variable \"foo\"",
        ),
        ("(+ 1\n   (sqrt 1 2))", "NCG_ERR_COMPILE", 2, 4, "\"sqrt\""),
    ];
    for (program, code, line, column, words) in cases {
        let error = failure(&["run", "-e", program], 1);
        let offset = error["offset"].as_u64().unwrap() as usize;
        assert_eq!(error["code"], code, "{error}");
        assert_eq!(
            (&error["line"], &error["column"]),
            (&json!(line), &json!(column))
        );
        assert_eq!(program[..offset].matches('\n').count() + 1, line);
        assert!(
            error["message"].as_str().unwrap().contains(words),
            "{error}"
        );
        let drawn = ncg(&["run", "-e", program]).stderr;
        assert!(
            drawn.contains(&format!("--> line {line}, column {column}")),
            "{drawn}"
        );
        assert!(drawn.contains('^'), "{drawn}");
    }
}

#[test]
fn bad_files_are_named_and_nothing_is_written() {
    let folder = folder("bad-files");
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.join(name), bytes).unwrap();
        folder.join(name)
    };
    let model = folder.join("model.onnx");
    text(&["export", "-e", "(* x x)", "-o", path(&model)]);
    let whole = std::fs::read(&model).unwrap();
    let files = [
        write("not.ncg", b"{\"a\": 1}"),
        write("broken.ncg", b"{\"a\": "),
        write("truncated.onnx", &whole[..whole.len() / 2]),
        write("bytes.onnx", &[0xff; 64]),
    ];
    let out = folder.join("out.ncg");
    for file in &files {
        let error = failure(&["compile", path(file), "-o", path(&out)], 1);
        assert_eq!(error["code"], "NCG_ERR_FORMAT", "{error}");
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(error["message"].as_str().unwrap().contains(name), "{error}");
        assert!(!out.exists());
    }
    // a program in another encoding than UTF-8
    let latin = write("latin.scm", b"; \n; Gr\xf6\xdfe\n(* 2 x)\n");
    let said = message(&["info", path(&latin)], 1);
    assert!(said.contains("line 2: byte 0xf6"), "{said}");
    let program = write("program.ncg", b"(* 2 x)");
    let said = message(&["compile", path(&program), "-o", path(&program)], 1);
    assert!(said.contains("is the model that is read"), "{said}");
    assert_eq!(std::fs::read(&program).unwrap(), b"(* 2 x)");
    let missing = failure(&["info", "/no/such/model.scm"], 1);
    assert_eq!(missing["code"], "NCG_ERR_IO");
    let written = message(&["compile", "-e", "x", "-o", "/no/such/folder/x.ncg"], 1);
    assert!(written.contains("/no/such/folder/x.ncg"), "{written}");
}

#[test]
fn bad_tables_are_placed_and_nothing_is_written() {
    let folder = folder("bad-tables");
    let cases = [
        (
            "a word",
            "x,y\n1,2\n2,fast\n",
            vec!["line 3", "\"y\"", "\"fast\""],
        ),
        ("a nan", "x,y\n1,2\nNaN,3\n", vec!["line 3", "\"x\"", "NaN"]),
        (
            "an infinity",
            "x,y\ninf,2\n",
            vec!["line 2", "\"x\"", "inf"],
        ),
        (
            "an empty cell",
            "x,y\n1,\n",
            vec!["line 2", "\"y\"", "empty"],
        ),
        (
            "a short row",
            "x,y\n1,2\n3\n",
            vec!["line 3", "1 cells", "2"],
        ),
        (
            "no column",
            "X1,y\n1,2\n",
            vec!["no column \"x\"", "X1", "--parameter x=1"],
        ),
        (
            "near column",
            "time,yy\n1,2\n",
            vec!["no column", "its columns: time, yy"],
        ),
        ("two columns", "x,x,y\n1,2,3\n", vec!["two columns \"x\""]),
        ("no rows", "x,y\n", vec!["no rows"]),
        ("nothing", "", vec!["is empty", "header"]),
        (
            "after a comment",
            "# from here\nx,y\n1,2\n2,-\n",
            vec!["line 4", "\"y\""],
        ),
    ];
    let (model, plot) = (folder.join("out.ncg"), folder.join("out.svg"));
    for (name, table, words) in cases {
        let file = folder.join(format!("{name}.csv"));
        std::fs::write(&file, table).unwrap();
        let program = ["fit", "-e", "(parameter k 1) (* k x)", "--target=y"];
        let outputs = [
            "-o",
            path(&model),
            "--plot",
            path(&plot),
            "--data",
            path(&file),
        ];
        let said = message(&[&program[..], &outputs].concat(), 1);
        for word in words {
            assert!(said.contains(word), "{name}: no {word} in {said}");
        }
        assert!(said.contains(path(&file)), "{said}");
        assert!(!model.exists() && !plot.exists(), "{name}");
    }
    let file = folder.join("good.csv");
    std::fs::write(&file, "x,y,s\n1,2,0.1\n2,4,0\n").unwrap();
    let fit = |rest: &[&str]| {
        let start = [
            "fit",
            "-e",
            "(parameter k 1) (* k x)",
            "--data",
            path(&file),
        ];
        message(&[&start[..], rest].concat(), 1)
    };
    assert!(fit(&["--target=z"]).contains("no column \"z\" for the target"));
    assert!(fit(&["--target=y", "--sigma=s"]).contains("line 3"));
    assert!(fit(&["--target=y", "--sigma=-1"]).contains("--sigma: the standard deviation is -1"));
    let (whole, nowhere) = (folder.join("whole.ncg"), "/no/such/folder/x.svg");
    let said = fit(&["--target=y", "-o", path(&whole), "--plot", nowhere]);
    assert!(said.contains(nowhere) && !whole.exists(), "{said}");
    assert!(fit(&["--target=y", "--target=s"]).contains("1 numbers"));
    assert!(fit(&["--target=y", "--parameter=q=1"]).contains("\"q\""));
    let none = ["fit", "-e", "(* 2 x)", "--target=y", "--data", path(&file)];
    assert!(message(&none, 1).contains("no parameter to fit"));
}

#[test]
fn usage_errors_exit_with_2() {
    let cases: [(&[&str], &str); 10] = [
        (&["run"], "required"),
        (&["frobnicate"], "frobnicate"),
        (&["run", "-e", "x", "--frob"], "--frob"),
        (&["run", "-e", "x", "--threads", "0"], "at least 1"),
        (&["run", "-e", "x", "--engine", "gpu"], "gpu"),
        (&["compile", "-e", "x", "-o", "x.txt"], ".ncg"),
        (
            &[
                "fit",
                "-e",
                "x",
                "--data",
                "x.csv",
                "--target",
                "y",
                "--parameter",
                "k",
            ],
            "NAME=INIT",
        ),
        (&["bind", "a.ncg", "b.scm"], "--output"),
        (&["compile", "-o", "a.ncg"], "FILE"),
        (
            &["compile", "--interpreter", "--interpret", "-o", "a.ncg"],
            "--interpret",
        ),
    ];
    for (arguments, words) in cases {
        assert!(
            message(arguments, 2).contains(words),
            "{arguments:?}: no {words}"
        );
    }
}

#[test]
fn fit_finds_the_certified_values() {
    let folder = folder("fit");
    let model = folder.join("fitted.ncg");
    let plot = folder.join("fit.svg");
    let files = ["-o", path(&model), "--plot", path(&plot)];
    let got = answer(&[&MISRA[..], &files].concat());
    let b1 = &got["parameters"]["b1"];
    assert!((b1["value"].as_f64().unwrap() / 2.3894212918E+02 - 1.0).abs() < 1e-8);
    assert!((b1["std_error"].as_f64().unwrap() / 2.7070075241 - 1.0).abs() < 1e-6);
    assert_eq!(
        (&b1["initial"], &b1["lower"], &b1["at_bound"]),
        (&json!(500.0), &Value::Null, &json!(false))
    );
    for key in [
        "loss",
        "residual_sd",
        "iterations",
        "evaluations",
        "seconds",
        "gradient_norm",
    ] {
        assert!(got[key].is_number(), "{key}: {got}");
    }
    assert_eq!(got["degrees_of_freedom"], json!(12));
    assert_eq!(got["covariance"].as_array().unwrap().len(), 2);
    assert!(["gradient", "loss", "step"].contains(&got["stop"].as_str().unwrap()));
    assert!(got["engine"].as_str().unwrap().contains("f64"));
    assert!(std::fs::read_to_string(&plot).unwrap().starts_with("<svg"));

    let info = answer(&["info", path(&model)]);
    let parameter = &info["parameters"][0];
    assert_eq!(parameter["initial"], b1["value"]);
    assert_eq!(info["fit"]["stop"], got["stop"]);
    let table = text(&MISRA);
    for word in ["converged", "238.9421", "± 2.707", "b1 ~ b2", "residual sd"] {
        assert!(table.contains(word), "{table}");
    }
}

#[test]
fn fit_takes_parameters_sigmas_and_limits() {
    let folder = folder("fit-options");
    let table = folder.join("line.csv");
    std::fs::write(
        &table,
        "x,y,s\n0,1.1,0.1\n1,2.9,0.1\n2,5.2,0.1\n3,6.8,0.2\n",
    )
    .unwrap();
    let model = folder.join("line.onnx");
    let start = [
        "fit",
        "-e",
        "(+ (* a x) b)",
        "--data",
        path(&table),
        "--target=y",
    ];
    let free = ["--parameter=a=1", "--parameter=b=0.5:0:0.9"];
    let got = answer(&[&start[..], &free, &["-o", path(&model)]].concat());
    let b = &got["parameters"]["b"];
    assert_eq!((&b["value"], &b["at_bound"]), (&json!(0.9), &json!(true)));
    assert_eq!((&b["lower"], &b["upper"]), (&json!(0.0), &json!(0.9)));
    let read = answer(&["run", path(&model), "--inputs", r#"{"x": 0}"#]);
    assert_eq!(read["value"], json!(0.9));

    let free = ["--parameter=a=1", "--parameter=b=0"];
    let known = answer(&[&start[..], &free, &["--sigma=s"]].concat());
    let same = answer(&[&start[..], &free, &["--sigma=0.1"]].concat());
    assert_ne!(
        known["parameters"]["a"]["value"],
        same["parameters"]["a"]["value"]
    );
    // with known sigmas the errors do not hang on the residuals: 0.1 / sqrt(sum of squared deviations)
    let error = same["parameters"]["a"]["std_error"].as_f64().unwrap();
    assert!((error - 0.1 / 5f64.sqrt()).abs() < 1e-12, "{error}");

    let limited = answer(
        &[
            &start[..],
            &free,
            &["--optimizer=adam", "--max-iterations=3"],
        ]
        .concat(),
    );
    assert_eq!(
        (&limited["stop"], &limited["iterations"]),
        (&json!("max_iterations"), &json!(3))
    );
    let lists = [
        "fit",
        "-e",
        "(list (* a x) (* b x))",
        "--target=y",
        "--target=s",
    ];
    let rest = ["--data", path(&table), "--parameter=a=1", "--parameter=b=1"];
    let two = answer(&[&lists[..], &rest].concat());
    assert_eq!(two["observations"], json!(8));
}

#[cfg(unix)]
#[test]
fn an_interrupt_reports_the_best_so_far() {
    let table = folder("interrupt").join("large.csv");
    let rows: String = (0..200_000)
        .map(|i| format!("{i},{}\n", 3.0 * f64::from(i) + f64::from(i % 7)))
        .collect();
    std::fs::write(&table, format!("x,y\n{rows}")).unwrap();
    let program = "(parameter k 1) (* k (+ x (sin x)))";
    let arguments = ["fit", "-e", program, "--target=y", "--data", path(&table)];
    let endless = [
        "--optimizer=adam",
        "--max-iterations=1000000000",
        "--learning-rate=1e-6",
    ];
    // a signal that comes before the fit has begun ends the process: then wait longer
    for seconds in [1, 3, 9] {
        let child = command(&[&arguments[..], &endless, &["--json"]].concat())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_secs(seconds));
        let kill = Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
        let output = child.wait_with_output().unwrap();
        if output.status.code().is_none() {
            continue;
        }
        assert_eq!(output.status.code(), Some(0));
        let got: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(got["stop"], "stopped", "{got}");
        let k = &got["parameters"]["k"];
        assert!(
            k["value"].is_number() && k["std_error"].is_number(),
            "{got}"
        );
        return;
    }
    panic!("no fit was running after nine seconds");
}

#[test]
fn check_says_what_data_determine() {
    let model = ["check", "examples/models/hahn1.scm", "--target=y"];
    let got = answer(&[&model[..], &["--data", "examples/data/hahn1.csv"]].concat());
    assert_eq!(
        (&got["gradients_agree"], &got["rank"]),
        (&json!(true), &json!(7))
    );
    assert!(got["condition"].is_number() && got["loss"].is_number());
    let model = [
        "check",
        "-e",
        "(* a b x)",
        "--parameter=a=1",
        "--parameter=b=2",
        "--target=y",
    ];
    let got = answer(&[&model[..], &["--data", "examples/data/misra1a.csv"]].concat());
    assert_eq!(
        (&got["rank"], &got["condition"]),
        (&json!(1), &json!("inf"))
    );
    let note = got["notes"][0].as_str().unwrap();
    assert!(note.contains("a and b not separable"), "{note}");
}

#[test]
fn files_compute_what_their_source_computes() {
    let folder = folder("formats");
    let source = "examples/models/pendulum-period.scm";
    let inputs = r#"{"arm": 1.2, "angle": [0.1, 1]}"#;
    let run =
        |file: &str| answer(&["run", file, "--inputs", inputs, "--engine=native"])["value"].clone();
    let (graph, onnx) = (folder.join("p.ncg"), folder.join("p.onnx"));
    let compiled = answer(&["compile", source, "-o", path(&graph)]);
    assert_eq!(compiled["parameters"], json!(["g"]));
    assert_eq!(compiled["inputs"], json!(["arm", "angle"]));
    answer(&["export", path(&graph), "-o", path(&onnx)]);
    assert_eq!(run(source), run(path(&graph)));
    assert_eq!(run(source), run(path(&onnx)));
    let training = folder.join("t.onnx");
    answer(&["export", source, "-o", path(&training), "--training"]);
    assert!(training.metadata().unwrap().len() > onnx.metadata().unwrap().len());
}

#[test]
fn exports_say_what_they_take_and_give() {
    let folder = folder("exports");
    let source = "(input x) (parameter k 2.0 0.5 9.0) (let loop ((y x)) (if (> y 3) y (loop (* y (+ 1.1 k)))))";
    let file = folder.join("f.onnx");
    let shapes = |arguments: &[&str]| -> Vec<String> {
        let command = ["export", "-e", source, "-o", path(&file)];
        answer(&[&command[..], arguments].concat());
        let model = ncg::onnx::decode(&std::fs::read(&file).unwrap()).unwrap();
        let graph = model.graph.unwrap();
        let ports = graph.input.iter().chain(&graph.output);
        ports
            .map(|info| format!("{} {}", info.name(), shape(info)))
            .collect()
    };
    assert_eq!(
        shapes(&["--gradient=jacobian"]),
        [
            "x [N]",
            "k []",
            "value [N]",
            "d.value.x [N]",
            "d.value.k [N]"
        ]
    );
    assert_eq!(
        shapes(&["--gradient=vjp", "--population"]),
        [
            "x [N]",
            "k [M,1]",
            "seed.value [M,N]",
            "value [M,N]",
            "d.x [M,N]",
            "d.k [M,1]"
        ]
    );
    let settings = ["epochs []", "learning_rate []", "gtol []", "xtol []"];
    let expected = |of: &str, rows: &str| {
        let mut all = vec![
            "x [N]".to_string(),
            format!("k {of}"),
            "target.value [N]".into(),
        ];
        all.extend(settings.map(String::from));
        all.extend(["fitted.k", "loss", "iterations"].map(|name| format!("{name} {of}")));
        all.push(format!("history {rows}"));
        all
    };
    assert_eq!(shapes(&["--fit"]), expected("[]", "[T]"));
    assert_eq!(
        shapes(&["--fit", "--population"]),
        expected("[M,1]", "[T,M]")
    );
    let error = failure(&["export", "-e", "(* x x)", "-o", path(&file), "--fit"], 1);
    assert!(error["message"].as_str().unwrap().contains("--parameter"));
    // another limit on loops is kept by the file
    answer(&[
        "export",
        "-e",
        source,
        "-o",
        path(&file),
        "--set=max_steps=2",
    ]);
    let inputs = "--inputs={\"x\": [0.9, 0.2]}";
    let run = ["run", path(&file), inputs, "--engine=native"];
    assert_eq!(
        answer(&run)["value"],
        answer(&["run", "-e", source, inputs, "--engine=native"])["value"]
    );
}

/// The shape of an input or output, as `[M,N]`.
fn shape(info: &ncg::onnx::proto::ValueInfoProto) -> String {
    use ncg::onnx::proto::{tensor_shape_proto::dimension::Value, type_proto};
    let ty = info.r#type.as_ref().and_then(|ty| ty.value.as_ref());
    let Some(type_proto::Value::TensorType(tensor)) = ty else {
        panic!("{} is no tensor", info.name());
    };
    let dims = tensor.shape.as_ref().unwrap().dim.iter();
    let dims = dims.map(|dim| match dim.value.as_ref().unwrap() {
        Value::DimValue(size) => size.to_string(),
        Value::DimParam(name) => name.clone(),
    });
    format!("[{}]", dims.collect::<Vec<_>>().join(","))
}

#[test]
fn explain_shows_each_stage() {
    let program = "(define (f x) (* 2 x))\n(+ (f x) y)";
    let got = answer(&["explain", "-e", program, "--grad=y"]);
    let keys: Vec<&String> = got.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        ["source", "ast", "anf", "graph", "numeric", "gradient"]
    );
    assert_eq!(got["source"], program);
    assert!(got["numeric"].as_str().unwrap().contains("; line 2"));
    assert!(got["gradient"].as_str().unwrap().contains("output d.y"));
    let drawn = text(&["explain", "-e", program]);
    for title in ["SOURCE", "AST", "ANF", "GRAPH", "NUMERIC", "; line 1"] {
        assert!(drawn.contains(title), "{drawn}");
    }
}

#[test]
fn info_and_engines_say_what_runs() {
    let got = answer(&["info", "-e", "(parameter k 2 0 9) (if (< x 0) k (sqrt x))"]);
    assert_eq!(got["inputs"], json!(["x"]));
    let bounds = json!([{"name": "k", "initial": 2.0, "lower": 0.0, "upper": 9.0}]);
    assert_eq!(got["parameters"], bounds);
    assert_eq!(
        (&got["kind"], &got["branches"]),
        (&json!("numeric"), &json!(1))
    );
    assert_eq!(got["engines"][0], json!({"name": "native", "runs": true}));
    assert!(text(&["info", "-e", "(* x 2)"]).contains("parameters  none"));

    let engines = answer(&["engines"]);
    assert_eq!(engines["engines"][0]["name"], "native");
    for engine in engines["engines"].as_array().unwrap() {
        let detail = match engine["available"].as_bool().unwrap() {
            true => "version",
            false => "reason",
        };
        assert!(engine[detail].is_string(), "{engine}");
    }
    let refused = answer(&["engines", "--onnxruntime", "/no/such/library.so"]);
    let reason = refused["engines"][1]["reason"].as_str().unwrap();
    assert!(reason.contains("/no/such/library.so"), "{reason}");
    let library = ["--engine=onnxruntime", "--onnxruntime=/no/such/library.so"];
    let error = failure(&[&["run", "-e", "1"][..], &library].concat(), 1);
    assert_eq!(error["code"], "NCG_ERR_ENGINE_UNAVAILABLE");
}

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
