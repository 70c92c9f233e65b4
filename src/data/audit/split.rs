//! What a split gives each part, and where its imbalance lies among random splits.

use rayon::prelude::*;
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
    /// How alike the parts are.
    #[serde(flatten)]
    pub likeness: Likeness,
}

/// How alike the parts of a split are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Likeness {
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
    /// Where that lies in 95 % of random splits.
    pub random_shares: Option<(f64, f64)>,
    /// Images of the part that have it.
    pub images: usize,
    /// Kolmogorov–Smirnov distance of its shares of the images from those of train.
    pub distance: Option<f64>,
    /// Share of random splits in which that is smaller.
    pub distance_percentile: Option<f64>,
}

/// Deals and measures the split that the settings give.
pub(super) fn report(dataset: &Dataset, config: &SplitConfig) -> Result<(SplitReport, Vec<Split>), DataErrors> {
    let splits = assign(dataset, &SplitConfig { allow_missing_class: true, ..config.clone() })?;
    let random = drawn(dataset, config)?;
    let parts = [Split::Train, Split::Val, Split::Test].map(|split| part(dataset, &splits, split, &random));
    let report = SplitReport {
        seed: config.seed,
        fold: (config.folds > 0).then_some(config.fold),
        parts: parts.into_iter().filter(|part| part.images > 0).collect(),
        likeness: likeness_among(dataset, &splits, &random),
    };
    Ok((report, splits))
}

/// Where the divergence of `splits`, which `config` dealt, lies among random splits.
///
/// # Errors
/// If the settings of the split cannot be met.
pub fn likeness(dataset: &Dataset, config: &SplitConfig, splits: &[Split]) -> Result<Likeness, DataErrors> {
    Ok(likeness_among(dataset, splits, &drawn(dataset, config)?))
}

fn drawn(dataset: &Dataset, config: &SplitConfig) -> Result<Vec<Vec<Split>>, DataErrors> {
    random_splits(dataset, config, DRAWS.min(MOST_IMAGES / dataset.len()).max(100) as u64)
}

fn likeness_among(dataset: &Dataset, splits: &[Split], random: &[Vec<Split>]) -> Likeness {
    let divergences: Vec<f64> = random.par_iter().map(|splits| divergence(dataset, splits)).collect();
    let divergence = divergence(dataset, splits);
    Likeness { divergence, divergence_percentile: percentile(divergence, &divergences), random_splits: random.len() }
}

fn part(dataset: &Dataset, splits: &[Split], split: Split, random: &[Vec<Split>]) -> PartReport {
    let members: Vec<usize> = (0..splits.len()).filter(|&i| splits[i] == split).collect();
    let mut groups: Vec<&String> = members.iter().map(|&i| &dataset.groups()[i]).collect();
    groups.sort_unstable();
    groups.dedup();
    let of_random: Vec<Vec<f64>> = random.par_iter().filter_map(|splits| shares(dataset, splits, split)).collect();
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
            random_shares: middle(of_random.iter().map(|shares| shares[class]).collect()),
            images: members.iter().filter(|&&i| dataset.pixels(i)[class] > 0).count(),
            distance: here,
            distance_percentile: here.map(among),
        }
    };
    let classes = dataset.classes().names.iter().enumerate().map(of_class).collect();
    PartReport { split, images: members.len(), groups: groups.len(), classes }
}

/// From where to where 95 % of the values lie.
fn middle(mut values: Vec<f64>) -> Option<(f64, f64)> {
    values.sort_by(f64::total_cmp);
    let cut = values.len() / 40;
    values.get(cut).copied().zip(values.get(values.len().checked_sub(1 + cut)?).copied())
}
