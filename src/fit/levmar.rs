//! Levenberg–Marquardt with a trust region, column scaling, box bounds and exact Jacobians.
//!
//! The method is Moré's (MINPACK `lmder`, 1978): each Jacobian is reduced once, by Householder reflections, to a small triangle; steps
//! come from that triangle alone. Four things are added. Bounds are an active set, so the result is the constrained optimum. Near the
//! optimum, where the loss no longer resolves a step, a step is judged by the gradient it leaves behind (the sine between the
//! residuals and their tangent space, Bates and Watts 1981), so that parameters reach the accuracy of the problem rather than
//! its square root. Values that are not finite reject a step. And where a run ends at a singular Jacobian or with little achieved, as when a step
//! has thrown a peak out of the data, the fit is run again from its start with a more careful strategy, and the best end wins.

use super::step::Forecast;
use super::workspace::Workspace;
use super::{Bounds, Monitor, Outcome, Progress, Residuals, Settings, Stop, job, seconds_since};
use crate::{Error, ErrorKind, Result};
use std::time::Instant;

/// Iterations allowed when the settings name no limit.
pub const MAX_ITERATIONS: u64 = 5000;

/// How a run scales parameters and how far it dares to go at first.
#[derive(Clone, Copy, Debug)]
struct Strategy {
    /// Radius at the start, in units of `|D p|`.
    factor: f64,
    /// Keep the largest column length seen so far (Moré) rather than the present one (Marquardt).
    monotone: bool,
    /// Correct steps for curvature, at two more evaluations each.
    geodesic: bool,
}

/// The strategies in the order they are tried.
const STRATEGIES: [Strategy; 3] = [
    Strategy {
        factor: 1.0,
        monotone: true,
        geodesic: false,
    },
    Strategy {
        factor: 0.01,
        monotone: true,
        geodesic: true,
    },
    Strategy {
        factor: 0.1,
        monotone: false,
        geodesic: true,
    },
];

/// Smallest singular value, relative to the largest, of a Jacobian with unit columns at an end that is trusted.
const HEALTHY: f64 = 1e-10;

/// An end that keeps more than this part of the loss at the start, while a parameter has next to no effect, is not trusted either: a
/// peak may have found a lone observation to fit.
const FRUITLESS: f64 = 0.3;
/// Such a parameter: its size times the length of its column is less than this part of the length of the residuals.
const WEAK: f64 = 0.2;

/// How far a fit has come: everything that [`minimize`] needs to go on with the same bits.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Where the fit began.
    pub start: Vec<f64>,
    /// The current parameters.
    pub params: Vec<f64>,
    /// Diagonal of the scaling `D`; empty before the first evaluation.
    pub scale: Vec<f64>,
    /// Trust radius, in units of `|D s|`.
    pub radius: f64,
    /// Iterations over all runs.
    pub iterations: u64,
    /// Index of the strategy in use.
    pub strategy: usize,
    /// Steps in a row that failed to lower the gradient at rounding level.
    pub stalls: u32,
    /// Whether the last step was forecast well, so that the next is evaluated together with its Jacobian.
    pub confident: bool,
    /// The loss at `start`; `None` before the first evaluation.
    pub start_loss: Option<f64>,
    /// Loss and parameters at the best end of an earlier strategy.
    pub best: Option<(f64, Vec<f64>)>,
}

impl State {
    /// A fit that has not begun.
    pub fn new(start: &[f64]) -> State {
        State {
            start: start.to_vec(),
            params: start.to_vec(),
            scale: Vec::new(),
            radius: 0.0,
            iterations: 0,
            strategy: 0,
            stalls: 0,
            confident: false,
            start_loss: None,
            best: None,
        }
    }
}

/// Minimises the sum of squared residuals from `start`. See [`minimize`].
pub fn fit(
    problem: &mut dyn Residuals,
    start: &[f64],
    bounds: &Bounds,
    settings: &Settings,
    monitor: &mut Monitor,
) -> Result<Outcome> {
    minimize(problem, bounds, settings, monitor, &mut State::new(start))
}

/// Minimises the sum of squared residuals, going on from `state`, which always holds the current place of the fit.
///
/// A limit or a request to stop is an outcome, not an error. Errors: `Argument` for bounds, settings or sizes that do not fit;
/// `Numeric` when the loss or a derivative is not finite where the fit begins, naming the first; `Memory` for a Jacobian that
/// cannot be allocated; and whatever the problem returns.
pub fn minimize(
    problem: &mut dyn Residuals,
    bounds: &Bounds,
    settings: &Settings,
    monitor: &mut Monitor,
    state: &mut State,
) -> Result<Outcome> {
    let began = Instant::now();
    let n = problem.parameter_count();
    settings.check()?;
    if state.params.len() != n || state.start.len() != n {
        let given = state.params.len();
        let message = format!("{given} initial values for {n} parameters");
        return Err(Error::new(ErrorKind::Argument, message));
    }
    bounds.check(&state.params)?;
    if problem.residual_count() == 0 {
        return Err(Error::new(
            ErrorKind::Argument,
            "there are no residuals to fit",
        ));
    }
    let mut w = Workspace::new(problem);
    let first_iteration = state.iterations;
    w.start(problem, &state.params, bounds)?;
    let start_loss = *state.start_loss.get_or_insert(w.loss);
    let mut stop;
    loop {
        stop = run(
            problem,
            bounds,
            settings,
            monitor,
            state,
            &mut w,
            (began, first_iteration),
        )?;
        if !stop.converged() {
            break;
        }
        let next = state.strategy + 1;
        let fruitless = w.loss > FRUITLESS * start_loss && w.weakest(&state.params) < WEAK;
        let healthy = w.health() > HEALTHY && !fruitless;
        keep_best(state, w.loss);
        if healthy || next >= STRATEGIES.len() || next > settings.restarts {
            break;
        }
        state.strategy = next;
        state.params.copy_from_slice(&state.start);
        state.scale.clear();
        state.stalls = 0;
        state.confident = false;
        w.start(problem, &state.params, bounds)?;
    }
    if let Some((loss, params)) = &state.best
        && *loss < w.loss
    {
        state.params.copy_from_slice(params);
        w.start(problem, &state.params, bounds)?;
    }
    let spent = (began, first_iteration);
    Ok(outcome(state.clone(), w, spent, stop))
}

fn keep_best(state: &mut State, loss: f64) {
    let better = state.best.as_ref().is_none_or(|(best, _)| loss < *best);
    if better {
        state.best = Some((loss, state.params.clone()));
    }
}

/// One strategy, from `state.params` (already evaluated in `w`) to a stop.
fn run(
    problem: &mut dyn Residuals,
    bounds: &Bounds,
    settings: &Settings,
    monitor: &mut Monitor,
    state: &mut State,
    w: &mut Workspace,
    (began, first_iteration): (Instant, u64),
) -> Result<Stop> {
    let strategy = STRATEGIES[state.strategy.min(STRATEGIES.len() - 1)];
    if state.scale.is_empty() {
        prepare(state, w, bounds);
    }
    loop {
        let spent = (began, first_iteration);
        let forecast = match propose(problem, bounds, settings, monitor, state, w, spent)? {
            Next::Try(forecast) => forecast,
            Next::Stop(stop) => return Ok(stop),
        };
        if let Some(stop) = attempt(problem, bounds, settings, state, w, forecast, strategy)? {
            return Ok(stop);
        }
    }
}

/// What comes next.
enum Next {
    /// The trial point of the workspace is to be evaluated.
    Try(Forecast),
    Stop(Stop),
}

/// Says why to stop, or leaves the next trial point in the workspace.
fn propose(
    problem: &mut dyn Residuals,
    bounds: &Bounds,
    settings: &Settings,
    monitor: &mut Monitor,
    state: &mut State,
    w: &mut Workspace,
    (began, first_iteration): (Instant, u64),
) -> Result<Next> {
    let progress = Progress {
        iteration: state.iterations,
        loss: w.loss,
        gradient_norm: w.sine(),
        seconds: seconds_since(began),
        params: &state.params,
        start: monitor.start,
    };
    if w.loss == 0.0 || w.removable <= settings.gtol * w.loss.sqrt() {
        return Ok(Next::Stop(Stop::Gradient));
    }
    let spent = (state.iterations - first_iteration, w.evaluations);
    if let Some(stop) = monitor.check(settings, MAX_ITERATIONS, spent, &progress) {
        return Ok(Next::Stop(stop));
    }
    monitor.save(spent, || job::State::LevMar(state.clone()))?;
    state.iterations += 1;
    let (t, d) = (&w.triangle, &state.scale);
    let mut forecast = w
        .step
        .solve(t, &state.params, bounds, d, state.radius, &w.held);
    let strategy = STRATEGIES[state.strategy.min(STRATEGIES.len() - 1)];
    if strategy.geodesic && forecast.unconstrained {
        accelerate(problem, state, w, &mut forecast)?;
    }
    if within(&w.step.s, &state.params, settings.xtol) {
        return Ok(Next::Stop(Stop::Step));
    }
    for j in 0..w.n {
        w.trial[j] = (state.params[j] + w.step.s[j]).clamp(bounds.lower[j], bounds.upper[j]);
    }
    Ok(Next::Try(forecast))
}

/// A problem that is evaluated at many points in one call.
pub trait Crowd: Residuals {
    /// Evaluates residuals and Jacobian at all of these points.
    fn gather(&mut self, points: &[&[f64]]) -> Result<()>;
    /// The next evaluations are at this one of them.
    fn look_at(&mut self, point: usize);
}

/// One of the fits of [`lockstep`].
struct Member {
    state: State,
    workspace: Workspace,
    /// Where it goes next, until it has ended.
    next: Option<Forecast>,
    end: Option<Result<Stop>>,
}

/// Minimises from many starts at once, one strategy each: all trial points of an iteration are evaluated in one call, and each fit
/// takes the steps that it takes alone. The callback is told of each: the first is the start that the monitor names. A request to stop, the time limit and a target that one has reached end them all.
///
/// The outcomes are in the order of the starts; the error of a start at which the problem is not finite is its own.
pub fn lockstep(
    crowd: &mut dyn Crowd,
    starts: &[Vec<f64>],
    bounds: &Bounds,
    settings: &Settings,
    monitor: &mut Monitor,
) -> Result<Vec<Result<Outcome>>> {
    let began = Instant::now();
    settings.check()?;
    for start in starts {
        bounds.check(start)?;
    }
    let points: Vec<&[f64]> = starts.iter().map(Vec::as_slice).collect();
    crowd.gather(&points)?;
    let mut members = Vec::new();
    for (i, start) in starts.iter().enumerate() {
        crowd.look_at(i);
        let mut member = Member {
            state: State::new(start),
            workspace: Workspace::new(crowd),
            next: None,
            end: None,
        };
        match member.workspace.start(crowd, start, bounds) {
            Ok(()) => prepare(&mut member.state, &mut member.workspace, bounds),
            Err(error) if error.kind == ErrorKind::Numeric => member.end = Some(Err(error)),
            Err(error) => return Err(error),
        }
        members.push(member);
    }
    let (mut last, first) = (None, monitor.start);
    while last.is_none() {
        let going = members.iter_mut().enumerate();
        for (i, member) in going.filter(|(_, member)| member.end.is_none()) {
            monitor.start = first + i;
            let (state, w) = (&mut member.state, &mut member.workspace);
            match propose(crowd, bounds, settings, monitor, state, w, (began, 0))? {
                Next::Try(forecast) => member.next = Some(forecast),
                Next::Stop(stop) => {
                    member.end = Some(Ok(stop));
                    last = matches!(stop, Stop::Stopped | Stop::MaxTime | Stop::Target)
                        .then_some(stop);
                }
            }
            if last.is_some() {
                break;
            }
        }
        let going: Vec<&mut Member> = members.iter_mut().filter(|m| m.end.is_none()).collect();
        if going.is_empty() || last.is_some() {
            break;
        }
        let points: Vec<&[f64]> = going.iter().map(|m| &m.workspace.trial[..]).collect();
        crowd.gather(&points)?;
        for (i, member) in going.into_iter().enumerate() {
            crowd.look_at(i);
            let (state, w) = (&mut member.state, &mut member.workspace);
            if let Some(forecast) = member.next.take()
                && let Some(stop) =
                    attempt(crowd, bounds, settings, state, w, forecast, STRATEGIES[0])?
            {
                member.end = Some(Ok(stop));
            }
        }
    }
    let outcomes = members.into_iter().map(|member| {
        let stop = member.end.unwrap_or(Ok(last.unwrap_or(Stop::Stopped)))?;
        Ok(outcome(member.state, member.workspace, (began, 0), stop))
    });
    Ok(outcomes.collect())
}

fn outcome(state: State, w: Workspace, (began, first): (Instant, u64), stop: Stop) -> Outcome {
    Outcome {
        loss: w.loss,
        iterations: state.iterations - first,
        evaluations: w.evaluations,
        seconds: seconds_since(began),
        stop,
        gradient_norm: w.sine(),
        params: state.params,
        held: w.held,
        triangle: Some(w.triangle),
    }
}

/// Sets scaling and first radius of a fit whose start has been evaluated.
fn prepare(state: &mut State, w: &mut Workspace, bounds: &Bounds) {
    let strategy = STRATEGIES[state.strategy.min(STRATEGIES.len() - 1)];
    w.rescale(&mut state.scale, &state.params, strategy.monotone);
    let size = scaled_norm(&state.scale, &state.params);
    state.radius = strategy.factor * if size > 0.0 { size } else { 1.0 };
    widen(state, w, bounds);
}

/// Evaluates the trial point, takes it or not, and sets the radius for the next; a stop if the fit has come to its end.
fn attempt(
    problem: &mut dyn Residuals,
    bounds: &Bounds,
    settings: &Settings,
    state: &mut State,
    w: &mut Workspace,
    forecast: Forecast,
    strategy: Strategy,
) -> Result<Option<Stop>> {
    let size = scaled_norm(&state.scale, &state.params);
    let fused = state.confident && !strategy.geodesic;
    let loss = w.try_residuals(problem, fused)?;
    let actual = w.loss - loss;
    let ratio = actual / forecast.predicted;
    let clear = forecast.predicted > 0.0 && ratio > 1e-4 && actual > 1e-12 * w.loss;
    // Where rounding hides the change of the loss, the gradient decides.
    let tiny = forecast.predicted <= 1e-8 * w.loss || forecast.length <= 1e-6 * size;
    let hidden = (!clear || ratio < 0.25) && tiny && loss <= w.loss * (1.0 + 1e-3);
    let mut taken = false;
    if clear || hidden {
        let removable = w.try_jacobian(problem, fused, bounds)?;
        let before = (w.loss, w.removable);
        if let Some(removable) = removable
            && (clear || removable < 0.9 * before.1)
        {
            w.accept(state, loss, removable);
            taken = true;
        }
    }
    state.confident = taken && ratio > 0.5;
    if !taken {
        state.radius = 0.25 * forecast.length.min(state.radius);
        state.stalls += u32::from(hidden);
        if state.stalls >= 3 {
            return Ok(Some(Stop::Loss));
        }
        let spent = state.radius <= 1e-16 * size || state.radius < f64::MIN_POSITIVE;
        return Ok(spent.then_some(Stop::Loss));
    }
    state.stalls = 0;
    if clear && ratio < 0.25 {
        state.radius = 0.25 * forecast.length;
    } else if ratio > 0.75 && !forecast.newton {
        state.radius = state.radius.max(2.0 * forecast.length);
    }
    w.rescale(&mut state.scale, &state.params, strategy.monotone);
    let small = settings.ftol * (w.loss + actual);
    let flat = actual.abs() <= small && forecast.predicted <= small;
    Ok((flat && ratio <= 2.0).then_some(Stop::Loss))
}

/// Bends the step along the curvature of the residuals, measured a tenth of the way.
fn accelerate(
    problem: &mut dyn Residuals,
    state: &State,
    w: &mut Workspace,
    forecast: &mut Forecast,
) -> Result<()> {
    if forecast.predicted <= 1e-8 * w.loss {
        return Ok(());
    }
    w.bend(problem, &state.params, 0.1)?;
    if w.bend.iter().all(|x| x.is_finite()) {
        w.step.accelerate(&mut w.bend, &state.scale);
    }
    Ok(())
}

/// Widens the first radius where its step is too short for the loss to show it, though much of the loss can be removed: a start
/// many orders of magnitude below the optimum would look like an end.
fn widen(state: &mut State, w: &mut Workspace, bounds: &Bounds) {
    if w.removable <= 1e-3 * w.loss.sqrt() {
        return;
    }
    while state.radius < f64::MAX / 10.0 {
        let (t, d) = (&w.triangle, &state.scale);
        let forecast = w
            .step
            .solve(t, &state.params, bounds, d, state.radius, &w.held);
        if forecast.newton || forecast.predicted > 1e-6 * w.loss {
            return;
        }
        state.radius *= 10.0;
    }
}

/// `|D p|`.
fn scaled_norm(scale: &[f64], params: &[f64]) -> f64 {
    let sum: f64 = scale.iter().zip(params).map(|(d, p)| (d * p).powi(2)).sum();
    sum.sqrt()
}

/// Whether no entry of the step moves its parameter by more than `tolerance` of its size.
fn within(step: &[f64], params: &[f64], tolerance: f64) -> bool {
    step.iter()
        .zip(params)
        .all(|(s, p)| s.abs() <= tolerance * p.abs())
}
