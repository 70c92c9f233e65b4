//! A data set that was read once from end to end: what is in it, or everything that is wrong with it.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::domain::DataConfig;

use super::{
    classes::{self, ClassList},
    error::{Cause, DataError, DataErrors, Problems},
    mask::{self, Coding, IGNORED},
    pairing::{self, MaskFiles, Pair},
    picture::Picture,
    raster,
    table::{Table, file_of},
};

/// A checked data set: each image and mask was decoded once and found sound.
#[derive(Debug)]
pub struct Dataset {
    pub(super) known: Known,
    classes: ClassList,
    pub(super) coding: Coding,
}

/// What was found in the files.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Known {
    names: Vec<String>,
    groups: Vec<String>,
    samples: Vec<Sample>,
}

/// What is known of one image and its mask.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Sample {
    /// The image file.
    pub image: PathBuf,
    /// The page of a stack, from 0.
    pub page: usize,
    pub(super) mask: MaskFiles,
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
        let checked: Vec<_> = pairs.into_par_iter().map(|pair| check(pair, &classes, &coding)).collect();
        let kept = checked.into_iter().filter_map(|result| problems.keep(result)).flatten();
        let (names, samples): (Vec<String>, Vec<Sample>) = kept.unzip();
        let groups = problems.keep(groups(config, &names, &samples)).unwrap_or_default();
        problems.or(Self { known: Known { names, groups, samples }, classes, coding })
    }

    /// The data set whose files are known from an earlier opening with the same settings.
    pub(super) fn from_known(config: &DataConfig, known: Known) -> Result<Self, DataErrors> {
        let (classes, coding) = classes::coding(config)?;
        Ok(Self { known, classes, coding })
    }

    /// Number of images; at least one.
    #[expect(clippy::len_without_is_empty, reason = "an empty data set cannot be opened")]
    pub fn len(&self) -> usize {
        self.known.names.len()
    }

    /// File names relative to `data.images`, with `/` between folders, sorted. Pages of a stack are images of their
    /// own: `stack.tif#1`, `stack.tif#2`.
    pub fn names(&self) -> &[String] {
        &self.known.names
    }

    /// The group of each image; its file where no groups are given, so that pages of a stack stay together.
    pub fn groups(&self) -> &[String] {
        &self.known.groups
    }

    /// The classes.
    pub fn classes(&self) -> &ClassList {
        &self.classes
    }

    /// What is known of each image, in the order of names.
    pub fn samples(&self) -> &[Sample] {
        &self.known.samples
    }

    /// Pixels of each class in the mask of image `i`.
    pub fn pixels(&self, i: usize) -> &[u64] {
        &self.known.samples[i].pixels
    }

    /// Pixels of each class over all masks.
    pub fn totals(&self) -> Vec<u64> {
        (0..self.classes.len())
            .map(|class| self.known.samples.iter().map(|sample| sample.pixels[class]).sum())
            .collect()
    }
}

/// The group of each image.
fn groups(config: &DataConfig, names: &[String], samples: &[Sample]) -> Result<Vec<String>, DataErrors> {
    let Some(groups) = &config.groups else { return Ok(names.iter().map(|name| file_of(name).to_owned()).collect()) };
    let table = Table::read(&groups.file, &groups.image, &groups.group)?;
    let mut problems = Problems::default();
    let mut found = Vec::with_capacity(names.len());
    for (name, sample) in names.iter().zip(samples) {
        match table.get(name) {
            Some(group) => found.push(group.to_owned()),
            None => problems.add(&sample.image, Cause::NoGroup(groups.file.display().to_string())),
        }
    }
    problems.or(found)
}

/// Decodes an image and its mask, page by page, and holds them against each other.
fn check(pair: Pair, classes: &ClassList, coding: &Coding) -> Result<Vec<(String, Sample)>, DataErrors> {
    let count = |path: &Path| raster::pages(path).map_err(|cause| DataError::new(path, cause));
    let mut problems = Problems::default();
    let pages = problems.keep(count(&pair.image));
    for path in pair.mask.paths() {
        // A mask that is a JPEG is refused for that reason, whatever else is wrong with it.
        let of_mask = if raster::is_jpeg(path) { Some(1) } else { problems.keep(count(path)) };
        if let (Some(pages), Some(of_mask)) = (pages, of_mask)
            && pages != of_mask
        {
            problems.add(path, Cause::Pages(of_mask, pages));
        }
    }
    let pages = problems.or(pages.unwrap_or(1))?;
    let digits = pages.to_string().len();
    let mut found = Vec::with_capacity(pages);
    for page in 0..pages {
        let name = if pages == 1 { pair.name.clone() } else { format!("{}#{:0digits$}", pair.name, page + 1) };
        found.push((name, check_page(&pair, page, classes, coding)?));
    }
    Ok(found)
}

fn check_page(pair: &Pair, page: usize, classes: &ClassList, coding: &Coding) -> Result<Sample, DataErrors> {
    let Pair { image, mask, .. } = pair;
    let mut problems = Problems::default();
    let picture = problems.keep(read_picture(image, page));
    // The mask of an image that cannot be read is checked all the same, at its own size.
    let own_size = || mask.paths().first().and_then(|path| raster::read(path, page).ok()).map(|raster| raster.size);
    let size = picture.as_ref().map(|picture| picture.size).or_else(own_size).unwrap_or_default();
    let labels = problems.keep(mask::read(mask, page, size, coding));
    let (Some(picture), Some(labels)) = (picture, labels) else { return problems.fail() };
    let mut counts = [0u64; 256];
    labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
    Ok(Sample {
        image: image.clone(),
        page,
        mask: mask.clone(),
        size,
        has_color: picture.has_color(),
        pixels: counts[..classes.len()].to_vec(),
        ignored: counts[usize::from(IGNORED)],
    })
}

/// Reads page `page` of an image.
pub(super) fn read_picture(path: &Path, page: usize) -> Result<Picture, DataError> {
    let raster = raster::read(path, page);
    raster.and_then(|raster| Picture::of(&raster)).map_err(|cause| DataError::new(path, cause))
}
