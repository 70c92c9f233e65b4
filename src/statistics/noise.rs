//! The noise of a curve and its exponential moving average.

use super::describe::median;

/// 1 / Φ⁻¹(¾): makes the median absolute deviation estimate a normal distribution's standard deviation.
const MAD_TO_SIGMA: f64 = 1.482_602_218_505_602;

/// The standard deviation of a curve's noise from epoch to epoch: 1.4826 · MAD of its steps / √2. A trend moves it
/// little and single jumps not at all. `None` for fewer than three points.
pub fn robust_sigma(curve: &[f64]) -> Option<f64> {
    let steps: Vec<f64> = curve.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let centre = median(&steps).filter(|_| steps.len() > 1)?;
    let distances: Vec<f64> = steps.iter().map(|step| (step - centre).abs()).collect();
    Some(MAD_TO_SIGMA * median(&distances)? / std::f64::consts::SQRT_2)
}

/// The exponential moving average that keeps `keep` of the past at each point and starts at the first
/// (nnU-Net selects its checkpoint on it with .9).
pub fn ema(curve: &[f64], keep: f64) -> Vec<f64> {
    let mut smooth = Vec::with_capacity(curve.len());
    for &value in curve {
        smooth.push(smooth.last().map_or(value, |last| keep * last + (1.0 - keep) * value));
    }
    smooth
}
