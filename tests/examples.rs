//! The examples, rung by rung: each is built as its page says, run from the project's root, and prints the same in every
//! language, on every engine.
#![cfg(target_os = "linux")]

mod toolchain;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use ncg::compile::Model;
use ncg::fit::fitter::Fitter;
use ncg::fit::problem::Data;
use ncg::fit::{Monitor, statistics::Noise};
use ncg::options::Options;
use ncg::{document, onnx};
use toolchain::{have, library, linked, run, skip, temporary};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Builds an example; its folder is `examples/LANGUAGE`.
fn build(language: &str, name: &str, flags: &[&str]) -> Option<PathBuf> {
    let (compiler, extension, own): (_, _, &[&str]) = match language {
        "c" => ("cc", "c", &["-std=c99", "-pedantic", "-Werror", "-lm"]),
        "cpp" => (
            "c++",
            "cpp",
            &[
                "-std=c++17",
                "-pedantic",
                "-Werror",
                "-Wconversion",
                "-pthread",
            ],
        ),
        _ => (
            "gfortran",
            "f90",
            &[
                "-std=f2018",
                "-pedantic",
                "-Wno-function-elimination",
                "-ffpe-trap=invalid,zero,overflow",
            ],
        ),
    };
    if !have(compiler) {
        return None;
    }
    let folder = temporary(&format!("example-{language}-{name}"));
    let program = folder.join("program");
    let mut command = Command::new(compiler);
    command
        .current_dir(&folder)
        .args(["-O1", "-g", "-Wall", "-Wextra"]);
    if language == "fortran" {
        command.arg(root().join("bindings/fortran/ncg.f90"));
    }
    let file = format!("examples/{language}/{name}.{extension}");
    command.arg(root().join(file)).arg("-o").arg(&program);
    for include in ["include", "bindings/cpp"] {
        command.arg("-I").arg(root().join(include));
    }
    run(linked(&mut command, &folder)?.args(own).args(flags));
    Some(program)
}

/// The command that runs an example in a language, if that can be had here.
fn example(language: &str, name: &str) -> Option<Command> {
    let mut command = match language {
        "julia" => {
            let julia = std::env::var("NCG_JULIA").unwrap_or("julia".to_string());
            if julia == "none" || !have(&julia) {
                return None;
            }
            let mut command = Command::new(julia);
            command
                .args(["--startup-file=no", "--project=bindings/julia"])
                .arg(format!("examples/julia/{name}.jl"))
                .env("NCG_LIBRARY", library()?);
            command
        }
        _ => Command::new(build(language, name, &[])?),
    };
    command.current_dir(root());
    Some(command)
}

/// Every language's version of a rung prints `expected`, with and without ONNX Runtime.
fn rung(name: &str, expected: &str) {
    for language in ["c", "cpp", "fortran", "julia"] {
        let Some(mut command) = example(language, name) else {
            continue;
        };
        assert_eq!(run(&mut command), expected, "{language}");
        command.env("NCG_ONNXRUNTIME", "none");
        assert_eq!(run(&mut command), expected, "{language}, native");
    }
}

fn force(r: f64, q: f64, [k, a]: [f64; 2]) -> f64 {
    k * q * (-a * r).exp()
}

/// Distance and charge of 100 particles.
fn particles() -> Vec<(f64, f64)> {
    let charge = |s: u32| if s % 2 == 1 { 1.0 } else { -1.5 };
    (0..100)
        .map(|s| (0.5 + 0.05 * f64::from(s), charge(s)))
        .collect()
}

#[test]
fn one_evaluate() {
    let expected = format!(
        "input r\ninput q\nforce {:.6}\n",
        force(2.0, 1.0, [1.0, 1.0])
    );
    rung("1-evaluate", &expected);
}

#[test]
fn two_batch() {
    let forces = particles()
        .into_iter()
        .map(|(r, q)| force(r, q, [2.5, 0.75]));
    let forces: Vec<f64> = forces.collect();
    let total: f64 = forces.iter().sum();
    let expected = format!("force on particle 8: {:.6}\ntotal {total:.6}\n", forces[7]);
    rung("2-batch", &expected);
}

#[test]
fn three_adjoint() {
    let end = |k: f64, a: f64| {
        let (mut r, mut v) = (1.0, 0.0);
        for _ in 0..50 {
            v += 0.1 * force(r, 1.0, [k, a]);
            r += 0.1 * v;
        }
        r
    };
    let h = 1e-5;
    let by_k = (end(1.0 + h, 0.5) - end(1.0 - h, 0.5)) / (2.0 * h);
    let by_a = (end(1.0, 0.5 + h) - end(1.0, 0.5 - h)) / (2.0 * h);
    let expected = format!(
        "the particle ends at r = {:.5}\ndr/dk = {by_k:.5}\ndr/da = {by_a:.5}\n",
        end(1.0, 0.5)
    );
    rung("3-adjoint", &expected);
}

/// What the fit of the fourth rung prints.
fn fitted() -> String {
    let text = std::fs::read_to_string(root().join("examples/models/screened-force.scm")).unwrap();
    let model = Model::compile(&text, &Options::new()).unwrap();
    let mut options = Options::new();
    options.set_str("engine", "native").unwrap();
    let mut fitter = Fitter::new(Arc::new(model), &options).unwrap();
    let particles = particles();
    let observed = |(s, (r, q)): (usize, &(f64, f64))| {
        force(*r, *q, [2.5, 0.75]) + 0.01 * ((s * s) as f64).sin()
    };
    let data = Data {
        samples: particles.len(),
        x: particles
            .iter()
            .map(|(r, _)| *r)
            .chain(particles.iter().map(|(_, q)| *q))
            .collect(),
        y: particles.iter().enumerate().map(observed).collect(),
        ..Data::default()
    };
    fitter.set_data(data, Noise::Estimated).unwrap();
    fitter.run(&mut Monitor::default(), &false.into()).unwrap();
    let [k, a] = fitter.outcome().unwrap().params[..] else {
        panic!()
    };
    let report = fitter.report().unwrap();
    let error = |i: usize| {
        let statistics = report.statistics.as_ref().unwrap();
        statistics.covariance[3 * i].unwrap().sqrt()
    };
    format!(
        "converged: yes\nk = {k:.4} +- {:.4}\na = {a:.4} +- {:.4}\nthe fitted model has k = {k:.4}\n",
        error(0),
        error(1)
    )
}

#[test]
fn four_fit() {
    rung("4-fit", &fitted());
}

#[test]
fn five_watch() {
    rung(
        "5-watch",
        "stopped: yes, k is finite: yes\nk = 2.500000, a = 0.750000\n",
    );
}

#[test]
fn six_programs() {
    let refused = "y = 1.000000\nprogram 2 is refused: NCG_ERR_COMPILE\ny = 1.000000\n";
    rung(
        "6-programs",
        &format!("{refused}y = {:.6}\n", 2.0 * 0.5f64.sin()),
    );
}

#[test]
fn seven_hybrid() {
    rung(
        "7-hybrid",
        "20 parameters, k = 9.0\nfriction at 2 rad/s: 1.2, in truth 1.2\n",
    );
}

#[test]
fn eight_live() {
    let Some(mut command) = example("fortran", "8-live") else {
        return;
    };
    let output = run(&mut command);
    assert_eq!(output.lines().count(), 8, "{output}");
    for line in output.lines() {
        let number = |after: &str| -> f64 {
            let rest = line.split(after).nth(1).unwrap();
            rest.split([' ', ',']).next().unwrap().parse().unwrap()
        };
        let (k, error, truth) = (number("k = "), number("+- "), number("has "));
        assert!((k - truth).abs() < 3.0 * error && error < 0.01, "{output}");
    }
}

/// MPI programs: the digits are those of any number of ranks.
#[test]
fn nine_ranks() {
    if !(have("mpicc") && have("mpiexec")) {
        return;
    }
    let folder = temporary("example-ranks");
    for (compiler, language, sources) in [
        ("mpicc", "c", &["examples/c/9-ranks.c"][..]),
        (
            "mpifort",
            "fortran",
            &["bindings/fortran/ncg.f90", "examples/fortran/9-ranks.f90"],
        ),
    ] {
        if !have(compiler) {
            continue;
        }
        let program = folder.join(language);
        let own = temporary(&format!("example-ranks-{language}"));
        let mut command = Command::new(compiler);
        command.current_dir(&own).args(["-O1", "-I"]);
        command.arg(root().join("include"));
        command.args(sources.iter().map(|source| root().join(source)));
        command.arg("-o").arg(&program);
        let Some(command) = linked(&mut command, &own) else {
            return;
        };
        run(command.arg("-lm"));
        let with = |ranks: &str| {
            let mut command = Command::new("mpiexec");
            command.current_dir(root()).args(["-n", ranks]);
            // Open MPI asks whether more ranks than cores are meant, and root
            for name in [
                "OMPI_ALLOW_RUN_AS_ROOT",
                "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM",
                "OMPI_MCA_rmaps_base_oversubscribe",
            ] {
                command.env(name, "1");
            }
            run(command.arg(&program).env("NCG_ONNXRUNTIME", "none"))
        };
        let one = with("1");
        let k: f64 = one.split_whitespace().nth(2).unwrap().parse().unwrap();
        assert!((k - 2.5).abs() < 0.02, "{one}");
        for ranks in ["2", "3"] {
            assert_eq!(with(ranks), one, "{language}, {ranks} ranks");
        }
    }
}

/// The engines that run here.
fn engines() -> Vec<&'static str> {
    match ncg::engine::ort::probe(None) {
        Ok(_) => vec!["native", "onnxruntime"],
        Err(error) => {
            skip(&format!("there is no ONNX Runtime: {}", error.message));
            vec!["native"]
        }
    }
}

/// What the C examples say of a model in a file of each kind, on each engine.
#[test]
fn files_of_each_kind_on_each_engine() {
    let folder = temporary("example-files");
    let text = root().join("examples/models/screened-force.scm");
    let model = std::fs::read_to_string(&text).unwrap();
    let model = Model::compile(&model, &Options::new()).unwrap();
    let [native, exchanged] = ["force.ncg", "force.onnx"].map(|name| folder.join(name));
    document::save(&model, &native).unwrap();
    std::fs::write(&exchanged, onnx::write(&model, &Options::new()).unwrap()).unwrap();
    for name in ["1-evaluate", "2-batch", "4-fit"] {
        let Some(program) = build("c", name, &[]) else {
            return;
        };
        let call = |file: &Path, engine: &str| run(Command::new(&program).arg(file).arg(engine));
        let expected = call(&text, "native");
        for file in [&text, &native, &exchanged] {
            for engine in engines() {
                assert_eq!(call(file, engine), expected, "{name}, {file:?}, {engine}");
            }
        }
    }
}

#[test]
fn what_is_wrong_is_said() {
    let folder = temporary("example-errors");
    let model = folder.join("wrong.scm");
    std::fs::write(&model, "(define (foo x) x)\n(* 2 (fooo 1))\n").unwrap();
    for language in ["c", "cpp"] {
        let Some(program) = build(language, "1-evaluate", &[]) else {
            continue;
        };
        let output = Command::new(program).arg(&model).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{message}");
        for part in [
            "NCG_ERR_COMPILE: ",
            "wrong.scm: ",
            "\"foo\"",
            " --> line 2, column 7\n",
            "2 | (* 2 (fooo 1))\n",
        ] {
            assert!(message.contains(part), "{part:?} is not in\n{message}");
        }
    }
}

#[test]
fn examples_are_clean_under_valgrind() {
    if !have("valgrind") {
        return;
    }
    for name in ["2-batch", "3-adjoint", "4-fit", "6-programs"] {
        let Some(program) = build("c", name, &[]) else {
            return;
        };
        run(Command::new("valgrind")
            .current_dir(root())
            // Not undefined values: rustc tests the fields of an enum's other variants before it knows the variant, and
            // throws the answer away.
            .args(["--quiet", "--error-exitcode=99", "--undef-value-errors=no"])
            .args(["--leak-check=full", "--show-leak-kinds=definite"])
            .arg("--errors-for-leak-kinds=definite")
            .arg(program)
            .env("NCG_ONNXRUNTIME", "none"));
    }
}
