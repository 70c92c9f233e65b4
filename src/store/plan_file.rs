//! plan.json: the runs of the sweep as it was last run, in their order.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{StoreError, SweepDir, read_json, write_json};
use crate::domain::RunId;

/// One run of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedRun {
    /// Its folder's name.
    pub run: String,
    /// Its identity.
    pub id: RunId,
    /// The same for all seeds of a setting.
    pub setting: String,
    /// The axes and this run's values.
    pub axes: Map<String, Value>,
}

impl PlannedRun {
    /// Reads a sweep's plan; `None` if there is none.
    ///
    /// # Errors
    /// If it is there but cannot be read.
    pub fn read_all(sweep: &SweepDir) -> Result<Option<Vec<Self>>, StoreError> {
        read_json(&sweep.plan_json())
    }

    /// Replaces a sweep's plan, durably.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn write_all(sweep: &SweepDir, runs: &[Self]) -> Result<(), StoreError> {
        write_json(&sweep.plan_json(), &runs)
    }
}
