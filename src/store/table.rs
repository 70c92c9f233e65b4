//! CSV tables that grow by an epoch at a time and can be cut back to one.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    path::Path,
};

use serde::{Serialize, de::DeserializeOwned};

use super::{StoreError, claim, write_derived, write_text};
use crate::domain::Split;

/// Appends rows and syncs; a new table starts with its header.
///
/// # Errors
/// If the system refuses.
pub fn append_rows<T: Serialize>(path: &Path, rows: &[T]) -> Result<(), StoreError> {
    let fresh = fs::metadata(path).map_or(true, |m| m.len() == 0);
    let text = to_csv(path, rows, fresh)?;
    let open = OpenOptions::new().create(true).append(true).open(path);
    let mut file = open.map_err(StoreError::io("append to", path))?;
    // Asked once the file is open: who takes the run over from here on puts another one in its place.
    claim::check(path)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_data()).map_err(StoreError::io("append to", path))
}

/// Replaces the whole table, durably.
///
/// # Errors
/// If the system refuses.
pub fn write_rows<T: Serialize>(path: &Path, rows: &[T]) -> Result<(), StoreError> {
    write_text(path, &to_csv(path, rows, true)?)
}

/// As [`write_rows`], but not synced, for what can be made again from other files.
///
/// # Errors
/// If the system refuses.
pub fn write_derived_rows<T: Serialize>(path: &Path, rows: &[T]) -> Result<(), StoreError> {
    let text = to_csv(path, rows, true)?;
    write_derived(path, |file| file.write_all(text.as_bytes()))
}

/// Reads a table; one that is not there has no rows.
///
/// # Errors
/// If a row cannot be read.
pub fn read_rows<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, StoreError> {
    match csv::Reader::from_path(path) {
        Ok(mut reader) => reader.deserialize().collect::<Result<_, _>>().map_err(|e| StoreError::damaged(path, e)),
        Err(e) if is_missing(&e) => Ok(Vec::new()),
        Err(e) => Err(StoreError::damaged(path, e)),
    }
}

/// Drops every row after `epoch` and a torn last line. The first column whose name is `epoch` is read; a table
/// that needs no cut is left alone.
///
/// # Errors
/// If the table cannot be read or written.
pub fn cut_after(path: &Path, epoch: usize) -> Result<(), StoreError> {
    retain(path, "epoch", |cell| cell.parse::<usize>().is_ok_and(|e| e <= epoch))
}

/// Drops every row of `split` likewise.
///
/// # Errors
/// If the table cannot be read or written.
pub fn cut_split(path: &Path, split: Split) -> Result<(), StoreError> {
    retain(path, "split", |cell| cell != split.to_string())
}

fn retain(path: &Path, name: &str, wanted: impl Fn(&str) -> bool) -> Result<(), StoreError> {
    let text = match fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(StoreError::io("read", path)(e)),
    };
    let mut lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let header = lines.next().unwrap_or_default();
    let column = header.trim_end().split(',').position(|cell| cell == name);
    let cell = |line: &&str| line.split(',').nth(column?).map(|cell| wanted(cell.trim()));
    let keep = |line: &&str| cell(line) == Some(true);
    let kept: String = std::iter::once(header).chain(lines.filter(keep)).collect();
    if kept == text {
        return Ok(());
    }
    write_text(path, if kept == header { "" } else { &kept })
}

fn to_csv<T: Serialize>(path: &Path, rows: &[T], header: bool) -> Result<String, StoreError> {
    let mut writer = csv::WriterBuilder::new().has_headers(header).from_writer(Vec::new());
    rows.iter().try_for_each(|row| writer.serialize(row)).map_err(|e| StoreError::damaged(path, e))?;
    let bytes = writer.into_inner().map_err(|e| StoreError::damaged(path, e.into_error()))?;
    String::from_utf8(bytes).map_err(|e| StoreError::damaged(path, e))
}

fn is_missing(error: &csv::Error) -> bool {
    matches!(error.kind(), csv::ErrorKind::Io(e) if e.kind() == ErrorKind::NotFound)
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::{ClassRow, Counts};

    fn row(epoch: usize) -> ClassRow {
        ClassRow::new(epoch, Split::Val, "thin, rare", Counts { tp: 1, fp: 2, fn_: 3 }, 1)
    }

    #[test]
    fn a_torn_last_line_and_later_epochs_are_cut_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("classes.csv");
        append_rows(&path, &[row(1)]).unwrap();
        let first = fs::read(&path).unwrap();
        append_rows(&path, &[row(2)]).unwrap();
        let second = fs::read(&path).unwrap();
        append_rows(&path, &[row(3)]).unwrap();
        let torn = fs::read(&path).unwrap();
        fs::write(&path, &torn[..torn.len() - 4]).unwrap();
        cut_after(&path, 2).unwrap();
        assert_eq!(fs::read(&path).unwrap(), second);
        cut_after(&path, 1).unwrap();
        assert_eq!(fs::read(&path).unwrap(), first);
        assert_eq!(read_rows::<ClassRow>(&path).unwrap(), [row(1)]);
        cut_after(&path, 0).unwrap();
        append_rows(&path, &[row(1)]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), first);
    }

    #[test]
    fn the_rows_of_one_split_are_cut_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("classes.csv");
        let of_test = ClassRow { split: Split::Test, ..row(1) };
        append_rows(&path, &[row(1), of_test, row(2)]).unwrap();
        cut_split(&path, Split::Test).unwrap();
        assert_eq!(read_rows::<ClassRow>(&path).unwrap(), [row(1), row(2)]);
    }

    #[test]
    fn undefined_scores_are_empty_cells_and_read_back_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("classes.csv");
        let absent = ClassRow::new(1, Split::Val, "absent", Counts { tp: 0, fp: 7, fn_: 0 }, 0);
        append_rows(&path, std::slice::from_ref(&absent)).unwrap();
        assert!(fs::read_to_string(&path).unwrap().ends_with("1,val,absent,0,7,0,0,,,,\n"));
        assert_eq!(read_rows::<ClassRow>(&path).unwrap(), [absent]);
    }
}
