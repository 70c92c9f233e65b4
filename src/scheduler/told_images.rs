//! images.csv of a run whose trainer is an outside program: the images that it told of at the best and newest epoch.

use std::collections::BTreeMap;

use crate::{
    domain::{Counts, ImageRow, Split, StateRecord},
    store::{RunDir, StoreError, read_rows, write_rows},
};

/// The images of one run.
pub(super) struct ToldImages {
    best: Vec<ImageRow>,
    newest: Vec<ImageRow>,
    /// Of the epoch that is not recorded yet.
    coming: Vec<ImageRow>,
}

impl ToldImages {
    /// What is known up to the checkpoint from which the trainer will go on.
    pub(super) fn open(run: &RunDir, state: &StateRecord) -> Result<Self, StoreError> {
        let mut known: Vec<ImageRow> = read_rows(&run.images_csv())?;
        known.retain(|row| row.epoch <= state.checkpoint);
        let newest = known.iter().map(|row| row.epoch).max();
        let of = |epoch: Option<usize>| known.iter().filter(|row| Some(row.epoch) == epoch).cloned().collect();
        Ok(Self { best: of(Some(state.best_epoch)), newest: of(newest), coming: Vec::new() })
    }

    /// Takes in the counts of one image.
    pub(super) fn add(&mut self, epoch: usize, split: Split, image: &str, classes: &BTreeMap<String, Counts>) {
        // An epoch that was given up leaves nothing behind.
        self.coming.retain(|row| row.epoch == epoch);
        self.coming.extend(classes.iter().map(|(class, counts)| ImageRow {
            epoch,
            split,
            image: image.to_owned(),
            class: class.clone(),
            tp: counts.tp,
            fp: counts.fp,
            fn_: counts.fn_,
            dice: counts.dice().filter(|_| counts.support() > 0),
        }));
    }

    /// The counts of each class over all images of a split.
    pub(super) fn sums(&self, epoch: usize, split: Split) -> BTreeMap<String, Counts> {
        let mut sums: BTreeMap<String, Counts> = BTreeMap::new();
        for row in self.of(epoch, split) {
            let sum = sums.entry(row.class.clone()).or_default();
            sum.tp += row.tp;
            sum.fp += row.fp;
            sum.fn_ += row.fn_;
        }
        sums
    }

    /// Images of a split; `None` if none was told of.
    pub(super) fn count(&self, epoch: usize, split: Split) -> Option<usize> {
        let names: std::collections::BTreeSet<&str> = self.of(epoch, split).map(|row| row.image.as_str()).collect();
        (!names.is_empty()).then_some(names.len())
    }

    /// Images of a split in which the class occurs; `None` if no image was told of.
    pub(super) fn with_class(&self, epoch: usize, split: Split, class: &str) -> Option<usize> {
        self.of(epoch, split).next()?;
        Some(self.of(epoch, split).filter(|row| row.class == class && row.tp + row.fn_ > 0).count())
    }

    /// The epoch is over: writes what is known of the best and the newest one, if anything is new.
    pub(super) fn record(&mut self, run: &RunDir, epoch: usize, is_best: bool) -> Result<(), StoreError> {
        let mut coming = std::mem::take(&mut self.coming);
        coming.retain(|row| row.epoch == epoch);
        if is_best {
            self.best = coming.clone();
        }
        if coming.is_empty() {
            return Ok(());
        }
        self.newest = coming;
        let newest = self.newest.iter().filter(|_| !is_best);
        write_rows(&run.images_csv(), &self.best.iter().chain(newest).collect::<Vec<_>>())
    }

    fn of(&self, epoch: usize, split: Split) -> impl Iterator<Item = &ImageRow> {
        self.coming.iter().filter(move |row| row.epoch == epoch && row.split == split)
    }
}
