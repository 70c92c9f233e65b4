//! Two settings on the same splits: is one better, how surely, and what would settle it.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::{Interval, LEVEL, describe};

/// Pairs that detect P(A > B) = .75 with both errors at 5 % (Noether 1987, as Bouthillier et al. 2021 use it):
/// (z.95 + z.95)² / (6 · .25²), rounded up.
pub const NOETHER_PAIRS: usize = 29;

/// The corrected paired t test of Nadeau & Bengio (2003).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// Mean difference.
    pub difference: f64,
    /// Its 95 % interval.
    pub interval: Interval,
    /// The statistic.
    pub t: f64,
    /// Two-sided.
    pub p: f64,
}

/// The standard error of the mean over `count` splits whose differences have the standard deviation `spread`: the
/// training sets overlap, so that more splits do not make it as small as they would.
fn corrected_error(spread: f64, count: usize, val_share: f64) -> f64 {
    (1.0 / count as f64 + val_share).sqrt() * spread
}

/// `None` for fewer than two splits.
fn student(count: usize) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, count as f64 - 1.0).ok()
}

/// The interval of [`nadeau_bengio`]'s mean difference at `level` (0 to 1). Differences that are all the same have one
/// without width; what to make of that is for the caller to say. `None` for fewer than two splits.
pub fn corrected_interval(differences: &[f64], val_share: f64, level: f64) -> Option<Interval> {
    let (difference, spread) = (describe::mean(differences)?, describe::deviation(differences)?);
    let count = differences.len();
    let reach = student(count)?.inverse_cdf(0.5 + level / 2.0) * corrected_error(spread, count, val_share);
    Some(Interval { low: difference - reach, high: difference + reach })
}

/// t = d̄ / √((1/J + n_val/n_train) · s²) over one difference a split, with J − 1 degrees of freedom.
/// `val_share` is n_val / n_train. `None` for fewer than two splits, and for differences that are all the same but
/// not zero, whose spread is unknown.
pub fn nadeau_bengio(differences: &[f64], val_share: f64) -> Option<Paired> {
    let (difference, spread) = (describe::mean(differences)?, describe::deviation(differences)?);
    if spread == 0.0 {
        let interval = Interval { low: 0.0, high: 0.0 };
        return (difference == 0.0).then_some(Paired { difference, interval, t: 0.0, p: 1.0 });
    }
    let t = difference / corrected_error(spread, differences.len(), val_share);
    let interval = corrected_interval(differences, val_share, LEVEL)?;
    Some(Paired { difference, interval, t, p: (2.0 * student(differences.len())?.cdf(-t.abs())).min(1.0) })
}

/// Splits after which the same mean difference and spread would be told apart; `None` if no number would do,
/// because the correction for overlapping training sets does not shrink.
pub fn splits_needed(differences: &[f64], val_share: f64) -> Option<usize> {
    let (difference, spread) = (describe::mean(differences)?, describe::deviation(differences)?);
    (differences.len()..=1000).find(|&count| {
        student(count).is_some_and(|distribution| {
            let error = corrected_error(spread, count, val_share);
            difference.abs() > distribution.inverse_cdf(0.5 + LEVEL / 2.0) * error
        })
    })
}

/// Holm's (1979) step-down correction: each p value as it is to be held against the level, in the given order.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut corrected = vec![0.0; p.len()];
    let mut highest = 0.0f64;
    for (place, &index) in order.iter().enumerate() {
        highest = highest.max((p.len() - place) as f64 * p[index]).min(1.0);
        corrected[index] = highest;
    }
    corrected
}

/// How often A beats B.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Superiority {
    /// Share of pairs in which A is better; a tie counts half.
    pub share: f64,
    /// Wilson's (1927) 95 % interval.
    pub interval: Interval,
    /// Pairs there are.
    pub pairs: usize,
}

/// P(A > B) from paired differences A − B.
pub fn superiority(differences: &[f64]) -> Option<Superiority> {
    let pairs = differences.len();
    let wins: f64 = differences
        .iter()
        .map(|&d| {
            if d > 0.0 {
                1.0
            } else if d == 0.0 {
                0.5
            } else {
                0.0
            }
        })
        .sum();
    let (n, share) = (pairs as f64, wins / (pairs.max(1)) as f64);
    let z = Normal::standard().inverse_cdf(0.5 + LEVEL / 2.0);
    let centre = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let reach = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    (pairs > 0).then(|| Superiority {
        share,
        interval: Interval { low: (centre - reach).max(0.0), high: (centre + reach).min(1.0) },
        pairs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noethers_formula_gives_29_pairs() {
        let z = Normal::standard().inverse_cdf(0.95);
        assert_eq!(((2.0 * z).powi(2) / (6.0 * 0.25f64.powi(2))).ceil() as usize, NOETHER_PAIRS);
    }

    #[test]
    fn equal_scores_are_not_told_apart_and_equal_differences_are_not_tested() {
        assert_eq!(nadeau_bengio(&[0.0, 0.0, 0.0], 0.3).map(|test| test.p), Some(1.0));
        assert_eq!(nadeau_bengio(&[0.1, 0.1], 0.3), None);
        assert_eq!(nadeau_bengio(&[0.1], 0.3), None);
        assert_eq!(corrected_interval(&[0.5; 3], 0.3, 0.9), Some(Interval { low: 0.5, high: 0.5 }));
        assert_eq!(corrected_interval(&[0.1], 0.3, 0.9), None);
    }

    #[test]
    fn the_splits_needed_are_the_fewest_that_reach_the_level() {
        let differences = [0.02, 0.03, 0.01, 0.025];
        let needed = splits_needed(&differences, 0.25);
        let (mean, spread) = (0.02125, 0.008_539_125_638_299_665);
        let p = |count: f64| {
            let t = mean / ((1.0 / count + 0.25f64).sqrt() * spread);
            StudentsT::new(0.0, 1.0, count - 1.0).map(|distribution| 2.0 * distribution.cdf(-t))
        };
        assert!(needed.is_some_and(|count| p(count as f64).is_ok_and(|p| p < 0.05)));
        assert_eq!(splits_needed(&[0.02, -0.03, 0.01, 0.005], 0.25), None);
    }
}
