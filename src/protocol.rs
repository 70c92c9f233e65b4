//! What a worker tells the scheduler: one JSON object a line on stdout. Any trainer can speak it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{Counts, FailureKind, Split};

/// Longest line that is read as a message, in bytes; longer ones are cut in the log and never parsed.
pub const LONGEST_LINE: usize = 1 << 20;

/// Exit code of a worker that ended on request and can be resumed.
pub const EXIT_STOPPED: u8 = 75;

/// Exit code of a worker that said why in a `failed` message.
pub const EXIT_FAILED: u8 = 1;

/// One line of the protocol. Lines that do not start with `{"event":` go to the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Message {
    /// Training goes on after `epoch` (0: from the start) and will end at `epochs` at the latest.
    Start {
        /// Last epoch recorded.
        epoch: usize,
        /// Last epoch planned.
        epochs: usize,
    },
    /// A sign of life within an epoch.
    Step {
        /// From 1.
        epoch: usize,
        /// Steps done in this epoch.
        step: usize,
        /// Steps of an epoch.
        steps: usize,
        /// The last step's training loss.
        loss: Option<f64>,
    },
    /// The figures of one split at the end of an epoch.
    Epoch {
        /// From 1.
        epoch: usize,
        /// Where they were measured.
        split: Split,
        /// The loss.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        loss: Option<f64>,
        /// Macro Dice of the foreground, where the trainer knows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dice_macro: Option<f64>,
        /// Counts of each class, by name.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        classes: BTreeMap<String, Counts>,
    },
    /// The state after `epoch` is safe on disk.
    Checkpoint {
        /// From 1.
        epoch: usize,
    },
    /// The run cannot go on.
    Failed {
        /// What kind of failure.
        kind: FailureKind,
        /// What, where and how to mend it.
        message: String,
    },
    /// The run is complete.
    Done,
}

impl Message {
    /// The message as a line, newline included.
    pub fn line(&self) -> String {
        // A message holds only numbers, names and text, which always have a JSON form.
        serde_json::to_string(self).map_or_else(|e| format!("# {e}\n"), |text| text + "\n")
    }
}
