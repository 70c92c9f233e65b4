//! The CSV files that come with data: groups and splits, one row an image.

use std::{collections::BTreeMap, path::Path};

use super::{
    error::{Cause, DataError},
    pairing::stem,
};

/// What a table says of each image, found by file name or by file name without extension.
#[derive(Debug)]
pub(super) struct Table(BTreeMap<String, String>);

impl Table {
    /// Reads the columns `image` and `value` of a CSV file.
    ///
    /// # Errors
    /// If it cannot be read, lacks a column, has an empty cell or says two things of one image.
    pub(super) fn read(file: &Path, image: &str, value: &str) -> Result<Self, DataError> {
        let fail = |text: String| DataError::new(file, Cause::Table(text));
        let mut reader =
            csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(file).map_err(|e| fail(e.to_string()))?;
        let headers = reader.headers().map_err(|e| fail(e.to_string()))?.clone();
        let column = |name: &str| {
            // A spreadsheet may put a byte order mark before the first header.
            let place = headers.iter().position(|header| header.trim_start_matches('\u{feff}') == name);
            let there = headers.iter().collect::<Vec<_>>().join(", ");
            place.ok_or_else(|| fail(format!("it has no column {name:?} (it has {there})")))
        };
        let (image, value) = (column(image)?, column(value)?);
        let mut rows: BTreeMap<String, String> = BTreeMap::new();
        for (i, row) in reader.records().enumerate() {
            let row = row.map_err(|e| fail(e.to_string()))?;
            let (name, said) = (row[image].replace('\\', "/"), row[value].to_owned());
            if name.is_empty() || said.is_empty() {
                return Err(fail(format!("line {} has an empty cell", i + 2)));
            }
            match rows.get(&name) {
                Some(before) if *before != said => {
                    return Err(fail(format!("it says both {before:?} and {said:?} of {name}")));
                }
                _ => rows.insert(name, said),
            };
        }
        Ok(Self(rows))
    }

    /// What it says of an image, or of the stack that the image is a page of (`stack.tif#2`).
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let file = file_of(name);
        let said = self.0.get(name).or_else(|| self.0.get(file)).or_else(|| self.0.get(stem(file)));
        said.map(String::as_str)
    }

    /// Every row, sorted by image.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter()
    }
}

/// The file of an image: its name without the page of a stack.
pub(super) fn file_of(name: &str) -> &str {
    match name.rsplit_once('#') {
        Some((file, page)) if !page.is_empty() && page.bytes().all(|b| b.is_ascii_digit()) => file,
        _ => name,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn table(content: &[u8]) -> Result<Table, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        fs::write(&path, content).unwrap();
        Table::read(&path, "image", "group")
    }

    #[test]
    fn rows_are_found_by_name_by_stem_and_by_the_stack_of_a_page() {
        let table =
            table("\u{feff}group, image\nx,a.png\ny,b\nz,s.tif\nw,\"c, d.png\"\nv,p\\q.png\n".as_bytes()).unwrap();
        let said = ["a.png", "b.png", "s.tif#03", "c, d.png", "p/q.png", "e.png"].map(|name| table.get(name));
        assert_eq!(said, [Some("x"), Some("y"), Some("z"), Some("w"), Some("v"), None]);
    }

    #[test]
    fn what_a_table_lacks_is_named() {
        for (content, expected) in [
            ("picture,group\na,b\n", "no column \"image\" (it has picture, group)"),
            ("image,group\na,\n", "line 2 has an empty cell"),
            ("image,group\na,x\na,y\n", "both \"x\" and \"y\" of a"),
            ("image,group\na\n", "2 fields"),
            ("", "no column"),
        ] {
            let text = table(content.as_bytes()).unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(content: Vec<u8>, header: bool) {
            let head: &[u8] = if header { b"image,group\n" } else { b"" };
            let _ = table(&[head, &content].concat());
        }
    }
}
