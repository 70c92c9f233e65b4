//! Checkpoint sets: one folder an epoch, written aside, synced, renamed, with checksums.
//!
//! `last` and `best` are links to two of them. state.json says which epoch is the newest; a set whose checksums
//! do not hold is passed over for the one before it.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{RunDir, StoreError, atomic, atomic::remove, claim, read_rows, write_rows};
use crate::domain::ImageRow;

const CHECKSUMS: &str = "checksums.sha256";
const IMAGES: &str = "images.csv";

/// A complete set on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointSet {
    /// The epoch after which it was written.
    pub epoch: usize,
    /// Its folder.
    pub folder: PathBuf,
}

impl CheckpointSet {
    /// Writes a set: `fill` puts the trainer's files into the folder it is given; `images` are the epoch's rows
    /// for images.csv.
    ///
    /// # Errors
    /// If the system or `fill` refuses; sets that were there are untouched.
    pub fn write(
        run: &RunDir,
        epoch: usize,
        images: &[ImageRow],
        fill: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<Self, StoreError> {
        let folder = run.checkpoints().join(folder_name(epoch));
        let temporary = run.checkpoints().join(format!(".{}.{}.tmp", folder_name(epoch), claim::tag()));
        remove(&temporary)?;
        let write = || {
            atomic::create_dir(&temporary)?;
            fill(&temporary).map_err(StoreError::io("write", &temporary))?;
            write_rows(&temporary.join(IMAGES), images)?;
            write_checksums(&temporary)?;
            claim::check(&folder)?;
            remove(&folder)?;
            atomic::publish(&temporary, &folder)
        };
        write().inspect_err(|_| atomic::clear(&temporary))?;
        atomic::sync_folder_of(&folder)?;
        Ok(Self { epoch, folder })
    }

    /// The newest whole set at or before `epoch`.
    ///
    /// # Errors
    /// If the folder of sets cannot be read.
    pub fn newest(run: &RunDir, epoch: usize) -> Result<Option<Self>, StoreError> {
        let mut sets = Self::all(run)?;
        sets.retain(|set| set.epoch <= epoch && set.is_whole());
        Ok(sets.pop())
    }

    /// The set of `epoch`, if it is there and whole.
    pub fn of_epoch(run: &RunDir, epoch: usize) -> Option<Self> {
        let set = Self { epoch, folder: run.checkpoints().join(folder_name(epoch)) };
        set.is_whole().then_some(set)
    }

    /// Points `last` and `best` at their sets and removes the sets that are neither, nor the one before `last`, nor
    /// of an epoch that `keep_epochs` divides.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn publish(run: &RunDir, last: usize, best: usize, keep_epochs: Option<usize>) -> Result<(), StoreError> {
        link(run, "last", last)?;
        link(run, "best", best)?;
        claim::check(&run.checkpoints())?;
        let sets = Self::all(run)?;
        let previous = sets.iter().rev().find(|set| set.epoch < last).map(|set| set.epoch);
        for set in sets {
            let is_asked_for = keep_epochs.is_some_and(|every| set.epoch.is_multiple_of(every.max(1)));
            if set.epoch != last && set.epoch != best && Some(set.epoch) != previous && !is_asked_for {
                remove(&set.folder)?;
            }
        }
        Ok(())
    }

    fn all(run: &RunDir) -> Result<Vec<Self>, StoreError> {
        let folder = run.checkpoints();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(StoreError::io("read", &folder)(e)),
        };
        let mut sets: Vec<Self> = entries
            .filter_map(|entry| {
                let name = entry.ok()?.file_name().into_string().ok()?;
                Some(Self { epoch: name.strip_prefix("epoch-")?.parse().ok()?, folder: folder.join(&name) })
            })
            .collect();
        sets.sort_by_key(|set| set.epoch);
        Ok(sets)
    }

    fn is_whole(&self) -> bool {
        let Ok(expected) = fs::read_to_string(self.folder.join(CHECKSUMS)) else { return false };
        checksums(&self.folder).is_ok_and(|found| found == expected)
    }
}

/// The rows for images.csv that a set holds.
///
/// # Errors
/// If they cannot be read.
pub fn images_of(set: &CheckpointSet) -> Result<Vec<ImageRow>, StoreError> {
    read_rows(&set.folder.join(IMAGES))
}

fn folder_name(epoch: usize) -> String {
    format!("epoch-{epoch:05}")
}

fn write_checksums(folder: &Path) -> Result<(), StoreError> {
    let text = checksums(folder).map_err(StoreError::io("read", folder))?;
    for entry in fs::read_dir(folder).map_err(StoreError::io("read", folder))?.flatten() {
        let path = entry.path();
        File::open(&path).and_then(|file| file.sync_all()).map_err(StoreError::io("sync", &path))?;
    }
    atomic::write_text(&folder.join(CHECKSUMS), &text)
}

/// One line a file, as sha256sum writes them, in the order of names.
fn checksums(folder: &Path) -> io::Result<String> {
    let mut names: Vec<_> = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
    names.retain(|name| name != CHECKSUMS);
    names.sort();
    let mut lines = String::new();
    for name in names {
        let digest = Sha256::digest(fs::read(folder.join(&name))?);
        lines.extend(digest.iter().map(|byte| format!("{byte:02x}")));
        lines += &format!("  {}\n", name.to_string_lossy());
    }
    Ok(lines)
}

/// Replaces the link `name` so that at every moment it points at a whole set.
fn link(run: &RunDir, name: &str, epoch: usize) -> Result<(), StoreError> {
    let path = run.checkpoints().join(name);
    let temporary = atomic::temporary_beside(&path);
    remove(&temporary)?;
    std::os::unix::fs::symlink(folder_name(epoch), &temporary).map_err(StoreError::io("link", &path))?;
    atomic::publish(&temporary, &path)
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn write(run: &RunDir, epoch: usize) {
        CheckpointSet::write(run, epoch, &[], |folder| fs::write(folder.join("model.bin"), [epoch as u8; 64])).unwrap();
    }

    #[test]
    fn a_damaged_set_is_passed_over_for_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::new(folder.path());
        write(&run, 1);
        write(&run, 2);
        fs::write(run.checkpoints().join("epoch-00002/model.bin"), [9; 64]).unwrap();
        assert_eq!(CheckpointSet::newest(&run, 2).unwrap().unwrap().epoch, 1);
        assert_eq!(CheckpointSet::of_epoch(&run, 2), None);
    }

    #[test]
    fn a_set_that_could_not_be_written_whole_takes_no_room() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::new(folder.path());
        let full = |folder: &Path| {
            fs::write(folder.join("model.bin"), [1; 64])?;
            Err(io::ErrorKind::StorageFull.into())
        };
        assert!(CheckpointSet::write(&run, 1, &[], full).is_err());
        assert_eq!(fs::read_dir(run.checkpoints()).unwrap().count(), 0);
    }

    #[test]
    fn last_best_and_the_one_before_last_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::new(folder.path());
        for epoch in 1..=5 {
            write(&run, epoch);
            CheckpointSet::publish(&run, epoch, epoch.min(2), None).unwrap();
        }
        let kept: Vec<_> = CheckpointSet::all(&run).unwrap().iter().map(|set| set.epoch).collect();
        assert_eq!(kept, [2, 4, 5]);
        assert_eq!(fs::read(run.checkpoints().join("last/model.bin")).unwrap(), [5; 64]);
        assert_eq!(fs::read(run.checkpoints().join("best/model.bin")).unwrap(), [2; 64]);
    }

    #[test]
    fn every_nth_set_is_kept_on_request() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::new(folder.path());
        for epoch in 1..=11 {
            write(&run, epoch);
            CheckpointSet::publish(&run, epoch, 2, Some(4)).unwrap();
        }
        let kept: Vec<_> = CheckpointSet::all(&run).unwrap().iter().map(|set| set.epoch).collect();
        assert_eq!(kept, [2, 4, 8, 10, 11]);
    }
}
