//! Keeps every device busy and loses nothing: a pure core that decides, a driver that acts on processes.
//!
//! The pure modules know no clock, process or disk. The driver tells the core what happened and carries out what it
//! answers; each worker is attended by a task of its own.
//!
//! | module | does |
//! | --- | --- |
//! | `core` | what to do, given what happened: pure |
//! | `event` | what the core is told and what it asks for: pure |
//! | `pool`, `packing` | which slot is whose, which runs fit together on a device: pure |
//! | `halving` | which settings are hopeless: pure |
//! | `retry`, `sentinel` | which failure is tried again, when every run fails alike: pure |
//! | `job` | what the scheduler is given and what it gives back: plain data |
//! | `driver` | carries out what the core decides |
//! | `worker`, `process`, `lines` | a worker from its start to its end, and what it says |
//! | `recorder`, `told_images`, `stopwatch` | the tables of a run whose trainer is an outside program |
//! | `record` | what state.json says of a worker that cannot write it itself |
//! | `rungs` | the rungs of a halving on disk |
//! | `evidence`, `memory` | why a worker ended, what is free on each device |
//! | `clock`, `signals` | the time that a sweep has really had, what the user asks for |
//! | `leftovers` | ends what a killed scheduler left behind |

mod clock;
mod core;
mod driver;
mod event;
mod evidence;
mod halving;
mod job;
mod leftovers;
mod lines;
mod memory;
mod packing;
mod pool;
mod process;
mod record;
mod recorder;
mod retry;
mod rungs;
mod sentinel;
mod signals;
mod stopwatch;
mod told_images;
mod worker;

use std::{collections::HashMap, io, time::Duration};

pub use event::Outcome;
pub use job::{Contest, Demand, Ending, Job, Observer, Options, Progress, Summary, Trainer};
pub use process::{become_trainer, enter_worker, variable};
pub use signals::{Signals, Wish, pause_here};

use self::core::{RunSpec, Settings, State};
use crate::{
    devices::{DeviceKind, packs},
    domain::{Failure, FailureKind},
    store::{Entry, Journal, StoreError, SweepDir, SweepLock},
};
use pool::{DeviceSpec, Pool};

/// Wait before the first new attempt; each further one waits longer.
const FIRST_BACKOFF: Duration = Duration::from_millis(500);

/// Why a sweep could not be run at all.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    /// Results cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no event loop.
    #[error("failed to start the event loop: {0}")]
    Runtime(io::Error),
    /// The system lets no signals be heard.
    #[error("failed to listen for signals: {0}")]
    Signals(io::Error),
    /// Processes of an earlier, killed start do not end.
    #[error(
        "failed to end workers that an earlier start of this sweep left behind (process {0}); \
         end them by hand, then run again"
    )]
    Leftovers(String),
}

/// Runs `jobs` in their order and returns when all are over, or when the user has stopped the sweep.
///
/// The caller holds the sweep's lock, has written run.toml of each job, and leaves completed runs out. Ctrl-C,
/// SIGTERM and SIGHUP ask the workers to save themselves and end; a second one (or SIGQUIT) ends them at once.
///
/// # Errors
/// If the sweep cannot be started; what goes wrong in a run is in the summary.
pub fn run(
    sweep: &SweepDir,
    _lock: &SweepLock,
    jobs: &[Job],
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Summary, SchedulerError> {
    let mut journal = Journal::open(sweep)?;
    end_leftovers(sweep, &mut journal, observer)?;
    if jobs.is_empty() {
        return Ok(Summary::default());
    }
    let summary = drive(jobs, options, observer, journal)?;
    // Children that left their worker's group are found by their environment.
    leftovers::end_leftovers(sweep);
    Ok(summary)
}

/// Runs the one job that this process has taken over for an attempt on a cluster ([`crate::store::take_over`]), with
/// the same records as [`run`]. SIGUSR1, by which the cluster tells that the time is nearly up, ends it as SIGTERM does.
///
/// # Errors
/// As [`run`].
pub fn run_claimed(job: &Job, options: &Options, observer: &mut dyn Observer) -> Result<Summary, SchedulerError> {
    let journal = Journal::of_run(&job.run)?;
    let summary = drive(std::slice::from_ref(job), options, observer, journal)?;
    leftovers::end_leftovers_of(&job.run);
    Ok(summary)
}

fn drive(
    jobs: &[Job],
    options: &Options,
    observer: &mut dyn Observer,
    journal: Journal,
) -> Result<Summary, SchedulerError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(SchedulerError::Runtime)?;
    let state = initial_state(jobs, options);
    runtime.block_on(driver::Driver::new(jobs, options, observer, journal, state).drive())
}

/// Records that `job` failed for good.
///
/// # Errors
/// If its state cannot be read or written.
pub fn give_up(job: &Job, failure: &Failure) -> Result<(), StoreError> {
    record::finish(job, &Outcome::Failed(failure.clone()))
}

/// Whether a failure of this kind may not come back, so that the run is worth another start.
pub fn may_pass(kind: FailureKind) -> bool {
    retry::rule(kind) == retry::Rule::Again
}

fn end_leftovers(sweep: &SweepDir, journal: &mut Journal, observer: &mut dyn Observer) -> Result<(), SchedulerError> {
    let (ended, living) = leftovers::end_leftovers(sweep);
    if !living.is_empty() {
        let pids: Vec<String> = living.iter().map(|process| process.pid.to_string()).collect();
        return Err(SchedulerError::Leftovers(pids.join(", ")));
    }
    if ended > 0 {
        let text = format!("ended {ended} processes that an earlier start of this sweep had left behind");
        observer.event(&Progress::Note(&text));
        journal.add(&Entry::new("leftovers ended").detail(text))?;
    }
    Ok(())
}

fn initial_state(jobs: &[Job], options: &Options) -> State {
    let schedule = &options.schedule;
    let settings = Settings {
        retries: schedule.retries,
        max_fails: schedule.max_fails,
        grace: schedule.grace_time(),
        stall_after: schedule.stall_after(),
        first_backoff: FIRST_BACKOFF,
    };
    let mut cells = Cells::default();
    let mut specs: Vec<RunSpec> = jobs
        .iter()
        .map(|job| RunSpec {
            cell: cells.number(&job.cell),
            seed: job.seed.clone(),
            demand: job.demand,
            rungs: 0,
            spared: false,
        })
        .collect();
    let halving = options.contest.as_ref().map(|contest| rungs::begin(contest, jobs, &mut specs, cells));
    let device = |device: &crate::devices::Device| DeviceSpec {
        name: device.name.clone(),
        memory_mib: device.memory_mib,
        can_break: device.kind != DeviceKind::Cpu,
    };
    let devices = options.inventory.devices.iter().map(device).collect();
    let slots: Vec<usize> = options.slots.iter().map(|slot| slot.device).collect();
    State::new(settings, specs, Pool::new(devices, &slots, packs(schedule)), halving)
}

/// Settings, numbered as they are met.
#[derive(Default)]
struct Cells {
    names: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl Cells {
    fn number(&mut self, name: &str) -> usize {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), self.names.len() - 1);
        self.names.len() - 1
    }
}
