//! `Resize`: along each axis an element is a weighted sum of those near the place that it comes from. The places and weights
//! hang on the sizes alone, so that they are constants of the graph.

use super::Kind;
use super::evaluator::{Call, Evaluator, Size, wrong_type};
use super::fault::{Outcome, bad, unsupported};
use super::tensor::{Tensor, count, strides};
use crate::ops::real::Real;
use crate::ops::{Emit, NodeId};

type Outputs = Outcome<Vec<Tensor>>;

/// Where the elements of an axis come from: for each, places and their weights.
type Taps = Vec<Vec<(usize, f64)>>;

/// What becomes of one axis.
struct Axis {
    /// Sizes before and after.
    from: usize,
    to: usize,
    scale: f32,
}

/// How elements are made.
struct Rule<'a> {
    /// Which place an element comes from.
    coordinates: &'a str,
    mode: &'a str,
    /// Which element is near.
    nearest: &'a str,
    /// The free coefficient of a cubic kernel (Keys, "Cubic convolution interpolation for digital image processing", 1981).
    cubic: f64,
    /// Whether elements that are not there count for nothing; else those at the edge stand for them.
    excludes: bool,
}

impl<'a> Evaluator<'a> {
    pub(super) fn resize(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(2..=4)?;
        let x = call.input(0)?;
        let first = self.opset < 11;
        let attributes = &mut call.attributes;
        let rule = Rule {
            mode: attributes.word("mode")?.unwrap_or("nearest"),
            coordinates: match first {
                true => "asymmetric",
                false => attributes
                    .word("coordinate_transformation_mode")?
                    .unwrap_or("half_pixel"),
            },
            nearest: match first {
                true => "floor",
                false => attributes
                    .word("nearest_mode")?
                    .unwrap_or("round_prefer_floor"),
            },
            cubic: attributes.real("cubic_coeff_a", -0.75)?,
            excludes: attributes.flag("exclude_outside", false)?,
        };
        // for a cut that is refused
        attributes.ignore("extrapolation_value");
        if attributes.flag("antialias", false)? {
            return Err(unsupported("smooths what it makes smaller (antialias)"));
        }
        let policy = attributes.word("keep_aspect_ratio_policy")?;
        if policy.is_some_and(|policy| policy != "stretch") {
            return Err(unsupported(
                "keeps the aspect ratio (keep_aspect_ratio_policy)",
            ));
        }
        if x.kind != Kind::Number && (rule.mode != "nearest" || x.kind == Kind::Truth) {
            return Err(wrong_type());
        }
        let axes = self.resized_axes(call, &x, first)?;
        let mut result = (*x).clone();
        for (axis, sizes) in axes.iter().enumerate() {
            if let Some(sizes) = sizes {
                result = self.resized(&result, axis, &taps(&rule, sizes)?)?;
            }
        }
        Ok(vec![result])
    }

    /// For each axis its sizes; nothing where it stays as it is.
    fn resized_axes(
        &mut self,
        call: &mut Call<'a>,
        x: &Tensor,
        first: bool,
    ) -> Outcome<Vec<Option<Axis>>> {
        let named: Vec<usize> = match call.attributes.ints("axes")? {
            Some(axes) => axes.iter().map(|a| x.axis(*a)).collect::<Outcome<_>>()?,
            None => (0..x.rank()).collect(),
        };
        // what is left out is an empty tensor in some files
        let given = |i: usize| call.optional(i).filter(|t| !t.elements.is_empty());
        let (scales, sizes) = match first {
            true => (given(1), None),
            false => (given(2), given(3)),
        };
        let mut axes: Vec<Option<Axis>> = x.shape.iter().map(|_| None).collect();
        let misfit = || bad("has another number of sizes than of axes");
        match (scales, sizes) {
            (Some(scales), None) => {
                let known = scales.elements.iter().map(|node| self.builder.known(*node));
                let known: Option<Vec<f64>> = known.collect();
                let known = known.ok_or_else(|| unsupported("has scales that hang on data"))?;
                if known.len() != named.len() {
                    return Err(misfit());
                }
                for (axis, scale) in named.into_iter().zip(known) {
                    // as the runtime multiplies
                    let (from, scale) = (x.shape[axis], scale as f32);
                    let to = (from as f32 * scale).floor();
                    if scale == 1.0 {
                        continue;
                    }
                    x.refuse_samples(axis)?;
                    if !(scale > 0.0 && to.is_finite()) {
                        return Err(bad(format!("scales by {scale}")));
                    }
                    let to = to as usize;
                    axes[axis] = Some(Axis { from, to, scale });
                }
            }
            (None, Some(sizes)) => {
                let sizes = self.sizes(&sizes)?;
                if sizes.len() != named.len() {
                    return Err(misfit());
                }
                for (axis, size) in named.into_iter().zip(sizes) {
                    let size = match size {
                        Size::Samples if x.samples == Some(axis) => continue,
                        Size::Samples => return Err(unsupported("makes an axis of the samples")),
                        Size::Known(size) => size,
                    };
                    x.refuse_samples(axis)?;
                    let from = x.shape[axis];
                    let to = usize::try_from(size).ok();
                    let to = to.ok_or_else(|| bad(format!("makes an axis of size {size}")))?;
                    if to != from {
                        let scale = to as f32 / from as f32;
                        axes[axis] = Some(Axis { from, to, scale });
                    }
                }
            }
            _ => return Err(bad("needs either scales or sizes")),
        }
        Ok(axes)
    }

    /// The tensor whose elements along an axis are made of those at these places.
    fn resized(&mut self, x: &Tensor, axis: usize, taps: &Taps) -> Outcome<Tensor> {
        let mut shape = x.shape.clone();
        shape[axis] = taps.len();
        let total = count(&shape)?;
        self.charge(total.saturating_mul(taps.first().map_or(1, Vec::len)))?;
        let (own, outer) = (strides(&x.shape), strides(&shape));
        let mut elements = Vec::with_capacity(total);
        for place in 0..total {
            let others = (0..x.rank()).filter(|other| *other != axis);
            let start: usize = others
                .map(|other| place / outer[other] % shape[other] * own[other])
                .sum();
            let at = |from: usize| x.elements[start + from * own[axis]];
            elements.push(match &taps[place / outer[axis] % shape[axis]][..] {
                [(from, 1.0)] => at(*from),
                taps => {
                    let pairs: Vec<(NodeId, NodeId)> = taps
                        .iter()
                        .map(|(from, weight)| (at(*from), self.builder.real(*weight)))
                        .collect();
                    self.dot(&pairs)?
                }
            });
        }
        Ok(Tensor {
            kind: x.kind,
            shape,
            samples: x.samples,
            elements,
        })
    }
}

/// Where the elements of an axis come from.
fn taps(rule: &Rule, axis: &Axis) -> Outcome<Taps> {
    if axis.from == 0 || axis.to == 0 {
        return Err(bad("makes or takes an axis of size 0"));
    }
    count(&[axis.to])?;
    (0..axis.to)
        .map(|to| {
            let last = axis.from as i64 - 1;
            let within = |place: i64| place.clamp(0, last) as usize;
            let mut found: Vec<(usize, f64)> = Vec::new();
            let mut add = |place: usize, weight: f64| match found
                .iter_mut()
                .find(|(known, _)| *known == place)
            {
                Some((_, sum)) => *sum += weight,
                None => found.push((place, weight)),
            };
            match rule.mode {
                "nearest" => {
                    // in single precision, as the runtime rounds
                    let place = rule.origin(axis, axis.scale, to as f32)?;
                    let place = match rule.nearest {
                        "round_prefer_floor" => (place - 0.5).ceil(),
                        "round_prefer_ceil" => (place + 0.5).floor(),
                        "floor" => place.floor(),
                        "ceil" => place.ceil(),
                        other => {
                            return Err(bad(format!("has the unknown nearest_mode {other:?}")));
                        }
                    };
                    add(within(place as i64), 1.0);
                }
                "linear" => {
                    let place = rule
                        .origin(axis, axis.exact(), to as f64)?
                        .clamp(0.0, last as f64);
                    let ratio = place - place.floor();
                    let first = place.floor() as i64;
                    add(within(first), 1.0 - ratio);
                    if ratio > 0.0 {
                        add(within(first + 1), ratio);
                    }
                }
                "cubic" => {
                    let place = rule.origin(axis, axis.exact(), to as f64)?;
                    let (first, ratio) = (place.floor() as i64 - 1, place - place.floor());
                    let taps = (first..).zip(keys(rule.cubic, ratio));
                    let taps: Vec<(i64, f64)> = taps
                        .filter(|(place, _)| !rule.excludes || (0..=last).contains(place))
                        .collect();
                    let whole: f64 = match rule.excludes {
                        true => taps.iter().map(|(_, weight)| weight).sum(),
                        false => 1.0,
                    };
                    taps.iter()
                        .for_each(|(place, weight)| add(within(*place), weight / whole));
                }
                other => return Err(bad(format!("has the unknown mode {other:?}"))),
            }
            Ok(found)
        })
        .collect()
}

/// The weights of the four elements around a place, which lies `ratio` behind the second.
fn keys(a: f64, ratio: f64) -> [f64; 4] {
    let far = |x: f64| ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
    let near = |x: f64| ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    [
        far(1.0 + ratio),
        near(ratio),
        near(1.0 - ratio),
        far(2.0 - ratio),
    ]
}

impl Rule<'_> {
    /// The place that element `to` of an axis comes from, in the precision of its sizes.
    fn origin<T: Real>(&self, axis: &Axis, scale: T, to: T) -> Outcome<T> {
        let (from, size) = (T::of(axis.from as f64), T::of(axis.to as f64));
        let (half, one) = (T::of(0.5), T::ONE);
        let centred = (to + half) / scale - half;
        Ok(match self.coordinates {
            "pytorch_half_pixel" | "align_corners" if axis.to == 1 => T::ZERO,
            "half_pixel" | "pytorch_half_pixel" => centred,
            "half_pixel_symmetric" => half * from * (one - size / (scale * from)) + centred,
            "align_corners" => to * (from - one) / (size - one),
            "asymmetric" => to / scale,
            other => {
                let what = format!("has the coordinate_transformation_mode {other:?}");
                return Err(unsupported(what));
            }
        })
    }
}

impl Axis {
    /// The scale; where only the sizes are told, their exact ratio.
    fn exact(&self) -> f64 {
        let exact = self.to as f64 / self.from as f64;
        match exact as f32 == self.scale {
            true => exact,
            false => f64::from(self.scale),
        }
    }
}
