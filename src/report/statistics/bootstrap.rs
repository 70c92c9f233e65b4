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

/// The bias-corrected and accelerated interval (Efron 1987) of `statistic` over `count` items that are drawn with
/// replacement, with the draws' standard deviation, which is the statistic's standard error. `statistic` takes how
/// often each item counts. `None` for fewer than two items or if the statistic is undefined on all of them.
pub fn bca(
    count: usize,
    draws: usize,
    random: &mut ChaCha8Rng,
    statistic: impl Fn(&[u32]) -> Option<f64>,
) -> Option<(Interval, f64)> {
    let mut weights = vec![1; count];
    let observed = statistic(&weights).filter(|_| count > 1)?;
    let mut left_out = Vec::with_capacity(count);
    for item in 0..count {
        weights[item] = 0;
        left_out.extend(statistic(&weights));
        weights[item] = 1;
    }
    let mut drawn = Vec::with_capacity(draws);
    for _ in 0..draws {
        weights.fill(0);
        for _ in 0..count {
            weights[random.random_range(0..count)] += 1;
        }
        drawn.extend(statistic(&weights));
    }
    let error = super::deviation(&drawn)?;
    bca_of_draws(observed, &mut drawn, &left_out).map(|interval| (interval, error))
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
