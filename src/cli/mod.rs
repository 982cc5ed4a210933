//! The command `ncg`: one file a command, and what they share.
//!
//! A command computes first and prints last, so that what fails prints nothing on stdout but its error. It returns a
//! [`Reply`], which is printed as text or as one JSON object.

mod args;
mod arrays;
mod check;
mod demo;
mod engines;
mod explain;
mod export;
mod fit;
mod heap;
mod info;
mod inputs;
mod json;
mod npy;
mod npz;
#[cfg(feature = "parquet")]
mod parquet;
mod progress;
mod reference;
mod run;
mod source;
mod table;

use std::io::Write;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::error::{Error, Place, Result};
use crate::warn::Warning;
use args::Command;

pub use reference::reference;

/// What a command answers: a text for people, and the same for programs.
struct Reply {
    text: String,
    json: Value,
    /// What is to be known of the model: on stderr, or in the object.
    warnings: Vec<Warning>,
}

/// Runs the command with the arguments of this process. Exit codes: 0 for success, 1 for an error in the input, 2 for wrong
/// usage.
pub fn main() -> ExitCode {
    let arguments = match args::parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    match dispatch(&arguments.command, arguments.json) {
        Ok(mut reply) => {
            let text = match arguments.json {
                true => {
                    if !reply.warnings.is_empty() {
                        reply.json["warnings"] = reply.warnings.iter().map(warning_json).collect();
                    }
                    format!("{}\n", reply.json)
                }
                false => {
                    for warning in &reply.warnings {
                        eprintln!("warning: {warning}");
                    }
                    reply.text
                }
            };
            print(&text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            match arguments.json {
                true => print(&format!("{}\n", error_json(&error))),
                false => eprintln!("error: {error}"),
            }
            ExitCode::from(1)
        }
    }
}

fn dispatch(command: &Command, json: bool) -> Result<Reply> {
    match command {
        Command::Run(run) => run::run(run),
        Command::Fit(fit) => fit::run(fit, json),
        Command::Compile(compile) => export::compile(compile),
        Command::Bind(bind) => export::bind(bind),
        Command::Export(export) => export::run(export),
        Command::Explain(explain) => explain::run(explain),
        Command::Info(info) => info::run(info),
        Command::Check(check) => check::run(check),
        Command::Engines(engines) => engines::run(engines),
        Command::Demo(demo) => demo::run(demo, json),
    }
}

/// Prints to stdout. A reader that has gone away is no failure of the command.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Wrong usage, or a request for help.
fn refuse(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if json {
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        // what is wrong comes first, then how the command is used
        let wrong = text.lines().take_while(|line| !line.trim().is_empty());
        let message = wrong.map(str::trim).collect::<Vec<_>>().join(" ");
        let body = json!({"error": {"code": "NCG_ERR_ARGUMENT", "message": message}});
        print(&format!("{body}\n"));
    } else {
        let _ = error.print();
    }
    ExitCode::from(2)
}

fn error_json(error: &Error) -> Value {
    let body = json!({"code": error.kind.code_name(), "message": error.message});
    json!({"error": placed(body, error.place.as_deref())})
}

fn warning_json(warning: &Warning) -> Value {
    let body = json!({
        "kind": warning.kind.name(),
        "name": &*warning.name,
        "message": warning.message,
    });
    placed(body, warning.place.as_deref())
}

/// The object with a place in a source text, if there is one.
fn placed(mut body: Value, place: Option<&Place>) -> Value {
    if let Some(place) = place {
        body["line"] = json!(place.line);
        body["column"] = json!(place.column);
        body["offset"] = json!(place.offset);
    }
    body
}
