//! The head of `plan`: what the data hold of each class, and what each split makes of it.

use rayon::prelude::*;
use serde::Serialize;

use super::{console, loading};
use crate::{
    data::{
        DataErrors, Dataset, assign,
        audit::{Likeness, UNLIKE, likeness},
    },
    domain::{Split, SplitConfig},
    plan::Plan,
};

/// Shares of the classes.
#[derive(Serialize)]
pub struct Shares {
    classes: Vec<String>,
    all: Part,
    splits: Vec<Dealt>,
}

#[derive(Serialize)]
struct Dealt {
    seed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    fold: Option<usize>,
    #[serde(flatten)]
    likeness: Likeness,
    parts: Vec<(Split, Part)>,
}

/// Some of the images.
#[derive(Serialize)]
struct Part {
    images: usize,
    /// Share of the pixels of each class.
    shares: Vec<f64>,
    /// Images that have each class.
    images_with: Vec<usize>,
}

impl Shares {
    /// Deals every split that a pending run needs.
    pub fn of(plan: &Plan, dataset: &Dataset) -> Result<Self, DataErrors> {
        let splits = loading::splits(plan);
        let everything: Vec<usize> = (0..dataset.len()).collect();
        Ok(Self {
            classes: dataset.classes().names.clone(),
            all: Part::of(dataset, &everything),
            splits: splits.into_par_iter().map(|(config, _)| Dealt::of(dataset, config)).collect::<Result<_, _>>()?,
        })
    }

    /// A table with a row for all images and one for each part of each split.
    pub fn text(&self) -> String {
        let mut header = ["images of", "seed", "number"].map(str::to_owned).to_vec();
        header.extend(self.classes.iter().flat_map(|name| [format!("{name} %"), "images".to_owned()]));
        header.push("random splits more alike".into());
        let mut rows = vec![header, self.all.row("all".into(), String::new(), String::new())];
        for dealt in &self.splits {
            let fold = dealt.fold.map_or(String::new(), |fold| format!(", fold {fold}"));
            for (place, (split, part)) in dealt.parts.iter().enumerate() {
                let alike = if place == 0 { dealt.alike() } else { String::new() };
                rows.push(part.row(split.to_string(), format!("{}{fold}", dealt.seed), alike));
            }
        }
        console::table(&rows, &(1..rows[0].len() - 1).collect::<Vec<_>>())
    }
}

impl Dealt {
    fn of(dataset: &Dataset, config: &SplitConfig) -> Result<Self, DataErrors> {
        let splits = assign(dataset, config)?;
        let part = |split: Split| {
            let images: Vec<usize> = (0..splits.len()).filter(|&image| splits[image] == split).collect();
            (split, Part::of(dataset, &images))
        };
        Ok(Self {
            seed: config.seed,
            fold: (config.folds > 0).then_some(config.fold),
            likeness: likeness(dataset, config, &splits)?,
            parts: [Split::Train, Split::Val, Split::Test]
                .map(part)
                .into_iter()
                .filter(|(_, part)| part.images > 0)
                .collect(),
        })
    }

    fn alike(&self) -> String {
        let Likeness { divergence_percentile, random_splits, .. } = self.likeness;
        let unlike = if divergence_percentile > UNLIKE { ": unlike, stratify" } else { "" };
        format!("{:.0} % of {random_splits}{unlike}", 100.0 * divergence_percentile)
    }
}

impl Part {
    fn of(dataset: &Dataset, images: &[usize]) -> Self {
        let classes = 0..dataset.classes().len();
        let pixels = |class: usize| images.iter().map(|&image| dataset.pixels(image)[class]).sum::<u64>();
        let all: u64 = classes.clone().map(pixels).sum();
        let with = |class: usize| images.iter().filter(|&&image| dataset.pixels(image)[class] > 0).count();
        Self {
            images: images.len(),
            shares: classes.clone().map(|class| pixels(class) as f64 / all.max(1) as f64).collect(),
            images_with: classes.map(with).collect(),
        }
    }

    fn row(&self, name: String, seed: String, alike: String) -> Vec<String> {
        let mut row = vec![name, seed, self.images.to_string()];
        for (share, images) in self.shares.iter().zip(&self.images_with) {
            row.extend([format!("{:.2}", 100.0 * share), images.to_string()]);
        }
        row.push(alike);
        row
    }
}
