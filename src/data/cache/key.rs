//! Names of cached files: hashes of settings and of the source files' paths, sizes and times.

use std::{collections::BTreeMap, os::unix::fs::MetadataExt, path::Path, time::SystemTime};

use sha2::{Digest, Sha256};

use crate::domain::DataConfig;

use super::super::{
    dataset::Dataset,
    error::{DataErrors, Problems},
    pairing,
};

/// Another number whenever what is cached, or how it is computed, changes.
const VERSION: u64 = 2;

/// Seconds after a change in which a file may change again without another time stamp.
const UNSETTLED: i64 = 2;

/// What was hashed before, by path.
pub(in crate::data) type Digests = BTreeMap<String, (Stamp, [u8; 32])>;

/// Size and times of a file; another as soon as it is written, replaced or touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(in crate::data) struct Stamp {
    size: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of a file; `None` if there is none.
    pub(in crate::data) fn of(path: &Path) -> Option<Self> {
        let data = path.metadata().ok().filter(|data| data.is_file())?;
        Some(Self {
            size: data.len(),
            inode: data.ino(),
            modified: (data.mtime(), data.mtime_nsec()),
            changed: (data.ctime(), data.ctime_nsec()),
        })
    }

    /// Whether the file was left alone for long enough that a further change would show.
    pub(in crate::data) fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_secs() as i64);
        now - self.changed.0 > UNSETTLED
    }
}

/// The name of a checked data set. Missing files and wrong names are found here.
pub(super) fn of_files(config: &DataConfig) -> Result<String, DataErrors> {
    let mut problems = Problems::default();
    let pairs = pairing::pairs(config, &mut problems);
    if !problems.is_empty() {
        // Opening finds these again, and what is wrong with the files' content as well.
        Dataset::open(config)?;
    }
    let mut hash = Sha256::new();
    // What the settings of [data] mean for a mask is part of the name; how the images are resized is not.
    let settings = (VERSION, &config.images, &config.masks, &config.classes, &config.background, &config.keep);
    let masks = (&config.ignore_index, config.color_tolerance, config.instances, config.mask_layout);
    hash.update(format!("{settings:?} {masks:?} {:?} {:?}", config.groups, config.pairs));
    for pair in &pairs {
        hash.update(&pair.name);
        std::iter::once(pair.image.as_path()).chain(pair.mask.paths()).for_each(|path| add(&mut hash, path));
    }
    let tables = [config.groups.as_ref().map(|groups| &groups.file), config.pairs.as_ref().map(|pairs| &pairs.file)];
    tables.into_iter().flatten().for_each(|path| add(&mut hash, path));
    problems.or(hex(hash))
}

/// The name of a data set's arrays; `None` if a file is gone.
pub(super) fn of_arrays(dataset: &Dataset, config: &DataConfig) -> Option<String> {
    let mut hash = Sha256::new();
    hash.update(format!("{VERSION} {:?} {:?} {:?}", config.input_size, config.channels, config.normalize));
    hash.update(format!("{:?}", dataset.coding));
    for sample in dataset.samples() {
        hash.update(sample.page.to_le_bytes());
        for path in std::iter::once(sample.image.as_path()).chain(sample.mask.paths()) {
            Stamp::of(path)?;
            add(&mut hash, path);
        }
    }
    Some(hex(hash))
}

fn add(hash: &mut Sha256, path: &Path) {
    hash.update(format!("{path:?} {:?}", Stamp::of(path)));
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
