//! Stratified splits: iterative stratification, then swaps of groups that bring the parts closer to the whole.

use rand::RngExt;

use crate::domain::seed;

use super::{
    Groups,
    deal::{Parts, random},
    iterative,
    labels::ranks,
};

/// Swaps tried.
const SWAPS: usize = 2000;

/// Bins of a class's shares of images, for the distance between distributions.
const BINS: usize = 16;

/// Up to so many groups there are few good splits, and the very best would be the same for every seed.
const FEW_GROUPS: usize = 30;

/// Random deals that say what is good: of few groups enough for percentiles, of many only for a scale.
const REFERENCE: [usize; 2] = [400, 20];

/// Starts of the search, of which the best is kept.
const STARTS: u64 = 8;

/// Deals the groups out and swaps groups of different parts where that brings the parts closer together. Of few
/// groups the search ends as soon as the split is among the best 2 % of random ones, so that seeds still differ.
pub(super) fn deal(groups: &Groups, parts: &Parts, seed: u64) -> Vec<usize> {
    let balance = Balance::of(groups);
    let few = groups.images.len() <= FEW_GROUPS;
    let reference = balance.reference(groups, parts, seed, REFERENCE[usize::from(!few)]);
    let goal = if few { 1.0 } else { 0.0 };
    let excess = |sums: &[Vec<f64>]| {
        let cost = balance.cost(sums, parts);
        cost.iter().zip(reference).map(|(cost, reference)| (cost / reference).max(goal)).sum::<f64>()
    };
    let mut best: Option<(f64, Vec<usize>)> = None;
    for start in 0..STARTS {
        let mut dealt = match start {
            0 => iterative::deal(groups, parts, seed),
            _ => random(groups, parts, seed::number(seed, "start", &[start])),
        };
        let mut sums = balance.sums(&dealt, parts.wanted.len());
        let mut now = excess(&sums);
        let mut draw = seed::generator(seed, "swaps", &[start]);
        for _ in 0..SWAPS {
            if now <= 2.0 * goal {
                return dealt;
            }
            let (a, b) = (draw.random_range(0..dealt.len()), draw.random_range(0..dealt.len()));
            if dealt[a] == dealt[b] {
                continue;
            }
            dealt.swap(a, b);
            let swapped = balance.swapped(&sums, &dealt, a, b);
            let new = excess(&swapped);
            if new < now {
                (sums, now) = (swapped, new);
            } else {
                dealt.swap(a, b);
            }
        }
        if best.as_ref().is_none_or(|(least, _)| now < *least) {
            best = Some((now, dealt));
        }
        if !few {
            break;
        }
    }
    best.map(|(_, dealt)| dealt).unwrap_or_default()
}

/// What is summed over a part's groups: pixels of each class, then for each class how many images lack it or have it
/// in each bin, then images.
struct Balance {
    classes: usize,
    groups: Vec<Vec<f64>>,
    all: Vec<f64>,
}

impl Balance {
    fn of(groups: &Groups) -> Self {
        let ranks = ranks(groups, BINS);
        let classes = ranks.len();
        let row = |images: &Vec<usize>| {
            let mut row = vec![0.0; classes + classes * (BINS + 1) + 1];
            for &image in images {
                for (class, &pixels) in groups.pixels[image].iter().enumerate() {
                    row[class] += pixels as f64;
                    row[classes + class * (BINS + 1) + ranks[class][image]] += 1.0;
                }
            }
            row[classes * (BINS + 2)] = images.len() as f64;
            row
        };
        let rows: Vec<Vec<f64>> = groups.images.iter().map(row).collect();
        let mut all = vec![0.0; classes * (BINS + 2) + 1];
        rows.iter().for_each(|row| add(&mut all, row, 1.0));
        Self { classes, groups: rows, all }
    }

    fn sums(&self, dealt: &[usize], parts: usize) -> Vec<Vec<f64>> {
        let mut sums = vec![vec![0.0; self.all.len()]; parts];
        self.groups.iter().zip(dealt).for_each(|(row, &part)| add(&mut sums[part], row, 1.0));
        sums
    }

    /// The sums after groups `a` and `b` changed places.
    fn swapped(&self, sums: &[Vec<f64>], dealt: &[usize], a: usize, b: usize) -> Vec<Vec<f64>> {
        let mut sums = sums.to_vec();
        for (group, before) in [(a, dealt[b]), (b, dealt[a])] {
            add(&mut sums[before], &self.groups[group], -1.0);
            add(&mut sums[dealt[group]], &self.groups[group], 1.0);
        }
        sums
    }

    /// What the best 2 % of random deals cost.
    fn reference(&self, groups: &Groups, parts: &Parts, seed: u64, deals: usize) -> [f64; 2] {
        let cost = |i: usize| {
            let dealt = random(groups, parts, seed::number(seed, "reference", &[i as u64]));
            self.cost(&self.sums(&dealt, parts.wanted.len()), parts)
        };
        let costs: Vec<[f64; 2]> = (0..deals).map(cost).collect();
        [0, 1].map(|kind| {
            let mut costs: Vec<f64> = costs.iter().map(|cost| cost[kind]).collect();
            costs.sort_by(f64::total_cmp);
            costs[costs.len() / 50].max(1e-9)
        })
    }

    /// How far the parts are apart, in two figures. First their shares of the pixels: the sum over classes of the
    /// squared distance from the parts' mean, relative to it, which for small distances is the Jensen–Shannon
    /// divergence but for a factor. Second the rest: each class's relative share against the whole, the largest
    /// distance of the distributions of its share over images (Kolmogorov–Smirnov), and the numbers of images.
    fn cost(&self, sums: &[Vec<f64>], parts: &Parts) -> [f64; 2] {
        let images = |row: &[f64]| row[self.classes * (BINS + 2)].max(1.0);
        let pixels = |row: &[f64]| row[..self.classes].iter().sum::<f64>().max(1.0);
        let used: Vec<(&Vec<f64>, usize)> = sums
            .iter()
            .zip(&parts.wanted)
            .filter(|(_, wanted)| **wanted > 0)
            .map(|(sum, &wanted)| (sum, wanted))
            .collect();
        let (mut apart, mut rest) = (0.0, 0.0);
        for class in (0..self.classes).filter(|&class| self.all[class] > 0.0) {
            let share = |row: &[f64]| row[class] / pixels(row);
            let mean = used.iter().map(|(part, _)| share(part)).sum::<f64>() / used.len() as f64;
            for (part, _) in &used {
                apart += (share(part) - mean) * (share(part) - mean) / mean.max(1e-12);
                rest += (share(part) / share(&self.all) - 1.0).abs() + self.distance(part, class);
            }
        }
        rest += used.iter().map(|(part, wanted)| 4.0 * (images(part) / *wanted as f64 - 1.0).abs()).sum::<f64>();
        [apart, rest]
    }

    /// The largest distance of the distributions of a class's share over images, in a part and in all.
    fn distance(&self, part: &[f64], class: usize) -> f64 {
        let images = |row: &[f64]| row[self.classes * (BINS + 2)].max(1.0);
        let bins = self.classes + class * (BINS + 1)..self.classes + (class + 1) * (BINS + 1);
        let (mut below, mut below_in_all, mut farthest) = (0.0, 0.0, 0.0f64);
        for (count, of_all) in part[bins.clone()].iter().zip(&self.all[bins]) {
            below += count / images(part);
            below_in_all += of_all / images(&self.all);
            farthest = farthest.max((below - below_in_all).abs());
        }
        farthest
    }
}

fn add(sum: &mut [f64], row: &[f64], sign: f64) {
    sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += sign * value);
}
