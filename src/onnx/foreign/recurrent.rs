//! `RNN`, `GRU` and `LSTM`, written out over the sequence as the operators of ONNX define them.

use std::rc::Rc;

use super::Kind;
use super::evaluator::{Call, Evaluator};
use super::fault::{Outcome, bad, unsupported};
use super::tensor::{Tensor, count};
use crate::ops::{NodeId, Op};

type Outputs = Outcome<Vec<Tensor>>;

#[derive(Clone, Copy, PartialEq)]
enum Cell {
    Plain,
    Gru {
        /// Whether the reset gate acts on the product with the state instead of on the state.
        after: bool,
    },
    Lstm,
}

impl Cell {
    fn gates(self) -> usize {
        match self {
            Cell::Plain => 1,
            Cell::Gru { .. } => 3,
            Cell::Lstm => 4,
        }
    }

    fn activations(self) -> &'static [Activation] {
        use Activation::{Sigmoid, Tanh};
        match self {
            Cell::Plain => &[Tanh],
            Cell::Gru { .. } => &[Sigmoid, Tanh],
            Cell::Lstm => &[Sigmoid, Tanh, Tanh],
        }
    }
}

#[derive(Clone, Copy)]
enum Activation {
    Tanh,
    Sigmoid,
    Relu,
    Softplus,
    Softsign,
}

impl Activation {
    fn of(name: &str) -> Outcome<Activation> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "tanh" => Activation::Tanh,
            "sigmoid" => Activation::Sigmoid,
            "relu" => Activation::Relu,
            "softplus" => Activation::Softplus,
            "softsign" => Activation::Softsign,
            _ => {
                return Err(unsupported(format!(
                    "has the activation {name:?}; Tanh, Sigmoid, Relu, Softplus and Softsign can be read"
                )));
            }
        })
    }
}

/// The weights of one direction.
struct Weights<'t> {
    inputs: usize,
    units: usize,
    /// For each gate and unit, the weights of the inputs.
    input: &'t [NodeId],
    /// For each gate and unit, the weights of the state.
    state: &'t [NodeId],
    /// The biases beside the inputs, then those beside the state.
    bias: Option<&'t [NodeId]>,
    /// The weights of the memory, for the input, the output and the forget gate.
    peephole: Option<&'t [NodeId]>,
    activations: Vec<Activation>,
}

/// What a tensor of the operator has to be like: its first size is the number of directions.
fn fitting(name: &str, tensor: &Tensor, shape: &[usize]) -> Outcome<()> {
    if tensor.kind != Kind::Number || tensor.samples.is_some() || tensor.shape != shape {
        return Err(bad(format!(
            "has {name} of shape {}, not {shape:?}",
            tensor.shown()
        )));
    }
    Ok(())
}

impl<'a> Evaluator<'a> {
    pub(super) fn recurrent(&mut self, call: &mut Call<'a>) -> Outputs {
        let cell = match call.operator() {
            "RNN" => Cell::Plain,
            "GRU" => Cell::Gru {
                after: call.attributes.flag("linear_before_reset", false)?,
            },
            _ => Cell::Lstm,
        };
        call.arity(3..=if cell == Cell::Lstm { 8 } else { 6 })?;
        if cell == Cell::Lstm && call.attributes.flag("input_forget", false)? {
            return Err(unsupported("couples its gates (input_forget)"));
        }
        if call.attributes.real("clip", 0.0)? != 0.0 {
            return Err(unsupported("cuts what goes into its activations (clip)"));
        }
        // the batch stands first
        let swapped = call.attributes.flag("layout", false)?;
        let direction = call.attributes.word("direction")?.unwrap_or("forward");
        let backwards: &[bool] = match direction {
            "forward" => &[false],
            "reverse" => &[true],
            "bidirectional" => &[false, true],
            other => return Err(bad(format!("has the unknown direction {other:?}"))),
        };
        let directions = backwards.len();
        let x = self.ordered(call.numbers(0)?, swapped)?;
        let [length, batch, inputs] = x.shape[..] else {
            return Err(bad("takes sequences of three dimensions"));
        };
        x.refuse_samples(0)?;
        x.refuse_samples(2)?;
        let (w, r) = (call.numbers(1)?, call.numbers(2)?);
        let units = r.shape.last().copied().unwrap_or(0);
        if call.attributes.int_or("hidden_size", units as i64)? != units as i64 {
            return Err(bad("has weights that do not fit its hidden_size"));
        }
        let rows = cell.gates().saturating_mul(units);
        fitting("weights W", &w, &[directions, rows, inputs])?;
        fitting("weights R", &r, &[directions, rows, units])?;
        let bias = call.optional(3);
        if let Some(bias) = &bias {
            fitting("biases B", bias, &[directions, 2 * rows])?;
        }
        let peephole = call.optional(7);
        if let Some(peephole) = &peephole {
            fitting("peepholes P", peephole, &[directions, 3 * units])?;
        }
        if let Some(lengths) = call.optional(4) {
            let same = |lengths: Vec<i64>| lengths.iter().all(|l| *l == length as i64);
            if !self.ints(&lengths).is_ok_and(same) {
                return Err(unsupported(
                    "is given sequences of unequal lengths (sequence_lens); leave that input out",
                ));
            }
        }
        let mut samples = x.samples.is_some();
        let mut initial = Vec::new();
        for i in [5, 6] {
            initial.push(match call.optional(i) {
                Some(tensor) => {
                    let tensor = self.ordered(tensor, swapped)?;
                    if tensor.shape != [directions, batch, units] || tensor.kind != Kind::Number {
                        return Err(bad(format!(
                            "has an initial state of shape {}, not [{directions}, {batch}, {units}]",
                            tensor.shown()
                        )));
                    }
                    tensor.refuse_samples(0)?;
                    tensor.refuse_samples(2)?;
                    samples |= tensor.samples.is_some();
                    tensor.elements.clone()
                }
                None => {
                    let zero = self.real(0.0);
                    vec![zero; count(&[directions, batch, units])?]
                }
            });
        }
        let defaults = cell.activations();
        let activations: Vec<Activation> = match call.attributes.words("activations")? {
            None => (0..directions).flat_map(|_| defaults).copied().collect(),
            Some(names) => {
                let names = names.into_iter().map(Activation::of);
                names.collect::<Outcome<_>>()?
            }
        };
        if activations.len() != directions * defaults.len() {
            return Err(bad(format!("has {} activations", activations.len())));
        }
        let shape = vec![length, directions, batch, units];
        self.charge(count(&shape)?)?;
        let zero = self.real(0.0);
        let mut outputs = vec![zero; count(&shape)?];
        let (mut hidden, mut memory) = (Vec::new(), Vec::new());
        for (d, backwards) in backwards.iter().enumerate() {
            let part = |tensor: &'_ Rc<Tensor>| {
                let size = tensor.elements.len() / directions;
                d * size..(d + 1) * size
            };
            let weights = Weights {
                inputs,
                units,
                input: &w.elements[part(&w)],
                state: &r.elements[part(&r)],
                bias: bias.as_ref().map(|bias| &bias.elements[part(bias)]),
                peephole: peephole.as_ref().map(|p| &p.elements[part(p)]),
                activations: activations[d * defaults.len()..(d + 1) * defaults.len()].to_vec(),
            };
            for b in 0..batch {
                let own = (d * batch + b) * units..(d * batch + b + 1) * units;
                let mut state = initial[0][own.clone()].to_vec();
                let mut kept = initial[1][own].to_vec();
                for step in 0..length {
                    let t = if *backwards { length - 1 - step } else { step };
                    let row = &x.elements[(t * batch + b) * inputs..][..inputs];
                    self.step(cell, &weights, row, &mut state, &mut kept)?;
                    let first = ((t * directions + d) * batch + b) * units;
                    outputs[first..first + units].copy_from_slice(&state);
                }
                hidden.extend(state);
                memory.extend(kept);
            }
        }
        let tensor = |shape: Vec<usize>, axis: usize, elements| Tensor {
            kind: Kind::Number,
            shape,
            samples: samples.then_some(axis),
            elements,
        };
        let last = vec![directions, batch, units];
        let mut all = vec![tensor(shape, 2, outputs), tensor(last.clone(), 1, hidden)];
        if cell == Cell::Lstm {
            all.push(tensor(last, 1, memory));
        }
        if swapped {
            for (output, order) in all
                .iter_mut()
                .zip([&[2, 0, 1, 3][..], &[1, 0, 2], &[1, 0, 2]])
            {
                *output = self.permuted(output, order)?;
            }
        }
        Ok(all)
    }

    /// A tensor of three dimensions, the second of which is the batch.
    fn ordered(&mut self, x: Rc<Tensor>, swapped: bool) -> Outcome<Rc<Tensor>> {
        match swapped && x.rank() == 3 {
            true => Ok(Rc::new(self.permuted(&x, &[1, 0, 2])?)),
            false => Ok(x),
        }
    }

    /// One step of one sequence: the next state, and the next memory of an LSTM.
    fn step(
        &mut self,
        cell: Cell,
        weights: &Weights,
        x: &[NodeId],
        state: &mut [NodeId],
        memory: &mut [NodeId],
    ) -> Outcome<()> {
        let before = state.to_vec();
        let f = weights.activations[0];
        match cell {
            Cell::Plain => {
                for (unit, state) in state.iter_mut().enumerate() {
                    let sum = self.gate(weights, 0, unit, x, &before)?;
                    *state = self.activate(f, sum)?;
                }
            }
            Cell::Gru { after } => {
                let g = weights.activations[1];
                let mut reset = Vec::with_capacity(before.len());
                for unit in 0..before.len() {
                    let sum = self.gate(weights, 1, unit, x, &before)?;
                    reset.push(self.activate(f, sum)?);
                }
                let mut part = Vec::with_capacity(before.len());
                for (reset, state) in reset.iter().zip(&before) {
                    part.push(self.mul(*reset, *state)?);
                }
                for (unit, state) in state.iter_mut().enumerate() {
                    let sum = self.gate(weights, 0, unit, x, &before)?;
                    let update = self.activate(f, sum)?;
                    let input = self.of_input(weights, 2, unit, x)?;
                    let recurrent = match after {
                        true => {
                            let product = self.of_state(weights, 2, unit, &before)?;
                            self.mul(reset[unit], product)?
                        }
                        false => self.of_state(weights, 2, unit, &part)?,
                    };
                    let sum = self.add(input, recurrent)?;
                    let new = self.activate(g, sum)?;
                    let one = self.real(1.0);
                    let rest = self.sub(one, update)?;
                    *state = self.dot(&[(rest, new), (update, before[unit])])?;
                }
            }
            Cell::Lstm => {
                let (g, h) = (weights.activations[1], weights.activations[2]);
                for unit in 0..before.len() {
                    let mut gates = [before[unit]; 4];
                    for (gate, sum) in gates.iter_mut().enumerate() {
                        *sum = self.gate(weights, gate, unit, x, &before)?;
                    }
                    let [input, output, forget, new] = gates;
                    let input = self.peek(weights, 0, unit, input, memory[unit])?;
                    let forget = self.peek(weights, 2, unit, forget, memory[unit])?;
                    let (input, forget) = (self.activate(f, input)?, self.activate(f, forget)?);
                    let new = self.activate(g, new)?;
                    memory[unit] = self.dot(&[(forget, memory[unit]), (input, new)])?;
                    let output = self.peek(weights, 1, unit, output, memory[unit])?;
                    let output = self.activate(f, output)?;
                    let shown = self.activate(h, memory[unit])?;
                    state[unit] = self.mul(output, shown)?;
                }
            }
        }
        Ok(())
    }

    /// What goes into a gate of a unit.
    fn gate(
        &mut self,
        weights: &Weights,
        gate: usize,
        unit: usize,
        x: &[NodeId],
        state: &[NodeId],
    ) -> Outcome<NodeId> {
        let input = self.of_input(weights, gate, unit, x)?;
        let recurrent = self.of_state(weights, gate, unit, state)?;
        self.add(input, recurrent)
    }

    fn of_input(
        &mut self,
        weights: &Weights,
        gate: usize,
        unit: usize,
        x: &[NodeId],
    ) -> Outcome<NodeId> {
        let row = gate * weights.units + unit;
        let own = &weights.input[row * weights.inputs..][..weights.inputs];
        let product = self.weighted(own, x)?;
        self.biased(weights, row, product)
    }

    fn of_state(
        &mut self,
        weights: &Weights,
        gate: usize,
        unit: usize,
        state: &[NodeId],
    ) -> Outcome<NodeId> {
        let row = gate * weights.units + unit;
        let own = &weights.state[row * weights.units..][..weights.units];
        let product = self.weighted(own, state)?;
        let rows = weights.bias.map_or(0, |bias| bias.len() / 2);
        self.biased(weights, rows + row, product)
    }

    fn weighted(&mut self, weights: &[NodeId], values: &[NodeId]) -> Outcome<NodeId> {
        let pairs: Vec<(NodeId, NodeId)> = weights
            .iter()
            .copied()
            .zip(values.iter().copied())
            .collect();
        self.dot(&pairs)
    }

    fn biased(&mut self, weights: &Weights, place: usize, product: NodeId) -> Outcome<NodeId> {
        match weights.bias {
            Some(bias) => self.add(product, bias[place]),
            None => Ok(product),
        }
    }

    /// What goes into a gate that also sees the memory.
    fn peek(
        &mut self,
        weights: &Weights,
        gate: usize,
        unit: usize,
        sum: NodeId,
        memory: NodeId,
    ) -> Outcome<NodeId> {
        let Some(peephole) = weights.peephole else {
            return Ok(sum);
        };
        let seen = self.mul(peephole[gate * weights.units + unit], memory)?;
        self.add(sum, seen)
    }

    fn activate(&mut self, activation: Activation, x: NodeId) -> Outcome<NodeId> {
        match activation {
            Activation::Tanh => self.op(Op::Tanh, &[x]),
            Activation::Sigmoid => self.op(Op::Sigmoid, &[x]),
            Activation::Relu => self.op(Op::Relu, &[x]),
            Activation::Softplus => self.op(Op::Softplus, &[x]),
            Activation::Softsign => self.softsign(x),
        }
    }
}
