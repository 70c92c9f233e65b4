//! How unlike distributions are.

/// The Jensen–Shannon divergence in bits of distributions over the same classes, each weighing the same; of two it is
/// 0 to 1. Each is scaled to sum to 1; `None` if one sums to 0.
pub fn jensen_shannon<D: AsRef<[f64]>>(distributions: &[D]) -> Option<f64> {
    let scaled = |distribution: &D| {
        let distribution = distribution.as_ref();
        let total: f64 = distribution.iter().sum();
        (total > 0.0).then(|| distribution.iter().map(|share| share / total).collect::<Vec<_>>())
    };
    let scaled: Vec<Vec<f64>> = distributions.iter().map(scaled).collect::<Option<_>>()?;
    let part = |p: f64, middle: f64| if p > 0.0 { p * (p / middle).log2() } else { 0.0 };
    let of_class = |class: usize| {
        let middle = scaled.iter().map(|shares| shares[class]).sum::<f64>() / scaled.len() as f64;
        scaled.iter().map(|shares| part(shares[class], middle)).sum::<f64>() / scaled.len() as f64
    };
    let classes = scaled.iter().map(Vec::len).min().unwrap_or(0);
    Some((0..classes).map(of_class).sum::<f64>().max(0.0))
}

/// The two-sample Kolmogorov–Smirnov statistic: the largest distance of the empirical distributions.
pub fn kolmogorov_smirnov(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let sorted = |values: &[f64]| {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        values
    };
    let (a, b) = (sorted(a), sorted(b));
    let (mut i, mut j, mut largest) = (0, 0, 0.0f64);
    while i < a.len() && j < b.len() {
        let value = a[i].min(b[j]);
        i += a[i..].iter().take_while(|&&x| x <= value).count();
        j += b[j..].iter().take_while(|&&x| x <= value).count();
        largest = largest.max((i as f64 / a.len() as f64 - j as f64 / b.len() as f64).abs());
    }
    Some(largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The entropy of their mean less the mean of their entropies: log2 3 of three that have no class in common.
    #[test]
    fn the_divergence_of_three_is_that_of_their_entropies() {
        let apart = jensen_shannon(&[[2.0, 0.0, 0.0], [0.0, 5.0, 0.0], [0.0, 0.0, 0.1]]);
        assert!(apart.is_some_and(|bits| (bits - 3f64.log2()).abs() < 1e-12), "{apart:?}");
        assert_eq!(jensen_shannon(&[[0.25, 0.75], [1.0, 3.0], [25.0, 75.0]]), Some(0.0));
        assert_eq!(jensen_shannon(&[[0.0, 0.0], [1.0, 3.0]]), None);
    }
}
