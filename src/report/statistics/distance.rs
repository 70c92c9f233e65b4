//! How unlike two distributions are.

/// The Jensen–Shannon divergence of two distributions, in bits (0 to 1). Each is scaled to sum to 1.
pub fn jensen_shannon(a: &[f64], b: &[f64]) -> Option<f64> {
    let (total_a, total_b) = (a.iter().sum::<f64>(), b.iter().sum::<f64>());
    if !(total_a > 0.0 && total_b > 0.0) {
        return None;
    }
    let part = |p: f64, middle: f64| if p > 0.0 { p * (p / middle).log2() } else { 0.0 };
    let divergence = a.iter().zip(b).map(|(&a, &b)| {
        let (p, q) = (a / total_a, b / total_b);
        let middle = (p + q) / 2.0;
        (part(p, middle) + part(q, middle)) / 2.0
    });
    Some(divergence.sum::<f64>().max(0.0))
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
