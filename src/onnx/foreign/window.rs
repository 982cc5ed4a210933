//! Windows that move over the last axes of a tensor: convolutions and pooling.

use super::Kind;
use super::evaluator::{Call, Evaluator, wrong_type};
use super::fault::{Outcome, bad, unsupported};
use super::tensor::{Tensor, count, strides};
use crate::ops::{NodeId, Op};

type Outputs = Outcome<Vec<Tensor>>;

/// Largest stride, dilation, padding or side of a window.
const MAX_SIDE: i64 = 1 << 24;

/// Where windows lie over the axes of space.
struct Windows {
    /// The sizes of the axes.
    space: Vec<usize>,
    kernel: Vec<usize>,
    strides: Vec<usize>,
    dilations: Vec<usize>,
    /// Padding before and behind.
    pads: [Vec<usize>; 2],
    /// How many windows there are along each axis.
    windows: Vec<usize>,
}

/// How an element of a window lies.
#[derive(Clone, Copy, PartialEq)]
enum Tap {
    /// On an element of the tensor: its place in space.
    On(usize),
    /// In the padding.
    Padding,
    /// Behind the padding, where only rounding up reaches.
    Beyond,
}

impl Windows {
    /// The windows that the attributes ask for; `kernel` is what the weights say.
    fn of(call: &mut Call, space: &[usize], kernel: Option<&[usize]>) -> Outcome<Windows> {
        let attributes = &mut call.attributes;
        let given = attributes.ints("kernel_shape")?;
        let kernel: Vec<usize> = match (given, kernel) {
            (None, None) => return Err(bad("has no kernel_shape")),
            (Some(given), own) => {
                let given = sides(given, space.len(), 1)?;
                if own.is_some_and(|own| own != given) {
                    return Err(bad("has weights that do not fit its kernel_shape"));
                }
                given
            }
            (None, Some(own)) => own.to_vec(),
        };
        let mut per = |name: &str| match attributes.ints(name)? {
            Some(values) => sides(values, space.len(), 1),
            None => Ok(vec![1; space.len()]),
        };
        let (steps, dilations) = (per("strides")?, per("dilations")?);
        let up = attributes.flag("ceil_mode", false)?;
        let auto = attributes.word("auto_pad")?.unwrap_or("NOTSET");
        let pads = match attributes.ints("pads")? {
            Some(pads) => sides(pads, 2 * space.len(), 0)?,
            None => vec![0; 2 * space.len()],
        };
        let (before, behind) = pads.split_at(space.len());
        let mut windows = Windows {
            space: space.to_vec(),
            kernel,
            strides: steps,
            dilations,
            pads: [before.to_vec(), behind.to_vec()],
            windows: vec![],
        };
        for axis in 0..space.len() {
            windows.fit(axis, auto, up)?;
        }
        Ok(windows)
    }

    /// How far an element of a window lies from its first.
    fn reach(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1) * self.dilations[axis] + 1
    }

    /// Sets the padding of an axis and the number of windows along it.
    fn fit(&mut self, axis: usize, auto: &str, up: bool) -> Outcome<()> {
        let (size, reach, step) = (self.space[axis], self.reach(axis), self.strides[axis]);
        match auto {
            "NOTSET" => {}
            "VALID" => self.pads = [vec![0; self.space.len()], vec![0; self.space.len()]],
            "SAME_UPPER" | "SAME_LOWER" => {
                let windows = size.div_ceil(step);
                let wanted = windows.saturating_sub(1) * step + reach;
                let padding = wanted.saturating_sub(size);
                let (less, more) = (padding / 2, padding - padding / 2);
                let upper = auto == "SAME_UPPER";
                self.pads[0][axis] = if upper { less } else { more };
                self.pads[1][axis] = if upper { more } else { less };
            }
            other => return Err(bad(format!("has the unknown auto_pad {other:?}"))),
        }
        let before = self.pads[0][axis];
        let padded = size + before + self.pads[1][axis];
        let Some(rest) = padded.checked_sub(reach) else {
            return Err(bad(format!(
                "moves a window of {reach} over an axis of {padded} elements, padding included"
            )));
        };
        let mut windows = rest / step + 1;
        if up && rest % step != 0 && windows * step < size + before {
            // one more that begins on the tensor or before it
            windows += 1;
        }
        self.windows.push(windows);
        Ok(())
    }

    /// For each window the elements in it, in order.
    fn taps(&self, evaluator: &mut Evaluator) -> Outcome<Vec<Vec<Tap>>> {
        let (total, size) = (count(&self.windows)?, count(&self.kernel)?);
        // they are held in memory all at once
        evaluator.charge(total.saturating_mul(8 + 4 * size))?;
        let own = strides(&self.space);
        let (starts, steps) = (indices(&self.windows), indices(&self.kernel));
        let taps = starts.iter().map(|start| {
            let taps = steps.iter().map(|step| {
                let mut place = 0;
                let mut tap = None;
                for axis in 0..self.space.len() {
                    let at = start[axis] * self.strides[axis] + step[axis] * self.dilations[axis];
                    let (before, behind) = (self.pads[0][axis], self.pads[1][axis]);
                    match at.checked_sub(before) {
                        Some(at) if at < self.space[axis] => place += at * own[axis],
                        Some(at) if at >= self.space[axis] + behind => tap = Some(Tap::Beyond),
                        _ => tap = tap.or(Some(Tap::Padding)),
                    }
                }
                tap.unwrap_or(Tap::On(place))
            });
            taps.collect()
        });
        Ok(taps.collect())
    }
}

/// Sizes from `least` on, of the right number.
fn sides(values: &[i64], number: usize, least: i64) -> Outcome<Vec<usize>> {
    if values.len() != number {
        return Err(bad(format!("has {values:?} where {number} numbers belong")));
    }
    let sides = values.iter().map(|value| match value {
        value if (least..=MAX_SIDE).contains(value) => Ok(*value as usize),
        value => Err(bad(format!(
            "has {value} where {least} to {MAX_SIDE} belongs"
        ))),
    });
    sides.collect()
}

/// The indices of the elements of a shape, in order.
fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    let own = strides(shape);
    let total = shape.iter().product();
    let index = |place: usize| {
        let axes = shape.iter().zip(&own);
        axes.map(|(size, stride)| place / stride % size).collect()
    };
    (0..total).map(index).collect()
}

/// The sizes of space of a tensor whose first axes are the samples or a batch and the channels.
fn space(x: &Tensor) -> Outcome<&[usize]> {
    if x.rank() < 3 || x.shape.contains(&0) {
        return Err(bad(format!(
            "takes a batch of channels in space, not a tensor of shape {}",
            x.shown()
        )));
    }
    for axis in 1..x.rank() {
        x.refuse_samples(axis)?;
    }
    Ok(&x.shape[2..])
}

/// The weights of a convolution and its biases.
struct Filters {
    weights: Tensor,
    bias: Option<Vec<NodeId>>,
}

impl Filters {
    fn of(call: &Call, x: &Tensor) -> Outcome<Filters> {
        let weights = (*call.numbers(1)?).clone();
        if weights.rank() != x.rank() || weights.samples.is_some() || weights.shape.contains(&0) {
            return Err(bad(format!("has weights of shape {}", weights.shown())));
        }
        let bias = match call.optional(2) {
            Some(_) => Some(call.numbers(2)?),
            None => None,
        };
        if bias
            .as_ref()
            .is_some_and(|bias| bias.rank() != 1 || bias.samples.is_some())
        {
            return Err(bad("has biases that are no list"));
        }
        let bias = bias.map(|bias| bias.elements.clone());
        Ok(Filters { weights, bias })
    }
}

impl<'a> Evaluator<'a> {
    pub(super) fn convolution(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(2..=3)?;
        let x = call.numbers(0)?;
        let space = space(&x)?;
        let Filters { weights, bias } = Filters::of(call, &x)?;
        let (batch, channels, outputs) = (x.shape[0], x.shape[1], weights.shape[0]);
        let groups = self.groups_of(call, channels, outputs)?;
        let own = channels / groups;
        if weights.shape[1] != own || bias.as_ref().is_some_and(|b| b.len() != outputs) {
            return Err(bad(format!(
                "has weights of shape {} for {channels} channels in {groups} groups, or biases that do not fit",
                weights.shown()
            )));
        }
        let windows = Windows::of(call, space, Some(&weights.shape[2..]))?;
        let taps = windows.taps(self)?;
        let (points, size) = (space.iter().product::<usize>(), count(&windows.kernel)?);
        let mut shape = vec![batch, outputs];
        shape.extend(&windows.windows);
        let total = count(&shape)?;
        self.charge(total.saturating_mul(own.saturating_mul(size)))?;
        let mut elements = Vec::with_capacity(total);
        let mut pairs = Vec::with_capacity(own * size);
        for b in 0..batch {
            for output in 0..outputs {
                let first = output / (outputs / groups) * own;
                for taps in &taps {
                    pairs.clear();
                    for channel in 0..own {
                        let plane = (b * channels + first + channel) * points;
                        let filter = (output * own + channel) * size;
                        for (k, tap) in taps.iter().enumerate() {
                            if let Tap::On(place) = tap {
                                pairs.push((
                                    weights.elements[filter + k],
                                    x.elements[plane + place],
                                ));
                            }
                        }
                    }
                    elements.push(self.dot_and(&pairs, bias.as_ref().map(|bias| bias[output]))?);
                }
            }
        }
        Ok(vec![Tensor {
            kind: Kind::Number,
            shape,
            samples: x.samples,
            elements,
        }])
    }

    /// The convolution whose gradient by its input this is.
    pub(super) fn transposed_convolution(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(2..=3)?;
        let x = call.numbers(0)?;
        let space = space(&x)?;
        let Filters { weights, bias } = Filters::of(call, &x)?;
        let (batch, channels, per_group) = (x.shape[0], x.shape[1], weights.shape[1]);
        let groups = call.attributes.int_or("group", 1)?;
        let groups = usize::try_from(groups)
            .ok()
            .filter(|groups| *groups > 0 && channels % groups == 0 && weights.shape[0] == channels);
        let groups = groups.ok_or_else(|| bad("has groups or weights that do not fit"))?;
        let outputs = groups * per_group;
        if bias.as_ref().is_some_and(|bias| bias.len() != outputs) {
            return Err(bad("has biases that do not fit its weights"));
        }
        let more = match call.attributes.ints("output_padding")? {
            Some(more) => sides(more, space.len(), 0)?,
            None => vec![0; space.len()],
        };
        if call.attributes.ints("output_shape")?.is_some() {
            return Err(unsupported("is given an output_shape; export it with pads"));
        }
        if !matches!(call.attributes.word("auto_pad")?, None | Some("NOTSET")) {
            return Err(unsupported("is given auto_pad; export it with pads"));
        }
        let geometry = &mut call.attributes;
        let mut per = |name: &str, number: usize, default: usize| match geometry.ints(name)? {
            Some(values) => sides(values, number, default as i64),
            None => Ok(vec![default; number]),
        };
        let kernel = weights.shape[2..].to_vec();
        let given = per("kernel_shape", space.len(), 1)?;
        if call
            .node
            .attribute
            .iter()
            .any(|a| a.name() == "kernel_shape")
            && given != kernel
        {
            return Err(bad("has weights that do not fit its kernel_shape"));
        }
        let (steps, dilations) = (
            per("strides", space.len(), 1)?,
            per("dilations", space.len(), 1)?,
        );
        let pads = per("pads", 2 * space.len(), 0)?;
        let mut shape = vec![batch, outputs];
        for axis in 0..space.len() {
            let reach = (kernel[axis] - 1) * dilations[axis] + 1;
            let whole = steps[axis] * (space[axis] - 1) + more[axis] + reach;
            let size = whole.checked_sub(pads[axis] + pads[axis + space.len()]);
            shape.push(
                size.filter(|size| *size > 0)
                    .ok_or_else(|| bad("pads all away"))?,
            );
        }
        let total = count(&shape)?;
        let size = count(&kernel)?;
        let per_channel = x.elements.len().saturating_mul(per_group);
        // they are held in memory all at once
        let products = per_channel.saturating_mul(4 * size);
        self.charge(total.saturating_mul(8).saturating_add(products))?;
        // for each element of the result, the products that make it up
        let mut products: Vec<Vec<(NodeId, NodeId)>> = vec![vec![]; total];
        let (points, within) = (indices(space), indices(&kernel));
        let own = strides(&shape);
        let group = channels / groups;
        for b in 0..batch {
            for channel in 0..channels {
                for (i, point) in points.iter().enumerate() {
                    let value = x.elements[(b * channels + channel) * points.len() + i];
                    for (k, offset) in within.iter().enumerate() {
                        let place = (0..space.len()).try_fold(b * own[0], |place, axis| {
                            let at = point[axis] * steps[axis] + offset[axis] * dilations[axis];
                            let at = at.checked_sub(pads[axis])?;
                            (at < shape[axis + 2]).then(|| place + at * own[axis + 2])
                        });
                        let Some(place) = place else { continue };
                        for m in 0..per_group {
                            let output = channel / group * per_group + m;
                            let filter = (channel * per_group + m) * within.len() + k;
                            products[place + output * own[1]]
                                .push((weights.elements[filter], value));
                        }
                    }
                }
            }
        }
        let mut elements = Vec::with_capacity(total);
        for (i, pairs) in products.iter().enumerate() {
            let output = i / own[1] % outputs;
            elements.push(self.dot_and(pairs, bias.as_ref().map(|bias| bias[output]))?);
        }
        Ok(vec![Tensor {
            kind: Kind::Number,
            shape,
            samples: x.samples,
            elements,
        }])
    }

    /// The groups of channels of a convolution.
    fn groups_of(
        &mut self,
        call: &mut Call<'a>,
        channels: usize,
        outputs: usize,
    ) -> Outcome<usize> {
        let groups = call.attributes.int_or("group", 1)?;
        let groups = usize::try_from(groups).ok();
        let fits = |groups: &usize| {
            *groups > 0 && channels.is_multiple_of(*groups) && outputs.is_multiple_of(*groups)
        };
        groups.filter(fits).ok_or_else(|| {
            bad(format!(
                "has groups that do not divide {channels} and {outputs} channels"
            ))
        })
    }

    /// The sum of products, and of one number more.
    fn dot_and(&mut self, pairs: &[(NodeId, NodeId)], more: Option<NodeId>) -> Outcome<NodeId> {
        let sum = self.dot(pairs)?;
        match more {
            Some(more) => self.add(sum, more),
            None => Ok(sum),
        }
    }

    pub(super) fn pool(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=1)?;
        let x = call.numbers(0)?;
        let space = space(&x)?;
        let most = call.operator() == "MaxPool";
        let padded = call.attributes.flag("count_include_pad", false)?;
        // says how indices are counted, which are not given
        call.attributes.ignore("storage_order");
        let windows = Windows::of(call, space, None)?;
        let taps = windows.taps(self)?;
        let points: usize = space.iter().product();
        let mut shape = x.shape[..2].to_vec();
        shape.extend(&windows.windows);
        let total = count(&shape)?;
        self.charge(total.saturating_mul(count(&windows.kernel)?))?;
        let mut elements = Vec::with_capacity(total);
        for plane in x.elements.chunks(points) {
            for taps in &taps {
                let on = taps.iter().filter_map(|tap| match tap {
                    Tap::On(place) => Some(plane[*place]),
                    _ => None,
                });
                let values: Vec<NodeId> = on.collect();
                if values.is_empty() {
                    return Err(bad("has a window that lies in the padding alone"));
                }
                elements.push(match most {
                    true => self.most(Op::Max, &values)?,
                    false => {
                        let counts = |tap: &&Tap| match tap {
                            Tap::On(_) => true,
                            Tap::Padding => padded,
                            Tap::Beyond => false,
                        };
                        let size = taps.iter().filter(counts).count();
                        let (sum, size) = (self.sum(&values)?, self.real(size as f64));
                        self.div(sum, size)?
                    }
                });
            }
        }
        Ok(vec![Tensor {
            kind: Kind::Number,
            shape,
            samples: x.samples,
            elements,
        }])
    }

    pub(super) fn global_pool(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=1)?;
        let x = call.numbers(0)?;
        let points: usize = space(&x)?.iter().product();
        let mut shape = vec![1; x.rank()];
        shape[..2].copy_from_slice(&x.shape[..2]);
        let mut elements = Vec::with_capacity(x.elements.len() / points);
        for plane in x.elements.chunks(points) {
            elements.push(match call.operator() {
                "GlobalMaxPool" => self.most(Op::Max, plane)?,
                _ => self.mean(plane)?,
            });
        }
        Ok(vec![Tensor {
            kind: Kind::Number,
            shape,
            samples: x.samples,
            elements,
        }])
    }

    pub(super) fn pad(&mut self, call: &mut Call<'a>) -> Outputs {
        call.arity(1..=4)?;
        let x = call.input(0)?;
        let mode = call.attributes.word("mode")?.unwrap_or("constant");
        let amounts = match call.attributes.ints("pads")? {
            Some(pads) => pads.to_vec(),
            None => self.ints(&*call.input(1)?)?,
        };
        let value = call.attributes.real("value", 0.0)?;
        let value = match call.optional(2) {
            Some(value) if value.kind == x.kind => self.only(&value)?,
            Some(_) => return Err(wrong_type()),
            None => self.element(value, x.kind),
        };
        let axes: Vec<usize> = match call.optional(3) {
            Some(axes) => {
                let axes = self.ints(&axes)?;
                axes.iter()
                    .map(|axis| x.axis(*axis))
                    .collect::<Outcome<_>>()?
            }
            None => (0..x.rank()).collect(),
        };
        if amounts.len() != 2 * axes.len() {
            return Err(bad("has another number of pads than two for each axis"));
        }
        let mut before = vec![0i64; x.rank()];
        let mut shape = x.shape.clone();
        for (i, axis) in axes.iter().enumerate() {
            let (first, last) = (amounts[i], amounts[i + axes.len()]);
            if first != 0 || last != 0 {
                x.refuse_samples(*axis)?;
            }
            before[*axis] = first;
            let size = (x.shape[*axis] as i64).checked_add(first);
            let size = size.and_then(|size| size.checked_add(last));
            let size = size.and_then(|size| usize::try_from(size).ok());
            shape[*axis] = size.ok_or_else(|| bad(format!("pads by {first} and {last}")))?;
        }
        let total = count(&shape)?;
        self.charge(total.saturating_mul(1 + x.rank()))?;
        // for each axis, where its elements come from
        let mut sources: Vec<Vec<Option<usize>>> = Vec::with_capacity(x.rank());
        for axis in 0..x.rank() {
            let size = x.shape[axis] as i64;
            let from = (0..shape[axis] as i64).map(|at| source(at - before[axis], size, mode));
            sources.push(from.collect::<Outcome<_>>()?);
        }
        let own = strides(&x.shape);
        let outer = strides(&shape);
        let elements = (0..total).map(|at| {
            let place = (0..x.rank()).try_fold(0, |place, axis| {
                let from = sources[axis][at / outer[axis] % shape[axis]]?;
                Some(place + from * own[axis])
            });
            place.map_or(value, |place| x.elements[place])
        });
        Ok(vec![Tensor {
            kind: x.kind,
            samples: x.samples,
            elements: elements.collect(),
            shape,
        }])
    }
}

/// Where an element that lies at `at` of an axis of this size comes from; `None` if it is the constant.
fn source(at: i64, size: i64, mode: &str) -> Outcome<Option<usize>> {
    if (0..size).contains(&at) {
        return Ok(Some(at as usize));
    }
    let far = || bad(format!("pads an axis of size {size} by more than it has"));
    let from = match mode {
        "constant" => return Ok(None),
        "edge" if size > 0 => at.clamp(0, size - 1),
        "reflect" if size > 0 => match at {
            at if at < 0 => -at,
            at => 2 * (size - 1) - at,
        },
        "wrap" if size > 0 => at.rem_euclid(size),
        "edge" | "reflect" | "wrap" => return Err(far()),
        other => return Err(unsupported(format!("pads in the mode {other:?}"))),
    };
    match (0..size).contains(&from) {
        true => Ok(Some(from as usize)),
        false => Err(far()),
    }
}
