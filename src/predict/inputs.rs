//! The images that a prediction is asked for: files, folders, stacks page by page.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::data::{self, DataError};

/// One image to predict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its file.
    pub file: PathBuf,
    /// The page of a stack, from 0.
    pub page: usize,
    /// What its results are called, without an extension: its path below the folder that was named; for a page of a
    /// stack with the page's number, `stack-03`.
    pub stem: String,
}

/// Every image under `paths` in their order, a folder's by name, and what cannot be read. Two images whose results
/// would have the same name are both named as a problem.
///
/// # Errors
/// If two images would be written to the same files.
pub fn inputs(paths: &[PathBuf]) -> Result<(Vec<Input>, Vec<DataError>), String> {
    let (mut found, mut unread) = (Vec::new(), Vec::new());
    for path in paths {
        let (files, problems) = files(path);
        unread.extend(problems);
        for (name, file) in files {
            match data::pages(&file) {
                Ok(pages) => found.extend(pages_of(&file, data::stem(&name), pages)),
                Err(errors) => unread.extend(errors.0),
            }
        }
    }
    check_names(&found)?;
    Ok((found, unread))
}

/// The files of `path` with their names relative to it.
fn files(path: &Path) -> (Vec<(String, PathBuf)>, Vec<DataError>) {
    if path.is_dir() {
        return data::image_files(path);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    (vec![(name, path.to_owned())], Vec::new())
}

fn pages_of(file: &Path, stem: &str, pages: usize) -> Vec<Input> {
    let digits = pages.to_string().len();
    let stem = |page: usize| if pages == 1 { stem.to_owned() } else { format!("{stem}-{:0digits$}", page + 1) };
    (0..pages).map(|page| Input { file: file.to_owned(), page, stem: stem(page) }).collect()
}

fn check_names(inputs: &[Input]) -> Result<(), String> {
    let mut known: BTreeMap<&str, &Input> = BTreeMap::new();
    let mut twice = Vec::new();
    for input in inputs {
        if let Some(other) = known.insert(&input.stem, input) {
            twice.push(format!(
                "{} and {} would both become {}.png; predict them into different folders",
                other.file.display(),
                input.file.display(),
                input.stem
            ));
        }
    }
    if twice.is_empty() { Ok(()) } else { Err(twice.join("\n")) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use tiff::encoder::{TiffEncoder, colortype::Gray8};

    use super::*;

    #[test]
    fn folders_are_listed_by_name_and_what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("deep")).unwrap();
        let image = image::GrayImage::new(4, 3);
        ["b.png", "deep/c.bmp"].iter().for_each(|name| image.save(at(name)).unwrap());
        let mut tiff = TiffEncoder::new(fs::File::create(at("a.tif")).unwrap()).unwrap();
        tiff.write_image::<Gray8>(4, 3, &image).unwrap();
        fs::write(at("broken.png"), "no picture").unwrap();
        fs::write(at("notes.txt"), "no image").unwrap();
        let (found, unread) = inputs(&[folder.path().to_owned()]).unwrap();
        assert_eq!(found.iter().map(|input| input.stem.as_str()).collect::<Vec<_>>(), ["a", "b", "deep/c"]);
        assert_eq!(unread.iter().map(|error| error.file.clone()).collect::<Vec<_>>(), [at("broken.png")]);
    }

    #[test]
    fn two_images_of_one_name_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        ["a.png", "a.bmp"].iter().for_each(|name| image::GrayImage::new(4, 3).save(at(name)).unwrap());
        let refused = inputs(&[at("a.png"), at("a.bmp")]).unwrap_err();
        assert!(refused.contains("a.png and") && refused.contains("a.bmp"), "{refused}");
    }
}
