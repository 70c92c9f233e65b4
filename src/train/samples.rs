//! The images and masks that training reads, wherever they lie.

use crate::{
    data::{ClassList, DataErrors, Prepared},
    domain::{RunConfig, Split},
};

/// Decoded images with their masks, at the network's size and at their own.
pub trait Samples: Sync {
    /// Channels of every image.
    fn channels(&self) -> usize;
    /// Height and width that the network sees.
    fn size(&self) -> [usize; 2];
    /// Height and width of image `index`: those that the network sees, or larger or smaller ones to crop from.
    fn image_size(&self, index: usize) -> [usize; 2];
    /// Image `index` [channels, height, width], normalised.
    fn image(&self, index: usize) -> &[f32];
    /// Its mask [height, width], as large as the image.
    fn mask(&self, index: usize) -> &[u8];
    /// Its mask at its own size, with that size.
    fn native(&self, index: usize) -> (&[u8], [usize; 2]);
    /// The image as 8-bit RGB [height, width, 3] at its own size.
    ///
    /// # Errors
    /// If the image cannot be read any more.
    fn picture(&self, index: usize) -> Result<Vec<u8>, DataErrors>;
}

impl Samples for Prepared {
    fn channels(&self) -> usize {
        self.channels()
    }

    fn size(&self) -> [usize; 2] {
        self.size()
    }

    fn image_size(&self, index: usize) -> [usize; 2] {
        self.image_size(index)
    }

    fn image(&self, index: usize) -> &[f32] {
        self.image(index)
    }

    fn mask(&self, index: usize) -> &[u8] {
        self.mask(index)
    }

    fn native(&self, index: usize) -> (&[u8], [usize; 2]) {
        let native = self.native(index);
        (native.labels, native.size)
    }

    fn picture(&self, index: usize) -> Result<Vec<u8>, DataErrors> {
        Ok(self.picture(index)?.pixels)
    }
}

/// Everything that a training is about.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    /// The run's settings.
    pub config: &'a RunConfig,
    /// Images and masks.
    pub samples: &'a dyn Samples,
    /// File names of the images.
    pub names: &'a [String],
    /// What each image is used for.
    pub splits: &'a [Split],
    /// The classes.
    pub classes: &'a ClassList,
}

impl Task<'_> {
    /// The images of a split, in the order of names.
    pub fn images_of(&self, split: Split) -> Vec<usize> {
        (0..self.splits.len()).filter(|index| self.splits[*index] == split).collect()
    }

    /// Pixels of each class in the training images, at their own size.
    pub fn training_pixels(&self) -> Vec<u64> {
        let mut pixels = vec![0; self.classes.len()];
        for index in self.images_of(Split::Train) {
            for label in self.samples.native(index).0 {
                if let Some(count) = pixels.get_mut(usize::from(*label)) {
                    *count += 1;
                }
            }
        }
        pixels
    }
}
