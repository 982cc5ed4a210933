//! The library as a guest: what it does to a process that is not its own, and what it does with NULL, wherever that stands.
#![cfg(target_os = "linux")]

mod header_text;
mod toolchain;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use header_text::functions;
use toolchain::{have, library, linked, run, skip, temporary};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn build(folder: &Path, source: &Path) -> Option<PathBuf> {
    if !have("cc") {
        return None;
    }
    let program = folder.join("program");
    let mut command = Command::new("cc");
    command
        .args(["-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"])
        .arg("-I")
        .arg(root().join("include"))
        .arg("-I")
        .arg(root().join("tests/capi"))
        .arg(source)
        .arg("-o")
        .arg(&program);
    run(linked(&mut command, folder)?.args(["-lm", "-ldl"]));
    Some(program)
}

#[test]
fn a_process_is_left_as_it_was() {
    let folder = temporary("guest");
    let Some(program) = build(&folder, &root().join("tests/capi/guest.c")) else {
        return;
    };
    let copy = folder.join("copy.so");
    std::fs::copy(library().unwrap(), &copy).unwrap();
    let model = root().join("examples/models/screened-force.scm");
    let command = |engine: &str| {
        let mut command = Command::new(&program);
        command
            .current_dir(&folder)
            .arg(engine)
            .arg(&model)
            .arg(&copy);
        command
    };
    assert_eq!(run(&mut command("native")), "ok\n");
    match ncg::engine::ort::probe(None) {
        Ok(loaded) => {
            assert_eq!(run(&mut command("onnxruntime")), "ok\n");
            // a host that has brought an ONNX Runtime of its own, in sight of everything that is loaded later
            let other = folder.join("libonnxruntime-of-the-host.so");
            std::fs::copy(&loaded.path, &other).unwrap();
            assert_eq!(run(command("onnxruntime").arg(&other)), "ok\n");
        }
        Err(error) => skip(&format!("there is no ONNX Runtime: {}", error.message)),
    }
}

/// An argument that a function can do something with, by its type.
fn usable(kind: &str, name: &str) -> &'static str {
    match kind {
        "const ncg_model *" | "ncg_model *" => "model",
        "ncg_session *" | "const ncg_session *" => "session",
        "ncg_fit *" | "const ncg_fit *" => "fit",
        "ncg_options *" | "const ncg_options *" => "options",
        "ncg_error *" | "const ncg_error *" => "failure",
        "ncg_model **" => "&models",
        "ncg_session **" => "&sessions",
        "ncg_fit **" => "&fits",
        "ncg_options **" => "&bags",
        "ncg_error **" => "&err",
        "const char *" => "\"k\"",
        "const char **" => "&text",
        "char *" => "buffer",
        "double *" | "const double *" => "numbers",
        "float *" | "const float *" => "singles",
        "int32_t *" => "&number",
        "int64_t *" => "longs",
        "const int64_t *" => "ones",
        "void *" => "buffer",
        "const void *const *" => "(const void *const *)pointers",
        "void *const *" => "pointers",
        "ncg_fit_callback" => "progress",
        "ncg_fit_gather" => "gather",
        "double" => "1.0",
        "int32_t" => "0",
        "int64_t" if name == "index" => "0",
        "int64_t" => "1",
        other => panic!("the header holds {other}"),
    }
}

/// A program that calls each function with NULL in each place where a pointer can stand, alone and together with all others.
fn null_calls() -> (String, usize) {
    let mut calls = String::new();
    let mut count = 0;
    for function in functions() {
        let is_pointer = |kind: &str| kind.contains('*') || kind.starts_with("ncg_fit_");
        let places = function.arguments.iter().enumerate();
        let pointers: Vec<usize> = places
            .filter(|(_, (_, kind))| is_pointer(kind))
            .map(|(i, _)| i)
            .collect();
        let frees = function.name.ends_with("_free");
        let singles = pointers.iter().map(|place| vec![*place]);
        for null in singles.chain([pointers.clone()]) {
            if null.is_empty() {
                continue;
            }
            let arguments = function.arguments.iter().enumerate();
            let arguments = arguments.map(|(i, (name, kind))| match null.contains(&i) {
                true => "NULL",
                false => usable(kind, name),
            });
            let call = format!(
                "{}({})",
                function.name,
                arguments.collect::<Vec<_>>().join(", ")
            );
            let checked = match (function.result.as_str(), frees) {
                ("int32_t", false) => format!("seen({call}, \"{}\")", function.name),
                _ => format!("(void){call}"),
            };
            writeln!(calls, "    {checked};\n    settle();").unwrap();
            count += 1;
        }
    }
    let program = format!(
        r#"#include "expect.h"
static ncg_error *err, *failure;
static ncg_model *model, *models;
static ncg_session *session, *sessions;
static ncg_fit *fit, *fits;
static ncg_options *options, *bags;
static char buffer[4096];
static double numbers[4096];
static float singles[4096];
static int64_t longs[64], ones[64];
static int32_t number;
static const char *text;
static void *pointers[64];
static int32_t progress(void *user_data, int64_t iteration, double loss, const double *params, int64_t n)
{{
    (void)user_data, (void)iteration, (void)loss, (void)params, (void)n;
    return 0;
}}
static int32_t gather(void *user_data, const double *own, int64_t n_own, double *all, int64_t n_all)
{{
    (void)user_data, (void)own, (void)n_own, (void)all, (void)n_all;
    return 1;
}}
static void seen(int32_t status, const char *name)
{{
    if (status == NCG_ERR_PANIC) {{
        fprintf(stderr, "%s: %s\n", name, ncg_error_message(err));
        exit(1);
    }}
}}
static void settle(void)
{{
    ncg_error_free(err);
    err = NULL;
}}
int main(void)
{{
    for (int i = 0; i < 64; i++) {{
        pointers[i] = numbers;
        ones[i] = 1;
    }}
    static const char source[] = "(input x) (parameter k 2) (* k x)";
    OK(ncg_model_compile(source, sizeof source - 1, NULL, &model, &err));
    OK(ncg_options_new(&options, &err));
    OK(ncg_options_set_str(options, "engine", "native", &err));
    OK(ncg_session_new(model, options, &session, &err));
    OK(ncg_fit_new(model, options, &fit, &err));
    numbers[0] = 1;
    OK(ncg_fit_set_data_f64(fit, 1, numbers, 1, 1, numbers, 1, 1, NULL, 0, 0, &err));
    ncg_options_set_str(options, "no such option", "", &failure);
{calls}    puts("ok");
    return 0;
}}
"#
    );
    (program, count)
}

#[test]
fn null_is_answered_everywhere() {
    let folder = temporary("null-calls");
    let (text, count) = null_calls();
    assert!(count > 150, "{count}");
    let source = folder.join("null.c");
    std::fs::write(&source, text).unwrap();
    if let Some(program) = build(&folder, &source) {
        let output = run(Command::new(program).current_dir(&folder));
        assert_eq!(output, "ok\n");
    }
}
