//! The state of a fit as text, from which it goes on with the same bits.
//!
//! One line holds one field: its name, then its numbers. Reals are written as the hexadecimal digits of their bits.

use std::collections::BTreeMap;

use super::hash::Hash;
use super::job::State;
use super::linalg::triangle_len;
use super::problem::Data;
use super::statistics::Noise;
use super::stream::{Moments, Summary};
use super::window::Window;
use super::{adam, lbfgs, levmar};
use crate::error::{Error, ErrorKind, Result};

/// The first line.
const HEADING: &str = "ncg fit checkpoint 1";
/// Most parameters that a checkpoint may hold.
const MAX_PARAMETERS: usize = 1_000_000;

/// What a checkpoint holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Checkpoint {
    /// The hash of the model, of the parameters that move and of what the options say of them.
    pub model: String,
    /// The hash of the data.
    pub data: String,
    pub iterations: u64,
    pub evaluations: u64,
    pub seconds: f64,
    pub state: State,
    /// The rows of a stream and what is left of those that are gone, if the fit is one.
    pub stream: Option<Kept>,
    /// The coordinates at which the next run begins, if rows came behind a run and all are kept.
    pub begin: Option<Vec<f64>>,
}

/// A stream: all that cannot be given again.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kept {
    pub data: Data,
    pub noise: Noise,
    pub window: Window,
}

fn bad(message: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorKind::Format,
        format!("this is no checkpoint of a fit: {message}"),
    )
}

struct Lines(String);

impl Lines {
    fn words(&mut self, name: &str, words: impl IntoIterator<Item = String>) {
        self.0 += name;
        for word in words {
            self.0.push(' ');
            self.0 += &word;
        }
        self.0.push('\n');
    }

    fn whole(&mut self, name: &str, value: u64) {
        self.words(name, [value.to_string()]);
    }

    fn reals(&mut self, name: &str, values: &[f64]) {
        self.words(name, values.iter().map(|x| format!("{:016x}", x.to_bits())));
    }
}

impl Checkpoint {
    /// The text.
    pub fn write(&self) -> String {
        let mut lines = Lines(format!("{HEADING}\n"));
        lines.words("model", [self.model.clone()]);
        lines.words("data", [self.data.clone()]);
        lines.whole("spent-iterations", self.iterations);
        lines.whole("spent-evaluations", self.evaluations);
        lines.reals("spent-seconds", &[self.seconds]);
        match &self.state {
            State::New => lines.words("optimizer", ["none".to_string()]),
            State::LevMar(state) => {
                lines.words("optimizer", ["levmar".to_string()]);
                lines.reals("start", &state.start);
                lines.reals("params", &state.params);
                lines.reals("scale", &state.scale);
                lines.reals("radius", &[state.radius]);
                lines.whole("iterations", state.iterations);
                lines.whole("strategy", state.strategy as u64);
                lines.whole("stalls", u64::from(state.stalls));
                lines.whole("confident", u64::from(state.confident));
                lines.reals("start-loss", state.start_loss.as_slice());
                if let Some((loss, params)) = &state.best {
                    lines.reals("best-loss", &[*loss]);
                    lines.reals("best", params);
                }
            }
            State::Lbfgs(state) => {
                lines.words("optimizer", ["lbfgs".to_string()]);
                lines.reals("params", &state.params);
                lines.reals("unit", &state.unit);
                lines.whole("iterations", state.iterations);
                let memory = state.memory.iter().flat_map(|(s, y)| s.iter().chain(y));
                lines.reals("memory", &memory.copied().collect::<Vec<f64>>());
            }
            State::Adam(state) => {
                lines.words("optimizer", ["adam".to_string()]);
                lines.reals("params", &state.params);
                lines.reals("mean", &state.mean);
                lines.reals("square", &state.square);
                lines.whole("steps", state.steps);
                lines.whole("iterations", state.iterations);
                lines.reals("rate", &[state.rate]);
                lines.whole("waiting", state.waiting);
                lines.reals("best", &state.best);
                lines.reals("best-loss", &[state.best_loss]);
                lines.whole("counted", u64::from(state.counted));
                lines.reals("window-loss", &[state.window_loss]);
            }
        }
        if let Some(kept) = &self.stream {
            kept.write(&mut lines);
        }
        if let Some(begin) = &self.begin {
            lines.reals("begin", begin);
        }
        lines.0 + "end\n"
    }

    /// Reads the text of a checkpoint.
    ///
    /// # Errors
    /// `Format` with the field that is missing or wrong.
    pub fn read(text: &str) -> Result<Checkpoint> {
        let mut lines = text.lines();
        if lines.next() != Some(HEADING) {
            return Err(bad(format!("its first line is not \"{HEADING}\"")));
        }
        let mut fields = Fields(BTreeMap::new());
        let mut ended = false;
        for line in lines {
            let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
            ended = name == "end";
            if fields.0.insert(name, rest).is_some() || fields.0.len() > 40 {
                return Err(bad(format!(
                    "the field \"{name}\" stands there twice, or there are too many"
                )));
            }
        }
        if !ended {
            return Err(bad("it has no end"));
        }
        let state = match fields.get("optimizer")? {
            "none" => State::New,
            "levmar" => State::LevMar(levmar::State {
                start: fields.reals("start")?,
                params: fields.reals("params")?,
                scale: fields.reals("scale")?,
                radius: fields.real("radius")?,
                iterations: fields.whole("iterations")?,
                strategy: fields.whole("strategy")? as usize,
                stalls: fields.whole("stalls")? as u32,
                confident: fields.whole("confident")? != 0,
                start_loss: fields.reals("start-loss")?.first().copied(),
                best: match fields.0.contains_key("best") {
                    true => Some((fields.real("best-loss")?, fields.reals("best")?)),
                    false => None,
                },
            }),
            "lbfgs" => {
                let params = fields.reals("params")?;
                let flat = fields.reals("memory")?;
                let n = params.len().max(1);
                if flat.len() % (2 * n) != 0 {
                    return Err(bad("the field \"memory\" is cut short"));
                }
                let pairs = flat.chunks_exact(2 * n);
                State::Lbfgs(lbfgs::State {
                    memory: pairs.map(|p| (p[..n].to_vec(), p[n..].to_vec())).collect(),
                    unit: fields.reals("unit")?,
                    iterations: fields.whole("iterations")?,
                    params,
                })
            }
            "adam" => State::Adam(adam::State {
                params: fields.reals("params")?,
                mean: fields.reals("mean")?,
                square: fields.reals("square")?,
                steps: fields.whole("steps")?,
                iterations: fields.whole("iterations")?,
                rate: fields.real("rate")?,
                waiting: fields.whole("waiting")?,
                best: fields.reals("best")?,
                best_loss: fields.real("best-loss")?,
                counted: fields.whole("counted")? != 0,
                window_loss: fields.real("window-loss")?,
            }),
            other => return Err(bad(format!("it is of an optimizer \"{other}\""))),
        };
        Ok(Checkpoint {
            model: fields.get("model")?.to_string(),
            data: fields.get("data")?.to_string(),
            iterations: fields.whole("spent-iterations")?,
            evaluations: fields.whole("spent-evaluations")?,
            seconds: fields.real("spent-seconds")?,
            state,
            stream: match fields.0.contains_key("rows") {
                true => Some(Kept::read(&fields)?),
                false => None,
            },
            begin: match fields.0.contains_key("begin") {
                true => Some(fields.reals("begin")?),
                false => None,
            },
        })
    }

    /// Whether the state is one of `n` parameters.
    pub fn fits(&self, n: usize) -> bool {
        let all = |lengths: &[usize]| lengths.iter().all(|length| *length == n);
        let some = |length: usize| length == 0 || length == n;
        let begins = self.begin.as_ref().is_none_or(|begin| begin.len() == n);
        let state = match &self.state {
            State::New => true,
            State::LevMar(s) => {
                all(&[s.start.len(), s.params.len()])
                    && some(s.scale.len())
                    && s.best.as_ref().is_none_or(|best| best.1.len() == n)
            }
            State::Lbfgs(s) => {
                all(&[s.params.len(), s.unit.len()])
                    && s.memory.iter().all(|(a, b)| all(&[a.len(), b.len()]))
            }
            State::Adam(s) => {
                all(&[s.params.len(), s.mean.len(), s.square.len()]) && some(s.best.len())
            }
        };
        begins && state
    }
}

impl Checkpoint {
    /// Whether Levenberg–Marquardt has begun again with another strategy.
    pub fn restarted(&self) -> bool {
        matches!(&self.state, State::LevMar(state) if state.strategy > 0)
    }
}

impl Kept {
    fn write(&self, lines: &mut Lines) {
        let Kept {
            data,
            noise,
            window,
        } = self;
        lines.whole("rows", data.samples as u64);
        lines.whole("rows-before", data.before);
        lines.reals("rows-x", &data.x);
        lines.reals("rows-y", &data.y);
        lines.reals("rows-weights", &data.weights);
        lines.words("noise", [noise.name().to_string()]);
        lines.reals("estimate", window.estimate.as_deref().unwrap_or(&[]));
        if let Some(hash) = window.hash {
            lines.words("rows-hash", [hash.text()]);
        }
        if let Some(summary) = &window.summary {
            lines.whole("gone", summary.rows);
            lines.whole("gone-residuals", summary.residuals);
            lines.whole("gone-times", summary.times);
            lines.reals("gone-reference", &summary.reference);
            lines.reals("gone-triangle", &summary.triangle);
            lines.reals("gone-places", summary.places.as_flattened());
            lines.reals("gone-ends", summary.ends.as_flattened());
            let moments = summary.moments.iter();
            let moments = moments.flat_map(|m| [m.weight, m.mean, m.squares]);
            lines.reals("gone-moments", &moments.collect::<Vec<f64>>());
        }
    }

    fn read(fields: &Fields) -> Result<Kept> {
        let estimate = fields.reals("estimate")?;
        let pairs = |name: &str| -> Result<Vec<[f64; 2]>> {
            let reals = fields.reals(name)?;
            Ok(reals
                .chunks_exact(2)
                .map(|pair| [pair[0], pair[1]])
                .collect())
        };
        let moments = |values: Vec<f64>| -> Vec<Moments> {
            let threes = values.chunks_exact(3);
            let moments = threes.map(|three| Moments {
                weight: three[0],
                mean: three[1],
                squares: three[2],
            });
            moments.collect()
        };
        let summary = match fields.0.contains_key("gone") {
            false => None,
            true => Some(Summary {
                rows: fields.whole("gone")?,
                residuals: fields.whole("gone-residuals")?,
                times: fields.whole("gone-times")?,
                reference: fields.reals("gone-reference")?,
                triangle: fields.reals("gone-triangle")?,
                places: pairs("gone-places")?,
                ends: pairs("gone-ends")?,
                moments: moments(fields.reals("gone-moments")?),
            }),
        };
        let hash = match fields.0.get("rows-hash") {
            None => None,
            Some(text) => {
                let hash = Hash::parse(text);
                Some(hash.ok_or_else(|| bad("the field \"rows-hash\" is no hash"))?)
            }
        };
        Ok(Kept {
            data: Data {
                samples: fields.whole("rows")? as usize,
                x: fields.reals("rows-x")?,
                y: fields.reals("rows-y")?,
                weights: fields.reals("rows-weights")?,
                lines: Vec::new(),
                before: fields.whole("rows-before")?,
            },
            noise: match fields.get("noise")? {
                "known" => Noise::Known,
                _ => Noise::Estimated,
            },
            window: Window {
                pending: Vec::new(),
                summary,
                hash,
                estimate: (!estimate.is_empty()).then_some(estimate),
            },
        })
    }

    /// Whether the stream is one of `n` parameters and so many targets.
    pub fn fits(&self, n: usize, targets: usize) -> bool {
        let estimate = self.window.estimate.as_ref();
        let sound = |s: &Summary| {
            [s.reference.len(), s.places.len(), s.ends.len()] == [n; 3]
                && s.triangle.len() == triangle_len(n)
                && s.moments.len() == targets
                && s.triangle.iter().all(|x| x.is_finite())
        };
        estimate.is_none_or(|all| all.len() == n) && self.window.summary.as_ref().is_none_or(sound)
    }
}

struct Fields<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> Result<&'a str> {
        let found = self.0.get(name).copied();
        found.ok_or_else(|| bad(format!("it has no field \"{name}\"")))
    }

    fn whole(&self, name: &str) -> Result<u64> {
        let wrong = |_| bad(format!("the field \"{name}\" is no whole number"));
        self.get(name)?.parse().map_err(wrong)
    }

    fn reals(&self, name: &str) -> Result<Vec<f64>> {
        let words = self.get(name)?.split(' ').filter(|word| !word.is_empty());
        let real = |word: &str| match u64::from_str_radix(word, 16) {
            Ok(bits) if word.len() == 16 => Ok(f64::from_bits(bits)),
            _ => Err(bad(format!(
                "the field \"{name}\" holds \"{word}\", which is no number"
            ))),
        };
        // the memory of L-BFGS holds the most numbers
        words.take(32 * MAX_PARAMETERS).map(real).collect()
    }

    fn real(&self, name: &str) -> Result<f64> {
        match self.reals(name)?[..] {
            [one] => Ok(one),
            _ => Err(bad(format!("the field \"{name}\" is not one number"))),
        }
    }
}
