//! Hands the runs of a sweep to a Slurm cluster and watches them there.
//!
//! What is on disk is the truth and Slurm is not: it forgets jobs that are over, loses nodes that live on, and starts
//! one job twice. So a run is done when its state.json says so and never because of what the queue shows, and each
//! attempt takes its run over before it writes ([`crate::store::take_over`]).
//!
//! | file | does |
//! | --- | --- |
//! | `call` | Slurm's own programs |
//! | `chunk` | what one job array runs: results/<sweep>/slurm/<name>.json |
//! | `script` | the text that sbatch gets |
//! | `queue` | what squeue shows |
//! | `nodes` | which nodes lose one job after another |
//! | `track` | what the queue and the disk together say of a run |
//! | `leave` | the signals that end watching |
//! | `watch`, `submit` | submits, polls and decides, on the login side |
//! | `task` | one run, on the node |
//! | `standing` | the queue, for `status`, `stop` and runs on this machine |

mod call;
mod chunk;
mod leave;
mod nodes;
mod queue;
mod script;
mod standing;
mod submit;
mod task;
mod track;
mod watch;

use std::{io, path::PathBuf};

pub use chunk::{Chunk, Share};
pub use queue::Phase;
pub use script::{Site, script};
pub use standing::{Place, cancel, is_used, standing, take_back};
pub use task::{Claimed, Entered, enter};
pub use watch::{Plan, watch};

use crate::{scheduler::SchedulerError, store::StoreError};

/// Why Slurm cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SlurmError {
    /// One of its programs cannot be started.
    #[error(
        "failed to start {program}: {source}; run this where Slurm's programs are (a login node), or with \
         `--executor local`"
    )]
    Missing {
        /// Which.
        program: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// It does not answer, or not for now.
    #[error("{program} does not answer: {reason}")]
    Silent {
        /// Which of its programs.
        program: &'static str,
        /// What it said.
        reason: String,
    },
    /// It refuses what is asked.
    #[error("{program} refuses: {reason}; [slurm] in the sweep file says what is asked for")]
    Refused {
        /// Which of its programs.
        program: &'static str,
        /// What it said.
        reason: String,
    },
    /// A task was started in another folder than the sweep's.
    #[error(
        "started in {found} and not in {wanted}, so this node does not have the folder; the results must lie on a file \
         system that all nodes share"
    )]
    Astray {
        /// Where.
        found: PathBuf,
        /// The sweep's folder.
        wanted: PathBuf,
    },
    /// A task that Slurm did not start.
    #[error("`{variable}` is not set to a number: this command is for Slurm to start")]
    NotATask {
        /// What is missing.
        variable: &'static str,
    },
    /// A task's chunk is not there or has no such place.
    #[error("{path} names no run {task}; submit the sweep anew with `sweepscope resume`")]
    NoRun {
        /// The chunk's file.
        path: PathBuf,
        /// The task.
        task: usize,
    },
    /// Results cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The run could not be started.
    #[error(transparent)]
    Scheduler(#[from] SchedulerError),
    /// The system lets no signals be heard.
    #[error("failed to listen for signals: {0}")]
    Signals(io::Error),
}
