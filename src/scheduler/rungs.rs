//! The rungs of a halving on disk: who has reached which, with what score.

use super::{Cells, Contest, Job, core::RunSpec, halving::Halving};
use crate::{
    domain::{Direction, EpochRow},
    store::{RunDir, read_rows},
};

/// The halving as far as it is on disk. Says in `specs` which rungs each job has reached, and
/// which are spared.
pub(super) fn begin(contest: &Contest, jobs: &[Job], specs: &mut [RunSpec], mut cells: Cells) -> Halving {
    let others: Vec<(usize, &String, &RunDir)> =
        contest.others.iter().map(|(cell, seed, run)| (cells.number(cell), seed, run)).collect();
    let mut halving = Halving::new(contest.rules.clone(), contest.monitor, contest.val_share, cells.names);
    let mut arrive = |cell: usize, seed: &str, run: &RunDir, epochs: usize| {
        let reached: Vec<usize> = contest.rules.rungs(epochs).collect();
        for &epoch in &reached {
            if let Some(score) = score(contest, run, epoch) {
                halving.arrived(epoch, cell, seed, score);
            }
        }
        reached.len()
    };
    for (cell, seed, run) in others {
        arrive(cell, seed, run, run.read_state().map_or(0, |state| state.epoch + 1));
    }
    for (job, spec) in jobs.iter().zip(specs) {
        // A state that cannot be read is told of when the run is started.
        let state = job.run.read_state().unwrap_or_default();
        spec.spared = state.spared;
        // What lies after the checkpoint is cut off when the run goes on.
        spec.rungs = arrive(spec.cell, &job.seed, &job.run, job.epochs.min(state.checkpoint + 1));
    }
    halving
}

/// The best monitored figure of a run up to `epoch`. A table that cannot be read has none: the run cannot be judged.
pub(super) fn score(contest: &Contest, run: &RunDir, epoch: usize) -> Option<f64> {
    let rows: Vec<EpochRow> = read_rows(&run.epochs_csv()).ok()?;
    let figures = rows.iter().filter(|row| row.epoch <= epoch).map(std::slice::from_ref);
    let figures = figures.filter_map(|row| contest.monitor.of(row));
    match contest.monitor.direction() {
        Direction::Maximize => figures.reduce(f64::max),
        Direction::Minimize => figures.reduce(f64::min),
    }
}
