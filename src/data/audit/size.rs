//! What an input size does to the classes: what is lost on the way down and up again, and the Dice that a perfect
//! model could still reach.

use std::ops::AddAssign;

use rayon::prelude::*;
use serde::Serialize;

use crate::{
    data::{DataErrors, Dataset, IGNORED, error::Problems, mask, resize},
    domain::Counts,
};

use super::components::components;

/// Images looked at, evenly spaced, where there are more.
pub const MOST: usize = 500;

/// What an input size does to one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassLoss {
    /// Name of the class.
    pub class: String,
    /// Share of its pixels that come back as another class.
    pub pixels_lost: Option<f64>,
    /// Components on the masks.
    pub components: u64,
    /// Share of the components of which no pixel comes back.
    pub components_lost: Option<f64>,
    /// Dice of a model that is always right at the input size.
    pub ceiling: Option<f64>,
}

/// What an input size does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SizeReport {
    /// Height and width of what the network sees.
    pub input_size: [usize; 2],
    /// Images looked at.
    pub images: usize,
    /// Each class.
    pub classes: Vec<ClassLoss>,
}

/// What scaling to the network's input and back does to one class, in masks of one image or more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scaled {
    /// Pixels before and after: what comes back right, as another class, or from another class.
    pub counts: Counts,
    /// Components on the masks.
    pub components: u64,
    /// Components of which no pixel comes back.
    pub lost: u64,
}

impl Scaled {
    /// Dice of a model that is always right at the input size; `None` where the class does not occur.
    pub fn ceiling(&self) -> Option<f64> {
        self.counts.dice().filter(|_| self.counts.support() > 0)
    }

    /// Share of the components of which no pixel comes back.
    pub fn lost_share(&self) -> Option<f64> {
        (self.components > 0).then(|| self.lost as f64 / self.components as f64)
    }
}

impl AddAssign for Scaled {
    fn add_assign(&mut self, other: Self) {
        self.counts += other.counts;
        self.components += other.components;
        self.lost += other.lost;
    }
}

/// Sends the masks to `input_size` and back.
pub(super) fn report(dataset: &Dataset, input_size: [usize; 2]) -> Result<SizeReport, DataErrors> {
    let step = dataset.len().div_ceil(MOST);
    let chosen: Vec<usize> = (0..dataset.len()).step_by(step).collect();
    let scaled: Vec<_> = chosen.par_iter().map(|&i| of_image(dataset, i, input_size)).collect();
    let mut problems = Problems::default();
    let mut sums = vec![Scaled::default(); dataset.classes().len()];
    for scaled in scaled.into_iter().filter_map(|result| problems.keep(result)) {
        sums.iter_mut().zip(scaled).for_each(|(sum, scaled)| *sum += scaled);
    }
    let of = |(class, scaled): (&String, Scaled)| ClassLoss {
        class: class.clone(),
        pixels_lost: scaled.counts.recall().map(|recall| 1.0 - recall),
        components: scaled.components,
        components_lost: scaled.lost_share(),
        ceiling: scaled.ceiling(),
    };
    let classes = dataset.classes().names.iter().zip(sums).map(of).collect();
    problems.or(SizeReport { input_size, images: chosen.len(), classes })
}

fn of_image(dataset: &Dataset, i: usize, input_size: [usize; 2]) -> Result<Vec<Scaled>, DataErrors> {
    let sample = &dataset.samples()[i];
    let labels = mask::read(&sample.mask, sample.page, sample.size, &dataset.coding)?;
    Ok(scaled(&labels, sample.size, input_size, dataset.classes().len()))
}

/// What scaling to `input_size` and back does to each class of the mask `labels` [height, width].
pub fn scaled(labels: &[u8], size: [usize; 2], input_size: [usize; 2], classes: usize) -> Vec<Scaled> {
    let back = round_trip(labels, size, input_size, classes);
    let mut scaled = vec![Scaled::default(); classes];
    for (&truth, &seen) in labels.iter().zip(&back).filter(|(truth, _)| **truth != IGNORED) {
        if truth == seen {
            scaled[usize::from(truth)].counts.tp += 1;
        } else {
            scaled[usize::from(truth)].counts.fn_ += 1;
            scaled[usize::from(seen)].counts.fp += 1;
        }
    }
    let (of_pixel, found) = components(labels, size);
    let mut kept = vec![false; found.len()];
    for ((component, truth), seen) in of_pixel.iter().zip(labels).zip(&back) {
        kept[*component as usize] |= truth == seen;
    }
    for ((label, _), kept) in found.into_iter().zip(kept).filter(|((label, _), _)| *label != IGNORED) {
        scaled[usize::from(label)].components += 1;
        scaled[usize::from(label)].lost += u64::from(!kept);
    }
    scaled
}

/// The mask as the network is taught it, brought back as a prediction is: each class's probability, 0 or 1 there,
/// resized bilinearly, and the largest taken.
fn round_trip(labels: &[u8], native: [usize; 2], input: [usize; 2], classes: usize) -> Vec<u8> {
    let small = resize::nearest(labels, native, input);
    let mut best = vec![f32::NEG_INFINITY; labels.len()];
    let mut seen = vec![0u8; labels.len()];
    for class in 0..classes as u8 {
        let certain: Vec<f32> = small.iter().map(|&label| f32::from(u8::from(label == class))).collect();
        for (i, probability) in resize::smooth(&certain, input, native).into_iter().enumerate() {
            if probability > best[i] {
                (best[i], seen[i]) = (probability, class);
            }
        }
    }
    seen
}
