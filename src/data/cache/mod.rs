//! A folder of what was decoded once: the checked data set, and its arrays at each input size as a file that every
//! run maps into memory. It may be removed at any time; where it cannot be written, everything is decoded anew.
//!
//! A file is named by a hash of the settings that matter and of each source file's path, size and times, so that a
//! changed file makes another name. Builders hold a lock a name: of several workers one decodes, the others wait.

mod arrays;
mod key;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde::{Serialize, de::DeserializeOwned};

use crate::domain::{DataConfig, InputMode, Normalize, Split, SplitConfig};

use super::{
    dataset::{Dataset, Known},
    error::DataErrors,
    fingerprint,
    prepared::Prepared,
};

pub(super) use arrays::Mapped;
pub(super) use key::{Digests, Stamp};

/// A cache folder and how large it may grow.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
    limit: u64,
}

impl Cache {
    /// The cache in `folder`, which is made when first needed. Beyond `limit` bytes the files that were not used for
    /// longest are removed.
    pub fn new(folder: impl Into<PathBuf>, limit: u64) -> Self {
        Self { folder: folder.into(), limit }
    }

    /// The user's cache: `$SWEEPSCOPE_CACHE`, else `$XDG_CACHE_HOME/sweepscope`, else `~/.cache/sweepscope`, of at most
    /// 20 GiB; `None` where none of these is set, or the first is empty.
    pub fn standard() -> Option<Self> {
        let folder = |variable: &str| std::env::var_os(variable).map(PathBuf::from);
        let folder = folder("SWEEPSCOPE_CACHE")
            .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("sweepscope")))
            .or_else(|| folder("HOME").map(|home| home.join(".cache/sweepscope")))?;
        (!folder.as_os_str().is_empty()).then(|| Self::new(folder, 20 << 30))
    }

    /// [`Dataset::open`], without decoding anything if the cache knows these files.
    ///
    /// # Errors
    /// As [`Dataset::open`].
    pub fn open(&self, config: &DataConfig) -> Result<Dataset, DataErrors> {
        let path = self.folder.join(format!("checked-{}.json", key::of_files(config)?));
        if let Some(known) = read_json::<Known>(&path) {
            return Dataset::from_known(config, known);
        }
        let _lock = self.lock(&path);
        if let Some(known) = read_json::<Known>(&path) {
            return Dataset::from_known(config, known);
        }
        let dataset = Dataset::open(config)?;
        // A cache that cannot be written costs time at the next start, nothing else.
        let _ = write_json(&path, &dataset.known);
        Ok(dataset)
    }

    /// [`Prepared::load`] from a mapped file, which is made if it is not there. Such a file holds arrays of one size:
    /// images that keep their own are decoded anew.
    ///
    /// # Errors
    /// As [`Prepared::load`].
    pub fn load(&self, dataset: &Dataset, config: &DataConfig, splits: &[Split]) -> Result<Prepared, DataErrors> {
        let key = if config.input_mode == InputMode::Resize { key::of_arrays(dataset, config) } else { None };
        let Some(key) = key else { return Prepared::load(dataset, config, splits) };
        let path = self.folder.join(format!("arrays-{key}.bin"));
        let mapped = |decoded| {
            Mapped::open(&path, &key).map(|arrays| Prepared::mapped(dataset, config, splits, arrays, decoded))
        };
        if let Some(prepared) = mapped(0) {
            touch(&path);
            return Ok(prepared);
        }
        let _lock = self.lock(&path);
        if let Some(prepared) = mapped(0) {
            return Ok(prepared);
        }
        // What depends on the training images is scaled by each run for itself.
        let raw = config.normalize == Normalize::Dataset;
        let built = if raw { Prepared::unscaled(dataset, config)? } else { Prepared::load(dataset, config, splits)? };
        if arrays::write(&path, &key, &built, self.limit).is_ok()
            && let Some(prepared) = mapped(dataset.len())
        {
            self.shrink(&path);
            return Ok(prepared);
        }
        if raw { Prepared::load(dataset, config, splits) } else { Ok(built) }
    }

    /// [`super::fingerprint()`], hashing only the files that changed since they were hashed last.
    ///
    /// # Errors
    /// As [`super::fingerprint()`].
    pub fn fingerprint(&self, config: &DataConfig, split: &SplitConfig) -> Result<String, DataErrors> {
        let path = self.folder.join("digests.json");
        let known: Digests = read_json(&path).unwrap_or_default();
        let mut found = Digests::default();
        let name = fingerprint::with_digests(config, split, &known, &mut found)?;
        if found != known {
            let _ = write_json(&path, &found);
        }
        Ok(name)
    }

    /// Waits until no other process or thread makes `path`. Without a lock (a file system may have none) the worst
    /// that can happen is that two make the same.
    fn lock(&self, path: &Path) -> Option<File> {
        fs::create_dir_all(&self.folder).ok()?;
        let file = File::create(path.with_extension("lock")).ok()?;
        file.lock().ok()?;
        Some(file)
    }

    /// Removes the files that were not used for longest until the rest keeps within the limit; `path` stays.
    fn shrink(&self, path: &Path) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let data = entry.metadata().ok().filter(|data| data.is_file())?;
                Some((data.modified().ok()?, data.len(), entry.path()))
            })
            .collect();
        files.sort();
        let mut size: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, of_file, old) in files {
            let is_data = old.extension().is_some_and(|extension| extension == "bin");
            // A file that other runs have mapped stays readable for them.
            if size > self.limit && is_data && old != path && fs::remove_file(&old).is_ok() {
                size -= of_file;
            }
        }
    }
}

/// Notes that a file was used.
fn touch(path: &Path) {
    // Of use only when the cache grows too large.
    let _ = File::options().append(true).open(path).and_then(|file| file.set_modified(SystemTime::now()));
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    replace(path, |file| Ok(serde_json::to_writer(file, value)?))
}

/// Writes a file that appears whole or not at all.
fn replace(path: &Path, write: impl FnOnce(&mut io::BufWriter<&File>) -> io::Result<()>) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let file = File::create(&temporary)?;
    let mut buffered = io::BufWriter::new(&file);
    let written = write(&mut buffered).and_then(|()| io::Write::flush(&mut buffered)).and_then(|()| file.sync_all());
    drop(buffered);
    let renamed = written.and_then(|()| fs::rename(&temporary, path));
    if renamed.is_err() {
        // A half-written file is of no use.
        let _ = fs::remove_file(&temporary);
    }
    renamed
}
