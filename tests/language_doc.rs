//! The examples of `docs/language.md` give what stands there.
#![cfg(feature = "cli")]

use std::process::Command;

/// A program, the inputs as JSON, and what `ncg run` prints of it.
struct Example {
    program: String,
    inputs: String,
    printed: String,
}

/// The examples of all blocks. One ends with the line whose comment says what it gives.
fn examples(text: &str) -> Vec<Example> {
    let mut examples = Vec::new();
    for block in text.split("```scheme\n").skip(1) {
        let block = block.split("```").next().unwrap();
        let mut program = String::new();
        for line in block.lines() {
            let comment = line.rfind("; ").filter(|at| line[*at..].contains("=> "));
            let Some(at) = comment else {
                program.push_str(line);
                program.push('\n');
                continue;
            };
            program.push_str(line[..at].trim_end());
            let (inputs, printed) = line[at + 2..].split_once("=> ").unwrap();
            let inputs: Vec<String> = inputs
                .split(", ")
                .filter_map(|input| input.trim().split_once(" = "))
                .map(|(name, value)| format!("\"{name}\": {value}"))
                .collect();
            examples.push(Example {
                program: std::mem::take(&mut program),
                inputs: format!("{{{}}}", inputs.join(", ")),
                printed: printed.trim().to_string(),
            });
        }
        assert!(program.trim().is_empty(), "says nothing: {program}");
    }
    examples
}

#[test]
fn every_example_gives_what_it_says() {
    let path = format!("{}/docs/language.md", env!("CARGO_MANIFEST_DIR"));
    let examples = examples(&std::fs::read_to_string(path).unwrap());
    assert!(examples.len() > 40, "{}", examples.len());
    let mut wrong = Vec::new();
    for Example {
        program,
        inputs,
        printed,
    } in examples
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ncg"));
        command
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["run", "-e", &program, "--inputs", &inputs])
            .args(["--set", "folder=."]);
        let output = command.output().unwrap();
        let said = match printed.starts_with("error") {
            true => output.stderr,
            false => output.stdout,
        };
        let said = String::from_utf8(said).unwrap();
        let said = said.lines().next().unwrap_or_default();
        if said != printed {
            wrong.push(format!("{program}\n  gives {said}\n  not   {printed}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
