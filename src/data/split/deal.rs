//! How many images each part gets, and groups dealt out by the seed alone.

use rand::seq::SliceRandom;

use crate::domain::{Split, SplitConfig, seed};

use super::{super::error::DataErrors, Groups, SPLITS, cannot};

/// The parts that groups are dealt to: train, val and test, or the folds and test.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    /// Images that each part wants; they sum to all.
    pub(super) wanted: Vec<usize>,
    /// What each part is used for.
    pub(super) splits: Vec<Split>,
}

impl Parts {
    /// The parts that the settings ask for.
    ///
    /// # Errors
    /// If the settings contradict each other or there are too few groups.
    pub(super) fn of(config: &SplitConfig, groups: &Groups) -> Result<Self, DataErrors> {
        if let Some(found) = config.contradictions().first() {
            return Err(cannot(format!("{}; {}", found.message, found.help)));
        }
        let fractions = [config.fractions.train, config.fractions.val, config.fractions.test];
        let (shares, splits) = match config.folds {
            0 => (fractions.to_vec(), SPLITS.to_vec()),
            folds => {
                let mut shares = vec![(1.0 - fractions[2]) / folds as f64; folds];
                let mut splits = vec![Split::Train; folds];
                splits[config.fold] = Split::Val;
                shares.push(fractions[2]);
                splits.push(Split::Test);
                (shares, splits)
            }
        };
        let used = shares.iter().filter(|&&share| share > 0.0).count();
        if groups.images.len() < used {
            return Err(cannot(format!("{} groups for {used} parts; a group is never split", groups.images.len())));
        }
        Ok(Self { wanted: apportion(&shares, groups.pixels.len()), splits })
    }
}

/// `total` images by shares, rounded so that they sum up (largest remainder); each share above 0 gets one.
fn apportion(shares: &[f64], total: usize) -> Vec<usize> {
    let exact: Vec<f64> = shares.iter().map(|share| share * total as f64).collect();
    let mut wanted: Vec<usize> = exact.iter().map(|images| images.floor() as usize).collect();
    let mut by_remainder: Vec<usize> = (0..shares.len()).filter(|&part| shares[part] > 0.0).collect();
    by_remainder.sort_by(|&a, &b| exact[b].fract().total_cmp(&exact[a].fract()));
    let missing = total.saturating_sub(wanted.iter().sum());
    by_remainder.into_iter().cycle().take(missing).for_each(|part| wanted[part] += 1);
    for part in 0..shares.len() {
        if shares[part] > 0.0 && wanted[part] == 0 {
            let largest = (0..shares.len()).max_by_key(|&other| wanted[other]).unwrap_or(0);
            wanted[largest] -= 1;
            wanted[part] = 1;
        }
    }
    wanted
}

/// Groups in an order drawn from the seed, each to the part that lacks most images; none stays empty that wants any.
pub(super) fn random(groups: &Groups, parts: &Parts, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..groups.images.len()).collect();
    order.shuffle(&mut seed::generator(seed, "split", &[]));
    let mut dealing = Dealing::new(parts, groups);
    for group in order {
        // Of equals the first, so that ties do not depend on the iterator.
        let part = dealing.open().into_iter().min_by_key(|&part| -dealing.lacking(part)).unwrap_or(0);
        dealing.give(group, part);
    }
    dealing.dealt
}

/// Groups being dealt out one by one.
pub(super) struct Dealing<'a> {
    parts: &'a Parts,
    groups: &'a Groups,
    given: Vec<usize>,
    left: usize,
    /// The part of each group; 0 while it is not dealt.
    pub(super) dealt: Vec<usize>,
}

impl<'a> Dealing<'a> {
    pub(super) fn new(parts: &'a Parts, groups: &'a Groups) -> Self {
        let left = groups.images.len();
        Self { parts, groups, given: vec![0; parts.wanted.len()], left, dealt: vec![0; left] }
    }

    /// Images that a part still lacks; below 0 if it has too many.
    pub(super) fn lacking(&self, part: usize) -> i64 {
        self.parts.wanted[part] as i64 - self.given[part] as i64
    }

    /// The parts that may get the next group: those that lack images, or those that have none yet once there are no
    /// more groups than such parts.
    pub(super) fn open(&self) -> Vec<usize> {
        let wanting = (0..self.given.len()).filter(|&part| self.parts.wanted[part] > 0);
        let empty: Vec<usize> = wanting.clone().filter(|&part| self.given[part] == 0).collect();
        if self.left <= empty.len() {
            return empty;
        }
        let lacking: Vec<usize> = wanting.clone().filter(|&part| self.lacking(part) > 0).collect();
        if lacking.is_empty() { wanting.collect() } else { lacking }
    }

    pub(super) fn give(&mut self, group: usize, part: usize) {
        self.dealt[group] = part;
        self.given[part] += self.groups.images[group].len();
        self.left -= 1;
    }
}
