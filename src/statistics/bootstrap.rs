//! Bootstrap intervals: BCa over images, and percentile intervals that keep strata.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use statrs::distribution::{ContinuousCDF, Normal};

use super::{
    LEVEL,
    describe::{mean, quantile_of_sorted},
};

/// From `low` to `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// Half its width.
    pub fn half_width(&self) -> f64 {
        (self.high - self.low) / 2.0
    }
}

/// A statistic's interval and standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Its value on all items.
    pub value: f64,
    /// 95 %.
    pub interval: Interval,
    /// The standard deviation of the draws.
    pub error: f64,
}

/// The bias-corrected and accelerated intervals (Efron 1987) of `width` statistics over `count` items that are drawn
/// with replacement. `statistics` takes how often each item counts and writes each statistic, or `None` where it is
/// undefined; draws in which one is undefined are left out of its interval. A statistic has no estimate if there are
/// fewer than two items or it is undefined on all of them.
pub fn bca(
    count: usize,
    draws: usize,
    random: &mut ChaCha8Rng,
    width: usize,
    statistics: impl Fn(&[u32], &mut [Option<f64>]),
) -> Vec<Option<Estimate>> {
    if count < 2 {
        return vec![None; width];
    }
    let mut weights = vec![1; count];
    let mut observed = vec![None; width];
    statistics(&weights, &mut observed);
    let (mut left_out, mut drawn) = (vec![Vec::with_capacity(count); width], vec![Vec::with_capacity(draws); width]);
    let mut values = vec![None; width];
    for item in 0..count {
        weights[item] = 0;
        statistics(&weights, &mut values);
        weights[item] = 1;
        left_out.iter_mut().zip(&values).for_each(|(kept, value)| kept.extend(value));
    }
    for _ in 0..draws {
        weights.fill(0);
        for _ in 0..count {
            weights[random.random_range(0..count)] += 1;
        }
        statistics(&weights, &mut values);
        drawn.iter_mut().zip(&values).for_each(|(kept, value)| kept.extend(value));
    }
    let estimate = |place: usize, draws: &mut Vec<f64>| {
        let value = observed[place]?;
        let error = super::deviation(draws)?;
        let interval = bca_of_draws(value, draws, &left_out[place])?;
        Some(Estimate { value, interval, error })
    };
    drawn.iter_mut().enumerate().map(|(place, draws)| estimate(place, draws)).collect()
}

/// The BCa interval from the observed value, the bootstrap's draws and the values without one item each.
/// Ties with the observed value count half, as in SciPy. Sorts the draws.
pub fn bca_of_draws(observed: f64, draws: &mut [f64], left_out: &[f64]) -> Option<Interval> {
    draws.sort_by(f64::total_cmp);
    let below = draws.partition_point(|&draw| draw < observed);
    let up_to = draws.partition_point(|&draw| draw <= observed);
    let share = (below + up_to) as f64 / (2 * draws.len()) as f64;
    let centre = mean(left_out)?;
    if draws.first() == draws.last() {
        return draws.first().map(|&value| Interval { low: value, high: value });
    }
    let normal = Normal::standard();
    // All draws on one side: the percentile interval is what is left.
    let bias = if share > 0.0 && share < 1.0 { normal.inverse_cdf(share) } else { 0.0 };
    let cubes: f64 = left_out.iter().map(|value| (centre - value).powi(3)).sum();
    let squares: f64 = left_out.iter().map(|value| (centre - value).powi(2)).sum();
    let acceleration = if squares > 0.0 { cubes / (6.0 * squares.powf(1.5)) } else { 0.0 };
    let end = |level: f64| {
        let z = bias + normal.inverse_cdf(level);
        quantile_of_sorted(draws, normal.cdf(bias + z / (1.0 - acceleration * z)))
    };
    Some(Interval { low: end((1.0 - LEVEL) / 2.0)?, high: end((1.0 + LEVEL) / 2.0)? })
}

/// The percentile interval of `statistic` when values are drawn within each stratum.
pub fn stratified_percentile(
    strata: &[Vec<f64>],
    draws: usize,
    random: &mut ChaCha8Rng,
    statistic: impl Fn(&[f64]) -> Option<f64>,
) -> Option<Interval> {
    let mut drawn = Vec::with_capacity(draws);
    for _ in 0..draws {
        let mut sample = Vec::new();
        for stratum in strata {
            sample.extend((0..stratum.len()).map(|_| stratum[random.random_range(0..stratum.len())]));
        }
        drawn.extend(statistic(&sample));
    }
    drawn.sort_by(f64::total_cmp);
    let end = |level| quantile_of_sorted(&drawn, level);
    Some(Interval { low: end((1.0 - LEVEL) / 2.0)?, high: end((1.0 + LEVEL) / 2.0)? })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]
mod tests {
    use super::*;
    use crate::domain::seed;

    /// Of 100 numbers the mean's standard error is known; 20,000 draws find its 95 % interval to within 3 % of it.
    #[test]
    fn the_intervals_of_a_mean_are_those_of_its_standard_error() {
        let values: Vec<f64> = (0..100).map(|number| f64::from(number * 37 % 101)).collect();
        let centre = mean(&values).unwrap();
        let variance = values.iter().map(|value| (value - centre).powi(2)).sum::<f64>() / 100.0;
        let reach = 1.96 * (variance / 100.0).sqrt();
        let mut random = seed::generator(3, "test", &[]);
        let interval = stratified_percentile(std::slice::from_ref(&values), 20_000, &mut random, mean).unwrap();
        assert!((interval.half_width() / reach - 1.0).abs() < 0.03, "{interval:?} is not ± {reach}");
        let by_weight = |weights: &[u32], out: &mut [Option<f64>]| {
            let total: f64 = weights.iter().zip(&values).map(|(&weight, value)| f64::from(weight) * value).sum();
            out[0] = Some(total / f64::from(weights.iter().sum::<u32>()));
        };
        let estimate = bca(100, 20_000, &mut random, 1, by_weight)[0].unwrap();
        assert!((estimate.interval.half_width() / reach - 1.0).abs() < 0.03, "{estimate:?} is not ± {reach}");
        assert!((estimate.error / (reach / 1.96) - 1.0).abs() < 0.03);
    }

    /// Numbers that differ between strata but not within leave nothing to draw.
    #[test]
    fn strata_are_kept_apart() {
        let strata = [vec![0.0; 4], vec![1.0; 4]];
        let interval = stratified_percentile(&strata, 100, &mut seed::generator(3, "test", &[]), mean).unwrap();
        assert_eq!(interval, Interval { low: 0.5, high: 0.5 });
    }
}
