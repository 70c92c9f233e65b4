//! How alike splits are: divergence of their class shares, distance of the shares' distributions, and where both lie
//! among random splits.

use rayon::prelude::*;

use crate::{
    data::{DataErrors, Dataset, assign},
    domain::{Split, SplitConfig, SplitStrategy},
    statistics::{jensen_shannon, kolmogorov_smirnov},
};

/// Jensen–Shannon divergence in bits of the classes' shares of the pixels of the splits that have images, each split
/// weighing the same. 0: alike.
pub fn divergence(dataset: &Dataset, splits: &[Split]) -> f64 {
    let shares: Vec<Vec<f64>> = [Split::Train, Split::Val, Split::Test]
        .into_iter()
        .filter_map(|split| shares(dataset, splits, split))
        .collect();
    jensen_shannon(&shares).unwrap_or_default()
}

/// Each class's share of a split's pixels; `None` for a split without counted pixels.
pub(super) fn shares(dataset: &Dataset, splits: &[Split], split: Split) -> Option<Vec<f64>> {
    let mut pixels = vec![0u64; dataset.classes().len()];
    for (sample, _) in dataset.samples().iter().zip(splits).filter(|(_, of)| **of == split) {
        pixels.iter_mut().zip(&sample.pixels).for_each(|(sum, pixels)| *sum += pixels);
    }
    let all: u64 = pixels.iter().sum();
    (all > 0).then(|| pixels.iter().map(|&pixels| pixels as f64 / all as f64).collect())
}

/// Kolmogorov–Smirnov distance between the images of `split` and of train: the largest difference of the shares of
/// images that have at most so much of the class. `None` if either is empty.
pub(super) fn distance(dataset: &Dataset, splits: &[Split], split: Split, class: usize) -> Option<f64> {
    if split == Split::Train {
        return None;
    }
    let of_images = |split: Split| -> Vec<f64> {
        let samples = dataset.samples().iter().zip(splits).filter(|(_, of)| **of == split);
        samples
            .map(|(sample, _)| sample.pixels[class] as f64 / sample.pixels.iter().sum::<u64>().max(1) as f64)
            .collect()
    };
    kolmogorov_smirnov(&of_images(Split::Train), &of_images(split))
}

/// `number` random splits of the same sizes and groups.
///
/// # Errors
/// If the settings of the split cannot be met.
pub(super) fn random_splits(
    dataset: &Dataset,
    split: &SplitConfig,
    number: u64,
) -> Result<Vec<Vec<Split>>, DataErrors> {
    let config =
        |seed| SplitConfig { strategy: SplitStrategy::Random, seed, allow_missing_class: true, ..split.clone() };
    (0..number).into_par_iter().map(|seed| assign(dataset, &config(seed))).collect()
}

/// The share of `others` that lie below `value`, equals counted half.
pub(super) fn percentile(value: f64, others: &[f64]) -> f64 {
    let below = others.iter().filter(|&&other| other < value).count() as f64;
    let equal = others.iter().filter(|&&other| other == value).count() as f64;
    (below + equal / 2.0) / others.len().max(1) as f64
}
