//! What the pure core is told, and what it asks for in turn.

use std::time::Duration;

use crate::domain::Failure;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The time now, since the start; pauses are not counted.
    Time(Duration),
    /// A run's worker said something.
    Sign {
        /// Which run.
        run: usize,
        /// The epoch that it ended with that, if so.
        epoch: Option<usize>,
    },
    /// A run has a checkpoint of the epoch of its next rung.
    Rung {
        /// Which run.
        run: usize,
        /// The rung's epoch.
        epoch: usize,
        /// The best monitored figure up to there.
        score: Option<f64>,
    },
    /// A run needs so much of its device's memory.
    Measured {
        /// Which run.
        run: usize,
        /// At its peak so far.
        mib: u64,
    },
    /// So much of a device's memory is free.
    Memory {
        /// Which device.
        device: usize,
        /// Now.
        free_mib: u64,
        /// What other programs have of it; `None`: the driver names no process.
        others_mib: Option<u64>,
    },
    /// A run's worker is gone, with all that it started.
    Ended {
        /// Which run.
        run: usize,
        /// How.
        outcome: Outcome,
    },
    /// A device can no longer be used.
    DeviceLost {
        /// Which device.
        device: usize,
        /// What happened to it.
        reason: String,
    },
    /// The user wants the sweep to stop: each worker saves itself and ends.
    Stop,
    /// The user wants it to stop at once.
    StopNow,
}

/// How a worker, or in the end a run, ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The run is done.
    Completed,
    /// It was ended and can be resumed.
    Stopped,
    /// Its setting is hopeless, by this evidence.
    EndedEarly(String),
    /// It failed.
    Failed(Failure),
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start a worker for a run.
    Start {
        /// Which run.
        run: usize,
        /// In which slot.
        slot: usize,
    },
    /// Ask a run's worker to save itself and end.
    Terminate {
        /// Which run.
        run: usize,
    },
    /// End a run's worker and all that it started, at once.
    Kill {
        /// Which run.
        run: usize,
    },
    /// The run is over for this sweep.
    Finish {
        /// Which run.
        run: usize,
        /// How it ended.
        outcome: Outcome,
    },
    /// The run failed and waits to be started again (or, where the sweep is ending, is left for the next time).
    Again {
        /// Which run.
        run: usize,
        /// Why it failed.
        failure: Failure,
        /// After what time it may start.
        after: Duration,
        /// Whether it will have its device for itself.
        alone: bool,
    },
    /// A run has given way to others and waits to go on.
    Wait {
        /// Which run.
        run: usize,
    },
    /// A device is used no more.
    SetAside {
        /// Which device.
        device: usize,
        /// Why.
        reason: String,
    },
    /// No more runs are started, for a reason the user should read.
    Halt {
        /// The diagnosis.
        reason: String,
        /// Whether the runs are innocent, so that the same command later goes on.
        resumable: bool,
    },
}
