//! The sum of options, weighted by the softmax of weights; with noise and in one piece on request (Jang, Gu, Poole,
//! "Categorical reparameterization with Gumbel-softmax", 2017).

use super::kernel::UnaryFn;
use super::numeric::Log;
use super::{Emit, NodeId, Op};
use crate::options::Options;

/// How choices are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SoftChoice {
    /// What weights are divided by: near 0 the largest takes all, far above all count the same.
    pub temperature: f64,
    /// The seed of the Gumbel noise that is added to weights.
    pub noise: Option<u64>,
    /// Whether the value is that of the option with the largest weight; the derivative stays that of the sum.
    pub hard: bool,
}

impl Default for SoftChoice {
    fn default() -> SoftChoice {
        SoftChoice {
            temperature: 1.0,
            noise: None,
            hard: false,
        }
    }
}

impl SoftChoice {
    /// What the options `soft_choice_temperature`, `soft_choice_noise` and `soft_choice_hard` set.
    pub fn of(options: &Options) -> SoftChoice {
        SoftChoice {
            temperature: options.real("soft_choice_temperature"),
            noise: u64::try_from(options.int("soft_choice_noise")).ok(),
            hard: options.str("soft_choice_hard") == "true",
        }
    }
}

/// The choice between `options`, of which there are as many as weights. `draws` says how many numbers of the noise the
/// choices before it in the program take: each takes one for each of its options.
pub fn soft_choice(
    e: &mut dyn Emit,
    options: &[NodeId],
    weights: &[NodeId],
    settings: &SoftChoice,
    draws: usize,
) -> NodeId {
    let mut scores = Vec::with_capacity(weights.len());
    for (i, weight) in weights.iter().enumerate() {
        let mut score = *weight;
        if let Some(seed) = settings.noise {
            let noise = e.real(gumbel(seed, (draws + i) as u64));
            score = e.add(score, noise);
        }
        if settings.temperature != 1.0 {
            let temperature = e.real(settings.temperature);
            score = e.div(score, temperature);
        }
        scores.push(score);
    }
    let shares = shares(e, &scores);
    let pairs = options.iter().zip(shares);
    let terms: Vec<NodeId> = pairs.map(|(option, share)| e.mul(*option, share)).collect();
    let soft = sum(e, &terms);
    match settings.hard {
        true => {
            let chosen = chosen(e, options, &scores);
            e.op(Op::StraightThrough, &[chosen, soft])
        }
        false => soft,
    }
}

/// The softmax of `scores`. What is subtracted against overflow changes no share, so it has no part in the derivative.
fn shares(e: &mut dyn Emit, scores: &[NodeId]) -> Vec<NodeId> {
    let (top, zero) = (e.op(Op::Max, scores), e.real(0.0));
    let top = e.op(Op::StraightThrough, &[top, zero]);
    let powers: Vec<NodeId> = scores
        .iter()
        .map(|score| {
            let below = e.sub(*score, top);
            e.op(Op::Exp, &[below])
        })
        .collect();
    let total = sum(e, &powers);
    powers.iter().map(|power| e.div(*power, total)).collect()
}

fn sum(e: &mut dyn Emit, terms: &[NodeId]) -> NodeId {
    let first = terms.first().copied();
    let first = first.unwrap_or_else(|| e.real(0.0));
    terms
        .iter()
        .skip(1)
        .fold(first, |sum, term| e.add(sum, *term))
}

/// The option with the largest score, the first of equals.
fn chosen(e: &mut dyn Emit, options: &[NodeId], scores: &[NodeId]) -> NodeId {
    let (mut chosen, mut top) = (options[0], scores[0]);
    for (option, score) in options.iter().zip(scores).skip(1) {
        let better = e.op(Op::Greater, &[*score, top]);
        chosen = e.select(better, *option, chosen);
        top = e.select(better, *score, top);
    }
    chosen
}

/// Number `index` of the noise: -log(-log u) of a uniform number from splitmix64 (Steele, Lea, Flood, "Fast splittable
/// pseudorandom number generators", 2014).
fn gumbel(seed: u64, index: u64) -> f64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut bits = seed.wrapping_add(STEP.wrapping_mul(index.wrapping_add(1)));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    // in the middle of one of 2^52 equal parts: neither 0 nor 1
    let uniform = ((bits >> 12) as f64 + 0.5) / (1u64 << 52) as f64;
    -Log::apply(-Log::apply(uniform))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_noise_is_of_the_gumbel_distribution() {
        let draws: Vec<f64> = (0..100_000).map(|i| gumbel(7, i)).collect();
        let count = draws.len() as f64;
        let mean = draws.iter().sum::<f64>() / count;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
        // Euler's constant and pi squared over 6; the standard errors are 0.004 and 0.011
        assert!((mean - 0.577_215_66).abs() < 0.016, "{mean}");
        assert!((variance - 1.644_934_07).abs() < 0.05, "{variance}");
        assert_ne!(gumbel(7, 0), gumbel(8, 0));
    }
}
