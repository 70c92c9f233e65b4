//! What the network sees: every image and mask of a data set, resized and scaled.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::domain::{Channels, DataConfig, InputMode, InputSize, Normalize, Scale, Split};

use super::{
    cache::Mapped,
    dataset::{Dataset, read_picture},
    error::{DataError, DataErrors, Problems},
    mask,
    normalize::Moments,
    picture::{Picture, Rgb8},
    raster, resize,
};

/// The arrays of a data set at one input size, in the order of its names.
#[derive(Debug)]
pub struct Prepared {
    channels: usize,
    size: [usize; 2],
    arrays: Arrays,
    /// Images and masks are at the size they have on disk, whatever `size` says.
    whole: bool,
    /// The one scale of all images, where there is one.
    scale: Option<Scale>,
    /// Images scaled for this run alone, in place of the arrays'.
    scaled: Option<Vec<Vec<f32>>>,
    files: Vec<(PathBuf, usize)>,
    decoded: usize,
}

#[derive(Debug)]
enum Arrays {
    Own(Vec<Item>),
    /// Shared with other runs.
    Mapped(Mapped),
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
        let mut prepared = Self::unscaled(dataset, config)?;
        let of_training = prepared.scale_of_training(config, splits);
        if let Arrays::Own(items) = &mut prepared.arrays {
            items.par_iter_mut().for_each(|item| scale(&mut item.image, config, of_training));
        }
        prepared.scale = of_training;
        Ok(prepared)
    }

    /// Everything decoded and resized, values as they are in the files.
    pub(super) fn unscaled(dataset: &Dataset, config: &DataConfig) -> Result<Self, DataErrors> {
        let channels = channels(dataset, config.channels);
        let InputSize(size) = config.input_size;
        let whole = config.input_mode == InputMode::Crop;
        let wanted = (!whole).then_some(size);
        let read: Vec<_> = (0..dataset.len()).into_par_iter().map(|i| item(dataset, i, channels, wanted)).collect();
        let mut problems = Problems::default();
        let items: Vec<Item> = read.into_iter().filter_map(|item| problems.keep(item)).collect();
        let decoded = items.len();
        problems.or(Self {
            channels,
            size,
            arrays: Arrays::Own(items),
            whole,
            scale: None,
            scaled: None,
            files: files(dataset),
            decoded,
        })
    }

    /// Arrays from a mapped file: scaled ones, or unscaled ones where the training images decide the scale.
    pub(super) fn mapped(
        dataset: &Dataset,
        config: &DataConfig,
        splits: &[Split],
        mapped: Mapped,
        decoded: usize,
    ) -> Self {
        let (channels, size) = (mapped.channels(), mapped.size());
        let arrays = Arrays::Mapped(mapped);
        let files = files(dataset);
        let mut prepared = Self { channels, size, arrays, whole: false, scale: None, scaled: None, files, decoded };
        prepared.scale = prepared.scale_of_training(config, splits);
        if let Some(scale) = prepared.scale {
            let scaled = |i: usize| {
                let mut image = prepared.image(i).to_vec();
                scale.apply(&mut image);
                image
            };
            prepared.scaled = Some((0..prepared.len()).map(scaled).collect());
        }
        prepared
    }

    /// The one scale of all images, where `data.normalize` is `dataset`: that of the training images. It is needed to
    /// predict, so run.toml keeps it.
    pub fn scale(&self) -> Option<Scale> {
        self.scale
    }

    /// The scale that the training images give, if `data.normalize` is `dataset`; their values are not scaled yet.
    fn scale_of_training(&self, config: &DataConfig, splits: &[Split]) -> Option<Scale> {
        let training = splits.iter().enumerate().filter(|(_, split)| **split == Split::Train);
        let moments = || training.map(|(i, _)| Moments::of(self.image(i))).fold(Moments::default(), Moments::and);
        (config.normalize == Normalize::Dataset).then(|| moments().scale())
    }

    /// Images that were decoded to make this; 0 if all came from a cache.
    pub fn decoded(&self) -> usize {
        self.decoded
    }

    /// Number of images.
    #[expect(clippy::len_without_is_empty, reason = "a data set is never empty")]
    pub fn len(&self) -> usize {
        match &self.arrays {
            Arrays::Own(items) => items.len(),
            Arrays::Mapped(mapped) => mapped.len(),
        }
    }

    /// 1 (grey) or 3 (RGB).
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Height and width of what the network sees.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Height and width of image `i` and its mask: the network's, or its own where `data.input_mode` is `crop`.
    pub fn image_size(&self, i: usize) -> [usize; 2] {
        if self.whole { self.native(i).size } else { self.size }
    }

    /// Image `i`, scaled: [channels, height, width].
    pub fn image(&self, i: usize) -> &[f32] {
        match (&self.scaled, &self.arrays) {
            (Some(scaled), _) => &scaled[i],
            (None, Arrays::Own(items)) => &items[i].image,
            (None, Arrays::Mapped(mapped)) => mapped.image(i),
        }
    }

    /// The labels of image `i` at the network's size: [height, width], [`super::IGNORED`] where nothing counts.
    pub fn mask(&self, i: usize) -> &[u8] {
        match &self.arrays {
            Arrays::Own(items) => &items[i].mask,
            Arrays::Mapped(mapped) => mapped.mask(i),
        }
    }

    /// The labels of image `i` at the size they have on disk.
    pub fn native(&self, i: usize) -> NativeMask<'_> {
        let (labels, size) = match &self.arrays {
            Arrays::Own(items) => (items[i].native.as_deref().unwrap_or(&items[i].mask), items[i].native_size),
            Arrays::Mapped(mapped) => mapped.native(i),
        };
        NativeMask { labels, size }
    }

    /// Image `i` for the eye, at the size it has on disk; read anew from its file.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn picture(&self, i: usize) -> Result<Rgb8, DataErrors> {
        let (file, page) = &self.files[i];
        picture(file, *page)
    }
}

/// Page `page` (from 0) of an image file as the network sees it, [channels, height, width], and the size it has on
/// disk. `whole` is the scale of the training images where `data.normalize` is `dataset`.
///
/// # Errors
/// If the file cannot be read.
pub fn input(
    file: &Path,
    page: usize,
    channels: usize,
    config: &DataConfig,
    whole: Option<Scale>,
) -> Result<(Vec<f32>, [usize; 2]), DataErrors> {
    let picture = read_picture(file, page)?;
    let size = picture.size;
    let wanted = if config.input_mode == InputMode::Crop { size } else { config.input_size.0 };
    let mut image = resized(picture, channels, wanted);
    scale(&mut image, config, whole);
    Ok((image, size))
}

/// Page `page` (from 0) of an image file for the eye, at the size it has on disk.
///
/// # Errors
/// If the file cannot be read.
pub fn picture(file: &Path, page: usize) -> Result<Rgb8, DataErrors> {
    Ok(read_picture(file, page)?.rgb8())
}

/// How many images a file holds: the pages of a TIFF stack, else one.
///
/// # Errors
/// If the file cannot be read.
pub fn pages(file: &Path) -> Result<usize, DataErrors> {
    Ok(raster::pages(file).map_err(|cause| DataError::new(file, cause))?)
}

/// Scales an image by the whole data set's scale or by its own.
fn scale(image: &mut [f32], config: &DataConfig, whole: Option<Scale>) {
    if let Some(scale) = whole.or_else(|| Scale::of_image(config.normalize, image)) {
        scale.apply(image);
    }
}

fn files(dataset: &Dataset) -> Vec<(PathBuf, usize)> {
    dataset.samples().iter().map(|sample| (sample.image.clone(), sample.page)).collect()
}

fn channels(dataset: &Dataset, wanted: Channels) -> usize {
    let has_color = dataset.samples().iter().any(|sample| sample.has_color);
    match wanted {
        Channels::Grey => 1,
        Channels::Rgb => 3,
        Channels::Auto => 1 + 2 * usize::from(has_color),
    }
}

/// Image and mask `i` at `size`, or at the size they have on disk.
fn item(dataset: &Dataset, i: usize, channels: usize, size: Option<[usize; 2]>) -> Result<Item, DataErrors> {
    let sample = &dataset.samples()[i];
    let picture = read_picture(&sample.image, sample.page)?;
    let native_size = picture.size;
    let size = size.unwrap_or(native_size);
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
