//! `ncg fit` as a process: losses, parameters, intervals, tables of other formats, checkpoints and what is written back.
#![cfg(feature = "cli")]

mod command;

use std::path::Path;

use command::{answer, folder_of, refusal, text, value};
use serde_json::json;

fn folder(name: &str) -> std::path::PathBuf {
    folder_of("cli-fit", name)
}

const DECAY: &str = "(parameter a 1) (parameter r 0.3) (* a (exp (- (* r x))))";

fn curve(i: i32) -> (f64, f64) {
    let x = 0.25 * f64::from(i);
    (x, 3.0 * (-0.5 * x).exp() + 0.02 * (17.0 * x).sin())
}

/// Writes twenty observations and returns the arguments that fit them.
fn table(folder: &Path, name: &str, separator: char) -> String {
    let path = folder.join(name);
    let rows: String = (0..20)
        .map(curve)
        .map(|(x, y)| {
            format!(
                "{x}{separator}{y}{separator}{}\n",
                if x < 2.0 { 0.1 } else { 0.2 }
            )
        })
        .collect();
    std::fs::write(&path, format!("x{separator}y{separator}s\n{rows}")).unwrap();
    path.to_str().unwrap().to_string()
}

#[test]
fn a_report_has_intervals_and_a_plot_has_a_band() {
    let folder = folder("report");
    let data = table(&folder, "data.csv", ',');
    let plot = folder.join("fit.svg");
    let plot = plot.to_str().unwrap();
    let fit = ["fit", "-e", DECAY, "--data", &data, "--target=y"];
    let got = answer(&[&fit[..], &["--profile", "--confidence=0.9", "--plot", plot]].concat());
    let a = &got["parameters"]["a"];
    assert_eq!(
        (&got["confidence"], &got["noise"]),
        (&json!(0.9), &json!("estimated"))
    );
    assert!(a["interval"][0].as_f64() < a["value"].as_f64() && a["profile"][1].is_f64());
    assert!(std::fs::read_to_string(plot).unwrap().contains("<polygon"));
    let shown = text(&[&fit[..], &["--profile"]].concat());
    for words in [
        "95 % interval",
        "profile likelihood, 95 %",
        "degrees of freedom",
    ] {
        assert!(shown.contains(words), "{shown}");
    }
}

#[test]
fn the_first_bad_row_is_named_by_its_line() {
    let folder = folder("bad-row");
    let path = folder.join("data.csv");
    std::fs::write(&path, "# a comment\nx,y\n1,2\n\n2,3\n-3e-5,4\n5,6\n").unwrap();
    let program = "(parameter k 1) (* k (log x))";
    let message = refusal(&[
        "fit",
        "-e",
        program,
        "--data",
        path.to_str().unwrap(),
        "--target=y",
    ]);
    for words in ["line 6", "NaN", "log of -3e-5"] {
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn the_choice_of_sigmas_is_a_word() {
    let folder = folder("sigma");
    let data = table(&folder, "data.csv", ',');
    let fit = ["fit", "-e", DECAY, "--data", &data, "--target=y"];
    let known = answer(&[&fit[..], &["--sigma=s"]].concat());
    let relative = answer(&[&fit[..], &["--relative-sigma=s"]].concat());
    assert_eq!(
        (&known["noise"], &relative["noise"]),
        (&json!("known"), &json!("estimated"))
    );
    assert_eq!(value(&known, "a", "value"), value(&relative, "a", "value"));
    // relative ones are scaled by the residuals
    let factor = relative["residual_sd"].as_f64().unwrap();
    let ratio = value(&relative, "a", "std_error") / value(&known, "a", "std_error");
    assert!((ratio / factor - 1.0).abs() < 1e-9);
    let covariance = folder.join("covariance.csv");
    let entry = |i: i32, j: i32| {
        if i != j {
            0.0
        } else if i < 8 {
            0.01
        } else {
            0.04
        }
    };
    let rows: String = (0..20)
        .map(|i| {
            (0..20)
                .map(|j| entry(i, j).to_string())
                .collect::<Vec<_>>()
                .join(",")
                + "\n"
        })
        .collect();
    std::fs::write(&covariance, rows).unwrap();
    let full = answer(&[&fit[..], &["--covariance", covariance.to_str().unwrap()]].concat());
    assert!((value(&full, "a", "std_error") / value(&known, "a", "std_error") - 1.0).abs() < 1e-9);
}

#[test]
fn losses_and_parameters_are_chosen_by_flags() {
    let folder = folder("losses");
    let data = table(&folder, "data.csv", ',');
    let fit = ["fit", "-e", DECAY, "--data", &data, "--target=y"];
    let with = |more: &[&str]| answer(&[&fit[..], more].concat());
    assert_eq!(
        with(&["--loss=cauchy", "--loss-scale=0.1"])["loss_kind"],
        "cauchy"
    );
    assert_eq!(with(&["--optimizer=lbfgs"])["optimizer"], "lbfgs");
    assert_eq!(
        with(&["--fix=r"])["parameters"].as_object().unwrap().len(),
        1
    );
    let tied = with(&["--tie=r=(/ a 6)", "--transform=a=log"]);
    let ratio = value(&tied, "a", "value") / tied["tied"]["r"]["value"].as_f64().unwrap();
    assert!((ratio - 6.0).abs() < 1e-12);
    let prior = with(&["--sigma=0.1", "--prior=r=0.7:0.001", "--prior=a=3:0.5"]);
    assert!((value(&prior, "r", "value") - 0.7).abs() < 0.002 && prior["priors"] == 2);
    assert_eq!(with(&["--target-loss=1"])["stop"], "target");
    assert_eq!(with(&["--max-evaluations=2"])["stop"], "max_evaluations");
    let starts = with(&["--starts=10", "--seed=3"]);
    assert_eq!(starts["starts"], 10);
    let own = "(input x) (input y) (parameter a 1) (parameter r 0.3) (square (- y (* a (exp (- (* r x))))))";
    let value_loss = answer(&["fit", "-e", own, "--data", &data, "--loss=value"]);
    let squares = with(&[]);
    assert!((value(&value_loss, "a", "value") / value(&squares, "a", "value") - 1.0).abs() < 1e-6);
    assert!(refusal(&[&fit[..], &["--loss=tukey"]].concat()).contains("--sigma"));
    assert!(refusal(&["fit", "-e", DECAY, "--data", &data]).contains("--target"));
}

#[test]
fn tables_of_other_formats_give_the_same_bits() {
    let folder = folder("formats");
    let fit = |data: &str, program: &str, target: &str| {
        let got = answer(&[
            "fit",
            "-e",
            program,
            "--data",
            data,
            target,
            "--engine=native",
        ]);
        value(&got, "a", "value").to_bits()
    };
    let wanted = fit(&table(&folder, "data.csv", ','), DECAY, "--target=y");
    assert_eq!(
        fit(&table(&folder, "data.tsv", '\t'), DECAY, "--target=y"),
        wanted
    );
    // records, a matrix by rows, and a matrix by columns
    let npy = |name: &str, header: &str, numbers: Vec<f64>| {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(numbers.iter().flat_map(|x| x.to_le_bytes()));
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_string()
    };
    let rows: Vec<f64> = (0..20).map(curve).flat_map(|(x, y)| [x, y]).collect();
    let columns: Vec<f64> = (0..20)
        .map(|i| curve(i).0)
        .chain((0..20).map(|i| curve(i).1))
        .collect();
    let header =
        "{'descr': [('x', '<f8'), ('y', '<f8')], 'fortran_order': False, 'shape': (20,), }\n";
    assert_eq!(
        fit(
            &npy("records.npy", header, rows.clone()),
            DECAY,
            "--target=y"
        ),
        wanted
    );
    let matrix = DECAY.replace("x)", "c0)");
    let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (20, 2), }\n";
    assert_eq!(
        fit(
            &npy("rows.npy", header, rows.clone()),
            &matrix,
            "--target=c1"
        ),
        wanted
    );
    let header = header.replace("False", "True");
    assert_eq!(
        fit(
            &npy("columns.npy", &header, columns),
            &matrix,
            "--target=c1"
        ),
        wanted
    );
    let complaints = [
        (
            "{'descr': '<f8', 'fortran_order': False, 'shape': (2000000000000, 2), }",
            "cut short",
        ),
        (
            "{'descr': '>f8', 'fortran_order': False, 'shape': (20, 2), }",
            "little endian",
        ),
        (
            "{'descr': '|O', 'fortran_order': False, 'shape': (20,), }",
            "little endian",
        ),
        (
            "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 2), }",
            "no rows",
        ),
        ("{", "little endian"),
    ];
    for (header, words) in complaints {
        let data = npy("bad.npy", header, rows.clone());
        let message = refusal(&["fit", "-e", &matrix, "--data", &data, "--target=c1"]);
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn a_fit_goes_on_and_leaves_its_report_in_the_model() {
    let folder = folder("go-on");
    let data = table(&folder, "data.csv", ',');
    let state = folder.join("state");
    let fit = [
        "fit",
        "-e",
        DECAY,
        "--data",
        &data,
        "--target=y",
        "--engine=native",
    ];
    let kept = ["--checkpoint", state.to_str().unwrap(), "--resume"];
    let whole = answer(&fit);
    let part = answer(&[&fit[..], &kept, &["--max-iterations=2"]].concat());
    assert_eq!(part["stop"], "max_iterations");
    for ending in ["ncg", "onnx", "scm"] {
        let model = folder.join(format!("fitted.{ending}"));
        let model = model.to_str().unwrap();
        let got = answer(&[&fit[..], &kept, &["-o", model]].concat());
        assert_eq!(value(&got, "a", "value"), value(&whole, "a", "value"));
        let info = answer(&["info", model]);
        assert_eq!(info["fit"]["covariance"], whole["covariance"]);
        assert_eq!(info["fit"]["data_hash"], whole["data_hash"]);
        let shown = text(&["info", model]);
        for words in ["data hash", "by version", "covariance", "±"] {
            assert!(shown.contains(words), "{shown}");
        }
        let run = answer(&["run", model, "--inputs", r#"{"x": 0}"#, "--engine=native"]);
        assert_eq!(run["value"].as_f64().unwrap(), value(&whole, "a", "value"));
    }
    let other = table(&folder, "other.csv", ',').replace("other", "data");
    std::fs::write(&other, "x,y\n0,3\n1,2\n2,1\n").unwrap();
    assert!(refusal(&[&fit[..], &kept].concat()).contains("other data"));
}

/// A table that is read through a window, at once or in two parts with a checkpoint between, gives a line to all digits; CSV and
/// records alike.
#[test]
fn a_table_is_read_through_a_window() {
    let folder = folder("window");
    let line = "(parameter a 1) (parameter b 0) (+ a (* b x))";
    let data = table(&folder, "data.csv", ',');
    let text = std::fs::read_to_string(&data).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let part = |name: &str, rows: &[&str]| {
        let path = folder.join(name);
        std::fs::write(&path, format!("{}\n{}\n", lines[0], rows.join("\n"))).unwrap();
        path.to_str().unwrap().to_string()
    };
    let records = folder.join("data.npy");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    let header =
        "{'descr': [('x', '<f8'), ('y', '<f8')], 'fortran_order': False, 'shape': (20,), }\n";
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    for cell in lines[1..].iter().flat_map(|line| line.split(',').take(2)) {
        bytes.extend(cell.parse::<f64>().unwrap().to_le_bytes());
    }
    std::fs::write(&records, bytes).unwrap();
    let fit = |data: &str, more: &[&str]| {
        let own = [
            "fit",
            "-e",
            line,
            "--target=y",
            "--engine=native",
            "--data",
            data,
        ];
        answer(&[&own[..], more].concat())
    };
    let whole = fit(&data, &[]);
    let state = folder.join("state");
    let kept = [
        "--window=3",
        "--checkpoint",
        state.to_str().unwrap(),
        "--resume",
    ];
    fit(&part("first.csv", &lines[1..12]), &kept);
    let streams = [
        fit(&data, &["--window=3"]),
        fit(records.to_str().unwrap(), &["--window=3"]),
        fit(&part("second.csv", &lines[12..]), &kept),
    ];
    for stream in streams {
        assert_eq!(stream["stream"]["rows"], 20);
        assert_eq!(stream["observations"], 20);
        for name in ["a", "b"] {
            for what in ["value", "std_error"] {
                let (got, wanted) = (value(&stream, name, what), value(&whole, name, what));
                assert!((got - wanted).abs() < 1e-10 * wanted.abs(), "{name} {what}");
            }
        }
    }
    let curved = answer(&[
        "fit",
        "-e",
        DECAY,
        "--data",
        &data,
        "--target=y",
        "--window=5",
    ]);
    let exact = answer(&["fit", "-e", DECAY, "--data", &data, "--target=y"]);
    let apart = value(&curved, "r", "value") - value(&exact, "r", "value");
    assert!(apart.abs() < 0.5 * value(&exact, "r", "std_error"));
    let own = [
        "fit",
        "-e",
        DECAY,
        "--data",
        &data,
        "--target=y",
        "--window=5",
    ];
    let message = refusal(&[&own[..], &["--loss=huber", "--loss-scale=1"]].concat());
    assert!(message.contains("window"), "{message}");
}

/// Whatever `ncg export` writes of a model, `ncg info`, `run` and `fit` take in its place.
#[test]
fn every_exported_file_stands_for_its_model() {
    let folder = folder("exported");
    let data = table(&folder, "data.csv", ',');
    let source = folder.join("decay.scm");
    let bounded = "(parameter a 1 0 10) (parameter r 0.3) (* a (exp (- (* r x))))";
    std::fs::write(&source, bounded).unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_string();
    let asks = |file: &str| {
        let info = answer(&["info", file]);
        let run = answer(&[
            "run",
            file,
            "--inputs={\"x\": [0.5, 1]}",
            "--grad=x,a",
            "--engine=native",
        ]);
        let fit = answer(&[
            "fit",
            file,
            "--data",
            &data,
            "--target=y",
            "--engine=native",
        ]);
        (
            info["parameters"].clone(),
            info["inputs"].clone(),
            run["value"].clone(),
            run["gradient"].clone(),
            fit["parameters"].clone(),
        )
    };
    let wanted = asks(&path(&source));
    assert!(wanted.4.is_array() || wanted.4.is_object(), "{wanted:?}");
    let file = folder.join("made.onnx");
    let kinds: [&[&str]; 9] = [
        &[],
        &["--training"],
        &["--fit"],
        &["--gradient=vjp"],
        &["--gradient=jacobian"],
        &["--gradient=loss"],
        &["--population"],
        &["--population", "--gradient=jacobian"],
        &["--population", "--fit"],
    ];
    for kind in kinds {
        let command = ["export", &path(&source), "-o", &path(&file)];
        answer(&[&command[..], kind].concat());
        assert_eq!(asks(&path(&file)), wanted, "{kind:?}");
    }
}
