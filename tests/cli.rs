//! The command, as a process: what it prints, what it writes, and how it fails.
#![cfg(feature = "cli")]

#[path = "cli/programs.rs"]
mod programs;

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
