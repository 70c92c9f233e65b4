//! Images of another split that are a training image, or look like one.

use rayon::prelude::*;

use super::samples::Task;
use crate::{
    data::audit::difference_hash,
    domain::{Split, limits::NEAR_BITS},
};

/// An image and the training image most like it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alike {
    /// The image.
    pub image: usize,
    /// The training image.
    pub other: usize,
    /// Whether every value is the same.
    pub same: bool,
    /// Bits in which the hashes differ.
    pub bits: u32,
}

/// Those of `split`'s images that are the same as a training image or look like one. Nearly empty images all look
/// alike and are left out.
pub fn alike(task: &Task<'_>, split: Split) -> Vec<Alike> {
    let hashes = |split| {
        let images = task.images_of(split).into_par_iter().filter(|&image| tells(task.samples.image(image)));
        images.map(|image| (image, hash(task, image))).collect::<Vec<_>>()
    };
    let (trained, others) = (hashes(Split::Train), hashes(split));
    let nearest = |&(image, hash): &(usize, u64)| {
        let (other, bits) = trained
            .iter()
            .map(|&(other, of_other)| (other, (hash ^ of_other).count_ones()))
            .filter(|(_, bits)| *bits <= NEAR_BITS)
            .min_by_key(|&(other, bits)| (task.samples.image(image) != task.samples.image(other), bits))?;
        Some(Alike { image, other, same: task.samples.image(image) == task.samples.image(other), bits })
    };
    others.par_iter().filter_map(nearest).collect()
}

fn hash(task: &Task<'_>, image: usize) -> u64 {
    let (values, size) = (task.samples.image(image), task.samples.image_size(image));
    let pixels = size[0] * size[1];
    let grey: Vec<f32> = (0..pixels).map(|pixel| values.iter().skip(pixel).step_by(pixels).sum()).collect();
    difference_hash(&grey, size)
}

/// Whether an image has more than three different values.
fn tells(values: &[f32]) -> bool {
    let mut distinct: Vec<f32> = Vec::new();
    for &value in values {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
        if distinct.len() > 3 {
            return true;
        }
    }
    false
}
