//! What the rules need of a run, prepared once: curves, and intervals by bootstrap over validation images.

use std::collections::BTreeMap;

use super::aggregate::{ClassHistory, Run, Sweep};
use crate::{
    domain::{Counts, Split, seed},
    statistics::{self, Estimate},
};

/// Draws of each bootstrap.
pub const DRAWS: usize = 2000;

/// A run with its prepared figures.
#[derive(Clone, Debug)]
pub struct Evidence<'a> {
    /// The run.
    pub run: &'a Run,
    /// The best epoch by the sweep's monitor; where that figure is never defined, the last.
    pub best: usize,
    /// Macro Dice of the validation images at the best epoch: interval and standard error over what was drawn.
    pub macro_dice: Option<Estimate>,
    /// Likewise each class, in the order of [`Sweep::classes`].
    pub class_dice: Vec<Option<Estimate>>,
    /// What the intervals are over.
    pub drawn: Drawn,
    /// Counts of each validation image and class at the best epoch, by image name.
    pub val: Vec<(&'a str, Vec<Counts>)>,
    /// Likewise of the training images.
    pub train: Vec<(&'a str, Vec<Counts>)>,
}

/// What the bootstrap of the validation images draws with replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// Images, each of its own.
    Images,
    /// So many groups whole, as the images of a group are alike.
    Groups(usize),
    /// Images, although they are of so many groups: too few to be drawn.
    ImagesOfGroups(usize),
}

impl<'a> Evidence<'a> {
    /// Prepares `run`; `None` if it has no epoch yet.
    pub fn of(sweep: &Sweep, run: &'a Run) -> Option<Self> {
        let last = || run.epochs.values().flatten().map(|row| row.epoch).max();
        let best = run.best_epoch(sweep.monitor).or_else(last)?;
        let val = images(sweep, run, best, Split::Val);
        let train = images(sweep, run, best, Split::Train);
        let (drawn, mut estimates) = estimates(sweep, run, &val);
        let macro_dice = estimates.pop().flatten();
        Some(Self { run, best, macro_dice, class_dice: estimates, drawn, val, train })
    }

    /// The standard error of the macro Dice over validation images; where it is not known, 0.02, that of some
    /// fifty images of middling difficulty.
    pub fn error(&self) -> f64 {
        self.macro_dice.map_or(0.02, |estimate| estimate.error)
    }

    /// A figure over the epochs.
    pub fn curve(&self, split: Split, of: fn(&crate::domain::EpochRow) -> Option<f64>) -> Vec<(usize, f64)> {
        self.run.rows(split).iter().filter_map(|row| Some((row.epoch, of(row)?))).collect()
    }

    /// Macro Dice over the epochs.
    pub fn dice(&self, split: Split) -> Vec<(usize, f64)> {
        self.curve(split, |row| row.dice_macro)
    }

    /// The loss over the epochs.
    pub fn loss(&self, split: Split) -> Vec<(usize, f64)> {
        self.curve(split, |row| row.loss)
    }

    /// The history of a class.
    pub fn class(&self, split: Split, class: &str) -> Option<&ClassHistory> {
        self.run.class(split, class)
    }

    /// A figure of evidence.csv at the best epoch, for each class or pair that it names.
    pub fn extra(&self, split: Split, figure: &str) -> impl Iterator<Item = (&str, &str, f64)> {
        let is_it = move |epoch: usize, of: Split, name: &str| epoch == self.best && of == split && name == figure;
        let rows = self.run.evidence.iter();
        rows.filter(move |row| is_it(row.epoch, row.split, &row.figure))
            .map(|row| (row.class.as_str(), row.other.as_str(), row.value))
    }
}

/// The values of a curve.
pub fn values(curve: &[(usize, f64)]) -> Vec<f64> {
    curve.iter().map(|point| point.1).collect()
}

/// Dice of the mean over the foreground classes that occur.
pub fn macro_dice(sweep: &Sweep, counts: &[Counts]) -> Option<f64> {
    let foreground = counts.iter().zip(&sweep.classes).filter(|(_, class)| !sweep.is_background(class));
    let dice: Vec<f64> =
        foreground.filter(|(counts, _)| counts.support() > 0).filter_map(|(counts, _)| counts.dice()).collect();
    statistics::mean(&dice)
}

fn images<'a>(sweep: &Sweep, run: &'a Run, epoch: usize, split: Split) -> Vec<(&'a str, Vec<Counts>)> {
    let table = &run.images;
    let place = |class: &String| sweep.classes.iter().position(|known| known == class);
    let places: Vec<Option<usize>> = table.classes.iter().map(place).collect();
    let mut rows: Vec<(&'a str, Vec<Counts>)> = Vec::new();
    let mut known = BTreeMap::new();
    for row in table.rows.iter().filter(|row| row.epoch as usize == epoch && row.split == split) {
        let index = *known.entry(row.image).or_insert_with(|| {
            rows.push((table.names[row.image as usize].as_str(), vec![Counts::default(); sweep.classes.len()]));
            rows.len() - 1
        });
        if let Some(class) = places[row.class as usize] {
            rows[index].1[class] = row.counts;
        }
    }
    rows
}

/// The places of images that belong together, in the order of their first; an image without a group is its own.
pub fn by_group<'a>(run: &'a Run, images: impl Iterator<Item = &'a str>) -> Vec<Vec<usize>> {
    let grouped = run.split.iter().filter(|row| !row.group.is_empty());
    let groups: BTreeMap<&str, &str> = grouped.map(|row| (row.image.as_str(), row.group.as_str())).collect();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut blocks: Vec<Vec<usize>> = Vec::new();
    for (image, name) in images.enumerate() {
        let group = groups.get(name).copied().unwrap_or(name);
        let place = *places.entry(group).or_insert_with(|| {
            blocks.push(Vec::new());
            blocks.len() - 1
        });
        blocks[place].push(image);
    }
    blocks
}

/// The counts of several images together, class by class.
pub fn total<'a>(sweep: &Sweep, images: impl Iterator<Item = &'a Vec<Counts>>) -> Vec<Counts> {
    let mut total = vec![Counts::default(); sweep.classes.len()];
    for counts in images {
        total.iter_mut().zip(counts).for_each(|(total, counts)| *total += *counts);
    }
    total
}

/// Intervals of each class's Dice, then of the macro Dice, over groups where there are ten or more, else over images.
fn estimates(sweep: &Sweep, run: &Run, images: &[(&str, Vec<Counts>)]) -> (Drawn, Vec<Option<Estimate>>) {
    const ENOUGH: usize = 10;
    let groups = by_group(run, images.iter().map(|(name, _)| *name));
    let drawn = match groups.len() {
        count if count == images.len() => Drawn::Images,
        count @ ENOUGH.. => Drawn::Groups(count),
        count => Drawn::ImagesOfGroups(count),
    };
    if !matches!(drawn, Drawn::Groups(_)) {
        let items: Vec<&[Counts]> = images.iter().map(|(_, counts)| counts.as_slice()).collect();
        return (drawn, bootstrap(sweep, run, &items));
    }
    let sums: Vec<Vec<Counts>> =
        groups.iter().map(|group| total(sweep, group.iter().map(|&image| &images[image].1))).collect();
    (drawn, bootstrap(sweep, run, &sums.iter().map(Vec::as_slice).collect::<Vec<_>>()))
}

/// Estimates of each class's Dice, then of the macro Dice. Classes without support in a draw are left out of it.
fn bootstrap(sweep: &Sweep, run: &Run, items: &[&[Counts]]) -> Vec<Option<Estimate>> {
    let classes = sweep.classes.len();
    let is_background: Vec<bool> = sweep.classes.iter().map(|class| sweep.is_background(class)).collect();
    let identity = run.file.as_ref().map_or(0, |file| file.id.0.as_u128());
    let mut random = seed::generator(0, "report/bootstrap", &[identity as u64, (identity >> 64) as u64]);
    statistics::bca(items.len(), DRAWS, &mut random, classes + 1, |weights, out| {
        let (mut total, mut count) = (0.0, 0);
        for class in 0..classes {
            let (mut hits, mut size, mut support) = (0, 0, 0);
            for (&weight, counts) in weights.iter().zip(items) {
                let counts = counts[class];
                hits += u64::from(weight) * counts.tp;
                size += u64::from(weight) * (2 * counts.tp + counts.fp + counts.fn_);
                support += u64::from(weight) * counts.support();
            }
            out[class] = (support > 0).then(|| 2.0 * hits as f64 / size as f64);
            if let Some(dice) = out[class].filter(|_| !is_background[class]) {
                total += dice;
                count += 1;
            }
        }
        out[classes] = (count > 0).then(|| total / f64::from(count));
    })
}
