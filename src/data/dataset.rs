//! A data set that was read once from end to end: what is in it, or everything that is wrong with it.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::domain::DataConfig;

use super::{
    classes::{self, ClassList},
    error::{Cause, DataError, DataErrors, Problems},
    mask::{Coding, IGNORED},
    pairing::{self, Pair},
    picture::Picture,
    raster::{self, Raster},
    table::Table,
};

/// A checked data set: each image and mask was decoded once and found sound.
#[derive(Debug)]
pub struct Dataset {
    names: Vec<String>,
    groups: Vec<String>,
    classes: ClassList,
    samples: Vec<Sample>,
    pub(super) coding: Coding,
}

/// What is known of one image and its mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The image file.
    pub image: PathBuf,
    /// Its mask.
    pub mask: PathBuf,
    /// Height and width of both.
    pub size: [usize; 2],
    /// Whether any pixel has a colour.
    pub has_color: bool,
    /// The mask's pixels of each class, in the order of the classes.
    pub pixels: Vec<u64>,
    /// The mask's pixels that are not counted.
    pub ignored: u64,
}

impl Dataset {
    /// Finds, decodes and checks every image and mask.
    ///
    /// # Errors
    /// Everything that is wrong with any file, all at once.
    pub fn open(config: &DataConfig) -> Result<Self, DataErrors> {
        let mut problems = Problems::default();
        let classes = problems.keep(classes::coding(config));
        let pairs = pairing::pairs(config, &mut problems);
        let Some((classes, coding)) = classes else { return problems.fail() };
        let names: Vec<String> = pairs.iter().map(|pair| pair.name.clone()).collect();
        let groups = problems.keep(groups(config, &pairs)).unwrap_or_default();
        let checked: Vec<_> = pairs.into_par_iter().map(|pair| check(pair, &classes, &coding)).collect();
        let samples = checked.into_iter().filter_map(|result| problems.keep(result)).collect();
        problems.or(Self { names, groups, classes, samples, coding })
    }

    /// Number of images; at least one.
    #[expect(clippy::len_without_is_empty, reason = "an empty data set cannot be opened")]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// File names relative to `data.images`, with `/` between folders, sorted.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The group of each image; its own name where no groups are given.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// The classes.
    pub fn classes(&self) -> &ClassList {
        &self.classes
    }

    /// What is known of each image, in the order of names.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Pixels of each class in the mask of image `i`.
    pub fn pixels(&self, i: usize) -> &[u64] {
        &self.samples[i].pixels
    }

    /// Pixels of each class over all masks.
    pub fn totals(&self) -> Vec<u64> {
        (0..self.classes.len()).map(|class| self.samples.iter().map(|sample| sample.pixels[class]).sum()).collect()
    }
}

/// The group of each image.
fn groups(config: &DataConfig, pairs: &[Pair]) -> Result<Vec<String>, DataErrors> {
    let Some(groups) = &config.groups else { return Ok(pairs.iter().map(|pair| pair.name.clone()).collect()) };
    let table = Table::read(&groups.file, &groups.image, &groups.group)?;
    let mut problems = Problems::default();
    let mut found = Vec::with_capacity(pairs.len());
    for pair in pairs {
        match table.get(&pair.name) {
            Some(group) => found.push(group.to_owned()),
            None => problems.add(&pair.image, Cause::NoGroup(groups.file.display().to_string())),
        }
    }
    problems.or(found)
}

/// Decodes an image and its mask and holds them against each other.
fn check(pair: Pair, classes: &ClassList, coding: &Coding) -> Result<Sample, DataErrors> {
    let mut problems = Problems::default();
    let picture = problems.keep(read_picture(&pair.image));
    let mask = problems.keep(read_mask(&pair.mask, coding));
    let (Some(picture), Some((labels, size))) = (picture, mask) else {
        return problems.fail();
    };
    if size != picture.size {
        let ([height, width], [of_height, of_width]) = (size, picture.size);
        problems.add(&pair.mask, Cause::Size(height, width, of_height, of_width));
    }
    let mut counts = [0u64; 256];
    labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
    let (pixels, ignored) = (counts[..classes.len()].to_vec(), counts[usize::from(IGNORED)]);
    let has_color = picture.has_color();
    problems.or(Sample { image: pair.image, mask: pair.mask, size, has_color, pixels, ignored })
}

/// Reads an image.
pub(super) fn read_picture(path: &Path) -> Result<Picture, DataError> {
    let raster = raster::read(path);
    raster.and_then(|raster| Picture::of(&raster)).map_err(|cause| DataError::new(path, cause))
}

/// Reads a mask: labels [height, width] and its size.
pub(super) fn read_mask(path: &Path, coding: &Coding) -> Result<(Vec<u8>, [usize; 2]), DataError> {
    let read = || {
        if raster::is_jpeg(path) {
            return Err(Cause::JpegMask);
        }
        let raster: Raster = raster::read(path)?;
        Ok((coding.labels(&raster)?, raster.size))
    };
    read().map_err(|cause| DataError::new(path, cause))
}
