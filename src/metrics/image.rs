//! Counts and soft sums of one image, at the resolution of its own mask, so that input sizes compare.

use std::borrow::Cow;

use super::resize_bilinear;
use crate::{
    domain::Counts,
    loss::{IGNORED, ImageSums, Loss, counts, image_sums},
};

/// What one image contributes to a split's figures.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageFigures {
    /// Pixels by true class (row) and predicted class (column) [classes × classes].
    pub confusion: Vec<u64>,
    /// Soft sums of each class.
    pub sums: ImageSums,
}

impl ImageFigures {
    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.sums.len()
    }

    /// Hits, false alarms and misses of `class`.
    pub fn counts(&self, class: usize) -> Counts {
        let classes = self.classes();
        let tp = self.confusion[class * classes + class];
        let row: u64 = self.confusion[class * classes..][..classes].iter().sum();
        let column: u64 = self.confusion.iter().skip(class).step_by(classes).sum();
        Counts { tp, fp: column - tp, fn_: row - tp }
    }

    /// Soft Dice over all pixels and classes together: (2·Σtp + 1) / (Σt + Σp + 1), as the Keras code in wide use;
    /// `None` where every pixel is ignored.
    pub fn dice_coef(&self) -> Option<f64> {
        let (intersection, total) = self.pooled()?;
        Some((2.0 * intersection + 1.0) / (total + 1.0))
    }

    /// Soft IoU likewise: (Σtp + 1) / (Σt + Σp − Σtp + 1).
    pub fn iou_coef(&self) -> Option<f64> {
        let (intersection, total) = self.pooled()?;
        Some((intersection + 1.0) / (total - intersection + 1.0))
    }

    fn pooled(&self) -> Option<(f64, f64)> {
        counts(&self.sums).then(|| {
            self.sums.iter().fold((0.0, 0.0), |(intersection, total), class| {
                (intersection + class.intersection, total + class.predicted + class.truth)
            })
        })
    }
}

/// The figures of one image from `probabilities` [classes, height, width] at `size` and its mask at the mask's own
/// size.
pub fn figures_of(
    probabilities: &[f32],
    size: [usize; 2],
    mask: &[u8],
    mask_size: [usize; 2],
    loss: &Loss,
) -> ImageFigures {
    figures_at_size(&at_size(probabilities, size, mask_size), mask, loss)
}

/// Likewise from probabilities that are at the mask's size.
pub fn figures_at_size(probabilities: &[f32], mask: &[u8], loss: &Loss) -> ImageFigures {
    let classes = loss.classes();
    let mut confusion = vec![0; classes * classes];
    for (truth, predicted) in mask.iter().zip(largest(probabilities, classes)) {
        if *truth != IGNORED {
            confusion[usize::from(*truth) * classes + usize::from(predicted)] += 1;
        }
    }
    ImageFigures { confusion, sums: image_sums(probabilities, mask, classes, loss.gamma()) }
}

/// The predicted class of each pixel at `to`, from `probabilities` [classes, height, width] at `from`.
pub fn labels_of(probabilities: &[f32], classes: usize, from: [usize; 2], to: [usize; 2]) -> Vec<u8> {
    largest(&at_size(probabilities, from, to), classes)
}

/// `probabilities` [classes, height, width] at another size.
pub fn at_size(probabilities: &[f32], from: [usize; 2], to: [usize; 2]) -> Cow<'_, [f32]> {
    if from == to { probabilities.into() } else { resize_bilinear(probabilities, from, to).into() }
}

/// The first class with the largest value at each pixel.
fn largest(values: &[f32], classes: usize) -> Vec<u8> {
    let pixels = values.len() / classes;
    let mut best = values[..pixels].to_vec();
    let mut labels = vec![0u8; pixels];
    for (class, plane) in values.chunks(pixels).enumerate().skip(1) {
        for ((best, label), value) in best.iter_mut().zip(&mut labels).zip(plane) {
            if value > best {
                (*best, *label) = (*value, class as u8);
            }
        }
    }
    labels
}
