//! What the network sees: every image and mask of a data set, resized and scaled.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::domain::{Channels, DataConfig, InputSize, Normalize, Split};

use super::{
    dataset::{Dataset, read_picture},
    error::{DataErrors, Problems},
    mask,
    normalize::{Moments, Scale},
    picture::{Picture, Rgb8},
    resize,
};

/// The arrays of a data set at one input size, in the order of its names.
#[derive(Debug)]
pub struct Prepared {
    channels: usize,
    size: [usize; 2],
    items: Vec<Item>,
    files: Vec<(PathBuf, usize)>,
}

#[derive(Debug)]
struct Item {
    /// [channels, height, width]
    image: Vec<f32>,
    /// [height, width]
    mask: Vec<u8>,
    /// The mask as it is on disk; `None` where `mask` already is.
    native: Option<Vec<u8>>,
    native_size: [usize; 2],
}

/// A mask at the size it has on disk, where figures are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NativeMask<'a> {
    /// Class indices, [height, width]; [`super::IGNORED`] where nothing is counted.
    pub labels: &'a [u8],
    /// Height and width.
    pub size: [usize; 2],
}

impl Prepared {
    /// Decodes, resizes and scales everything. `splits` says which images train: their values alone decide the
    /// scale where `data.normalize` is `dataset`.
    ///
    /// # Errors
    /// If a file changed since the data set was opened so that it cannot be read any more.
    pub fn load(dataset: &Dataset, config: &DataConfig, splits: &[Split]) -> Result<Self, DataErrors> {
        let channels = channels(dataset, config.channels);
        let InputSize(size) = config.input_size;
        let read: Vec<_> = (0..dataset.len()).into_par_iter().map(|i| item(dataset, i, channels, size)).collect();
        let mut problems = Problems::default();
        let mut items: Vec<Item> = read.into_iter().filter_map(|item| problems.keep(item)).collect();
        let whole = (config.normalize == Normalize::Dataset).then(|| {
            let training = items.iter().zip(splits).filter(|(_, split)| **split == Split::Train);
            training.map(|(item, _)| Moments::of(&item.image)).fold(Moments::default(), Moments::and).scale()
        });
        items.par_iter_mut().for_each(|item| {
            if let Some(scale) = whole.or_else(|| Scale::of_image(config.normalize, &item.image)) {
                scale.apply(&mut item.image);
            }
        });
        let files = dataset.samples().iter().map(|sample| (sample.image.clone(), sample.page)).collect();
        problems.or(Self { channels, size, items, files })
    }

    /// Number of images.
    #[expect(clippy::len_without_is_empty, reason = "a data set is never empty")]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// 1 (grey) or 3 (RGB).
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Height and width of what the network sees.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Image `i`, scaled: [channels, height, width].
    pub fn image(&self, i: usize) -> &[f32] {
        &self.items[i].image
    }

    /// The labels of image `i` at the network's size: [height, width], [`super::IGNORED`] where nothing counts.
    pub fn mask(&self, i: usize) -> &[u8] {
        &self.items[i].mask
    }

    /// The labels of image `i` at the size they have on disk.
    pub fn native(&self, i: usize) -> NativeMask<'_> {
        let item = &self.items[i];
        NativeMask { labels: item.native.as_deref().unwrap_or(&item.mask), size: item.native_size }
    }

    /// Image `i` for the eye, at the size it has on disk; read anew from its file.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn picture(&self, i: usize) -> Result<Rgb8, DataErrors> {
        let (file, page) = &self.files[i];
        Ok(read_picture(file, *page)?.rgb8())
    }
}

/// One image file as the network sees it, [channels, height, width], and the size it has on disk. `whole` is the
/// scale of the training images where `data.normalize` is `dataset`.
///
/// # Errors
/// If the file cannot be read.
pub fn input(
    file: &Path,
    channels: usize,
    config: &DataConfig,
    whole: Option<Scale>,
) -> Result<(Vec<f32>, [usize; 2]), DataErrors> {
    let picture = read_picture(file, 0)?;
    let size = picture.size;
    let mut image = resized(picture, channels, config.input_size.0);
    if let Some(scale) = whole.or_else(|| Scale::of_image(config.normalize, &image)) {
        scale.apply(&mut image);
    }
    Ok((image, size))
}

fn channels(dataset: &Dataset, wanted: Channels) -> usize {
    let has_color = dataset.samples().iter().any(|sample| sample.has_color);
    match wanted {
        Channels::Grey => 1,
        Channels::Rgb => 3,
        Channels::Auto => 1 + 2 * usize::from(has_color),
    }
}

fn item(dataset: &Dataset, i: usize, channels: usize, size: [usize; 2]) -> Result<Item, DataErrors> {
    let sample = &dataset.samples()[i];
    let picture = read_picture(&sample.image, sample.page)?;
    let native_size = picture.size;
    let labels = mask::read(&sample.mask, sample.page, native_size, &dataset.coding)?;
    let image = resized(picture, channels, size);
    let mask = resize::nearest(&labels, native_size, size);
    let native = (native_size != size).then_some(labels);
    Ok(Item { image, mask, native, native_size })
}

/// [channels, height, width]
fn resized(picture: Picture, channels: usize, size: [usize; 2]) -> Vec<f32> {
    let from = picture.size;
    picture.with_channels(channels).iter().flat_map(|plane| resize::smooth(plane, from, size)).collect()
}
