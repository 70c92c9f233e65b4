//! The name of a data set's content: the same on every machine, another as soon as any file changes.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::domain::{DataConfig, SplitConfig};

use super::{
    cache::{Digests, Stamp},
    error::{Cause, DataError, DataErrors, Problems},
    pairing,
};

/// SHA-256 in hex over the names (relative to their folders) and contents of all images and masks, over the groups file
/// and the pairs file with the columns that are read of them, and over the split file. Nothing is decoded.
///
/// # Errors
/// Images without masks, masks without images, files that cannot be read: all of them.
pub fn fingerprint(config: &DataConfig, split: &SplitConfig) -> Result<String, DataErrors> {
    with_digests(config, split, &Digests::default(), &mut Digests::default())
}

/// [`fingerprint`] with what is `known` of files that did not change; what is known afterwards goes to `found`.
pub(super) fn with_digests(
    config: &DataConfig,
    split: &SplitConfig,
    known: &Digests,
    found: &mut Digests,
) -> Result<String, DataErrors> {
    let mut problems = Problems::default();
    let pairs = pairing::pairs(config, &mut problems);
    let mut files: Vec<(String, PathBuf)> = Vec::with_capacity(2 * pairs.len() + 2);
    for pair in pairs {
        for mask in pair.mask.paths() {
            let name = mask.strip_prefix(&config.masks).unwrap_or(mask);
            files.push((format!("mask {}", name.to_string_lossy()), mask.to_owned()));
        }
        files.push((format!("image {}", pair.name), pair.image));
    }
    // Which columns are read matters as much as what they hold.
    let groups =
        config.groups.iter().map(|groups| (format!("groups {:?}", [&groups.image, &groups.group]), &groups.file));
    let pairs = config.pairs.iter().map(|pairs| (format!("pairs {:?}", [&pairs.image, &pairs.mask]), &pairs.file));
    files.extend(groups.chain(pairs).map(|(name, file)| (name, file.clone())));
    // Whatever the strategy: other cells of the same sweep may follow the file.
    files.extend(split.file.iter().map(|file| ("split".to_owned(), file.clone())));
    let digests: Vec<_> = files.par_iter().map(|(_, path)| known_or_new(path, known)).collect();
    let mut whole = Sha256::new();
    for ((name, path), digest) in files.iter().zip(digests) {
        if let Some((stamp, digest)) = problems.keep(digest) {
            if let Some(stamp) = stamp.filter(Stamp::is_settled) {
                found.insert(path.to_string_lossy().into_owned(), (stamp, digest));
            }
            whole.update((name.len() as u64).to_le_bytes());
            whole.update(name);
            whole.update(digest);
        }
    }
    problems.or(whole.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The digest of a file, and the stamp it had before it was read.
fn known_or_new(path: &Path, known: &Digests) -> Result<(Option<Stamp>, [u8; 32]), DataError> {
    let stamp = Stamp::of(path);
    match known.get(path.to_string_lossy().as_ref()) {
        Some((same, digest)) if stamp.as_ref() == Some(same) => Ok((stamp, *digest)),
        _ => Ok((stamp, digest(path)?)),
    }
}

fn digest(path: &Path) -> Result<[u8; 32], DataError> {
    let read = || {
        if !path.metadata()?.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        let (mut file, mut hash) = (File::open(path)?, Sha256::new());
        let mut block = vec![0; 1 << 16];
        loop {
            match file.read(&mut block)? {
                0 => return Ok(hash.finalize().into()),
                length => hash.update(&block[..length]),
            }
        }
    };
    read().map_err(|e| DataError::new(path, Cause::Unreadable(e.to_string())))
}
