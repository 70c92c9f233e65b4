//! What is in a data set, what is wrong or doubtful about it, and how alike its splits are.

mod balance;
mod components;
mod duplicates;
mod findings;
mod image;
mod size;
mod split;

use rayon::prelude::*;
use serde::Serialize;

use crate::domain::SplitConfig;

use super::{DataErrors, Dataset, error::Problems};

pub use balance::divergence;
pub use duplicates::Duplicate;
pub use findings::{Finding, UNLIKE};
pub use image::{Doubt, difference_hash};
pub use size::{ClassLoss, MOST, Scaled, SizeReport, scaled};
pub use split::{Likeness, PartClass, PartReport, SplitReport, likeness};

/// All that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Audit {
    /// Number of images.
    pub images: usize,
    /// Number of groups; as many as images (or files, for stacks) where no groups are given.
    pub groups: usize,
    /// Each class.
    pub classes: Vec<ClassReport>,
    /// Images in which no foreground class occurs.
    pub without_foreground: Vec<String>,
    /// Images whose values are doubtful.
    pub doubtful: Vec<Doubtful>,
    /// Pairs of images that are the same or look the same.
    pub duplicates: Vec<Duplicate>,
    /// Each split.
    pub splits: Vec<SplitReport>,
    /// Each input size.
    pub sizes: Vec<SizeReport>,
    /// What to do something about, the worst first.
    pub findings: Vec<Finding>,
}

/// One class over all images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassReport {
    /// Its name.
    pub class: String,
    /// Its pixels.
    pub pixels: u64,
    /// Its share of all pixels that are counted.
    pub share: f64,
    /// Images that have it.
    pub images: usize,
    /// Its connected components (8-connected).
    pub components: usize,
    /// Pixels of the smallest, the median and the largest component.
    pub component_sizes: Option<[u64; 3]>,
}

/// An image whose values are doubtful.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Doubtful {
    /// Its name.
    pub image: String,
    /// Why.
    pub doubt: Doubt,
}

/// Looks at every image, at each of the splits and at each of the input sizes. `has_groups` says whether groups were
/// given, so that their lack can be pointed out.
///
/// # Errors
/// If a file changed so that it cannot be read any more. A split that cannot be dealt is a finding.
pub fn audit(
    dataset: &Dataset,
    splits: &[SplitConfig],
    sizes: &[[usize; 2]],
    has_groups: bool,
) -> Result<Audit, DataErrors> {
    let mut problems = Problems::default();
    let read: Vec<_> = (0..dataset.len()).into_par_iter().map(|i| image::facts(dataset, i)).collect();
    let facts: Vec<image::ImageFacts> = read.into_iter().filter_map(|facts| problems.keep(facts)).collect();
    let facts = problems.or(facts)?;
    let mut audit = Audit {
        images: dataset.len(),
        groups: groups(dataset),
        classes: classes(dataset, &facts),
        without_foreground: without_foreground(dataset),
        doubtful: doubtful(dataset, &facts),
        duplicates: duplicates(dataset, &facts),
        splits: Vec::new(),
        sizes: sizes.iter().map(|&size| size::report(dataset, size)).collect::<Result<_, _>>()?,
        findings: Vec::new(),
    };
    let (mut dealt, mut refused) = (Vec::new(), Vec::new());
    for config in splits {
        match split::report(dataset, config) {
            Ok((report, splits)) => {
                audit.splits.push(report);
                dealt.push(splits);
            }
            Err(errors) => refused.extend(errors.0),
        }
    }
    audit.findings = findings::of(dataset, &audit, &dealt, &refused, has_groups);
    Ok(audit)
}

fn groups(dataset: &Dataset) -> usize {
    dataset.groups().iter().collect::<std::collections::BTreeSet<_>>().len()
}

fn classes(dataset: &Dataset, facts: &[image::ImageFacts]) -> Vec<ClassReport> {
    let totals = dataset.totals();
    let all: u64 = totals.iter().sum();
    let of = |(class, name): (usize, &String)| {
        let mut sizes: Vec<u64> = facts.iter().flat_map(|facts| facts.components[class].iter().copied()).collect();
        sizes.sort_unstable();
        ClassReport {
            class: name.clone(),
            pixels: totals[class],
            share: totals[class] as f64 / all.max(1) as f64,
            images: (0..dataset.len()).filter(|&i| dataset.pixels(i)[class] > 0).count(),
            components: sizes.len(),
            component_sizes: sizes
                .first()
                .zip(sizes.last())
                .map(|(&least, &most)| [least, sizes[sizes.len() / 2], most]),
        }
    };
    dataset.classes().names.iter().enumerate().map(of).collect()
}

fn without_foreground(dataset: &Dataset) -> Vec<String> {
    let foreground = dataset.classes().foreground();
    let empty = |i: &usize| foreground.iter().all(|&class| dataset.pixels(*i)[class] == 0);
    (0..dataset.len()).filter(empty).map(|i| dataset.names()[i].clone()).collect()
}

fn doubtful(dataset: &Dataset, facts: &[image::ImageFacts]) -> Vec<Doubtful> {
    let named = dataset.names().iter().zip(facts);
    named.filter_map(|(image, facts)| facts.doubt.map(|doubt| Doubtful { image: image.clone(), doubt })).collect()
}

fn duplicates(dataset: &Dataset, facts: &[image::ImageFacts]) -> Vec<Duplicate> {
    let (names, groups) = (dataset.names(), dataset.groups());
    let duplicate = |(i, j, exact, distance): (usize, usize, bool, u32)| Duplicate {
        image: names[i].clone(),
        other: names[j].clone(),
        exact,
        distance,
        same_group: groups[i] == groups[j],
    };
    duplicates::pairs(facts).into_iter().map(duplicate).collect()
}
