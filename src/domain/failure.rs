//! Why a run did not complete. Which kinds are tried again is the scheduler's table.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What went wrong, told apart so that each can be handled by its own rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The worker could not be started.
    Spawn,
    /// The worker ended with an exit code that means nothing more special.
    ExitCode,
    /// The worker was ended by a signal.
    Signal,
    /// The worker said nothing for too long.
    Stalled,
    /// Memory ran out.
    OutOfMemory,
    /// The loss or a weight is not finite.
    NotFinite,
    /// The settings cannot be trained.
    BadConfig,
    /// The images or masks cannot be used.
    BadData,
    /// No checkpoint could be read.
    CorruptCheckpoint,
    /// The worker broke the protocol.
    Protocol,
    /// The disk is full, read-only or gone.
    Storage,
    /// Another attempt on the cluster has taken the run over.
    Superseded,
    /// The cluster lost it more often than it may be started again.
    Lost,
}

impl FailureKind {
    /// The name used in runs.csv.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spawn => "spawn",
            Self::ExitCode => "exit_code",
            Self::Signal => "signal",
            Self::Stalled => "stalled",
            Self::OutOfMemory => "out_of_memory",
            Self::NotFinite => "not_finite",
            Self::BadConfig => "bad_config",
            Self::BadData => "bad_data",
            Self::CorruptCheckpoint => "corrupt_checkpoint",
            Self::Protocol => "protocol",
            Self::Storage => "storage",
            Self::Superseded => "superseded",
            Self::Lost => "lost",
        }
    }
}

/// A failure with its cause in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind.
    pub kind: FailureKind,
    /// What, where and how to mend it.
    pub message: String,
}

impl Failure {
    /// A failure of `kind`, explained by `message`.
    pub fn new(kind: FailureKind, message: impl fmt::Display) -> Self {
        Self { kind, message: message.to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.message)
    }
}

impl std::error::Error for Failure {}
