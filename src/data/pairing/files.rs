//! The image files under a folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::super::error::{Cause, DataError, Problems};

/// Extensions that are read, in lower case.
const READ: [&str; 6] = ["png", "tif", "tiff", "jpg", "jpeg", "bmp"];

/// Image formats that are not read; such files are reported, never skipped in silence.
const NOT_READ: [&str; 17] = [
    "gif", "webp", "jp2", "jpx", "j2k", "heic", "avif", "nd2", "czi", "lif", "lsm", "dm3", "dm4", "mrc", "svs", "dcm",
    "nii",
];

/// An image file by its name relative to the folder that was searched, with `/` between folders.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) path: PathBuf,
}

/// The image files under `folder` and its folders, sorted by name. Hidden files and files of other kinds are passed
/// over; what is meant as an image but cannot be one is a problem.
pub(super) fn files(folder: &Path, problems: &mut Problems) -> Vec<Found> {
    let mut found = Vec::new();
    collect(folder, "", &mut found, problems);
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<Found>, problems: &mut Problems) {
    for (name, path) in entries(folder, problems) {
        let extension = extension(&path);
        let is_image = READ.contains(&extension.as_str());
        let is_linked = path.symlink_metadata().is_ok_and(|file| file.is_symlink());
        match path.is_dir() {
            true if is_image => problems.add(&path, Cause::NotAFile),
            // A linked folder may lead back to itself.
            true if is_linked => problems.add(&path, Cause::Linked),
            true => collect(&path, &format!("{prefix}{name}/"), found, problems),
            false if is_image => found.push(Found { name: format!("{prefix}{name}"), path }),
            false if NOT_READ.contains(&extension.as_str()) => {
                problems.add(&path, Cause::Format(extension.to_uppercase()));
            }
            false => {}
        }
    }
}

/// The folders in `folder`, sorted by name.
pub(super) fn folders(folder: &Path, problems: &mut Problems) -> Vec<(String, PathBuf)> {
    let mut folders = entries(folder, problems);
    folders.retain(|(_, path)| path.is_dir());
    folders.sort();
    folders
}

/// What lies in `folder` and is not hidden.
fn entries(folder: &Path, problems: &mut Problems) -> Vec<(String, PathBuf)> {
    let entries = match fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
        Ok(entries) => entries,
        Err(e) => {
            problems.add(folder, Cause::NoFolder(e.to_string()));
            return Vec::new();
        }
    };
    let mut named = Vec::with_capacity(entries.len());
    for path in entries.iter().map(fs::DirEntry::path) {
        match path.file_name().and_then(|name| name.to_str()) {
            None => problems.add(&path, Cause::Name),
            Some(name) if name.starts_with('.') => {}
            Some(name) => named.push((name.to_owned(), path.clone())),
        }
    }
    named
}

/// The image files under `folder` and its folders, sorted by name (relative to it, with `/` between folders), and what
/// is meant as an image but cannot be one.
pub fn image_files(folder: &Path) -> (Vec<(String, PathBuf)>, Vec<DataError>) {
    let mut problems = Problems::default();
    let found = files(folder, &mut problems).into_iter().map(|file| (file.name, file.path)).collect();
    (found, problems.or(()).err().map(|errors| errors.0).unwrap_or_default())
}

/// A name without its extension.
pub fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// The extension in lower case.
pub(in crate::data) fn extension(path: &Path) -> String {
    path.extension().map(|extension| extension.to_string_lossy().to_lowercase()).unwrap_or_default()
}
