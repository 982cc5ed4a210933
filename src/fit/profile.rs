//! Profile likelihood: how far a parameter can go, the others following, before the loss says that it is too far.
//!
//! The signed root of the loss above its least, `tau`, is a straight line in the parameter for a linear model (Bates and Watts
//! 1988, 6.1.2); so a few secant steps find where it reaches the quantile, and what they cost is a fit of the others each.

use super::{Bounds, Monitor, Outcome, Settings, seconds_since};
use crate::Result;
use std::time::Instant;

/// Most fits of the others for one end of an interval.
const MAX_FITS: usize = 40;
/// How well `tau` meets the quantile, relative.
const TOLERANCE: f64 = 1e-7;

/// The interval of one parameter: an end is `None` where a bound or nothing at all ends it, and where the search for it was cut
/// short.
pub type Interval = [Option<f64>; 2];

/// Minimises the loss from a start within bounds.
pub type Fit<'a> = dyn FnMut(&[f64], &Bounds, &Settings, &mut Monitor) -> Result<Outcome> + 'a;

/// What is known of a finished fit.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// Its end.
    pub outcome: &'a Outcome,
    /// The bounds of the parameters.
    pub bounds: &'a Bounds,
    /// The standard errors, which say where to look first; a parameter without one, or held at a bound, has no interval.
    pub errors: &'a [Option<f64>],
}

/// The profile intervals of all parameters of a finished fit, whose loss `fit` minimises.
///
/// The loss may grow by the squared quantile times `variance`: that of a residual for least squares, one for minus twice a log
/// likelihood, a half for minus a log likelihood. Of the settings the tolerances and `max_seconds`, of all fits together, hold.
pub fn intervals(
    fit: &mut Fit,
    known: Known,
    (quantile, variance): (f64, f64),
    settings: &Settings,
    monitor: &Monitor,
) -> Result<Vec<Interval>> {
    let began = Instant::now();
    let settings = Settings {
        max_iterations: None,
        max_evaluations: None,
        target: f64::NEG_INFINITY,
        ..settings.clone()
    };
    let mut found = Vec::with_capacity(known.errors.len());
    for (index, error) in known.errors.iter().enumerate() {
        let mut interval = [None, None];
        if let Some(error) = error.filter(|error| *error > 0.0) {
            for (end, sign) in interval.iter_mut().zip([-1.0, 1.0]) {
                let mut search = Search {
                    fit: &mut *fit,
                    bounds: known.bounds,
                    settings: &settings,
                    began,
                    index,
                    others: known.outcome.params.clone(),
                    least: known.outcome.loss,
                    variance,
                    monitor,
                };
                *end = search.end(known.outcome.params[index], sign * error, quantile)?;
            }
        }
        found.push(interval);
    }
    Ok(found)
}

struct Search<'a, 'b, 'f> {
    fit: &'a mut Fit<'f>,
    bounds: &'a Bounds,
    settings: &'a Settings,
    began: Instant,
    index: usize,
    /// The best parameters for the last value that was tried: the next fit begins there.
    others: Vec<f64>,
    least: f64,
    variance: f64,
    monitor: &'a Monitor<'b>,
}

impl Search<'_, '_, '_> {
    /// Where `tau` is `quantile`, looked for from `best` in the direction of `error`.
    fn end(&mut self, best: f64, error: f64, quantile: f64) -> Result<Option<f64>> {
        let limit = match error < 0.0 {
            true => self.bounds.lower[self.index],
            false => self.bounds.upper[self.index],
        };
        let inside = |value: f64| {
            if error < 0.0 {
                value.max(limit)
            } else {
                value.min(limit)
            }
        };
        // distances from the best in standard errors: `low` is within the interval, `high` is not
        let (mut low, mut high) = ((0.0, 0.0), None::<(f64, f64)>);
        let mut distance = quantile;
        for _ in 0..MAX_FITS {
            let value = inside(best + distance * error);
            let Some(tau) = self.tau(value)? else {
                return Ok(None);
            };
            let reached = (value - best) / error;
            if (tau - quantile).abs() <= TOLERANCE * quantile {
                return Ok(Some(value));
            }
            if tau > quantile {
                high = Some((reached, tau));
            } else if value == limit || reached > 1e6 * quantile {
                return Ok(None);
            } else {
                low = (reached, tau);
            }
            distance = match high {
                None => {
                    (low.0 * quantile / low.1.max(0.1 * quantile)).clamp(1.1 * low.0, 4.0 * low.0)
                }
                Some(high) => {
                    let share = (quantile - low.1) / (high.1 - low.1);
                    // a share at the ends would let a bent curve creep
                    let share = if high.1.is_finite() {
                        share.clamp(0.02, 0.98)
                    } else {
                        0.5
                    };
                    low.0 + share * (high.0 - low.0)
                }
            };
            if high.is_some_and(|high| high.0 - low.0 <= 1e-9 * high.0) {
                return Ok(Some(
                    best + 0.5 * (low.0 + high.map_or(low.0, |h| h.0)) * error,
                ));
            }
        }
        Ok(None)
    }

    /// The root of the loss above its least with the parameter at `value`; infinite where the model has no value there, `None`
    /// where the fit of the others did not come to its end.
    fn tau(&mut self, value: f64) -> Result<Option<f64>> {
        let mut bounds = self.bounds.clone();
        (bounds.lower[self.index], bounds.upper[self.index]) = (value, value);
        let mut start = self.others.clone();
        start[self.index] = value;
        let mut monitor = Monitor {
            cancel: self.monitor.cancel,
            ..Monitor::default()
        };
        let settings = Settings {
            max_seconds: (self.settings.max_seconds - seconds_since(self.began)).max(0.0),
            ..self.settings.clone()
        };
        let fit = match (self.fit)(&start, &bounds, &settings, &mut monitor) {
            Ok(fit) => fit,
            Err(error) if error.kind == crate::ErrorKind::Numeric => {
                return Ok(Some(f64::INFINITY));
            }
            Err(error) => return Err(error),
        };
        if !fit.stop.converged() {
            return Ok(None);
        }
        self.others = fit.params;
        Ok(Some(
            ((fit.loss - self.least).max(0.0) / self.variance).sqrt(),
        ))
    }
}
