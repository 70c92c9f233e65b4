//! What is measured on each image alone: hashes, doubtful values, components of each class.

use sha2::{Digest, Sha256};

use crate::data::{DataErrors, Dataset, dataset::read_picture, mask, picture::Picture, resize};

use super::components::components;

/// What is known of one image.
#[derive(Clone, Debug)]
pub(super) struct ImageFacts {
    /// SHA-256 of the decoded values: the same picture in another format has the same.
    pub(super) content: [u8; 32],
    /// See [`difference_hash`].
    pub(super) look: u64,
    pub(super) doubt: Option<Doubt>,
    /// Pixels of each component, for each class.
    pub(super) components: Vec<Vec<u64>>,
}

/// What makes an image's values doubtful.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// One value everywhere.
    Constant,
    /// Fewer than four values.
    Blank,
    /// More than 5 % of the pixels have the largest value that 8, 12, 14 or 16 bits can hold [heuristic].
    Saturated,
}

/// Reads image and mask once more and measures them.
pub(super) fn facts(dataset: &Dataset, i: usize) -> Result<ImageFacts, DataErrors> {
    let sample = &dataset.samples()[i];
    let picture = read_picture(&sample.image, sample.page)?;
    let labels = mask::read(&sample.mask, sample.page, sample.size, &dataset.coding)?;
    let mut of_class = vec![Vec::new(); dataset.classes().len()];
    for (label, pixels) in components(&labels, sample.size).1 {
        if let Some(sizes) = of_class.get_mut(usize::from(label)) {
            sizes.push(pixels);
        }
    }
    let (content, doubt) = (content(&picture), doubt(&picture));
    Ok(ImageFacts { content, look: look(picture), doubt, components: of_class })
}

fn content(picture: &Picture) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(format!("{:?}", picture.size));
    picture.planes.iter().flatten().for_each(|value| hash.update(value.to_le_bytes()));
    hash.finalize().into()
}

fn doubt(picture: &Picture) -> Option<Doubt> {
    let values = || picture.planes.iter().flatten().copied();
    let mut distinct: Vec<f32> = Vec::new();
    for value in values() {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
        if distinct.len() > 3 {
            break;
        }
    }
    let largest = values().fold(f32::NEG_INFINITY, f32::max);
    let at_largest = values().filter(|&value| value == largest).count() as f64 / values().count().max(1) as f64;
    match distinct.len() {
        0 | 1 => Some(Doubt::Constant),
        2 | 3 => Some(Doubt::Blank),
        _ if at_largest > 0.05 && [255.0, 4095.0, 16383.0, 65535.0].contains(&largest) => Some(Doubt::Saturated),
        _ => None,
    }
}

fn look(picture: Picture) -> u64 {
    let size = picture.size;
    difference_hash(&picture.with_channels(1)[0], size)
}

/// For each place of an 8 x 8 grid over a grey plane [height, width] whether it gets brighter to the right
/// (Krawetz 2013). Hashes of the same picture in another size, brightness or encoding differ in few bits.
pub fn difference_hash(plane: &[f32], size: [usize; 2]) -> u64 {
    let small = resize::smooth(plane, size, [8, 9]);
    let brighter = |row: &[f32]| row.windows(2).map(|pair| u64::from(pair[1] > pair[0])).collect::<Vec<_>>();
    small.chunks_exact(9).flat_map(brighter).fold(0, |bits, bit| bits << 1 | bit)
}
