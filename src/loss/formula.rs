//! A loss's value, and its derivative by each probability, from the images' sums.
//!
//! Sources: soft Dice, Milletari et al. 2016 (V-Net), pooled as in Keras code in wide use; focal, Lin et al. 2017;
//! Tversky, Salehi et al. 2017. Class weights are relative: all weights times a constant is the same loss,
//! except in pooled Dice, whose smoothing term is for weights of about 1.

use burn::prelude::*;

use super::{ImageSums, counts};
use crate::domain::{ClassWeights, LossConfig, LossKind, WeightRule};

/// Added above and below each ratio, as the Keras code does.
const SMOOTH: f64 = 1.0;

/// Which loss, with one weight a class.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    kind: LossKind,
    weights: Vec<f64>,
    gamma: f64,
    alpha: f64,
    beta: f64,
}

/// The loss's derivative by the probability of class `k` at a pixel of image `i`, in three parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Slopes {
    /// Where the pixel is of class k [image][class].
    pub hit: Vec<Vec<f64>>,
    /// Everywhere [image][class].
    pub all: Vec<Vec<f64>>,
    /// Weight of a pixel's surprise by its true class [class]; all 0: no such term.
    pub surprise: Vec<f64>,
}

impl Loss {
    /// The loss that a run asks for; `pixels` are the training split's pixels of each class, which `balanced` weights
    /// follow from.
    pub fn new(config: &LossConfig, pixels: &[u64]) -> Self {
        let weights = match &config.class_weights {
            ClassWeights::Rule(WeightRule::Balanced) => balanced(pixels),
            ClassWeights::Given(weights) if weights.is_empty() => vec![1.0; pixels.len()],
            ClassWeights::Given(weights) => weights.clone(),
        };
        let gamma = if config.kind == LossKind::Focal { config.focal_gamma } else { 0.0 };
        Self { kind: config.kind, weights, gamma, alpha: config.tversky_alpha, beta: config.tversky_beta }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.weights.len()
    }

    /// The focal exponent of [`super::ClassSums::surprise`]; 0 for every other loss.
    pub fn gamma(&self) -> f64 {
        self.gamma
    }

    /// Whether the loss has a term a pixel (cross-entropy or focal).
    pub fn has_surprise(&self) -> bool {
        matches!(self.kind, LossKind::Ce | LossKind::DiceCe | LossKind::Focal)
    }

    /// The loss over all of `images` together; `None` where no pixel counts.
    pub fn value(&self, images: &[ImageSums]) -> Option<f64> {
        let counted = counted(images)?;
        let region = match self.kind {
            LossKind::Dice => images.iter().map(|sums| 1.0 - self.pooled(sums).value()).sum::<f64>() / counted,
            LossKind::DiceMacro | LossKind::DiceCe | LossKind::Tversky => {
                let ratios = self.ratios(images);
                let scores = ratios.iter().zip(&self.weights).map(|(ratio, weight)| weight * ratio.value());
                1.0 - scores.sum::<f64>() / self.weights.iter().sum::<f64>()
            }
            LossKind::Ce | LossKind::Focal => 0.0,
        };
        let surprise: f64 = if self.has_surprise() {
            let scale = self.surprise_weights(images);
            images.iter().flat_map(|sums| sums.iter().zip(&scale)).map(|(class, scale)| class.surprise * scale).sum()
        } else {
            0.0
        };
        Some(region + surprise)
    }

    /// The derivatives of [`Self::value`].
    pub fn slopes(&self, images: &[ImageSums]) -> Slopes {
        let classes = self.classes();
        let (hit, all) = match self.kind {
            LossKind::Dice => {
                let counted = counted(images).unwrap_or(1.0);
                let slopes = images.iter().map(|sums| {
                    let (hit, all) = self.pooled(sums).slopes();
                    let weigh = |slope: f64| self.weights.iter().map(|w| -slope * w / counted).collect();
                    (weigh(hit), weigh(all))
                });
                slopes.unzip()
            }
            LossKind::DiceMacro | LossKind::DiceCe | LossKind::Tversky => {
                let total: f64 = self.weights.iter().sum();
                let ratios = self.ratios(images);
                let slopes = ratios.iter().zip(&self.weights).map(|(ratio, weight)| {
                    let (hit, all) = ratio.slopes();
                    (-hit * weight / total, -all * weight / total)
                });
                let (hit, all): (Vec<f64>, Vec<f64>) = slopes.unzip();
                (vec![hit; images.len()], vec![all; images.len()])
            }
            LossKind::Ce | LossKind::Focal => {
                (vec![vec![0.0; classes]; images.len()], vec![vec![0.0; classes]; images.len()])
            }
        };
        let surprise = if self.has_surprise() { self.surprise_weights(images) } else { vec![0.0; classes] };
        Slopes { hit, all, surprise }
    }

    /// Each class's weight over the summed weights of all pixels, so that the term is a weighted mean over pixels.
    fn surprise_weights(&self, images: &[ImageSums]) -> Vec<f64> {
        let total: f64 = images
            .iter()
            .flat_map(|sums| sums.iter().zip(&self.weights))
            .map(|(class, weight)| class.truth * weight)
            .sum();
        self.weights.iter().map(|weight| if total > 0.0 { weight / total } else { 0.0 }).collect()
    }

    /// Soft Dice over all pixels and classes of one image together.
    fn pooled(&self, sums: &ImageSums) -> Ratio {
        let weighted = sums.iter().zip(&self.weights);
        let (intersection, total) = weighted.fold((0.0, 0.0), |(intersection, total), (class, weight)| {
            (intersection + weight * class.intersection, total + weight * (class.predicted + class.truth))
        });
        Ratio {
            above: 2.0 * intersection + SMOOTH,
            below: total + SMOOTH,
            above_hit: 2.0,
            below_hit: 0.0,
            below_all: 1.0,
        }
    }

    /// Soft Dice or Tversky index of each class over all of `images`.
    fn ratios(&self, images: &[ImageSums]) -> Vec<Ratio> {
        let ratio = |class: usize| {
            let sum = |part: fn(&super::ClassSums) -> f64| images.iter().map(|sums| part(&sums[class])).sum::<f64>();
            let (hit, predicted, truth) = (sum(|c| c.intersection), sum(|c| c.predicted), sum(|c| c.truth));
            if self.kind == LossKind::Tversky {
                let below = hit + self.alpha * (predicted - hit) + self.beta * (truth - hit) + SMOOTH;
                let below_hit = 1.0 - self.alpha - self.beta;
                Ratio { above: hit + SMOOTH, below, above_hit: 1.0, below_hit, below_all: self.alpha }
            } else {
                let (above, below) = (2.0 * hit + SMOOTH, predicted + truth + SMOOTH);
                Ratio { above, below, above_hit: 2.0, below_hit: 0.0, below_all: 1.0 }
            }
        };
        (0..self.classes()).map(ratio).collect()
    }
}

/// Images of which a pixel counts: those that a mean over images is over. The others' pooled Dice is 1, a loss of 0.
fn counted(images: &[ImageSums]) -> Option<f64> {
    let count = images.iter().filter(|sums| counts(sums)).count();
    (count > 0).then_some(count as f64)
}

/// All pixels over (classes that occur × pixels of the class).
fn balanced(pixels: &[u64]) -> Vec<f64> {
    let occurring = pixels.iter().filter(|count| **count > 0).count();
    let total: u64 = pixels.iter().sum();
    let weight = |count: &u64| if *count > 0 { total as f64 / (occurring as u64 * count) as f64 } else { 0.0 };
    pixels.iter().map(weight).collect()
}

/// A score above / below, and how both change with a probability inside the class (hit) and anywhere (all).
struct Ratio {
    above: f64,
    below: f64,
    above_hit: f64,
    below_hit: f64,
    below_all: f64,
}

impl Ratio {
    fn value(&self) -> f64 {
        self.above / self.below
    }

    fn slopes(&self) -> (f64, f64) {
        let square = self.below * self.below;
        ((self.above_hit * self.below - self.above * self.below_hit) / square, -self.above * self.below_all / square)
    }
}

impl Loss {
    /// [`Self::value`] in tensor operations: intersection, predicted, truth and surprise, each [image, class].
    pub(super) fn tensor_value<B: Backend>(&self, sums: [Tensor<B, 2>; 4]) -> Tensor<B, 1> {
        let [hit, predicted, truth, surprise] = sums;
        let weights: Vec<f32> = self.weights.iter().map(|w| *w as f32).collect();
        let total_weight: f32 = weights.iter().sum();
        let weights = Tensor::<B, 1>::from_floats(weights.as_slice(), &hit.device()).unsqueeze_dim::<2>(0);
        // A batch may have nothing to count: all its pixels are ignored, or of classes without weight.
        let pixels = (truth.clone() * weights.clone()).sum().clamp_min(f32::MIN_POSITIVE);
        let surprise = (surprise * weights.clone()).sum() / pixels;
        let over_images = |x: Tensor<B, 2>| x.sum_dim(0);
        let macro_score = |ratio: Tensor<B, 2>| (ratio * weights.clone()).sum() / total_weight;
        let dice = |hit: Tensor<B, 2>, total: Tensor<B, 2>| (hit * 2.0 + SMOOTH) / (total + SMOOTH);
        let one_minus = |score: Tensor<B, 1>| -score + 1.0;
        match self.kind {
            LossKind::Dice => {
                let pooled = |x: Tensor<B, 2>| (x * weights.clone()).sum_dim(1);
                let counted = truth.clone().sum_dim(1).clamp_max(1.0).sum().clamp_min(1.0);
                (-dice(pooled(hit), pooled(predicted + truth)) + 1.0).sum() / counted
            }
            LossKind::DiceMacro => one_minus(macro_score(dice(over_images(hit), over_images(predicted + truth)))),
            LossKind::DiceCe => {
                one_minus(macro_score(dice(over_images(hit), over_images(predicted + truth)))) + surprise
            }
            LossKind::Tversky => {
                let (hit, predicted, truth) = (over_images(hit), over_images(predicted), over_images(truth));
                let missed = (truth - hit.clone()) * self.beta + (predicted - hit.clone()) * self.alpha;
                one_minus(macro_score((hit.clone() + SMOOTH) / (hit + missed + SMOOTH)))
            }
            LossKind::Ce | LossKind::Focal => surprise,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_weights_make_every_class_count_alike() {
        // 90, 9 and 1 pixels of 100 over 3 classes that occur, and one that does not.
        assert_eq!(balanced(&[90, 9, 1, 0]), [100.0 / 270.0, 100.0 / 27.0, 100.0 / 3.0, 0.0]);
    }
}
