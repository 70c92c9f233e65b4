//! Which files are images and which mask belongs to each.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::domain::DataConfig;

use super::error::{Cause, DataErrors, Problems};

/// Extensions that are read, in lower case.
const READ: [&str; 6] = ["png", "tif", "tiff", "jpg", "jpeg", "bmp"];

/// Image formats that are not read; such files are reported, never skipped in silence.
const NOT_READ: [&str; 17] = [
    "gif", "webp", "jp2", "jpx", "j2k", "heic", "avif", "nd2", "czi", "lif", "lsm", "dm3", "dm4", "mrc", "svs", "dcm",
    "nii",
];

/// An image and its mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// The image's path relative to `data.images`, with `/` between folders.
    pub(super) name: String,
    pub(super) image: PathBuf,
    pub(super) mask: PathBuf,
}

/// An image file by its name relative to its folder.
struct Found {
    name: String,
    path: PathBuf,
}

/// All images with their masks, sorted by name. Images without masks, masks without images, names that occur twice
/// and files that are not read are problems.
pub(super) fn pairs(config: &DataConfig, problems: &mut Problems) -> Vec<Pair> {
    let images = problems.keep(files(&config.images));
    let apart = config.masks != config.images;
    let masks = if apart { problems.keep(files(&config.masks)) } else { Some(Vec::new()) };
    let (Some(mut images), Some(mut masks)) = (images, masks) else { return Vec::new() };
    if !apart {
        (masks, images) = images.into_iter().partition(|file| stem_of(&file.name, &config.mask_name).is_some());
    }
    images.retain(|file| stem_of(&file.name, &config.image_name).is_some());
    if images.is_empty() {
        problems.add(&config.images, Cause::NoImages);
    }
    let images = by_stem(problems, images, &config.image_name);
    let mut masks = by_stem(problems, masks, &config.mask_name);
    let mut pairs = Vec::with_capacity(images.len());
    for (stem, image) in images {
        match masks.remove(&stem) {
            Some(mask) => pairs.push(Pair { name: image.name, image: image.path, mask: mask.path }),
            None => problems.add(&image.path, Cause::NoMask(mask_place(config, &stem))),
        }
    }
    for mask in masks.into_values() {
        problems.add(&mask.path, Cause::NoImage);
    }
    pairs.sort_by(|a, b| a.name.cmp(&b.name));
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
    let file = format!("{}.*", config.mask_name.replace("{stem}", last));
    config.masks.join(folder).join(file).display().to_string()
}

/// Files by what stands for `{stem}`; two of the same stem, or a name that does not follow the pattern, are problems.
fn by_stem(problems: &mut Problems, files: Vec<Found>, pattern: &str) -> BTreeMap<String, Found> {
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

/// A name without its extension.
pub(super) fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// The image files under `folder` and its folders, sorted. Hidden files and other kinds of files are passed over.
fn files(folder: &Path) -> Result<Vec<Found>, DataErrors> {
    let mut problems = Problems::default();
    let mut found = Vec::new();
    collect(folder, "", &mut found, &mut problems);
    found.sort_by(|a, b| a.name.cmp(&b.name));
    problems.or(found)
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<Found>, problems: &mut Problems) {
    let entries = match fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
        Ok(entries) => entries,
        Err(e) => return problems.add(folder, Cause::NoFolder(e.to_string())),
    };
    for path in entries.iter().map(fs::DirEntry::path) {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            problems.add(&path, Cause::Name);
            continue;
        };
        if name.starts_with('.') {
            continue;
        }
        let extension = extension(&path);
        let is_image = READ.contains(&extension.as_str());
        let linked = path.symlink_metadata().is_ok_and(|file| file.is_symlink());
        if path.is_dir() && !is_image && !linked {
            collect(&path, &format!("{prefix}{name}/"), found, problems);
        } else if path.is_dir() && is_image {
            problems.add(&path, Cause::NotAFile);
        } else if is_image {
            found.push(Found { name: format!("{prefix}{name}"), path });
        } else if NOT_READ.contains(&extension.as_str()) {
            problems.add(&path, Cause::Format(extension.to_uppercase()));
        }
    }
}

/// The extension in lower case.
pub(super) fn extension(path: &Path) -> String {
    path.extension().map(|extension| extension.to_string_lossy().to_lowercase()).unwrap_or_default()
}
