//! run.toml: what a run is, so that its folder can be read alone.

use std::fs;

use serde::{Deserialize, Serialize};

use super::{RunDir, StoreError, write_text};
use crate::domain::{RunConfig, RunId, Scale};

/// The content of run.toml.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunFile {
    /// UUIDv5 of the canonical settings and the data's fingerprint.
    pub id: RunId,
    /// The data's fingerprint.
    pub fingerprint: String,
    /// The axes of the sweep and this run's values, as the sweep file names them.
    pub axes: serde_json::Map<String, serde_json::Value>,
    /// Mean and standard deviation of the training images at the input size, noted by the worker where
    /// `data.normalize` is `dataset`; other images are scaled by them too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scale>,
    /// Every setting, defaults included.
    pub config: RunConfig,
}

impl RunFile {
    /// Reads a run's run.toml.
    ///
    /// # Errors
    /// If it cannot be read or does not hold a run's settings.
    pub fn read(run: &RunDir) -> Result<Self, StoreError> {
        let path = run.run_toml();
        let text = fs::read_to_string(&path).map_err(StoreError::io("read", &path))?;
        toml::from_str(&text).map_err(|e| StoreError::damaged(&path, e))
    }

    /// Writes it, durably.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn write(&self, run: &RunDir) -> Result<(), StoreError> {
        let path = run.run_toml();
        write_text(&path, &toml::to_string(self).map_err(|e| StoreError::damaged(&path, e))?)
    }
}
