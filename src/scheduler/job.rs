//! What the scheduler is given and what it gives back.

use std::path::PathBuf;

use crate::{
    devices::{Inventory, Slot},
    domain::{EarlyEnd, Failure, Metric, ScheduleConfig},
    protocol::Message,
    store::RunDir,
};

use super::Outcome;

/// A run to be run. Its folder holds run.toml already.
#[derive(Clone, Debug)]
pub struct Job {
    /// The run's name: its folder's.
    pub name: String,
    /// Its folder.
    pub run: RunDir,
    /// The same text for all seeds of a setting.
    pub cell: String,
    /// Which of its seeds it is.
    pub seed: String,
    /// Its last epoch.
    pub epochs: usize,
    /// What trains it.
    pub trainer: Trainer,
    /// What its memory grows with; `None`: not known.
    pub demand: Option<Demand>,
}

/// What trains a run.
#[derive(Clone, Debug)]
pub enum Trainer {
    /// This program's own worker, started as `program worker RUN_DIR --threads N --device cpu|cuda`. It commits its
    /// own files.
    BuiltIn {
        /// The program: `std::env::current_exe()`.
        program: PathBuf,
    },
    /// Any other program. The scheduler writes its records from what it says.
    Outside {
        /// This program, which starts the other one: `program launch -- COMMAND`.
        program: PathBuf,
        /// The other program and its arguments, placeholders replaced.
        command: Vec<String>,
        /// The folder that it is started in.
        folder: PathBuf,
    },
}

/// What a run's memory grows with. A run that needs at least as much of each as one that did not fit is not tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Images a step.
    pub batch: usize,
    /// Pixels of an image.
    pub pixels: usize,
    /// Channels of the first level.
    pub width: usize,
    /// Levels.
    pub depth: usize,
}

impl Demand {
    /// Whether this needs at least as much as `other` in every respect.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.batch >= other.batch
            && self.pixels >= other.pixels
            && self.width >= other.width
            && self.depth >= other.depth
    }
}

/// Where and how the jobs are run.
#[derive(Clone, Debug)]
pub struct Options {
    /// `[schedule]` of the sweep file, the command line's flags applied.
    pub schedule: ScheduleConfig,
    /// The devices, as [`crate::devices::find`] gives them.
    pub inventory: Inventory,
    /// Their slots, as [`crate::devices::slots`] gives them.
    pub slots: Vec<Slot>,
    /// How hopeless settings are ended early; `None`: they are not.
    pub contest: Option<Contest>,
}

/// What the early end of hopeless settings needs to know beside the jobs.
#[derive(Clone, Debug)]
pub struct Contest {
    /// Its rules.
    pub rules: EarlyEnd,
    /// The figure that ranks runs.
    pub monitor: Metric,
    /// Validation images a training image.
    pub val_share: f64,
    /// Runs of the sweep that are over already: cell, seed and folder.
    pub others: Vec<(String, String, RunDir)>,
}

/// What happens while a sweep runs, for those who watch.
#[derive(Clone, Debug)]
pub enum Progress<'a> {
    /// A worker was started.
    Started {
        /// The run.
        run: &'a str,
        /// Where.
        device: &'a str,
        /// From 1.
        attempt: usize,
    },
    /// A worker said something.
    Said {
        /// The run.
        run: &'a str,
        /// What.
        message: &'a Message,
    },
    /// A run failed and will be started again.
    Again {
        /// The run.
        run: &'a str,
        /// Why it failed.
        failure: &'a Failure,
        /// Seconds until then.
        seconds: f64,
    },
    /// A run gives way to others and will go on later.
    Waits {
        /// The run.
        run: &'a str,
    },
    /// A run is over for this sweep.
    Ended {
        /// The run.
        run: &'a str,
        /// How it ended.
        outcome: &'a Outcome,
    },
    /// The sweep is ending because the user asked.
    Stopping {
        /// Whether workers are not even given the time to save themselves.
        at_once: bool,
    },
    /// A sentence for the user: a device set aside, no more starts.
    Note(&'a str),
}

/// Someone who watches a sweep.
pub trait Observer {
    /// Called for everything that happens, in order.
    fn event(&mut self, progress: &Progress<'_>);
}

/// What became of the jobs.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Runs that are done.
    pub completed: usize,
    /// Runs that were stopped and can be resumed.
    pub stopped: usize,
    /// Runs whose settings turned out hopeless.
    pub ended_early: usize,
    /// Runs that failed, and why.
    pub failed: Vec<(String, Failure)>,
    /// Runs that were never started, or wait to be started again.
    pub left: usize,
    /// Why no more runs were started, if so.
    pub halted: Option<String>,
    /// How the sweep ended before its end, if so.
    pub ending: Option<Ending>,
}

/// Why a sweep ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Ctrl-C.
    Interrupted,
    /// SIGTERM, SIGHUP, `sweepscope stop`, or a disk that takes no more.
    Stopped,
    /// SIGUSR1: the cluster's time limit is near.
    TimeUp,
}

impl Summary {
    /// The program's exit code: 0 all completed, 1 some failed, 75 stopped and resumable, 130 after Ctrl-C. One that
    /// came when nothing was left to do ended nothing.
    pub fn exit_code(&self) -> u8 {
        match self.ending.filter(|_| self.stopped + self.left > 0) {
            Some(Ending::Interrupted) => 130,
            Some(Ending::Stopped | Ending::TimeUp) => 75,
            None if !self.failed.is_empty() || self.halted.is_some() => 1,
            None if self.stopped + self.left > 0 => 75,
            None => 0,
        }
    }
}
