//! `[schedule]`: how runs are spread over devices. It never changes a result.

use serde::{Deserialize, Serialize};

/// How runs are spread over devices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleConfig {
    /// `auto`, `cpu`, or a list such as `cuda:0,1`.
    pub devices: String,
    /// Runs at once on one GPU.
    pub runs_per_device: usize,
    /// Runs at once on the CPU; 0: as many as fit with two threads each.
    pub jobs: usize,
    /// Threads of a run on the CPU; 0: the cores shared evenly.
    pub threads: usize,
    /// How often a run is tried again after a failure that may pass.
    pub retries: usize,
    /// Seconds of silence after which a run counts as stalled; 0: ten times its own epochs, at least 10 minutes.
    pub stall_timeout: f64,
    /// Seconds between asking a worker to end and ending it.
    pub grace: f64,
    /// Failed runs after which no more are started; 0: no limit.
    pub max_fails: usize,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self {
            devices: "auto".into(),
            runs_per_device: 1,
            jobs: 0,
            threads: 0,
            retries: 2,
            stall_timeout: 0.0,
            grace: 30.0,
            max_fails: 0,
        }
    }
}
