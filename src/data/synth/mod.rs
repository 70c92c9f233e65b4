//! The demo's data: noisy microscopy made from a seed, with a rare thin class and groups that differ.
//!
//! It is made so that a sweep over it teaches something: background fills most pixels, three structures are easily
//! learned, fibres are thin, faint and rare, so that scores over all pixels hardly notice whether they are found;
//! and how much there is of each structure differs between groups, so that some splits are unlike their training set.

mod scene;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use image::GrayImage;
use rand::RngExt;

use crate::domain::seed;

use scene::{Prevalence, Scene};

/// Names of the classes in the order of their mask value.
pub const CLASSES: [&str; 5] = ["background", "cell", "vesicle", "crystal", "fibre"];

/// What to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Number of images.
    pub images: usize,
    /// Images of one group.
    pub group_size: usize,
    /// Height and width in pixels, at least 16.
    pub size: [usize; 2],
    /// Another seed makes other images.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { images: 60, group_size: 10, size: [96, 96], seed: 0 }
    }
}

/// Why the data could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    /// The folder holds something.
    #[error("{path} is not empty; name a new folder or remove it", path = .0.display())]
    NotEmpty(PathBuf),
    /// Numbers that make no data.
    #[error("{0}")]
    Options(&'static str),
    /// The system refused.
    #[error("failed to write {path}: {source}; check that the disk has room and that you may write there", path = .path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// Writes `images/`, `masks/` (index PNG) and `manifest.csv` (image, group) into the new folder `dir`, the same bytes
/// on every machine. The folder appears whole or not at all.
///
/// # Errors
/// If `dir` holds anything, if the options make no sense, or if the system refuses to write.
pub fn write(dir: &Path, options: Options) -> Result<(), SynthError> {
    if options.images == 0 || options.group_size == 0 || options.size.iter().any(|&side| !(16..=4096).contains(&side)) {
        return Err(SynthError::Options("at least one image a group and sides of 16 to 4096 pixels are needed"));
    }
    if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(SynthError::NotEmpty(dir.to_owned()));
    }
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = dir.with_file_name(name);
    let written = fill(&temporary, options).and_then(|()| fs::rename(&temporary, dir).map_err(failed(dir)));
    if written.is_err() {
        // What was begun is of no use; the first error is the one to tell.
        let _ = fs::remove_dir_all(&temporary);
    }
    written
}

fn fill(dir: &Path, options: Options) -> Result<(), SynthError> {
    let (images, masks) = (dir.join("images"), dir.join("masks"));
    for folder in [&images, &masks] {
        fs::create_dir_all(folder).map_err(failed(folder))?;
    }
    let mut manifest = String::from("image,group\n");
    for i in 0..options.images {
        let group = i / options.group_size;
        let scene =
            Scene::draw(options.size, prevalence(options, i), &mut seed::generator(options.seed, "scene", &[i as u64]));
        let file = format!("field-{i:03}.png");
        save(
            &images.join(&file),
            options.size,
            scene.photograph(&mut seed::generator(options.seed, "camera", &[i as u64])),
        )?;
        save(&masks.join(&file), options.size, scene.labels)?;
        manifest += &format!("{file},slide-{group}\n");
    }
    let path = dir.join("manifest.csv");
    fs::write(&path, manifest).map_err(failed(&path))
}

/// How much of each structure image `i` has: its group's share. Each group's first image has some of all, so that no
/// split lacks a class.
fn prevalence(options: Options, i: usize) -> Prevalence {
    let group = i / options.group_size;
    let mut draw = seed::generator(options.seed, "group", &[group as u64]);
    let mut share = |low: f64, high: f64| draw.random_range(low..high);
    let [cells, vesicles, crystals, fibres] = [share(0.4, 1.6), share(0.2, 1.8), share(0.2, 1.8), share(0.1, 1.0)];
    Prevalence { cells, vesicles, crystals, fibres, all: i.is_multiple_of(options.group_size) }
}

fn save(path: &Path, [height, width]: [usize; 2], pixels: Vec<u8>) -> Result<(), SynthError> {
    let image = GrayImage::from_raw(width as u32, height as u32, pixels).unwrap_or_default();
    image.save(path).map_err(|e| failed(path)(io::Error::other(e)))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> SynthError + '_ {
    move |source| SynthError::Write { path: path.to_owned(), source }
}
