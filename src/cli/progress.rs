//! A running fit at a terminal: a line that shows how far it is, and Ctrl-C.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::error::Result;
use crate::fit::fitter::Fitter;
use crate::fit::{Monitor, Progress, Stop};

/// Set by the first Ctrl-C; the second one ends the process.
static STOP: AtomicBool = AtomicBool::new(false);
static LISTEN: Once = Once::new();

/// Time between two updates of the line.
const PAUSE: Duration = Duration::from_millis(100);

/// Bytes from which on the reading of a file is shown.
const LARGE: u64 = 50_000_000;

/// A file whose reading is shown at a terminal, if it is large.
pub fn reading(file: File) -> Box<dyn Read> {
    let length = file.metadata().map_or(0, |about| about.len());
    if length < LARGE || !std::io::stderr().is_terminal() {
        return Box::new(file);
    }
    let bar = ProgressBar::new(length);
    let template = "reading  {bar:30}  {bytes} of {total_bytes}  {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    Box::new(bar.wrap_read(file))
}

/// Runs a fit. Ctrl-C stops it, with the best so far as its result.
pub fn run(fitter: &mut Fitter, quiet: bool) -> Result<Stop> {
    LISTEN.call_once(|| {
        let _ = ctrlc::set_handler(|| {
            if STOP.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        });
    });
    if quiet || !std::io::stderr().is_terminal() {
        return fitter.run(&mut Monitor::default(), &STOP);
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{msg}") {
        bar.set_style(style);
    }
    let mut last: Option<Instant> = None;
    let mut show = |progress: &Progress| {
        if last.is_none_or(|last| last.elapsed() >= PAUSE) {
            last = Some(Instant::now());
            let start = match progress.start {
                0 => String::new(),
                start => format!("start {start}  "),
            };
            bar.set_message(format!(
                "{start}iteration {}  loss {:.6e}  gradient {:.1e}  {:.1} s  (Ctrl-C stops)",
                progress.iteration, progress.loss, progress.gradient_norm, progress.seconds
            ));
        }
        false
    };
    let mut monitor = Monitor {
        callback: Some(&mut show),
        every: 1,
        ..Monitor::default()
    };
    let result = fitter.run(&mut monitor, &STOP);
    bar.finish_and_clear();
    result
}
