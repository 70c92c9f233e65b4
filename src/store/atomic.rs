//! Files that are either wholly old or wholly new: temporary name, sync, rename, sync the folder.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use super::{StoreError, claim};

/// Replaces `path` by `text`, durably.
///
/// # Errors
/// If the system refuses any step; `path` is then as it was.
pub fn write_text(path: &Path, text: &str) -> Result<(), StoreError> {
    write_bytes(path, text.as_bytes())
}

/// Replaces `path` by `bytes`, durably.
///
/// # Errors
/// As [`write_text`].
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    replace(path, |temporary| {
        let mut file = File::create(temporary)?;
        file.write_all(bytes)?;
        file.sync_all()
    })?;
    sync_folder_of(path)
}

/// Replaces `path` by what `fill` writes: whole, but not synced, for what can be made again from other files.
///
/// # Errors
/// If the system refuses any step; `path` is then as it was.
pub fn write_derived(path: &Path, fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<(), StoreError> {
    replace(path, |temporary| {
        let mut file = BufWriter::with_capacity(1 << 16, File::create(temporary)?);
        fill(&mut file)?;
        file.flush()
    })
}

/// Replaces `path` by what `write` makes under a temporary name.
fn replace(path: &Path, write: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<(), StoreError> {
    let temporary = temporary_beside(path);
    let written = write(&temporary).map_err(StoreError::io("write", path)).and_then(|()| publish(&temporary, path));
    written.inspect_err(|_| clear(&temporary))
}

/// Removes what could not be finished: a full disk needs its room for what is still to be said.
pub(super) fn clear(temporary: &Path) {
    let _ = remove(temporary);
}

/// Replaces `path` by `value` as JSON, durably.
///
/// # Errors
/// As [`write_text`], or if `value` has no JSON form.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), StoreError> {
    let mut text = serde_json::to_string_pretty(value).map_err(|e| StoreError::damaged(path, e))?;
    text.push('\n');
    write_text(path, &text)
}

/// Reads JSON; `None` if there is no such file.
///
/// # Errors
/// If the file is there but cannot be read or is not what was asked for.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StoreError> {
    match fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|e| StoreError::damaged(path, e)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(StoreError::io("read", path)(e)),
    }
}

/// Creates a folder and its parents.
///
/// # Errors
/// If the system refuses.
pub fn create_dir(path: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(path).map_err(StoreError::io("create", path))
}

/// Removes what writers that were killed left behind in `folder`. To be called by its only living writer.
///
/// # Errors
/// If the system refuses; a folder that is not there has nothing to remove.
pub fn remove_temporaries(folder: &Path) -> Result<(), StoreError> {
    claim::check(folder)?;
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(StoreError::io("read", folder)(e)),
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') && name.ends_with(".tmp") {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes a file, a link, or a folder with all that is in it; one that is not there is fine.
///
/// # Errors
/// If the system refuses.
pub fn remove(path: &Path) -> Result<(), StoreError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    };
    removed.map_err(StoreError::io("remove", path))
}

/// Gives what was prepared its name, if this process may.
pub(super) fn publish(temporary: &Path, path: &Path) -> Result<(), StoreError> {
    claim::check(path)?;
    fs::rename(temporary, path).map_err(StoreError::io("write", path))
}

pub(super) fn sync_folder_of(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(path);
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(StoreError::io("sync", folder))
}

/// A hidden name in the same folder that no other process uses.
pub(super) fn temporary_beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.tmp", claim::tag()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_written_whole_takes_no_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        write_text(&path, "old").unwrap();
        let full = |file: &mut dyn Write| {
            file.write_all(b"half of it")?;
            Err(std::io::ErrorKind::StorageFull.into())
        };
        assert!(write_derived(&path, full).is_err());
        fs::create_dir(folder.path().join("taken")).unwrap();
        assert!(write_text(&folder.path().join("taken"), "new").is_err());
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.path()).collect();
        assert_eq!((left.len(), fs::read_to_string(&path).unwrap().as_str()), (2, "old"), "{left:?}");
    }
}
