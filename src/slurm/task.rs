//! One run, on the node: the same records and bytes as on one machine, since the same scheduler runs it.

use std::{env, fs, path::Path, thread, time::Duration};

use super::{Chunk, Share, SlurmError, call::call, standing::is_stopped};
use crate::{
    domain::{AutoOr, Failure, FailureKind, RunState, ScheduleConfig, StateRecord},
    scheduler::{Ending, Job, Observer, Options, Summary, give_up, may_pass, run_claimed},
    store::{self, Attempt, RunDir, StoreError, SweepDir, TakeOver},
};

/// How often a task looks whether the run is still its own. What it publishes is safe without that; this only ends it
/// soon.
const LOOK: Duration = Duration::from_secs(2);

/// What a task is to do.
#[derive(Clone, Debug)]
pub enum Entered {
    /// Nothing, for this reason.
    Nothing(String),
    /// To run this.
    Claimed(Box<Claimed>),
}

/// A run that this process, a task, has taken over.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Its folder.
    pub run: RunDir,
    /// `[schedule]` as it is for one run within what Slurm gives.
    pub schedule: ScheduleConfig,
    share: Share,
    attempt: Attempt,
    /// The checkpoint from which it goes on.
    checkpoint: usize,
}

/// Finds the run of this task in the chunk called `name` of the sweep in `folder`, and takes it over.
///
/// # Errors
/// If Slurm did not start this process, the node has not the sweep's folder, or that cannot be read or written.
pub fn enter(folder: &Path, name: &str) -> Result<Entered, SlurmError> {
    let found = env::current_dir().unwrap_or_default();
    if fs::canonicalize(folder).ok().is_none_or(|wanted| Some(wanted) != fs::canonicalize(&found).ok()) {
        return Err(SlurmError::Astray { found, wanted: folder.to_owned() });
    }
    let sweep = SweepDir::new(folder);
    let task = usize::try_from(number("SLURM_ARRAY_TASK_ID")?).unwrap_or(usize::MAX);
    let path = Chunk::path(&sweep, name);
    let Some(chunk) = Chunk::read(&sweep, name)? else { return Err(SlurmError::NoRun { path, task }) };
    let Some(share) = chunk.runs.get(task).cloned() else { return Err(SlurmError::NoRun { path, task }) };
    if is_stopped(&sweep) {
        return Ok(Entered::Nothing("the sweep was stopped".into()));
    }
    let run = sweep.run(&share.run);
    let restart = usize::try_from(number("SLURM_RESTART_COUNT").unwrap_or_default()).unwrap_or_default();
    let attempt = Attempt { generation: chunk.generation, restart, job: number("SLURM_ARRAY_JOB_ID")?, task };
    if let TakeOver::Later(owner) = take(&run, attempt)? {
        return Ok(Entered::Nothing(format!("attempt {} on {} has {}", owner.token, owner.host, share.run)));
    }
    let state = run.read_state()?;
    if state.state.is_over() {
        return Ok(Entered::Nothing(format!("{} is {} already", share.run, state.state.name())));
    }
    let schedule = for_one_run(chunk.schedule);
    Ok(Entered::Claimed(Box::new(Claimed { run, schedule, share, attempt, checkpoint: state.checkpoint })))
}

/// A run that is over needs no owner, and one whose settings are gone cannot have one.
fn take(run: &RunDir, attempt: Attempt) -> Result<TakeOver, StoreError> {
    if run.read_state()?.state.is_over() { Ok(TakeOver::Taken) } else { store::take_over(run, attempt) }
}

fn number(variable: &'static str) -> Result<u64, SlurmError> {
    let value = env::var(variable).ok().and_then(|text| text.parse().ok());
    value.ok_or(SlurmError::NotATask { variable })
}

/// Failures are the login side's to answer, which knows of other nodes; threads are as many as Slurm gives.
fn for_one_run(schedule: ScheduleConfig) -> ScheduleConfig {
    let cores =
        ["SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"].into_iter().find_map(|name| env::var(name).ok()?.parse().ok());
    let threads = match (schedule.threads, cores) {
        (AutoOr::Auto, Some(cores)) if cores > 0 => AutoOr::Number(cores),
        (threads, _) => threads,
    };
    ScheduleConfig { retries: 0, max_fails: 0, early_end: None, threads, ..schedule }
}

impl Claimed {
    /// Calls `lost` as soon as another attempt has the run.
    pub fn watch(&self, lost: impl Fn(&str) + Send + 'static) {
        let (run, token) = (self.run.clone(), self.attempt.to_string());
        thread::spawn(move || {
            loop {
                thread::sleep(LOOK);
                // What cannot be read now is read at the next look.
                if let Ok(Some(owner)) = store::owner(&run)
                    && owner.token != token
                {
                    lost(&format!("attempt {} on {} has taken the run over; {token} ends", owner.token, owner.host));
                }
            }
        });
    }

    /// Runs the job to its end, or until Slurm wants its node back; a run that could not end in its time is queued again.
    ///
    /// # Errors
    /// If it cannot be started, or Slurm does not queue it again.
    pub fn train(&self, job: &Job, options: &Options, observer: &mut dyn Observer) -> Result<Summary, SlurmError> {
        let mut summary = run_claimed(job, options, observer)?;
        if summary.completed > 0 {
            return Ok(summary);
        }
        if summary.ending == Some(Ending::TimeUp) && summary.failed.is_empty() {
            let state = self.run.read_state()?;
            if state.checkpoint == self.checkpoint && self.attempt.restart >= self.share.retries {
                let failure = Failure::new(
                    FailureKind::Lost,
                    "the time limit ends before an epoch is recorded; raise slurm.time or lower slurm.warning",
                );
                give_up(job, &failure)?;
                summary.failed.push((job.name.clone(), failure));
                return Ok(summary);
            }
            call("scontrol", &["requeue", &format!("{}_{}", self.attempt.job, self.attempt.task)])?;
        }
        if let Some((_, failure)) = summary.failed.first()
            && may_pass(failure.kind)
            && self.share.retries > 0
        {
            self.leave_to_others(failure)?;
        }
        Ok(summary)
    }

    /// The run may be started again elsewhere: it is new, and its state says why for those who look.
    fn leave_to_others(&self, failure: &Failure) -> Result<(), StoreError> {
        let state = self.run.read_state()?;
        let failure = Some(failure.clone());
        self.run.write_state(&StateRecord { state: RunState::New, process: None, failure, ..state })
    }
}
