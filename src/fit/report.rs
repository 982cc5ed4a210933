//! A fit for people (text) and for programs (JSON).

use super::loss::{Kind, Loss};
use super::profile::Interval;
use super::quantile::two_sided;
use super::statistics::{Noise, Statistics};
use super::stream::Summary;
use super::{Bounds, Outcome, Stop};
use serde_json::{Map, Value, json};

/// Correlations of at least this size are listed in the text.
const STRONG_CORRELATION: f64 = 0.9;

/// Everything that is told about a finished fit.
#[derive(Clone, Debug)]
pub struct Report {
    /// Names of the parameters.
    pub names: Vec<String>,
    /// Their initial values.
    pub initial: Vec<f64>,
    /// Their bounds.
    pub bounds: Bounds,
    /// What the optimiser returned.
    pub outcome: Outcome,
    /// What is known of the parameters; `None` when the fit was not one of least squares.
    pub statistics: Option<Statistics>,
    /// How the residuals are measured.
    pub noise: Noise,
    /// Number of residuals.
    pub observations: usize,
    /// Sum of squared (weighted) deviations of the observations from their mean, for R².
    pub total_sum_of_squares: Option<f64>,
    /// The engine that evaluated the model.
    pub engine: String,
    /// Probability that an interval covers the true value.
    pub confidence: f64,
    /// Intervals of the profile likelihood, if they were asked for.
    pub profiles: Option<Vec<Interval>>,
    /// What was minimised, and what follows from it.
    pub context: Context,
}

/// What was minimised by what, and parameters beside the free ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context {
    /// The loss.
    pub loss: Loss,
    /// The word for the optimiser.
    pub optimizer: &'static str,
    /// Parameters that others determine.
    pub tied: Vec<Tied>,
    /// How many of the observations are what was known beforehand.
    pub priors: usize,
    /// The distinct ends of the starts that were followed, the best first: loss and parameters. Empty for one start.
    pub ends: Vec<(f64, Vec<f64>)>,
    /// The temperature from which comparisons were smoothed on the way, if they were.
    pub smoothing: Option<f64>,
    /// How many starts there were.
    pub starts: usize,
    /// The hash of the data.
    pub data_hash: String,
    /// What stands for rows that are not kept, if there are any.
    pub stream: Option<Stream>,
}

/// A fit of rows that are not all kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    /// Rows that are kept as they are.
    pub held: u64,
    /// What is left of the others.
    pub summary: Summary,
}

/// A parameter that others determine.
#[derive(Clone, Debug, PartialEq)]
pub struct Tied {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Its standard error, where those that determine it have one.
    pub std_error: Option<f64>,
}

/// Measures of the whole fit; each `None` where it does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Goodness {
    /// 1 - residual over total sum of squares.
    pub r_squared: Option<f64>,
    /// Sum of squared residuals; in units of sigma when sigmas were given.
    pub chi_squared: Option<f64>,
    /// `chi_squared` over the degrees of freedom.
    pub reduced_chi_squared: Option<f64>,
    /// Akaike's information criterion, constants dropped.
    pub aic: Option<f64>,
    /// The Bayesian (Schwarz) information criterion, constants dropped.
    pub bic: Option<f64>,
}

impl Report {
    /// R², chi², and the information criteria: `chi² + 2k` and `chi² + k ln N` with known sigmas, else `N ln(chi²/N)` in place of chi².
    /// Of counts chi² is the deviance; of a Gaussian likelihood the criteria hold minus twice its logarithm. Robust losses have none.
    pub fn goodness(&self) -> Goodness {
        let Some(statistics) = &self.statistics else {
            return Goodness::default();
        };
        let kind = self.context.loss.kind;
        if kind.is_robust() || kind == Kind::Value {
            return Goodness::default();
        }
        let (chi2, count) = (self.outcome.loss, self.observations as f64);
        let free = statistics.at_bound.iter().filter(|&&held| !held).count() as f64;
        let deviance = match self.noise {
            Noise::Known if kind == Kind::Gaussian => {
                chi2 + count * (2.0 * std::f64::consts::PI).ln()
            }
            Noise::Known => chi2,
            Noise::Estimated => count * (chi2 / count).ln(),
        };
        let dof = statistics.degrees_of_freedom;
        let total = self.total_sum_of_squares.filter(|&t| t > 0.0);
        Goodness {
            r_squared: total.map(|t| 1.0 - chi2 / t),
            chi_squared: Some(chi2).filter(|_| kind != Kind::Gaussian),
            reduced_chi_squared: (dof > 0 && kind != Kind::Gaussian).then(|| chi2 / dof as f64),
            aic: Some(deviance + 2.0 * free),
            bic: Some(deviance + free * count.ln()),
        }
    }

    /// How many standard errors an interval reaches to each side: of Student's t where the noise is estimated, of the normal
    /// distribution where it is known.
    pub fn quantile(&self) -> Option<f64> {
        let degrees = match self.noise {
            Noise::Known => f64::INFINITY,
            Noise::Estimated => self.statistics.as_ref()?.degrees_of_freedom as f64,
        };
        Some(two_sided(self.confidence, degrees)).filter(|q| q.is_finite())
    }

    /// The confidence interval of parameter `i`, symmetric about its value.
    pub fn interval(&self, i: usize) -> Option<[f64; 2]> {
        let reach = self.quantile()? * self.std_error(i)?;
        let value = self.outcome.params[i];
        Some([value - reach, value + reach])
    }

    /// The standard error of each parameter, where it has one.
    pub fn std_errors(&self) -> Vec<Option<f64>> {
        (0..self.names.len()).map(|i| self.std_error(i)).collect()
    }

    /// The standard error of parameter `i`, if it has one.
    pub fn std_error(&self, i: usize) -> Option<f64> {
        self.statistics
            .as_ref()
            .and_then(|s| s.std_errors.get(i).copied().flatten())
    }

    fn held(&self, i: usize) -> bool {
        self.outcome.held.get(i).copied().unwrap_or(false)
    }

    /// The report as a table and sentences, lines ended by newlines.
    pub fn to_text(&self) -> String {
        let mut out = self.heading();
        out += &self.table();
        out += &self.tied_table();
        out += &self.ends_table();
        out += &self.profile_table();
        out += &self.measures();
        if let Some(temperature) = self.context.smoothing {
            let temperature = significant(temperature, 6);
            out += &format!(
                "\nnote: comparisons were smoothed from temperature {temperature} on; loss and errors are those of the exact model\n"
            );
        }
        out += &self.stream_text();
        let Some(statistics) = &self.statistics else {
            return out;
        };
        let n = self.names.len();
        let mut strong = Vec::new();
        for i in 0..n {
            for j in i + 1..n {
                let value = statistics.correlations[i * n + j];
                strong.extend(
                    value
                        .filter(|c| c.abs() >= STRONG_CORRELATION)
                        .map(|c| (i, j, c)),
                );
            }
        }
        strong.sort_by(|a, b| b.2.abs().total_cmp(&a.2.abs()));
        if !strong.is_empty() {
            out += "\ncorrelations above 0.9\n";
        }
        for (i, j, c) in strong {
            out += &format!("  {} ~ {}  {c:+.4}\n", self.names[i], self.names[j]);
        }
        for note in &statistics.notes {
            out += &format!("\nnote: {note}\n");
        }
        out
    }

    fn heading(&self) -> String {
        let o = &self.outcome;
        let verdict = match o.stop {
            stop if stop.converged() => "converged",
            Stop::Stopped => "stopped",
            _ => "not converged",
        };
        let engine = if self.engine.is_empty() {
            String::new()
        } else {
            format!(", {}", self.engine)
        };
        format!(
            "{verdict}: {} ({})\n{} iterations, {} evaluations, {}{engine}\n\n",
            o.stop.describe(),
            o.stop.name(),
            o.iterations,
            o.evaluations,
            duration(o.seconds),
        )
    }

    fn table(&self) -> String {
        let level = format!("{} % interval", significant(100.0 * self.confidence, 6));
        let head = [
            "parameter",
            "value",
            "std error",
            "relative",
            &level,
            "initial",
            "",
        ];
        let mut rows = vec![head.map(str::to_string)];
        for (i, name) in self.names.iter().enumerate() {
            let value = self.outcome.params[i];
            let error = self.std_error(i);
            let (lower, upper) = (self.bounds.lower[i], self.bounds.upper[i]);
            let remark = match (self.held(i), value <= lower, value >= upper) {
                (true, true, _) => format!("at lower bound {}", significant(lower, 6)),
                (true, _, true) => format!("at upper bound {}", significant(upper, 6)),
                _ if error.is_none() && self.statistics.is_some() => "undetermined".to_string(),
                _ => String::new(),
            };
            let relative = error
                .filter(|_| value != 0.0)
                .map(|e| 100.0 * (e / value).abs());
            rows.push([
                name.clone(),
                significant(value, 10),
                error.map_or("-".to_string(), |e| format!("± {}", significant(e, 4))),
                relative.map_or("-".to_string(), |r| format!("{} %", significant(r, 3))),
                self.interval(i)
                    .map_or("-".to_string(), |ends| between(ends.map(Some), value)),
                significant(self.initial[i], 6),
                remark,
            ]);
        }
        let width = |c: usize| {
            rows.iter()
                .map(|row| row[c].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let mut out = String::new();
        for row in &rows {
            let mut line = format!("{:<w$}", row[0], w = widths[0]);
            for c in 1..6 {
                line += &format!("  {:>w$}", row[c], w = widths[c]);
            }
            line += &format!("  {}", row[6]);
            out += line.trim_end();
            out.push('\n');
        }
        out
    }

    /// Where the starts ended, if there were several.
    fn ends_table(&self) -> String {
        if self.context.ends.is_empty() {
            return String::new();
        }
        let mut out = format!(
            "\n{} starts; ends that differ, the best first\n",
            self.context.starts
        );
        for (loss, params) in &self.context.ends {
            let pairs = self.names.iter().zip(params);
            let pairs = pairs.map(|(name, value)| format!("{name} = {}", significant(*value, 6)));
            let list = pairs.collect::<Vec<_>>().join(", ");
            out += &format!("  loss {}: {list}\n", significant(*loss, 6));
        }
        out
    }

    /// The parameters that others determine.
    fn tied_table(&self) -> String {
        let tied = self.context.tied.iter().map(|tied| {
            let error = tied
                .std_error
                .map_or(String::new(), |e| format!(" ± {}", significant(e, 4)));
            format!("  {} = {}{error}\n", tied.name, significant(tied.value, 10))
        });
        let lines: String = tied.collect();
        match lines.is_empty() {
            true => lines,
            false => format!("\ntied\n{lines}"),
        }
    }

    /// The intervals of the profile likelihood, if they were asked for.
    fn profile_table(&self) -> String {
        let Some(profiles) = &self.profiles else {
            return String::new();
        };
        let level = significant(100.0 * self.confidence, 6);
        let mut out = format!("\nprofile likelihood, {level} %\n");
        for ((name, ends), value) in self.names.iter().zip(profiles).zip(&self.outcome.params) {
            out += &format!("  {name}  {}\n", between(*ends, *value));
        }
        out
    }

    /// What is approximate about a stream, and how far the estimate has moved since.
    fn stream_text(&self) -> String {
        let Some(stream) = &self.context.stream else {
            return String::new();
        };
        let Summary { rows, times, .. } = stream.summary;
        let mut out = format!(
            "\nstream: {} rows; the last {} as they are, {rows} as a quadratic summary, linearised at {times} estimates\nhow far the estimate has moved since, root mean square and most, in standard errors (exact where the model is linear)\n",
            rows + stream.held,
            stream.held,
        );
        for (i, name) in self.names.iter().enumerate() {
            let moved = stream.summary.moved(i, self.outcome.params[i]);
            let show = |distance: f64| match self.std_error(i) {
                Some(error) if error > 0.0 => significant(distance / error, 3),
                _ => "-".to_string(),
            };
            out += &format!("  {name}  {}  {}\n", show(moved[0]), show(moved[1]));
        }
        out
    }

    /// The same as JSON, in units of the parameters.
    fn stream_json(&self) -> Value {
        let Some(stream) = &self.context.stream else {
            return Value::Null;
        };
        let moved = |which: usize| -> Map<String, Value> {
            let names = self.names.iter().enumerate();
            let moved = |i| stream.summary.moved(i, self.outcome.params[i])[which];
            names
                .map(|(i, name)| (name.clone(), number(moved(i))))
                .collect()
        };
        json!({
            "rows": stream.summary.rows + stream.held,
            "held": stream.held,
            "summarised": stream.summary.rows,
            "linearisations": stream.summary.times,
            "moved_rms": moved(0),
            "moved_most": moved(1),
        })
    }

    fn measures(&self) -> String {
        let mut rows = vec![("loss", significant(self.outcome.loss, 10))];
        let kind = self.context.loss.kind;
        if kind != Kind::Squares {
            rows.push(("kind of loss", kind.name().to_string()));
        }
        let g = self.goodness();
        if let Some(s) = &self.statistics {
            let sd = s
                .residual_sd
                .map_or("-".to_string(), |sd| significant(sd, 8));
            rows.push(("residual sd", sd));
            rows.push(("degrees of freedom", s.degrees_of_freedom.to_string()));
            rows.push(("condition", significant(s.condition, 3)));
        }
        if self.context.loss.kind.is_robust() {
            rows.push(("loss scale", significant(self.context.loss.scale, 6)));
        }
        // without known sigmas the two say nothing
        let known = |value: Option<f64>| value.filter(|_| self.noise == Noise::Known);
        let named = [
            ("R²", g.r_squared),
            ("chi²", known(g.chi_squared)),
            ("reduced chi²", known(g.reduced_chi_squared)),
            ("AIC", g.aic),
            ("BIC", g.bic),
        ];
        rows.extend(
            named
                .iter()
                .filter_map(|&(name, v)| v.map(|v| (name, significant(v, 8)))),
        );
        let width = rows
            .iter()
            .map(|(name, _)| name.chars().count())
            .max()
            .unwrap_or(0);
        let lines = rows
            .iter()
            .map(|(name, value)| format!("{name:<width$}  {value}\n"));
        format!("\n{}", lines.collect::<String>())
    }

    /// The report as one JSON object. What does not exist is null; NaN and infinities are strings.
    pub fn to_json(&self) -> Value {
        let o = &self.outcome;
        let n = self.names.len();
        let mut parameters = Map::new();
        for (i, name) in self.names.iter().enumerate() {
            let entry = json!({
                "value": number(o.params[i]),
                "std_error": optional(self.std_error(i)),
                "interval": self.interval(i).map(|ends| ends.map(number)),
                "profile": self.profiles.as_ref().map(|all| all[i].map(optional)),
                "initial": number(self.initial[i]),
                "lower": bound(self.bounds.lower[i]),
                "upper": bound(self.bounds.upper[i]),
                "at_bound": self.held(i),
            });
            parameters.insert(name.clone(), entry);
        }
        let mut tied = Map::new();
        for one in &self.context.tied {
            let entry = json!({"value": number(one.value), "std_error": optional(one.std_error)});
            tied.insert(one.name.clone(), entry);
        }
        let s = self.statistics.as_ref();
        let matrix = |entries: &[Option<f64>]| -> Value {
            let rows = entries.chunks(n.max(1));
            rows.map(|row| row.iter().map(|&x| optional(x)).collect::<Value>())
                .collect()
        };
        let g = self.goodness();
        json!({
            "parameters": parameters,
            "loss": number(o.loss),
            "residual_sd": optional(s.and_then(|s| s.residual_sd)),
            "degrees_of_freedom": s.map(|s| s.degrees_of_freedom),
            "covariance": s.map(|s| matrix(&s.covariance)),
            "stop": o.stop.name(),
            "iterations": o.iterations,
            "evaluations": o.evaluations,
            "seconds": number(o.seconds),
            "engine": self.engine,
            "gradient_norm": number(o.gradient_norm),
            "observations": self.observations,
            "confidence": self.confidence,
            "tied": tied,
            "loss_kind": self.context.loss.kind.name(),
            "loss_scale": optional(Some(self.context.loss.scale).filter(|_| self.context.loss.kind.is_robust())),
            "optimizer": self.context.optimizer,
            "priors": self.context.priors,
            "starts": self.context.starts,
            "ends": self.context.ends.iter().map(|(loss, params)| json!({
                "loss": number(*loss),
                "parameters": params.iter().map(|p| number(*p)).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "smoothing": optional(self.context.smoothing),
            "data_hash": self.context.data_hash,
            "stream": self.stream_json(),
            "version": env!("CARGO_PKG_VERSION"),
            "noise": self.noise.name(),
            "correlations": s.map(|s| matrix(&s.correlations)),
            "condition": optional(s.map(|s| s.condition)),
            "r_squared": optional(g.r_squared),
            "chi_squared": optional(g.chi_squared),
            "reduced_chi_squared": optional(g.reduced_chi_squared),
            "aic": optional(g.aic),
            "bic": optional(g.bic),
            "notes": s.map_or(Vec::new(), |s| s.notes.clone()),
        })
    }
}

/// An interval with the digits that its width leaves room for; an end that was not found is left open.
fn between(ends: [Option<f64>; 2], value: f64) -> String {
    let reach = ends.iter().flatten().map(|end| (end - value).abs());
    let reach = reach.fold(f64::INFINITY, f64::min);
    let digits = (value.abs().max(reach) / reach).log10().ceil().max(0.0) + 3.0;
    let digits = if digits.is_finite() {
        digits as usize
    } else {
        6
    };
    let show = |end: Option<f64>| end.map_or("...".to_string(), |x| significant(x, digits.min(17)));
    format!("[{}, {}]", show(ends[0]), show(ends[1]))
}

/// A number, or the strings `"nan"`, `"inf"`, `"-inf"`.
fn number(x: f64) -> Value {
    if x.is_finite() {
        json!(x)
    } else if x.is_nan() {
        json!("nan")
    } else {
        json!(if x > 0.0 { "inf" } else { "-inf" })
    }
}

fn optional(x: Option<f64>) -> Value {
    x.map_or(Value::Null, number)
}

/// An infinite bound is none.
fn bound(x: f64) -> Value {
    if x.is_infinite() {
        Value::Null
    } else {
        number(x)
    }
}

/// `x` to so many significant digits, without trailing zeros; with an exponent when it is very large or small.
pub fn significant(x: f64, digits: usize) -> String {
    if x == 0.0 || !x.is_finite() {
        return x.to_string().to_lowercase();
    }
    let scientific = format!("{x:.*e}", digits.saturating_sub(1));
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |s: &str| match s.contains('.') {
        true => s.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => s.to_string(),
    };
    if (-4..digits.max(5) as i32).contains(&exponent) {
        let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
        trim(&format!("{x:.decimals$}"))
    } else {
        format!("{}e{exponent}", trim(mantissa))
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{} µs", significant(s * 1e6, 3)),
        s if s < 1.0 => format!("{} ms", significant(s * 1e3, 3)),
        s => format!("{} s", significant(s, 3)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_exact_enough() {
        let cases = [
            (238.94212918, 10, "238.9421292"),
            (5.5015643181e-4, 6, "0.000550156"),
            (1.2e-7, 4, "1.2e-7"),
            (123456789.0, 4, "1.235e8"),
            (100.0, 3, "100"),
            (-0.5, 3, "-0.5"),
            (0.0, 3, "0"),
            (f64::NAN, 3, "nan"),
            (f64::NEG_INFINITY, 3, "-inf"),
        ];
        for (x, digits, expected) in cases {
            assert_eq!(significant(x, digits), expected);
        }
    }
}
