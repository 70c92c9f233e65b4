//! Iterative stratification (Sechidis, Tsoumakas & Vlahavas 2011) of groups: the rarest label first.
//!
//! Labels are the presence of each class and which third of its shares an image's lies in.

use rand::seq::SliceRandom;

use crate::domain::seed;

use super::{
    Groups,
    deal::{Dealing, Parts},
    labels::ranks,
};

/// Deals the groups out; the seed decides between equals.
pub(super) fn deal(groups: &Groups, parts: &Parts, seed: u64) -> Vec<usize> {
    let counts = label_counts(groups);
    let labels = counts.first().map_or(0, Vec::len);
    let total = |label: usize| counts.iter().map(|of| of[label]).sum::<usize>();
    let images = groups.pixels.len().max(1) as f64;
    let share = |part: usize| parts.wanted[part] as f64 / images;
    let mut wants: Vec<Vec<f64>> = (0..parts.wanted.len())
        .map(|part| (0..labels).map(|label| share(part) * total(label) as f64).collect())
        .collect();
    let mut remaining: Vec<usize> = (0..labels).map(total).collect();
    let mut order: Vec<usize> = (0..groups.images.len()).collect();
    order.shuffle(&mut seed::generator(seed, "split", &[]));
    let mut dealing = Dealing::new(parts, groups);
    while !order.is_empty() {
        let rarest = (0..labels).filter(|&label| remaining[label] > 0).min_by_key(|&label| remaining[label]);
        let has = |group: usize| rarest.is_none_or(|label| counts[group][label] > 0);
        let (mut now, later): (Vec<usize>, Vec<usize>) = order.into_iter().partition(|&group| has(group));
        order = later;
        // Large groups first: small ones even out what they leave.
        now.sort_by_key(|&group| std::cmp::Reverse(rarest.map_or(0, |label| counts[group][label])));
        for group in now {
            let want = |part: usize| rarest.map_or(0.0, |label| wants[part][label]);
            let better = |a: &usize, b: &usize| {
                want(*b).total_cmp(&want(*a)).then(dealing.lacking(*b).cmp(&dealing.lacking(*a))).then(a.cmp(b))
            };
            let part = dealing.open().into_iter().min_by(better).unwrap_or(0);
            dealing.give(group, part);
            for (label, &count) in counts[group].iter().enumerate() {
                wants[part][label] -= count as f64;
                remaining[label] -= count;
            }
        }
    }
    dealing.dealt
}

/// Images of each group with each label: [group][class x (present, lower, middle, upper third)].
fn label_counts(groups: &Groups) -> Vec<Vec<usize>> {
    let ranks = ranks(groups, 3);
    let of_group = |images: &Vec<usize>| {
        let mut counts = vec![0; 4 * ranks.len()];
        for (class, ranks) in ranks.iter().enumerate() {
            for rank in images.iter().map(|&image| ranks[image]).filter(|&rank| rank > 0) {
                counts[4 * class] += 1;
                counts[4 * class + rank] += 1;
            }
        }
        counts
    };
    groups.images.iter().map(of_group).collect()
}
