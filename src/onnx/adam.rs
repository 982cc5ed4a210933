//! Adam (Kingma and Ba 2015): its constants, and one iteration of a population in operators of ONNX.

use super::export::{Lines, int_attribute};

/// How much of the mean of the gradient is kept.
pub(crate) const BETA1: f64 = 0.9;
/// How much of the mean of the squared gradient is kept.
pub(crate) const BETA2: f64 = 0.999;
/// Keeps the step finite.
pub(crate) const EPSILON: f64 = 1e-8;
/// Iterations without a new best after which the rate is halved.
pub(crate) const PATIENCE: u64 = 50;
/// The fit ends when the rate has fallen by this factor.
pub(crate) const SMALLEST_RATE: f64 = 1e-12;
/// Iterations allowed when no limit is named.
pub(crate) const MAX_ITERATIONS: u64 = 20_000;

/// The tensors of a fit between two iterations: wide ones have a row of values for each member, one for each parameter, the
/// others one value for each member.
#[derive(Clone)]
pub(super) struct State<T> {
    /// The current parameters; wide.
    pub params: T,
    /// The running mean of the gradient; wide.
    pub mean: T,
    /// The running mean of the squared gradient; wide.
    pub square: T,
    /// The best parameters so far; wide.
    pub best: T,
    /// The loss there.
    pub best_loss: T,
    /// What the learning rate is multiplied by.
    pub rate: T,
    /// Iterations since the last best.
    pub waiting: T,
    /// Steps since the means were last zero.
    pub steps: T,
    /// Iterations so far.
    pub iterations: T,
    /// Whether the fit of the member goes on: truth values.
    pub active: T,
}

impl<T> State<T> {
    /// In the order of the fields: the first four are wide, the last holds truth values.
    pub fn into_list(self) -> [T; 10] {
        [
            self.params,
            self.mean,
            self.square,
            self.best,
            self.best_loss,
            self.rate,
            self.waiting,
            self.steps,
            self.iterations,
            self.active,
        ]
    }

    pub fn from_list(list: [T; 10]) -> State<T> {
        let [
            params,
            mean,
            square,
            best,
            best_loss,
            rate,
            waiting,
            steps,
            iterations,
            active,
        ] = list;
        State {
            params,
            mean,
            square,
            best,
            best_loss,
            rate,
            waiting,
            steps,
            iterations,
            active,
        }
    }
}

/// The settings of a fit: tensors of one number.
pub(super) struct Settings {
    pub learning_rate: String,
    pub gtol: String,
    pub xtol: String,
}

/// The least and the greatest values of the parameters, one for each.
pub(super) struct Bounds {
    pub lower: Vec<f64>,
    pub upper: Vec<f64>,
}

/// Writes one iteration, as [`crate::fit::adam`] makes it, from the loss and the gradient at the parameters: the next state.
/// Members that have ended keep their state, if `keep` says that others may go on.
pub(super) fn iterate(
    lines: &mut Lines,
    state: &State<String>,
    loss: &str,
    gradient: &str,
    settings: &Settings,
    bounds: &Bounds,
    keep: Keep,
) -> State<String> {
    let zero = &lines.number(0.0);
    let one = &lines.number(1.0);
    let tiny = &lines.number(lines.element.smallest());
    let params = &*state.params;

    // what is not finite leaves no zero behind
    let rest = lines.op("Sub", &[gradient, gradient]);
    let rest = along_parameters(lines, "ReduceSum", &rest);
    let rest_of_loss = lines.op("Sub", &[loss, loss]);
    let rest = lines.op("Add", &[&rest, &rest_of_loss]);
    let finite = &lines.op("Equal", &[&rest, zero]);

    let less = lines.op("Less", &[loss, &state.best_loss]);
    let better = &lines.op("And", &[finite, &less]);
    let best = lines.op("Where", &[better, params, &state.best]);
    let best_loss = lines.op("Where", &[better, loss, &state.best_loss]);
    let waiting = lines.op("Add", &[&state.waiting, one]);
    let waiting = lines.op("Where", &[better, zero, &waiting]);

    // a parameter held by its bound carries no momentum into the wall
    let limits = (bounds.lower.iter().any(|bound| bound.is_finite())
        || bounds.upper.iter().any(|bound| bound.is_finite()))
    .then(|| (lines.row(&bounds.lower), lines.row(&bounds.upper)));
    let slope = match &limits {
        None => gradient.to_string(),
        Some((lower, upper)) => {
            let below = lines.op("LessOrEqual", &[params, lower]);
            let pushed_down = lines.op("GreaterOrEqual", &[gradient, zero]);
            let low = lines.op("And", &[&below, &pushed_down]);
            let above = lines.op("GreaterOrEqual", &[params, upper]);
            let pushed_up = lines.op("LessOrEqual", &[gradient, zero]);
            let high = lines.op("And", &[&above, &pushed_up]);
            let held = lines.op("Or", &[&low, &high]);
            lines.op("Where", &[&held, zero, gradient])
        }
    };

    let steepness = lines.op("Abs", &[&slope]);
    let size = lines.op("Abs", &[params]);
    let scale = lines.op("Max", &[&size, one]);
    let scaled = lines.op("Mul", &[&steepness, &scale]);
    let largest = along_parameters(lines, "ReduceMax", &scaled);
    let loss_size = lines.op("Abs", &[loss]);
    let loss_size = lines.op("Max", &[&loss_size, tiny]);
    let norm = &lines.op("Div", &[&largest, &loss_size]);
    let small = lines.op("LessOrEqual", &[norm, &settings.gtol]);
    let flat = lines.op("Equal", &[norm, zero]);
    let lowest = lines.op("LessOrEqual", &[loss, &best_loss]);
    let flat = lines.op("And", &[&flat, &lowest]);
    let optimal = lines.op("Or", &[&small, &flat]);
    let optimal = &lines.op("And", &[finite, &optimal]);

    let patience = lines.number(PATIENCE as f64);
    let stuck = lines.op("GreaterOrEqual", &[&waiting, &patience]);
    let broken = lines.op("Not", &[finite]);
    let reset = &lines.op("Or", &[&broken, &stuck]);
    let half = lines.number(0.5);
    let halved = lines.op("Mul", &[&state.rate, &half]);
    let rate = lines.op("Where", &[reset, &halved, &state.rate]);
    let smallest = lines.number(SMALLEST_RATE);
    let spent = lines.op("Less", &[&rate, &smallest]);
    let spent = lines.op("And", &[reset, &spent]);

    let steps = &lines.op("Add", &[&state.steps, one]);
    let mean = &running_mean(lines, &state.mean, BETA1, &slope, None);
    let square = &running_mean(lines, &state.square, BETA2, &slope, Some(&slope));
    let [unbiased_mean, unbiased_square] = [(mean, BETA1), (square, BETA2)].map(|(mean, beta)| {
        let beta = lines.number(beta);
        let power = lines.op("Pow", &[&beta, steps]);
        let bias = lines.op("Sub", &[one, &power]);
        lines.op("Div", &[mean, &bias])
    });
    let root = lines.op("Sqrt", &[&unbiased_square]);
    let epsilon = lines.number(EPSILON);
    let root = lines.op("Add", &[&root, &epsilon]);
    let direction = lines.op("Div", &[&unbiased_mean, &root]);
    let step = lines.op("Mul", &[&settings.learning_rate, &state.rate]);
    let step = lines.op("Mul", &[&step, &direction]);
    let mut next = lines.op("Sub", &[params, &step]);
    if let Some((lower, upper)) = &limits {
        next = lines.op("Max", &[&next, lower]);
        next = lines.op("Min", &[&next, upper]);
    }
    let moved = lines.op("Sub", &[&next, params]);
    let moved = lines.op("Abs", &[&moved]);
    let size = lines.op("Max", &[&size, tiny]);
    let moved = lines.op("Div", &[&moved, &size]);
    let moved = along_parameters(lines, "ReduceMax", &moved);
    let still = lines.op("LessOrEqual", &[&moved, &settings.xtol]);
    let slowed = lines.op("Less", &[&rate, one]);
    let still = lines.op("And", &[&slowed, &still]);
    let stepped = lines.op("Not", &[reset]);
    let still = lines.op("And", &[&stepped, &still]);

    let [mean, square, steps, waiting] =
        [mean, square, steps, &waiting].map(|value| lines.op("Where", &[reset, zero, value]));
    let stop = lines.op("Or", &[optimal, &spent]);
    let stop = lines.op("Or", &[&stop, &still]);
    let more = lines.op("Not", &[&stop]);
    let moved_on = lines.op("Where", &[optimal, zero, one]);
    let next = State {
        params: lines.op("Where", &[reset, &best, &next]),
        mean,
        square,
        best,
        best_loss,
        rate,
        waiting,
        steps,
        iterations: lines.op("Add", &[&state.iterations, &moved_on]),
        active: lines.op("And", &[&state.active, &more]),
    };
    match keep {
        Keep::Nothing => next,
        Keep::Ended => {
            let pairs = next.into_list().into_iter().zip(state.clone().into_list());
            let mut kept = pairs.enumerate().map(|(i, (new, old))| match i {
                9 => new,
                _ => lines.op("Where", &[&state.active, &new, &old]),
            });
            State::from_list(std::array::from_fn(|_| kept.next().unwrap_or_default()))
        }
    }
}

/// What becomes of members that have ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// There is one member: with it the loop ends.
    Nothing,
    /// They keep their state while others go on.
    Ended,
}

/// `beta * mean + (1 - beta) * slope`, the slope times `factor` if there is one.
fn running_mean(
    lines: &mut Lines,
    mean: &str,
    beta: f64,
    slope: &str,
    factor: Option<&str>,
) -> String {
    let (old, new) = (lines.number(beta), lines.number(1.0 - beta));
    let old = lines.op("Mul", &[&old, mean]);
    let mut new = lines.op("Mul", &[&new, slope]);
    if let Some(factor) = factor {
        new = lines.op("Mul", &[&new, factor]);
    }
    lines.op("Add", &[&old, &new])
}

/// A wide tensor reduced to one value for each member.
fn along_parameters(lines: &mut Lines, operator: &str, tensor: &str) -> String {
    let axis = lines.wholes(&[1]);
    lines.with(
        operator,
        &[tensor, &axis],
        vec![int_attribute("keepdims", 1)],
    )
}
