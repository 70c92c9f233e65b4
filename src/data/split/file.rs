//! The split as a file says: a CSV with the columns image and split, such as a run's own split.csv.

use std::{collections::BTreeMap, path::Path};

use crate::domain::{Split, SplitConfig};

use super::{
    super::{
        dataset::Dataset,
        error::{Cause, DataErrors, Problems},
        table::Table,
    },
    SPLITS, cannot,
};

/// Looks each image up.
pub(super) fn assign(dataset: &Dataset, config: &SplitConfig) -> Result<Vec<Split>, DataErrors> {
    let Some(file) = &config.file else { return Err(cannot("strategy = \"file\" needs split.file".into())) };
    let table = Table::read(file, "image", "split")?;
    let mut problems = Problems::default();
    let mut splits = Vec::with_capacity(dataset.len());
    let mut of_group: BTreeMap<&str, Split> = BTreeMap::new();
    for ((name, group), sample) in dataset.names().iter().zip(dataset.groups()).zip(dataset.samples()) {
        let Some(text) = table.get(name) else {
            problems.add(&sample.image, Cause::NoSplit(file.display().to_string()));
            continue;
        };
        let Some(split) = SPLITS.into_iter().find(|split| split.to_string() == text) else {
            problems.add(file, Cause::Table(format!("{text:?} of {name} is not train, val or test")));
            continue;
        };
        splits.push(split);
        let first = *of_group.entry(group).or_insert(split);
        if first != split {
            problems.add(file, Cause::Table(format!("group {group} is in {first} and, with {name}, in {split}")));
        }
    }
    check_used(&mut problems, file, &splits);
    problems.or(splits)
}

fn check_used(problems: &mut Problems, file: &Path, splits: &[Split]) {
    for needed in [Split::Train, Split::Val] {
        if !splits.is_empty() && !splits.contains(&needed) {
            problems.add(file, Cause::Table(format!("no image is {needed}")));
        }
    }
}
