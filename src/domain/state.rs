//! Where a run stands: what `state.json` in its folder says.

use serde::{Deserialize, Serialize};

use super::Failure;

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Not started, or queued again.
    #[default]
    New,
    /// A worker has it (or had it, if the worker died without a word).
    Running,
    /// Stopped on request; can be resumed.
    Stopped,
    /// Done.
    Completed,
    /// Not gone on with, because its setting is hopeless; the note says by what evidence.
    EndedEarly,
    /// Ended by a failure.
    Failed,
}

impl RunState {
    /// Whether nothing more will be done unless the user asks for it.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::EndedEarly | Self::Failed)
    }

    /// The name used in runs.csv and `status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Completed => "completed",
            Self::EndedEarly => "ended_early",
            Self::Failed => "failed",
        }
    }
}

/// A process that cannot be mistaken for a later one with the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot (field 22 of /proc/PID/stat).
    pub start_time: u64,
}

/// The content of state.json. The last epoch it names is the truth about what is recorded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StateRecord {
    /// Where the run stands.
    pub state: RunState,
    /// Last epoch that is wholly recorded; 0: none.
    pub epoch: usize,
    /// Epoch of the newest checkpoint set, where a resumed run goes on from; 0: none.
    pub checkpoint: usize,
    /// Epoch with the best monitored figure so far; 0: none.
    pub best_epoch: usize,
    /// The monitored figure there.
    pub best_score: Option<f64>,
    /// Starts of a worker so far.
    pub attempts: usize,
    /// The worker, while `state` is running.
    pub process: Option<Process>,
    /// Why it failed, while `state` is failed.
    pub failure: Option<Failure>,
    /// By what evidence it was ended early, while `state` is that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Whether it was queued again after that: it is not ended early a second time.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub spared: bool,
}
