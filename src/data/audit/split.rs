//! What a split gives each part, and where its imbalance lies among random splits.

use serde::Serialize;

use crate::{
    data::{DataErrors, Dataset, assign},
    domain::{Split, SplitConfig},
};

use super::balance::{distance, divergence, percentile, random_splits, shares};

/// Random splits that a split is compared with; fewer of very many images.
const DRAWS: usize = 1000;

/// Images that all random splits together may hold.
const MOST_IMAGES: usize = 3_000_000;

/// One split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SplitReport {
    /// `split.seed`.
    pub seed: u64,
    /// `split.fold`, where there are folds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fold: Option<usize>,
    /// Train, val and test.
    pub parts: Vec<PartReport>,
    /// Jensen–Shannon divergence of the parts' class shares, in bits.
    pub divergence: f64,
    /// Share of random splits of the same sizes that are closer.
    pub divergence_percentile: f64,
    /// Random splits compared with.
    pub random_splits: usize,
}

/// One part of a split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartReport {
    /// Which.
    pub split: Split,
    /// Its images.
    pub images: usize,
    /// Its groups.
    pub groups: usize,
    /// Each class, in the order of the classes.
    pub classes: Vec<PartClass>,
}

/// One class in one part of a split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartClass {
    /// Name of the class.
    pub class: String,
    /// Its share of the part's pixels.
    pub share: Option<f64>,
    /// Images of the part that have it.
    pub images: usize,
    /// Kolmogorov–Smirnov distance of its shares of the images from those of train.
    pub distance: Option<f64>,
    /// Share of random splits in which that is smaller.
    pub distance_percentile: Option<f64>,
}

/// Measures the split that the settings give.
pub(super) fn report(dataset: &Dataset, config: &SplitConfig) -> Result<SplitReport, DataErrors> {
    let splits = assign(dataset, &SplitConfig { allow_missing_class: true, ..config.clone() })?;
    let draws = DRAWS.min(MOST_IMAGES / dataset.len()).max(100);
    let random = random_splits(dataset, config, draws as u64)?;
    let divergences: Vec<f64> = random.iter().map(|splits| divergence(dataset, splits)).collect();
    let divergence = divergence(dataset, &splits);
    let parts = [Split::Train, Split::Val, Split::Test].map(|split| part(dataset, &splits, split, &random));
    Ok(SplitReport {
        seed: config.seed,
        fold: (config.folds > 0).then_some(config.fold),
        parts: parts.into_iter().filter(|part| part.images > 0).collect(),
        divergence,
        divergence_percentile: percentile(divergence, &divergences),
        random_splits: draws,
    })
}

fn part(dataset: &Dataset, splits: &[Split], split: Split, random: &[Vec<Split>]) -> PartReport {
    let members: Vec<usize> = (0..splits.len()).filter(|&i| splits[i] == split).collect();
    let mut groups: Vec<&String> = members.iter().map(|&i| &dataset.groups()[i]).collect();
    groups.sort_unstable();
    groups.dedup();
    let shares = shares(dataset, splits, split);
    let of_class = |(class, name): (usize, &String)| {
        let here = distance(dataset, splits, split, class);
        let among = |here: f64| {
            let others = random.iter().filter_map(|splits| distance(dataset, splits, split, class));
            percentile(here, &others.collect::<Vec<_>>())
        };
        PartClass {
            class: name.clone(),
            share: shares.as_ref().map(|shares| shares[class]),
            images: members.iter().filter(|&&i| dataset.pixels(i)[class] > 0).count(),
            distance: here,
            distance_percentile: here.map(among),
        }
    };
    let classes = dataset.classes().names.iter().enumerate().map(of_class).collect();
    PartReport { split, images: members.len(), groups: groups.len(), classes }
}
