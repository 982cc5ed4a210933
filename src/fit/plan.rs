//! What the options ask of a fit: optimiser, loss, limits, and what is said of parameters.

use std::path::PathBuf;
use std::sync::Arc;

use super::loss::{Kind, Loss};
use super::mapping::{Mapping, Prior, Tie, Transform, assignments};
use super::statistics::Noise;
use super::{Bounds, Schedule, Settings};
use crate::compile::Model;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::PortKind;
use crate::options::Options;

/// What minimises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Optimizer {
    LevMar,
    Lbfgs,
    Adam,
}

impl Optimizer {
    /// The word of the option `optimizer`.
    pub fn name(self) -> &'static str {
        match self {
            Optimizer::LevMar => "levmar",
            Optimizer::Lbfgs => "lbfgs",
            Optimizer::Adam => "adam",
        }
    }
}

/// A parameter that moves.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Free {
    /// Its index among the model's parameters.
    pub index: usize,
    pub initial: f64,
    pub lower: f64,
    pub upper: f64,
}

/// The bounds of parameters.
pub(super) fn bounds(moving: &[Free]) -> Bounds {
    Bounds {
        lower: moving.iter().map(|free| free.lower).collect(),
        upper: moving.iter().map(|free| free.upper).collect(),
    }
}

/// The parameters that do not move, by index.
struct Held<'a> {
    fixed: Vec<usize>,
    /// With the expressions that they follow.
    tied: Vec<(usize, &'a str)>,
}

/// What the options say.
pub(super) struct Plan {
    pub settings: Settings,
    pub optimizer: Optimizer,
    pub kind: Kind,
    /// The scale of a robust loss, if it was given.
    scale: Option<f64>,
    pub noise: Noise,
    pub confidence: f64,
    pub profile: bool,
    /// How many starts there are, how many of them are followed to their end, and the seed.
    pub starts: usize,
    /// The first temperature of smoothed comparisons, if there is one.
    pub smoothing: Option<f64>,
    pub refine: usize,
    pub seed: u64,
    /// The file to which the state is written on the way, if there is one, and every how many seconds.
    pub checkpoint: Option<PathBuf>,
    pub checkpoint_seconds: f64,
    /// How often the best end is left by a random step.
    pub hops: usize,
    /// Rows of a stream that are kept as they are, if not all.
    pub window: Option<usize>,
    fixed: Vec<String>,
    transforms: String,
    ties: String,
    priors: String,
}

fn refuse<T>(message: String) -> Result<T> {
    Err(Error::new(ErrorKind::Argument, message))
}

impl Plan {
    /// Reads the options of a fit.
    pub fn new(options: &Options) -> Result<Plan> {
        let limit = |name: &'static str| {
            let limit = options.int(name) as u64;
            (limit > 0).then_some(limit)
        };
        let settings = Settings {
            max_iterations: limit("max_iterations"),
            max_evaluations: limit("max_evaluations"),
            max_seconds: options.real("max_seconds"),
            target: options.real("target"),
            gtol: options.real("gtol"),
            ftol: options.real("ftol"),
            xtol: options.real("xtol"),
            learning_rate: options.real("learning_rate"),
            schedule: match options.str("schedule") {
                "cosine" => Schedule::Cosine,
                "exponential" => Schedule::Exponential,
                _ => Schedule::Constant,
            },
            restarts: Settings::default().restarts,
        };
        let confidence = options.real("confidence");
        if !(confidence > 0.0 && confidence < 1.0) {
            return refuse(format!(
                "confidence is {confidence}; it must be between 0 and 1"
            ));
        }
        let kind = Kind::named(options.str("loss"));
        let optimizer = match options.str("optimizer") {
            "adam" => Optimizer::Adam,
            "lbfgs" => Optimizer::Lbfgs,
            _ if kind.is_sum_of_squares() => Optimizer::LevMar,
            _ if options.is_set("optimizer") => {
                let name = kind.name();
                return refuse(format!(
                    "loss={name} is no sum of squares, which levmar needs: take optimizer=lbfgs or adam"
                ));
            }
            _ => Optimizer::Lbfgs,
        };
        let names = options.str("fixed").split(',').map(str::trim);
        Ok(Plan {
            settings,
            optimizer,
            kind,
            scale: Some(options.real("loss_scale")).filter(|scale| *scale > 0.0),
            noise: match options.str("noise") {
                "known" => Noise::Known,
                _ => Noise::Estimated,
            },
            confidence,
            profile: options.str("profile") == "true",
            starts: options.int("starts") as usize,
            smoothing: Some(options.real("smoothing")).filter(|t| *t > 0.0 && t.is_finite()),
            refine: options.int("refine") as usize,
            seed: options.int("seed") as u64,
            checkpoint: match options.str("checkpoint") {
                "" => None,
                path => Some(PathBuf::from(path)),
            },
            checkpoint_seconds: options.real("checkpoint_seconds"),
            hops: options.int("hops") as usize,
            window: limit("window").map(|rows| rows as usize),
            fixed: names.filter(|n| !n.is_empty()).map(String::from).collect(),
            transforms: options.str("transform").to_string(),
            ties: options.str("tie").to_string(),
            priors: options.str("prior").to_string(),
        })
    }

    /// How many rows a stream keeps as they are.
    ///
    /// # Errors
    /// `Unsupported` for a loss that no quadratic of plain residuals stands for.
    pub fn window(&self) -> Result<Option<usize>> {
        let refuse = |what: String| {
            let message = format!(
                "rows that leave the window are summarised as squares, which does not go with {what}; leave out the option \"window\" to keep all rows"
            );
            Err(Error::new(ErrorKind::Unsupported, message))
        };
        match self.window {
            Some(_) if self.kind != Kind::Squares => refuse(format!("loss={}", self.kind.name())),
            Some(_) if self.smoothing.is_some() => refuse("smoothing".into()),
            window => Ok(window),
        }
    }

    /// What a fit that goes on must have been asked too.
    pub fn key(&self) -> String {
        let Plan {
            kind,
            scale,
            noise,
            fixed,
            transforms,
            ties,
            priors,
            ..
        } = self;
        format!("{kind:?} {scale:?} {noise:?} {fixed:?} {transforms:?} {ties:?} {priors:?}")
    }

    /// The loss, whose scale of a robust kind must be known.
    ///
    /// # Errors
    /// `Argument` where neither the scale nor the standard deviations are.
    pub fn loss(&self, noise: Noise) -> Result<Loss> {
        let usual = match self.kind {
            // 95 % of the efficiency of least squares where there are no outliers (Holland and Welsch 1977)
            Kind::Huber | Kind::SoftL1 => 1.345,
            Kind::Cauchy => 2.385,
            Kind::Tukey => 4.685,
            _ => 1.0,
        };
        let kind = self.kind;
        match self.scale {
            Some(scale) => Ok(Loss { kind, scale }),
            None if kind.is_robust() && noise == Noise::Estimated => refuse(format!(
                "loss={} needs to know from which residual on an observation is an outlier: give loss_scale, or the standard deviations with noise=known (of the command: --sigma)",
                kind.name()
            )),
            None => Ok(Loss { kind, scale: usual }),
        }
    }

    /// The index of a parameter by its name.
    pub fn index(model: &Model, option: &str, name: &str) -> Result<usize> {
        let graph = &model.graph;
        let ports = graph.parameters();
        let names = || ports.iter().map(|port| &*graph.ports[*port].name);
        if let Some(index) = names().position(|other| other == name) {
            return Ok(index);
        }
        let hint = crate::suggest::closest(name, names());
        let hint = hint.map_or(String::new(), |near| format!("; did you mean \"{near}\"?"));
        let place = match option.is_empty() {
            true => String::new(),
            false => format!("option \"{option}\": "),
        };
        refuse(format!(
            "{place}the model has no parameter \"{name}\"{hint}"
        ))
    }

    /// The parameters that a name means: one, or, with a `*` at its end, all whose names begin so.
    fn indices(model: &Model, option: &str, name: &str) -> Result<Vec<usize>> {
        let one = Plan::index(model, option, name);
        let (Err(_), Some(start)) = (&one, name.strip_suffix('*')) else {
            return Ok(vec![one?]);
        };
        let ports = model.graph.parameters().into_iter();
        let names = ports.map(|port| &*model.graph.ports[port].name);
        let begin = names
            .enumerate()
            .filter(|(_, name)| name.starts_with(start));
        let indices: Vec<usize> = begin.map(|(index, _)| index).collect();
        match indices.is_empty() {
            true => refuse(format!(
                "option \"{option}\": no parameter of the model begins with \"{start}\""
            )),
            false => Ok(indices),
        }
    }

    /// The parameters that neither move nor follow, and those that follow, by index, with their expressions.
    fn held(&self, model: &Model) -> Result<Held<'_>> {
        let mut fixed = Vec::new();
        for name in &self.fixed {
            fixed.extend(Plan::indices(model, "fixed", name)?);
        }
        let mut tied: Vec<(usize, &str)> = Vec::new();
        for (name, expression) in assignments("tie", &self.ties)? {
            let index = Plan::index(model, "tie", name)?;
            if fixed.contains(&index) || tied.iter().any(|(other, _)| *other == index) {
                return refuse(format!(
                    "option \"tie\": \"{name}\" is fixed or tied already"
                ));
            }
            tied.push((index, expression));
        }
        Ok(Held { fixed, tied })
    }

    /// The parameters that move: of those that were `added`, or of all of the model, those that are neither fixed nor tied.
    pub fn moving(&self, model: &Model, added: &[Free]) -> Result<Vec<Free>> {
        let Held { fixed, tied } = self.held(model)?;
        let all = parameters(model);
        let free = if added.is_empty() { &all } else { added };
        let moves = |free: &&Free| {
            !fixed.contains(&free.index) && !tied.iter().any(|(index, _)| *index == free.index)
        };
        Ok(free.iter().filter(moves).cloned().collect())
    }

    /// How coordinates become parameters, and the indices of the tied ones.
    pub fn mapping(
        &self,
        model: &Model,
        moving: &[Free],
        noise: Noise,
    ) -> Result<(Mapping, Vec<usize>)> {
        let Held { tied, .. } = self.held(model)?;
        let all = parameters(model);
        let ports = model.graph.parameters();
        let name = |index: usize| model.graph.ports[ports[index]].name.to_string();
        // those of a name that move
        let places = |option: &str, name: &str| -> Result<Vec<usize>> {
            let indices = Plan::indices(model, option, name)?;
            let moves = |index: usize| moving.iter().position(|free| free.index == index);
            let places: Vec<usize> = indices.into_iter().filter_map(moves).collect();
            match places.is_empty() {
                true => refuse(format!("option \"{option}\": \"{name}\" does not move")),
                false => Ok(places),
            }
        };
        let mut transforms = vec![Transform::Identity; moving.len()];
        for (name, word) in assignments("transform", &self.transforms)? {
            let places = places("transform", name)?;
            let Some(transform) = Transform::named(word) else {
                return refuse(format!(
                    "option \"transform\": \"{word}\" is none: it is identity, log or logit"
                ));
            };
            for place in places {
                check_transform(name, transform, &moving[place])?;
                transforms[place] = transform;
            }
        }
        let find = |name: &str| {
            let index = Plan::index(model, "tie", name).ok()?;
            if tied.iter().any(|(other, _)| *other == index) {
                return None;
            }
            let place = moving.iter().position(|free| free.index == index);
            Some(place.ok_or(all[index].initial))
        };
        let ties = tied
            .iter()
            .map(|(index, expression)| Tie::new(&name(*index), expression, &find));
        let ties = ties.collect::<Result<Vec<Tie>>>()?;
        let mut priors = Vec::new();
        for (name, numbers) in assignments("prior", &self.priors)? {
            let places = places("prior", name)?;
            let number = |text: &str| text.trim().parse::<f64>().ok().filter(|x| x.is_finite());
            let parts = numbers
                .split_once(':')
                .map(|(mean, sd)| (number(mean), number(sd)));
            match parts {
                Some((Some(mean), Some(sd))) if sd > 0.0 => {
                    let places = places.into_iter();
                    priors.extend(places.map(|place| Prior { place, mean, sd }));
                }
                _ => {
                    return refuse(format!(
                        "option \"prior\": \"{name}={numbers}\" is not of the form NAME=MEAN:SD with a positive SD"
                    ));
                }
            }
        }
        if !priors.is_empty() && noise == Noise::Estimated && !self.kind.is_likelihood() {
            return refuse("a prior weighs against observations whose standard deviations are known: give them, with noise=known (of the command: --sigma)".into());
        }
        let mapping = Mapping {
            transforms,
            bounds: bounds(moving),
            ties,
            priors,
            prior_weight: if self.kind == Kind::Value { 0.5 } else { 1.0 },
            summary: None,
        };
        Ok((mapping, tied.into_iter().map(|(index, _)| index).collect()))
    }
}

fn check_transform(name: &str, transform: Transform, free: &Free) -> Result<()> {
    let Free {
        initial,
        lower,
        upper,
        ..
    } = *free;
    match transform {
        Transform::Log if initial <= 0.0 => refuse(format!(
            "option \"transform\": the logarithm of \"{name}\" needs a positive initial value, not {initial}"
        )),
        Transform::Logit if !(lower.is_finite() && upper.is_finite()) => refuse(format!(
            "option \"transform\": the logit of \"{name}\" needs two finite bounds"
        )),
        Transform::Logit if initial <= lower || initial >= upper => refuse(format!(
            "option \"transform\": the logit of \"{name}\" needs an initial value between its bounds, not on one"
        )),
        _ => Ok(()),
    }
}

/// All parameters of a model, as its source has them.
pub(super) fn parameters(model: &Model) -> Vec<Free> {
    let kinds = model.graph.ports.iter().map(|port| port.kind);
    let found = kinds.filter_map(|kind| match kind {
        PortKind::Parameter {
            initial,
            lower,
            upper,
        } => Some((initial, lower, upper)),
        PortKind::Input => None,
    });
    let free = found
        .enumerate()
        .map(|(index, (initial, lower, upper))| Free {
            index,
            initial,
            lower,
            upper,
        });
    free.collect()
}

/// The names of parameters by their indices.
pub(super) fn names(model: &Model, indices: impl Iterator<Item = usize>) -> Vec<Arc<str>> {
    let ports = model.graph.parameters();
    indices
        .map(|index| model.graph.ports[ports[index]].name.clone())
        .collect()
}
