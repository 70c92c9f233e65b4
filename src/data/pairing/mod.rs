//! Which files are images and which masks belong to each.

mod files;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::domain::{DataConfig, MaskLayout, Pairs};

use super::{
    error::{Cause, Problems},
    table::Table,
};

pub(super) use files::extension;
use files::{Found, files, folders};
pub use files::{image_files, stem};

/// An image and what its mask is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// The image's path relative to `data.images`, with `/` between folders.
    pub(super) name: String,
    pub(super) image: PathBuf,
    pub(super) mask: MaskFiles,
}

/// The files of one mask.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum MaskFiles {
    /// One file with every class.
    One(PathBuf),
    /// A file a class, with the class's place in `data.classes`.
    Classes(Vec<(usize, PathBuf)>),
    /// A file an object.
    Objects(Vec<PathBuf>),
}

impl MaskFiles {
    /// All files.
    pub(super) fn paths(&self) -> Vec<&Path> {
        match self {
            Self::One(path) => vec![path],
            Self::Classes(paths) => paths.iter().map(|(_, path)| path.as_path()).collect(),
            Self::Objects(paths) => paths.iter().map(PathBuf::as_path).collect(),
        }
    }
}

/// All images with their masks, sorted by name. Images without masks, masks without images, names that occur twice
/// and files that are not read are problems.
pub(super) fn pairs(config: &DataConfig, problems: &mut Problems) -> Vec<Pair> {
    if let Some(table) = &config.pairs {
        return listed(config, table, problems);
    }
    for (key, pattern) in [("data.image_name", &config.image_name), ("data.mask_name", &config.mask_name)] {
        if pattern.matches("{stem}").count() != 1 {
            problems.add(Path::new(key), Cause::Pattern(pattern.clone()));
            return Vec::new();
        }
    }
    let mut images = files(&config.images, problems);
    let there = images.len();
    let apart = config.masks != config.images;
    let in_one_folder = |file: &Found| !apart && stem_of(&file.name, &config.mask_name).is_some();
    let mut masks: Vec<Found> = images.extract_if(.., |file| in_one_folder(file)).collect();
    images.retain(|file| stem_of(&file.name, &config.image_name).is_some());
    if images.is_empty() {
        problems.add(&config.images, if there == 0 { Cause::NoImages } else { Cause::NoneFits(there) });
        return Vec::new();
    }
    let images = by_stem(images, &config.image_name, problems);
    let mut masks = match config.mask_layout {
        MaskLayout::ClassFolders => in_class_folders(config, problems),
        MaskLayout::ObjectFolders => in_object_folders(config, problems),
        MaskLayout::File => {
            if apart {
                masks = files(&config.masks, problems);
            }
            let found = by_stem(masks, &config.mask_name, problems);
            found.into_iter().map(|(stem, file)| (stem, MaskFiles::One(file.path))).collect()
        }
    };
    let mut pairs = Vec::with_capacity(images.len());
    for (stem, image) in images {
        match masks.remove(&stem) {
            Some(mask) => pairs.push(Pair { name: image.name, image: image.path, mask }),
            None => problems.add(&image.path, Cause::NoMask(mask_place(config, &stem))),
        }
    }
    for mask in masks.into_values() {
        mask.paths().into_iter().for_each(|path| problems.add(path, Cause::NoImage));
    }
    pairs.sort_by(|a, b| a.name.cmp(&b.name));
    pairs
}

/// The pairs that a CSV file lists.
fn listed(config: &DataConfig, table: &Pairs, problems: &mut Problems) -> Vec<Pair> {
    let Some(rows) = problems.keep(Table::read(&table.file, &table.image, &table.mask)) else { return Vec::new() };
    let pair = |(name, mask): (&String, &String)| Pair {
        name: name.clone(),
        image: config.images.join(name),
        mask: MaskFiles::One(config.masks.join(mask)),
    };
    let pairs: Vec<Pair> = rows.rows().map(pair).collect();
    if pairs.is_empty() {
        problems.add(&table.file, Cause::Table("it lists no image".into()));
    }
    let mut used: BTreeSet<&Path> = BTreeSet::new();
    for path in pairs.iter().flat_map(|pair| pair.mask.paths()) {
        if !used.insert(path) {
            problems.add(path, Cause::Table(format!("{} names it for two images", table.file.display())));
        }
    }
    pairs
}

/// What stands for `{stem}` in a file's name, with the file's folder before it: `a/b_mask.png` is `a/b` by
/// `{stem}_mask`. `None` if the name does not follow the pattern.
fn stem_of(name: &str, pattern: &str) -> Option<String> {
    let (before, after) = pattern.split_once("{stem}")?;
    let (folder, file) = name.rsplit_once('/').map_or(("", name), |(folder, file)| (folder, file));
    let stem = stem(file).strip_prefix(before)?.strip_suffix(after)?;
    let slash = if folder.is_empty() { "" } else { "/" };
    (!stem.is_empty()).then(|| format!("{folder}{slash}{stem}"))
}

/// Where the mask of `stem` was looked for.
fn mask_place(config: &DataConfig, stem: &str) -> String {
    let (folder, last) = stem.rsplit_once('/').map_or(("", stem), |(folder, last)| (folder, last));
    let name = config.mask_name.replace("{stem}", last);
    let place = match config.mask_layout {
        MaskLayout::File => config.masks.join(folder).join(format!("{name}.*")),
        MaskLayout::ClassFolders => config.masks.join("*").join(folder).join(format!("{name}.*")),
        MaskLayout::ObjectFolders => config.masks.join(stem).join("*"),
    };
    place.display().to_string()
}

/// Files by what stands for `{stem}`; two of the same stem, or a name that does not follow the pattern, are problems.
fn by_stem(files: Vec<Found>, pattern: &str, problems: &mut Problems) -> BTreeMap<String, Found> {
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    for file in files {
        match stem_of(&file.name, pattern) {
            None => problems.add(&file.path, Cause::NoImage),
            Some(stem) => match found.get(&stem) {
                Some(other) => problems.add(&file.path, Cause::Twice(other.name.clone())),
                None => {
                    found.insert(stem, file);
                }
            },
        }
    }
    found
}

/// `masks/CLASS/STEM.png`: a class without a file for an image does not occur in it.
fn in_class_folders(config: &DataConfig, problems: &mut Problems) -> BTreeMap<String, MaskFiles> {
    let mut found: BTreeMap<String, Vec<(usize, PathBuf)>> = BTreeMap::new();
    for (name, folder) in folders(&config.masks, problems) {
        let Some(class) = config.classes.iter().position(|class| class.name == name) else {
            problems.add(&folder, Cause::NoClass);
            continue;
        };
        for (stem, file) in by_stem(files(&folder, problems), &config.mask_name, problems) {
            found.entry(stem).or_default().push((class, file.path));
        }
    }
    found.into_iter().map(|(stem, files)| (stem, MaskFiles::Classes(files))).collect()
}

/// `masks/STEM/*.png`; an empty folder is an image without objects.
fn in_object_folders(config: &DataConfig, problems: &mut Problems) -> BTreeMap<String, MaskFiles> {
    let mut found = BTreeMap::new();
    for (stem, folder) in folders(&config.masks, problems) {
        let objects = files(&folder, problems).into_iter().map(|file| file.path).collect();
        found.insert(stem, MaskFiles::Objects(objects));
    }
    found
}
