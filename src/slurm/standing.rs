//! The queue, for those who only look or stop: `status`, `stop`, and `run` on this machine.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{
    Chunk, SlurmError,
    call::call,
    chunk::stop_mark,
    queue::{Phase, look},
};
use crate::store::{self, Attempt, RunDir, StoreError, SweepDir, write_text};

/// Where a run stands in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whether it waits or runs.
    pub phase: Phase,
    /// Its node, or why it waits.
    pub text: String,
}

/// Whether a sweep was ever handed to Slurm.
pub fn is_used(sweep: &SweepDir) -> bool {
    sweep.slurm().is_dir()
}

/// The runs of a sweep that Slurm has, and where they stand there. Those whose jobs are over are left out.
///
/// # Errors
/// If Slurm does not answer or the chunks cannot be read.
pub fn standing(sweep: &SweepDir) -> Result<HashMap<String, Place>, SlurmError> {
    let chunks = Chunk::all(sweep)?;
    let names: Vec<&str> = chunks.iter().map(|chunk| chunk.name.as_str()).collect();
    let mut queue = look(&names)?;
    let mut places = HashMap::new();
    for chunk in &chunks {
        for (task, share) in chunk.runs.iter().enumerate() {
            let Some(entry) = queue.remove(&(chunk.name.clone(), task)) else { continue };
            if entry.phase != Phase::Over {
                let text = if entry.phase == Phase::Running { entry.node } else { entry.reason };
                places.insert(share.run.clone(), Place { phase: entry.phase, text });
            }
        }
    }
    Ok(places)
}

/// Takes runs from the jobs that Slurm has or may have of them, wherever those are: they end when they see it, and write
/// nothing more. The jobs of a later submission can take them in turn.
///
/// # Errors
/// If the system refuses.
pub fn take_back(sweep: &SweepDir, runs: &[RunDir]) -> Result<(), StoreError> {
    let chunks = Chunk::all(sweep)?;
    let shares: HashSet<&str> = chunks.iter().flat_map(|chunk| &chunk.runs).map(|share| share.run.as_str()).collect();
    let attempt = Attempt::after(chunks.iter().map(|chunk| chunk.generation).max().unwrap_or_default());
    for run in runs.iter().filter(|run| shares.contains(run.name().as_str())) {
        let is_taken = store::owner(run)?.is_some_and(|owner| owner.attempt == attempt);
        if !is_taken {
            store::create_dir(run.root())?;
            store::shut_out(run, attempt)?;
        }
    }
    Ok(())
}

/// Marks the sweep as stopped, so that whoever watches it submits no more, and cancels its jobs: each saves itself and
/// ends, or ends `at_once`. How many there were.
///
/// # Errors
/// If Slurm does not answer or the mark cannot be written.
pub fn cancel(sweep: &SweepDir, at_once: bool) -> Result<usize, SlurmError> {
    // Before the look: else whoever watches could submit more in between.
    write_text(&stop_mark(sweep), "stopped by the user\n")?;
    let chunks = Chunk::all(sweep)?;
    let names: Vec<&str> = chunks.iter().map(|chunk| chunk.name.as_str()).collect();
    let queue = match look(&names) {
        Ok(queue) => queue,
        Err(e) => {
            unmark(sweep)?;
            return Err(e);
        }
    };
    let living: Vec<_> = queue.values().filter(|entry| entry.phase != Phase::Over).collect();
    let jobs: BTreeSet<String> = living.iter().map(|entry| entry.job.to_string()).collect();
    let jobs: Vec<&str> = jobs.iter().map(String::as_str).collect();
    if jobs.is_empty() {
        return Ok(0);
    }
    if at_once {
        // Jobs that wait take no signal, which is no failure.
        let _ = call("scancel", &[&["--full", "--signal=KILL"], jobs.as_slice()].concat());
    }
    call("scancel", &jobs)?;
    Ok(living.len())
}

/// Whether the user has stopped the sweep.
pub(super) fn is_stopped(sweep: &SweepDir) -> bool {
    stop_mark(sweep).exists()
}

/// The sweep goes on.
pub(super) fn unmark(sweep: &SweepDir) -> Result<(), StoreError> {
    store::remove(&stop_mark(sweep))
}
