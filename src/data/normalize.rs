//! Grey values as the network gets them: what is taken off and what they are divided by.

use crate::domain::{Normalize, Scale};

impl Scale {
    /// The scale of one image by its own values; `None` if the kind needs the whole data set.
    pub(super) fn of_image(kind: Normalize, values: &[f32]) -> Option<Self> {
        match kind {
            Normalize::Image => Some(Moments::of(values).scale()),
            Normalize::Percentile => Some(percentiles(values)),
            Normalize::Dataset => None,
        }
    }

    /// Scales `values` in place.
    pub(super) fn apply(self, values: &mut [f32]) {
        values.iter_mut().for_each(|value| *value = (*value - self.shift) / self.spread);
    }

    fn new(shift: f64, spread: f64) -> Self {
        // A constant image has no spread and becomes 0.
        let spread = if spread as f32 > f32::EPSILON * (shift.abs() as f32) { spread as f32 } else { 1.0 };
        Self { shift: shift as f32, spread }
    }
}

/// Sums from which mean and standard deviation follow.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moments {
    count: f64,
    mean: f64,
    /// Sum of squared distances from the mean.
    squares: f64,
}

impl Moments {
    pub(super) fn of(values: &[f32]) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count.max(1.0);
        let squares = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum();
        Self { count, mean, squares }
    }

    /// Both together (Chan, Golub & LeVeque 1979).
    pub(super) fn and(self, other: Self) -> Self {
        let count = self.count + other.count;
        if count == 0.0 {
            return self;
        }
        let apart = other.mean - self.mean;
        Self {
            count,
            mean: self.mean + apart * other.count / count,
            squares: self.squares + other.squares + apart * apart * self.count * other.count / count,
        }
    }

    /// To mean 0 and standard deviation 1.
    pub(super) fn scale(self) -> Scale {
        Scale::new(self.mean, (self.squares / self.count.max(1.0)).sqrt())
    }
}

/// From the 1st to the 99th percentile to 0 … 1; values beyond stay beyond.
fn percentiles(values: &[f32]) -> Scale {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let at = |share: f64| {
        let place = share * (sorted.len().max(1) - 1) as f64;
        let (below, above) = (place.floor() as usize, place.ceil() as usize);
        let value = |i: usize| f64::from(sorted.get(i).copied().unwrap_or_default());
        value(below) + (value(above) - value(below)) * place.fract()
    };
    Scale::new(at(0.01), at(0.99) - at(0.01))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_brings_values_to_its_range() {
        let values: Vec<f32> = (0..=100).map(|v| v as f32 * 3.0 + 7.0).collect();
        let mut by_image = values.clone();
        Moments::of(&values).scale().apply(&mut by_image);
        let of_scaled = Moments::of(&by_image);
        assert!(of_scaled.mean.abs() < 1e-6 && (of_scaled.squares / 101.0 - 1.0).abs() < 1e-5);
        let mut by_percentile = values.clone();
        percentiles(&values).apply(&mut by_percentile);
        assert_eq!((by_percentile[1], by_percentile[99]), (0.0, 1.0));
    }

    #[test]
    fn a_constant_image_becomes_zero() {
        for constant in [0.0f32, 1.0, 200.0, 65535.0, 1e9] {
            let mut values = vec![constant; 50];
            Moments::of(&values).scale().apply(&mut values);
            assert!(values.iter().all(|v| v.abs() < 1e-3), "{constant}: {values:?}");
        }
    }

    #[test]
    fn moments_of_parts_are_those_of_the_whole() {
        let values: Vec<f32> = (0..100).map(|v| ((v * 37) % 101) as f32).collect();
        let parts = Moments::of(&values[..30]).and(Moments::of(&values[30..]));
        let whole = Moments::of(&values);
        assert!((parts.mean - whole.mean).abs() < 1e-9 && (parts.squares - whole.squares).abs() < 1e-6);
    }
}
