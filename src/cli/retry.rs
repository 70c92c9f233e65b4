//! `retry`: queues failed runs again, those that were ended early, and those whose weights are gone.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{
    console,
    exit::Refusal,
    sweep::{self, Standing},
};
use crate::{
    domain::{RunState, StateRecord},
    store::{CheckpointSet, Entry, Journal, RunDir, RunFile, SweepDir, SweepLock},
};

/// Arguments of `retry`.
#[derive(Args)]
#[command(after_help = "Example: sweepscope retry results/demo && sweepscope resume results/demo")]
pub struct Arguments {
    /// Folder of the sweep's results
    results: PathBuf,
    /// Runs to queue, failed or ended early: names, their last eight digits, or a part that one run has; none: all that
    /// failed
    runs: Vec<String>,
}

/// Sets runs back to new. What they recorded stays; they go on from their last checkpoint.
pub fn main(arguments: &Arguments) -> Result<ExitCode, Refusal> {
    let (sweep, runs) = sweep::open(&arguments.results)?;
    if choose(&sweep, &runs, &arguments.runs)?.is_empty() {
        console::answer("nothing to retry: no run failed\n");
        return Ok(ExitCode::SUCCESS);
    }
    let _lock = SweepLock::acquire(&sweep)?;
    // Only now does no other process change where they stand.
    let (_, runs) = sweep::open(sweep.root())?;
    let chosen = choose(&sweep, &runs, &arguments.runs)?;
    let mut journal = Journal::open(&sweep)?;
    for run in &chosen {
        let spared = run.state.spared || run.state.state == RunState::EndedEarly;
        let known = run.state.clone();
        let state = StateRecord { state: RunState::New, failure: None, note: None, process: None, spared, ..known };
        sweep.run(&run.planned.run).write_state(&state)?;
        journal.add(&Entry::new("queued again by the user").run(&run.planned.run))?;
    }
    let (count, folder) = (console::count(chosen.len(), "run"), arguments.results.display());
    console::answer(&format!("queued {count} again; next: sweepscope resume {folder}\n"));
    Ok(ExitCode::SUCCESS)
}

/// Every wrong name is reported at once.
fn choose<'a>(sweep: &SweepDir, runs: &'a [Standing], names: &[String]) -> Result<Vec<&'a Standing>, Refusal> {
    let has_failed = |run: &&Standing| run.state.state == RunState::Failed;
    if names.is_empty() {
        return Ok(runs.iter().filter(has_failed).collect());
    }
    let is_over = |run: &Standing| match run.state.state {
        RunState::Failed | RunState::EndedEarly => true,
        RunState::Completed => has_lost_weights(&sweep.run(&run.planned.run), &run.state),
        _ => false,
    };
    let (mut chosen, mut problems) = (Vec::new(), Vec::new());
    for name in names {
        match sweep::find(runs, name) {
            Ok(run) if is_over(run) => chosen.push(run),
            Ok(run) => problems.push(format!("error: {} is {}, not failed", run.planned.run, run.state.state.name())),
            Err(refusal) => problems.push(refusal.text),
        }
    }
    if problems.is_empty() { Ok(chosen) } else { Err(Refusal { text: problems.join("\n"), ..Refusal::wrong("") }) }
}

/// Whether a completed run can be neither used nor tested: its checkpoints are gone. What an outside trainer keeps is
/// its own affair.
fn has_lost_weights(run: &RunDir, state: &StateRecord) -> bool {
    let is_ours = RunFile::read(run).is_ok_and(|file| file.config.trainer.is_none());
    is_ours && CheckpointSet::of_epoch(run, state.best_epoch.max(state.checkpoint)).is_none()
}
