//! How sure predictions are and how sure they may be: entropy, and the calibration of foreground pixels.

use std::ops::AddAssign;

use crate::loss::IGNORED;

/// Bins of equal width from 0 to 1 (Guo et al. 2017).
pub const BINS: usize = 15;

/// Pixels whose largest probability lies in one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// How many.
    pub pixels: u64,
    /// How many of them are predicted right.
    pub hits: u64,
    /// The sum of their largest probabilities.
    pub confidence: f64,
}

/// Sums over the pixels of one image or more; ignored pixels are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Certainty {
    /// Pixels.
    pub pixels: u64,
    /// The sum of −Σ p ln p over pixels, divided by ln of the number of classes.
    pub entropy: f64,
    /// Pixels that are foreground in truth or prediction: the background's many sure pixels would drown the others
    /// (Mehrtash et al. 2020).
    pub bins: [Bin; BINS],
}

impl Certainty {
    /// The sums of one image from `probabilities` [classes, pixels] and its mask [pixels]. Without a background every
    /// pixel is foreground.
    pub fn of(probabilities: &[f32], mask: &[u8], background: Option<usize>) -> Self {
        let classes = probabilities.len() / mask.len().max(1);
        let mut sums = Self::default();
        for (pixel, &truth) in mask.iter().enumerate().filter(|(_, truth)| **truth != IGNORED) {
            let (mut entropy, mut predicted, mut largest) = (0.0, 0, f32::NEG_INFINITY);
            for class in 0..classes {
                let p = probabilities[class * mask.len() + pixel];
                entropy -= if p > 0.0 { p * p.ln() } else { 0.0 };
                if p > largest {
                    (predicted, largest) = (class, p);
                }
            }
            sums.pixels += 1;
            sums.entropy += f64::from(entropy) / (classes as f64).ln();
            let truth = usize::from(truth);
            if Some(truth) == background && Some(predicted) == background {
                continue;
            }
            // Bins are open below and closed above, so that .2 of 5 bins is in the first.
            let place = (f64::from(largest) * BINS as f64).ceil() as usize;
            let bin = &mut sums.bins[place.clamp(1, BINS) - 1];
            bin.pixels += 1;
            bin.hits += u64::from(predicted == truth);
            bin.confidence += f64::from(largest);
        }
        sums
    }

    /// Mean entropy of a pixel: 0 where all is sure, 1 for a uniform guess. `None` without pixels.
    pub fn mean_entropy(&self) -> Option<f64> {
        (self.pixels > 0).then(|| self.entropy / self.pixels as f64)
    }

    /// The expected calibration error: the mean over foreground pixels of |accuracy − confidence| of their bin
    /// (Naeini et al. 2015). `None` without foreground.
    pub fn calibration_error(&self) -> Option<f64> {
        let pixels: u64 = self.bins.iter().map(|bin| bin.pixels).sum();
        let off: f64 = self.bins.iter().map(|bin| (bin.hits as f64 - bin.confidence).abs()).sum();
        (pixels > 0).then(|| off / pixels as f64)
    }
}

impl AddAssign for Certainty {
    fn add_assign(&mut self, other: Self) {
        self.pixels += other.pixels;
        self.entropy += other.entropy;
        for (bin, other) in self.bins.iter_mut().zip(other.bins) {
            bin.pixels += other.pixels;
            bin.hits += other.hits;
            bin.confidence += other.confidence;
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_uniform_guess_has_entropy_1_and_a_sure_one_0() {
        let uniform = Certainty::of(&[0.25; 12], &[0, 1, 2], Some(0));
        assert!((uniform.mean_entropy().unwrap() - 1.0).abs() < 1e-6);
        let sure = Certainty::of(&[1.0, 0.0, 0.0, 1.0], &[0, 1], Some(0));
        assert_eq!(sure.mean_entropy(), Some(0.0));
        assert_eq!(Certainty::of(&[], &[], None).mean_entropy(), None);
    }

    /// Four foreground pixels predicted as class 1 with .78, three of them rightly: off by .03. The background pixel
    /// that is predicted as background does not count, nor does the ignored one.
    #[test]
    fn the_calibration_error_is_that_of_foreground_pixels() {
        let of_one = [0.78, 0.78, 0.78, 0.78, 0.1, 0.78];
        let probabilities: Vec<f32> = of_one.iter().map(|p| 1.0 - p).chain(of_one).collect();
        let sums = Certainty::of(&probabilities, &[1, 1, 1, 0, 0, IGNORED], Some(0));
        assert!((sums.calibration_error().unwrap() - 0.03).abs() < 1e-6, "{sums:?}");
        assert_eq!(sums.bins[11], Bin { pixels: 4, hits: 3, confidence: f64::from(0.78f32) * 4.0 });
        assert_eq!(sums.pixels, 5);
        assert_eq!(Certainty::of(&[0.9, 0.1], &[0], Some(0)).calibration_error(), None);
    }

    #[test]
    fn sums_of_images_add_up() {
        let (a, b) = ([0.7, 0.4, 0.3, 0.6], [0.2, 0.8]);
        let mut sum = Certainty::of(&a, &[0, 1], None);
        sum += Certainty::of(&b, &[0], None);
        let whole = Certainty::of(&[0.7, 0.4, 0.2, 0.3, 0.6, 0.8], &[0, 1, 0], None);
        assert_eq!((sum.pixels, sum.bins), (whole.pixels, whole.bins));
        assert!((sum.entropy - whole.entropy).abs() < 1e-12);
    }
}
