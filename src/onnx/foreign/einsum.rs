//! `Einsum`: sums of products along axes that are named by letters.

use std::rc::Rc;

use super::Kind;
use super::evaluator::{Call, Evaluator};
use super::fault::{Outcome, bad, unsupported};
use super::tensor::{Tensor, count, places, strides};

type Outputs = Outcome<Vec<Tensor>>;

/// What is known of a letter.
struct Axis {
    letter: char,
    size: usize,
    samples: bool,
}

impl<'a> Evaluator<'a> {
    pub(super) fn einsum(&mut self, call: &mut Call<'a>) -> Outputs {
        let inputs: Vec<Rc<Tensor>> = (0..call.inputs.len())
            .map(|i| call.numbers(i))
            .collect::<Outcome<_>>()?;
        let equation = call.attributes.word("equation")?;
        let equation = equation.ok_or_else(|| bad("has no equation"))?;
        let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
        if equation.contains('.') {
            return Err(unsupported(format!(
                "has the equation {equation:?}; name the axes that stand for \"...\""
            )));
        }
        let (terms, result) = match equation.split_once("->") {
            Some((terms, result)) => (terms, Some(result)),
            None => (equation.as_str(), None),
        };
        let terms: Vec<Vec<char>> = terms
            .split(',')
            .map(|term| term.chars().collect())
            .collect();
        if terms.len() != inputs.len() {
            return Err(bad(format!(
                "has {} inputs and the equation {equation:?}",
                inputs.len()
            )));
        }
        let mut axes: Vec<Axis> = Vec::new();
        for (term, input) in terms.iter().zip(&inputs) {
            if term.len() != input.rank() || !term.iter().all(char::is_ascii_alphabetic) {
                return Err(bad(format!(
                    "has the equation {equation:?} and an input of shape {}",
                    input.shown()
                )));
            }
            for (at, letter) in term.iter().enumerate() {
                let (size, samples) = (input.shape[at], input.samples == Some(at));
                match axes.iter().find(|axis| axis.letter == *letter) {
                    None => axes.push(Axis {
                        letter: *letter,
                        size,
                        samples,
                    }),
                    Some(axis) if axis.size == size && axis.samples == samples => {}
                    Some(_) => return Err(bad(format!("has axes {letter:?} of unequal sizes"))),
                }
            }
        }
        let result: Vec<char> = match result {
            Some(result) => result.chars().collect(),
            None => {
                let all: Vec<char> = terms.iter().flatten().copied().collect();
                let once = |letter: &char| all.iter().filter(|other| *other == letter).count() == 1;
                let mut once: Vec<char> = all.iter().copied().filter(once).collect();
                once.sort_unstable();
                once
            }
        };
        let kept = |axis: &&Axis| result.contains(&axis.letter);
        let summed: Vec<&Axis> = axes.iter().filter(|axis| !kept(axis)).collect();
        let mut outer = Vec::with_capacity(result.len());
        for (i, letter) in result.iter().enumerate() {
            let axis = axes.iter().find(|axis| axis.letter == *letter);
            let axis = axis.filter(|_| !result[..i].contains(letter));
            outer.push(axis.ok_or_else(|| bad(format!("has the equation {equation:?}")))?);
        }
        if summed.iter().any(|axis| axis.samples) {
            return Err(unsupported(
                "sums over the samples, which are independent of each other here",
            ));
        }
        let samples: Vec<usize> = (0..outer.len()).filter(|i| outer[*i].samples).collect();
        if samples.len() > 1 {
            return Err(unsupported("combines samples along two axes"));
        }
        let sizes = |axes: &[&Axis]| axes.iter().map(|axis| axis.size).collect::<Vec<usize>>();
        let (shape, inner) = (sizes(&outer), sizes(&summed));
        let (total, terms_each) = (count(&shape)?, count(&inner)?);
        let work = total
            .saturating_mul(terms_each)
            .saturating_mul(inputs.len());
        self.charge(work)?;
        // for each input, where its elements lie by the letters of the result, and by those that are summed over
        let mut starts = Vec::with_capacity(inputs.len());
        let mut within = Vec::with_capacity(inputs.len());
        for (term, input) in terms.iter().zip(&inputs) {
            let own = strides(&input.shape);
            let steps = |axes: &[&Axis]| {
                let step = |axis: &&Axis| {
                    let mine = term.iter().zip(&own);
                    mine.filter(|(letter, _)| **letter == axis.letter)
                        .map(|(_, stride)| *stride as isize)
                        .sum()
                };
                axes.iter().map(step).collect::<Vec<isize>>()
            };
            starts.push(places(&shape, &steps(&outer), 0));
            within.push(places(&inner, &steps(&summed), 0));
        }
        let mut elements = Vec::with_capacity(total);
        for element in 0..total {
            let mut products = Vec::with_capacity(terms_each);
            for term in 0..terms_each {
                let offsets = starts.iter().zip(&within);
                let mut factors = inputs
                    .iter()
                    .zip(offsets)
                    .map(|(input, (start, within))| input.elements[start[element] + within[term]]);
                let Some(first) = factors.next() else {
                    continue;
                };
                let factors: Vec<_> = factors.collect();
                let product = factors.into_iter().try_fold(first, |a, b| self.mul(a, b))?;
                products.push(product);
            }
            elements.push(self.sum(&products)?);
        }
        Ok(vec![Tensor {
            kind: Kind::Number,
            shape,
            samples: samples.first().copied(),
            elements,
        }])
    }
}
