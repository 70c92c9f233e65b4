//! `resume`: as `run`, from the results folder alone.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{
    executor::Executor,
    exit::Refusal,
    loading::{self, Place},
    run::{self, Schedule},
};
use crate::{data::Cache, slurm, store::SweepDir};

/// Arguments of `resume`.
#[derive(Args)]
#[command(after_help = "Example: sweepscope resume results/demo")]
pub struct Arguments {
    /// Folder of the sweep's results
    results: PathBuf,
    #[command(flatten)]
    schedule: Schedule,
}

/// Goes on with the sweep whose results lie there.
pub fn main(arguments: &Arguments) -> Result<ExitCode, Refusal> {
    let file = SweepDir::new(&arguments.results).sweep_toml();
    if !file.is_file() {
        let folder = arguments.results.display();
        return Err(Refusal::wrong(format!("{folder} holds no sweep.toml; give the folder of a sweep that was run")));
    }
    let loaded = loading::load(&file, &[], &Place::At(&arguments.results), Cache::standard().as_ref())?;
    let used = if slurm::is_used(&loaded.plan.sweep) { Executor::Slurm } else { Executor::Local };
    run::run(loaded, &arguments.schedule, arguments.schedule.executor.unwrap_or(used))
}
