//! How alike splits are: divergence of their class shares, distance of the shares' distributions, and where both lie
//! among random splits.

use rayon::prelude::*;

use crate::{
    data::{DataErrors, Dataset, assign},
    domain::{Split, SplitConfig, SplitStrategy},
};

/// Jensen–Shannon divergence in bits of the classes' shares of the pixels of the splits that have images, each split
/// weighing the same: the entropy of their mean less the mean of their entropies. 0: alike.
pub fn divergence(dataset: &Dataset, splits: &[Split]) -> f64 {
    let shares: Vec<Vec<f64>> = [Split::Train, Split::Val, Split::Test]
        .into_iter()
        .filter_map(|split| shares(dataset, splits, split))
        .collect();
    let classes = dataset.classes().len();
    let count = shares.len().max(1) as f64;
    let mean: Vec<f64> = (0..classes).map(|class| shares.iter().map(|of| of[class]).sum::<f64>() / count).collect();
    let entropy = |shares: &[f64]| -> f64 { shares.iter().filter(|&&p| p > 0.0).map(|p| -p * p.log2()).sum() };
    (entropy(&mean) - shares.iter().map(|of| entropy(of)).sum::<f64>() / count).max(0.0)
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
    let mut images: Vec<(f64, Split)> = dataset
        .samples()
        .iter()
        .zip(splits)
        .filter(|(_, of)| [Split::Train, split].contains(of))
        .map(|(sample, of)| (sample.pixels[class] as f64 / sample.pixels.iter().sum::<u64>().max(1) as f64, *of))
        .collect();
    images.sort_by(|a, b| a.0.total_cmp(&b.0));
    let number = |split: Split| images.iter().filter(|(_, of)| *of == split).count() as f64;
    let (of_train, of_split) = (number(Split::Train), number(split));
    if of_train == 0.0 || of_split == 0.0 || split == Split::Train {
        return None;
    }
    let (mut train, mut other, mut farthest) = (0.0, 0.0, 0.0f64);
    for equal in images.chunk_by(|a, b| a.0 == b.0) {
        for (_, of) in equal {
            if *of == split { other += 1.0 / of_split } else { train += 1.0 / of_train }
        }
        farthest = farthest.max((train - other).abs());
    }
    Some(farthest)
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
