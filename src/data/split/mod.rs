//! Deals the images out to train, val and test. Images of one group stay together.

mod deal;
mod file;
mod iterative;
mod labels;
mod stratified;

use std::{collections::BTreeMap, path::Path};

use crate::domain::{Split, SplitConfig, SplitStrategy};

use super::{
    dataset::Dataset,
    error::{Cause, DataError, DataErrors, Problems},
};

use deal::Parts;

/// The three uses of an image, in the order of fractions.
const SPLITS: [Split; 3] = [Split::Train, Split::Val, Split::Test];

/// The split of each image, in the order of the data set's names; the same on every machine.
///
/// # Errors
/// If the fractions cannot be met, if the split file does not cover the images or breaks a group, or if val or test
/// (or train) lacks a class that the data have and `split.allow_missing_class` is not set.
pub fn assign(dataset: &Dataset, config: &SplitConfig) -> Result<Vec<Split>, DataErrors> {
    let groups = Groups::of(dataset);
    let splits = match config.strategy {
        SplitStrategy::File => file::assign(dataset, config)?,
        strategy => {
            let parts = Parts::of(config, &groups)?;
            let dealt = match strategy {
                SplitStrategy::Stratified => stratified::deal(&groups, &parts, config.seed),
                _ => deal::random(&groups, &parts, config.seed),
            };
            groups.spread(&dealt, &parts)
        }
    };
    check_classes(dataset, config, &splits)?;
    Ok(splits)
}

/// Images of one group taken together.
#[derive(Debug)]
struct Groups {
    /// The images of each group, in the order of the groups' names.
    images: Vec<Vec<usize>>,
    /// Pixels of each class an image.
    pixels: Vec<Vec<u64>>,
}

impl Groups {
    fn of(dataset: &Dataset) -> Self {
        let mut images: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (image, group) in dataset.groups().iter().enumerate() {
            images.entry(group).or_default().push(image);
        }
        let pixels = dataset.samples().iter().map(|sample| sample.pixels.clone()).collect();
        Self { images: images.into_values().collect(), pixels }
    }

    /// From one part a group to one split an image.
    fn spread(&self, dealt: &[usize], parts: &Parts) -> Vec<Split> {
        let mut splits = vec![Split::Train; self.pixels.len()];
        for (images, &part) in self.images.iter().zip(dealt) {
            images.iter().for_each(|&image| splits[image] = parts.splits[part]);
        }
        splits
    }
}

/// Refuses a class that no mask has, and a split that lacks a class which the data have.
fn check_classes(dataset: &Dataset, config: &SplitConfig, splits: &[Split]) -> Result<(), DataErrors> {
    let mut problems = Problems::default();
    if config.allow_missing_class {
        return Ok(());
    }
    for (class, name) in dataset.classes().names.iter().enumerate() {
        if dataset.samples().iter().all(|sample| sample.pixels[class] == 0) {
            problems.add(Path::new("data.classes"), Cause::AbsentClass(name.clone()));
        }
    }
    for split in SPLITS {
        let members = || dataset.samples().iter().zip(splits).filter(|(_, of)| **of == split).map(|(sample, _)| sample);
        if members().next().is_none() {
            continue;
        }
        for (class, name) in dataset.classes().names.iter().enumerate() {
            let images = dataset.samples().iter().filter(|sample| sample.pixels[class] > 0).count();
            if images > 0 && members().all(|sample| sample.pixels[class] == 0) {
                let text = format!("no {split} image has the class {name}, which {images} of {} have", dataset.len());
                problems.add(Path::new("split"), Cause::MissingClass(text));
            }
        }
    }
    problems.or(())
}

fn cannot(text: String) -> DataErrors {
    DataError::new(Path::new("split"), Cause::Split(text)).into()
}
