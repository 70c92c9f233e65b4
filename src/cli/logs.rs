//! `logs`: what a run's worker said.

use std::{
    fs::File,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use clap::Args;

use super::{exit::Refusal, sweep};
use crate::{
    domain::RunState,
    slurm,
    store::{RunDir, SweepDir, SweepLock, has_job},
};

/// How often a followed log is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// How often Slurm is asked whether it still has the run's job.
const LOOK_AT_QUEUE: Duration = Duration::from_secs(10);

/// Arguments of `logs`.
#[derive(Args)]
#[command(after_help = "Example: sweepscope logs results/demo 1a2b3c4d -f")]
pub struct Arguments {
    /// Folder of the sweep's results
    results: PathBuf,
    /// The run: its name, its last eight digits, or a part that no other run has
    run: String,
    /// Wait for more until the run is over
    #[arg(short, long)]
    follow: bool,
}

/// Copies a run's log to stdout.
pub fn main(arguments: &Arguments) -> Result<ExitCode, Refusal> {
    let (sweep, runs) = sweep::open(&arguments.results)?;
    let run = sweep.run(&sweep::find(&runs, &arguments.run)?.planned.run);
    let (mut log, mut job) = (None, Job::default());
    loop {
        // Looked at first, so that what is written before the end is still shown.
        let may_grow = arguments.follow
            && matches!(run.read_state()?.state, RunState::New | RunState::Running)
            && (SweepLock::holder(&sweep).is_some() || job.lives(&sweep, &run));
        if log.is_none() {
            log = File::open(run.worker_log()).ok();
        }
        if let Some(file) = &mut log
            && !copy(file)
        {
            return Ok(ExitCode::SUCCESS);
        }
        if !may_grow {
            break;
        }
        thread::sleep(LOOK);
    }
    match log {
        Some(_) => Ok(ExitCode::SUCCESS),
        None => Err(Refusal::wrong(format!("{} has no log yet; it was never started", run.name()))),
    }
}

/// What Slurm last said of a run's job.
#[derive(Default)]
struct Job {
    asked: Option<Instant>,
    is_gone: bool,
}

impl Job {
    /// Whether the run may still be written by a job. Where Slurm does not answer, that cannot be told.
    fn lives(&mut self, sweep: &SweepDir, run: &RunDir) -> bool {
        if !has_job(run) {
            return false;
        }
        if self.asked.is_none_or(|asked| asked.elapsed() >= LOOK_AT_QUEUE) {
            self.is_gone = slurm::standing(sweep).is_ok_and(|places| !places.contains_key(&run.name()));
            self.asked = Some(Instant::now());
        }
        !self.is_gone
    }
}

/// Copies what is new; false if the reader has gone away.
fn copy(file: &mut File) -> bool {
    let mut out = io::stdout().lock();
    io::copy(file, &mut out).and_then(|_| out.flush()).is_ok()
}
