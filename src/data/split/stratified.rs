//! Stratified splits: swaps of groups that bring the classes' shares of the splits together.

use rand::RngExt;

use crate::domain::seed;

use super::{Groups, SPLITS};

/// Swaps tried.
const SWAPS: usize = 2000;

/// Swaps groups of different splits where that brings the splits closer to one another.
pub(super) fn improve(groups: &Groups, wanted: [usize; 3], mut dealt: Vec<usize>, seed: u64) -> Vec<usize> {
    let totals = Totals::of(groups);
    let mut sums = totals.sums(&dealt);
    let mut cost = totals.cost(&sums, wanted);
    let mut draw = seed::generator(seed, "swaps", &[]);
    for _ in 0..SWAPS {
        let (a, b) = (draw.random_range(0..dealt.len()), draw.random_range(0..dealt.len()));
        if dealt[a] == dealt[b] {
            continue;
        }
        dealt.swap(a, b);
        let swapped = totals.swapped(&sums, &dealt, a, b);
        let new = totals.cost(&swapped, wanted);
        if new < cost {
            (sums, cost) = (swapped, new);
        } else {
            dealt.swap(a, b);
        }
    }
    dealt
}

/// Pixels of each class, images with each class and images, a group.
struct Totals {
    groups: Vec<Vec<f64>>,
    all: Vec<f64>,
}

type Sums = [Vec<f64>; 3];

impl Totals {
    fn of(groups: &Groups) -> Self {
        let classes = groups.pixels.first().map_or(0, Vec::len);
        let row = |images: &Vec<usize>| {
            let mut row = vec![0.0; 2 * classes + 1];
            for &image in images {
                for (class, &pixels) in groups.pixels[image].iter().enumerate() {
                    row[class] += pixels as f64;
                    row[classes + class] += f64::from(u8::from(pixels > 0));
                }
                row[2 * classes] += 1.0;
            }
            row
        };
        let rows: Vec<Vec<f64>> = groups.images.iter().map(row).collect();
        let mut all = vec![0.0; 2 * classes + 1];
        rows.iter().for_each(|row| add(&mut all, row, 1.0));
        Self { groups: rows, all }
    }

    fn sums(&self, dealt: &[usize]) -> Sums {
        let mut sums = [(); 3].map(|()| vec![0.0; self.all.len()]);
        self.groups.iter().zip(dealt).for_each(|(row, &split)| add(&mut sums[split], row, 1.0));
        sums
    }

    /// The sums after groups `a` and `b` changed places.
    fn swapped(&self, sums: &Sums, dealt: &[usize], a: usize, b: usize) -> Sums {
        let mut sums = sums.clone();
        for (group, before) in [(a, dealt[b]), (b, dealt[a])] {
            add(&mut sums[before], &self.groups[group], -1.0);
            add(&mut sums[dealt[group]], &self.groups[group], 1.0);
        }
        sums
    }

    /// How far the splits are apart: each class's share of pixels and of images against the whole, relative to it,
    /// and the number of images against what is wanted.
    fn cost(&self, sums: &Sums, wanted: [usize; 3]) -> f64 {
        let classes = (self.all.len() - 1) / 2;
        let images = self.all[2 * classes];
        let pixels: f64 = self.all[..classes].iter().sum();
        let mut cost = 0.0;
        for split in (0..SPLITS.len()).filter(|&split| wanted[split] > 0) {
            let of = &sums[split];
            let split_pixels: f64 = of[..classes].iter().sum::<f64>().max(1.0);
            let split_images = of[2 * classes].max(1.0);
            for class in (0..classes).filter(|&class| self.all[class] > 0.0) {
                cost += (of[class] / split_pixels / (self.all[class] / pixels) - 1.0).abs();
                cost += (of[classes + class] / split_images / (self.all[classes + class] / images) - 1.0).abs();
            }
            let off = (of[2 * classes] - wanted[split] as f64) / wanted[split] as f64;
            cost += 4.0 * off.abs();
        }
        cost
    }
}

fn add(sum: &mut [f64], row: &[f64], sign: f64) {
    sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += sign * value);
}
