//! Who starts the runs: this program on this machine, or Slurm on its nodes.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::{console, exit::Refusal, jobs, loading::Loaded, progress::Progress, run::Schedule};
use crate::{
    domain::{ScheduleConfig, SlurmConfig},
    plan::Plan,
    scheduler::Summary,
    slurm::{self, Chunk, Share, Site},
    spec::Problems,
    store::{RunDir, SweepLock},
};

/// Who starts the runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Executor {
    /// This program, on this machine
    Local,
    /// Slurm, on the nodes of a cluster
    Slurm,
}

/// Refuses what only one machine can do.
pub fn check(loaded: &Loaded) -> Result<(), Refusal> {
    if loaded.spec.schedule.early_end.is_none() {
        return Ok(());
    }
    let message = "settings are ended early only where one program runs all runs";
    let help = "drop schedule.early_end, or run with --executor local";
    Err(Problems::from(loaded.spec.problem_at("schedule.early_end", message, help)).into())
}

/// Has Slurm run what is pending, and watches.
pub fn run_on_slurm(
    loaded: &Loaded,
    flags: &Schedule,
    lock: &SweepLock,
    progress: &mut Progress,
) -> Result<Summary, Refusal> {
    let plan = &loaded.plan;
    let (config, schedule) = settings(loaded, flags);
    let (folder, program) = (absolute(plan.sweep.root())?, jobs::program()?);
    let jobs = jobs::of(plan)?;
    let what = slurm::Plan {
        sweep: &plan.sweep,
        folder: &folder,
        jobs: &jobs,
        schedule: &schedule,
        config: &config,
        program: &program,
    };
    let summary = slurm::watch(&what, lock, progress)?;
    if summary.ending.is_some() && slurm::standing(&plan.sweep).is_ok_and(|places| !places.is_empty()) {
        let root = plan.sweep.root().display();
        console::note(&format!("the jobs go on without this command; `sweepscope stop {root}` ends them"));
    }
    Ok(summary)
}

/// The script that the pending runs would be submitted with; `None` if none is pending.
pub fn example_script(loaded: &Loaded, flags: &Schedule) -> Result<Option<String>, Refusal> {
    let (config, schedule) = settings(loaded, flags);
    let share = |entry: &crate::plan::PlanEntry| Share { run: entry.planned.run.clone(), retries: schedule.retries };
    let shares: Vec<Share> = loaded.plan.pending().map(share).collect();
    let (folder, program) = (absolute(loaded.plan.sweep.root())?, jobs::program()?);
    let chunks = Chunk::cut("ID", 1, usize::MAX, &schedule, &[], &shares);
    Ok(chunks.first().map(|chunk| slurm::script(chunk, &config, Site { sweep: &folder, program: &program })))
}

/// Refuses to run here what Slurm is running there, and takes it from jobs that are not known of.
pub fn take_from_slurm(plan: &Plan) -> Result<(), Refusal> {
    let sweep = &plan.sweep;
    // Where Slurm does not answer, or its programs are not, its jobs may live all the same.
    let places = slurm::standing(sweep).unwrap_or_default();
    let with_slurm = plan.pending().filter(|entry| places.contains_key(&entry.planned.run)).count();
    if with_slurm > 0 {
        let root = sweep.root().display();
        return Err(Refusal::wrong(format!(
            "Slurm has {} of this sweep; watch them with --executor slurm, or end them with `sweepscope stop {root}`",
            console::count(with_slurm, "job")
        )));
    }
    let runs: Vec<RunDir> = plan.pending().map(|entry| plan.run_dir(entry)).collect();
    Ok(slurm::take_back(sweep, &runs)?)
}

fn settings(loaded: &Loaded, flags: &Schedule) -> (SlurmConfig, ScheduleConfig) {
    let mut config = loaded.spec.slurm.clone().unwrap_or_default();
    config.max_parallel = flags.jobs.or(config.max_parallel);
    (config, flags.apply(&loaded.spec.schedule))
}

fn absolute(folder: &Path) -> Result<PathBuf, Refusal> {
    std::path::absolute(folder)
        .map_err(|e| Refusal::wrong(format!("failed to find the folder {}: {e}", folder.display())))
}
