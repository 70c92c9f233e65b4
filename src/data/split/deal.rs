//! How many images each split gets, and groups dealt out by the seed alone.

use rand::seq::SliceRandom;

use crate::domain::{SplitConfig, seed};

use super::{super::error::DataErrors, Groups, SPLITS, cannot};

/// Images that each split wants: the fractions of all, rounded so that they sum up (largest remainder).
pub(super) fn wanted(config: &SplitConfig, groups: &Groups) -> Result<[usize; 3], DataErrors> {
    let fractions = [config.fractions.train, config.fractions.val, config.fractions.test];
    let sum: f64 = fractions.iter().sum();
    if fractions.iter().any(|share| !(0.0..=1.0).contains(share)) || (sum - 1.0).abs() > 1e-6 {
        return Err(cannot(format!("split.fractions {fractions:?} are not shares that sum to 1")));
    }
    if fractions[0] == 0.0 || fractions[1] == 0.0 {
        return Err(cannot("train and val both need a fraction above 0".into()));
    }
    let used = fractions.iter().filter(|&&share| share > 0.0).count();
    if groups.images.len() < used {
        return Err(cannot(format!("{used} splits of {} groups; a group is never split", groups.images.len())));
    }
    let total = groups.pixels.len();
    let exact = fractions.map(|share| share * total as f64);
    let mut wanted = exact.map(|images| images.floor() as usize);
    let mut by_remainder = [0, 1, 2];
    by_remainder.sort_by(|&a, &b| exact[b].fract().total_cmp(&exact[a].fract()));
    for split in by_remainder.into_iter().cycle().take(total - wanted.iter().sum::<usize>()) {
        wanted[split] += 1;
    }
    // Each split that is asked for gets an image, taken from the largest.
    for split in 0..SPLITS.len() {
        if fractions[split] > 0.0 && wanted[split] == 0 {
            let largest = (0..SPLITS.len()).max_by_key(|&other| wanted[other]).unwrap_or(0);
            wanted[largest] -= 1;
            wanted[split] = 1;
        }
    }
    Ok(wanted)
}

/// Groups in an order drawn from the seed, each to the split that lacks most images; none stays empty that wants any.
pub(super) fn random(groups: &Groups, wanted: [usize; 3], seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..groups.images.len()).collect();
    order.shuffle(&mut seed::generator(seed, "split", &[]));
    let mut dealt = vec![0; order.len()];
    let mut given = [0usize; 3];
    for (done, &group) in order.iter().enumerate() {
        let lacking = |split: usize| wanted[split] as i64 - given[split] as i64;
        let empty = |split: usize| wanted[split] > 0 && given[split] == 0;
        let empties = (0..SPLITS.len()).filter(|&split| empty(split)).count();
        let last_chance = order.len() - done <= empties;
        let candidates = (0..SPLITS.len()).filter(|&split| !last_chance || empty(split));
        // Of equals the first, so that ties do not depend on the iterator.
        let split = candidates.min_by_key(|&split| -lacking(split)).unwrap_or(0);
        dealt[group] = split;
        given[split] += groups.images[group].len();
    }
    dealt
}
