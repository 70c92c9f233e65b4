//! The data of a run: through the user's cache where there is one, else from their files alone.

use crate::domain::{DataConfig, Split, SplitConfig};

use super::{Cache, DataErrors, Dataset, Prepared, assign, fingerprint};

/// Loads the data of runs.
#[derive(Clone, Debug)]
pub struct Loader {
    cache: Option<Cache>,
}

impl Loader {
    /// Through [`Cache::standard`].
    pub fn standard() -> Self {
        Self { cache: Cache::standard() }
    }

    /// [`fingerprint()`] of the data and how they are split.
    ///
    /// # Errors
    /// As [`fingerprint()`].
    pub fn fingerprint(&self, data: &DataConfig, split: &SplitConfig) -> Result<String, DataErrors> {
        match &self.cache {
            Some(cache) => cache.fingerprint(data, split),
            None => fingerprint(data, split),
        }
    }

    /// The checked data set, and the split of each image.
    ///
    /// # Errors
    /// As [`Dataset::open`] and [`assign`].
    pub fn open(&self, data: &DataConfig, split: &SplitConfig) -> Result<(Dataset, Vec<Split>), DataErrors> {
        let dataset = match &self.cache {
            Some(cache) => cache.open(data)?,
            None => Dataset::open(data)?,
        };
        let splits = assign(&dataset, split)?;
        Ok((dataset, splits))
    }

    /// The arrays that the network sees.
    ///
    /// # Errors
    /// As [`Prepared::load`].
    pub fn load(&self, dataset: &Dataset, data: &DataConfig, splits: &[Split]) -> Result<Prepared, DataErrors> {
        match &self.cache {
            Some(cache) => cache.load(dataset, data, splits),
            None => Prepared::load(dataset, data, splits),
        }
    }
}
