//! Many starts: a Latin hypercube over what the parameters may be (McKay, Beckman and Conover 1979), seeded.

use super::Bounds;
use super::mapping::Transform;

/// Where a start ended: its loss and its parameters.
pub type End = (f64, Vec<f64>);

/// Iterations that each start is given before the best are chosen.
pub const SHORT_RUN: u64 = 15;
/// Most numbers in all starts: a few hundred megabytes with what is kept of their ends.
pub const MOST_NUMBERS: usize = 4_000_000;
/// Ends whose parameters differ relatively less than this are one.
const SAME: f64 = 1e-4;

/// SplitMix64 (Steele, Lea and Flood 2014).
#[derive(Clone, Debug)]
pub(super) struct Random(pub u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.bits()) * count as u128) >> 64) as usize
    }
}

/// Between what the starts lie: the bounds; for a parameter that is moved by its logarithm, a hundred times less and more than
/// the initial value where there is none.
pub fn limits(initial: &[f64], bounds: &Bounds, transforms: &[Transform]) -> Bounds {
    let mut limits = bounds.clone();
    for (i, value) in initial.iter().enumerate() {
        if transforms[i] == Transform::Log {
            let (lower, upper) = (&mut limits.lower[i], &mut limits.upper[i]);
            *lower = if *lower > 0.0 { *lower } else { value / 100.0 };
            *upper = if upper.is_finite() {
                *upper
            } else {
                value * 100.0
            };
        }
    }
    limits
}

/// Where the starts of a parameter lie: between its bounds; where one is missing, within three times its size from the initial
/// value. Bounds of one sign that are far apart are filled evenly in the logarithm.
fn place(share: f64, initial: f64, lower: f64, upper: f64) -> f64 {
    let reach = 3.0 * if initial == 0.0 { 1.0 } else { initial.abs() };
    let low = if lower.is_finite() {
        lower
    } else {
        (initial - reach).min(upper)
    };
    let high = if upper.is_finite() {
        upper
    } else {
        (initial + reach).max(lower)
    };
    let value = match low > 0.0 && high / low > 100.0 {
        true => low * (high / low).powf(share),
        false => low + share * (high - low),
    };
    value.clamp(low, high)
}

/// `count` starts, the first of them `initial`; each other one has a stratum of its own in every parameter.
pub fn latin_hypercube(initial: &[f64], bounds: &Bounds, count: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut random = Random(seed);
    let others = count.saturating_sub(1);
    let mut starts = vec![initial.to_vec(); count.max(1)];
    for (i, value) in initial.iter().enumerate() {
        let mut strata: Vec<usize> = (0..others).collect();
        for k in (1..others).rev() {
            strata.swap(k, random.below(k + 1));
        }
        for (start, stratum) in starts[1..].iter_mut().zip(strata) {
            let share = (stratum as f64 + random.uniform()) / others as f64;
            start[i] = place(share, *value, bounds.lower[i], bounds.upper[i]);
        }
    }
    starts
}

/// A random step away from `from` in every parameter, of up to `reach` times what lies between its bounds, or its size where
/// there are none.
pub(super) fn hop(from: &[f64], bounds: &Bounds, reach: f64, random: &mut Random) -> Vec<f64> {
    let limits = bounds.lower.iter().zip(&bounds.upper);
    let places = from.iter().zip(limits).map(|(value, (lower, upper))| {
        let width = match (upper - lower).is_finite() {
            true => upper - lower,
            false => 2.0 * value.abs().max(1e-3),
        };
        let step = reach * width * (2.0 * random.uniform() - 1.0);
        (value + step).clamp(*lower, *upper)
    });
    places.collect()
}

/// Where the best `most` ends that differ stand, the lowest loss first.
pub fn chosen(ends: &[End], most: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..ends.len()).collect();
    order.sort_by(|a, b| ends[*a].0.total_cmp(&ends[*b].0));
    let mut kept: Vec<usize> = Vec::new();
    for place in order {
        if kept.len() == most {
            break;
        }
        let same = |other: &usize| {
            let mut pairs = ends[*other].1.iter().zip(&ends[place].1);
            pairs.all(|(a, b)| (a - b).abs() <= SAME * a.abs().max(b.abs()))
        };
        if !kept.iter().any(same) {
            kept.push(place);
        }
    }
    kept
}

/// The ends that differ, the lowest loss first.
pub fn distinct(ends: Vec<End>) -> Vec<End> {
    let places = chosen(&ends, usize::MAX);
    places
        .into_iter()
        .map(|place| ends[place].clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stratum_of_every_parameter_has_one_start() {
        let bounds = Bounds {
            lower: vec![0.0, 1e-6, f64::NEG_INFINITY],
            upper: vec![1.0, 1e6, f64::INFINITY],
        };
        let starts = latin_hypercube(&[0.5, 1.0, -2.0], &bounds, 101, 3);
        assert_eq!((starts.len(), &starts[0]), (101, &vec![0.5, 1.0, -2.0]));
        let share: [fn(f64) -> f64; 3] =
            [|x| x, |x| (x.log10() + 6.0) / 12.0, |x| (x + 8.0) / 12.0];
        for (i, share) in share.iter().enumerate() {
            let mut strata: Vec<usize> = starts[1..]
                .iter()
                .map(|s| (100.0 * share(s[i])) as usize)
                .collect();
            strata.sort_unstable();
            assert_eq!(strata, (0..100).collect::<Vec<_>>(), "parameter {i}");
        }
        assert_eq!(starts, latin_hypercube(&[0.5, 1.0, -2.0], &bounds, 101, 3));
        assert_ne!(starts, latin_hypercube(&[0.5, 1.0, -2.0], &bounds, 101, 4));
    }

    #[test]
    fn ends_that_are_the_same_count_once() {
        let ends = vec![
            (2.0, vec![1.0]),
            (1.0, vec![5.0]),
            (1.0, vec![5.0 + 1e-9]),
            (3.0, vec![9.0]),
        ];
        assert_eq!(chosen(&ends, 2), [1, 0]);
        let kept: Vec<f64> = distinct(ends).iter().map(|end| end.1[0]).collect();
        assert_eq!(kept, [5.0, 1.0, 9.0]);
    }
}
