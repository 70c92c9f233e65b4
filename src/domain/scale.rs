//! How values become what the network sees, where all images share one scale.

use serde::{Deserialize, Serialize};

/// `(value - shift) / spread`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// What is taken off each value: the mean.
    pub shift: f32,
    /// What the rest is divided by: the standard deviation; above 0.
    pub spread: f32,
}
