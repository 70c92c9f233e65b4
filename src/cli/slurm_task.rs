//! `slurm-task`: one run on a node, started by Slurm.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{console, exit, exit::Refusal, jobs};
use crate::{
    devices,
    domain::RunConfig,
    scheduler::{Observer, Options, Progress},
    slurm::{self, Claimed, Entered},
    store::RunFile,
};

/// Arguments of `slurm-task`.
#[derive(Args)]
pub struct Arguments {
    /// Folder of the sweep's results
    sweep: PathBuf,
    /// Name of the job array
    chunk: String,
}

/// Runs the task's run.
pub fn main(arguments: &Arguments) -> Result<ExitCode, Refusal> {
    match slurm::enter(&arguments.sweep, &arguments.chunk)? {
        Entered::Nothing(why) => {
            console::note(&format!("nothing to do: {why}"));
            Ok(ExitCode::SUCCESS)
        }
        Entered::Claimed(claimed) => train(&claimed),
    }
}

fn train(claimed: &Claimed) -> Result<ExitCode, Refusal> {
    claimed.watch(|why| {
        console::note(why);
        // Its worker ends with it.
        std::process::exit(i32::from(exit::STOPPED));
    });
    let config = RunFile::read(&claimed.run)?.config;
    let job = jobs::of_run(&claimed.run, &config)?;
    let summary = claimed.train(&job, &options(claimed, &config)?, &mut Log)?;
    Ok(ExitCode::from(summary.exit_code()))
}

fn options(claimed: &Claimed, config: &RunConfig) -> Result<Options, Refusal> {
    let schedule = claimed.schedule.clone();
    let inventory = super::devices::find(&schedule.devices, config.trainer.is_some())?;
    inventory.notes.iter().for_each(|note| console::note(note));
    let mut slots = devices::slots(&inventory, &schedule, Some(1), 1);
    // Which cores are free is known to Slurm alone: others' tasks may be on this node.
    slots.iter_mut().for_each(|slot| slot.cores.clear());
    Ok(Options { schedule, inventory, slots, contest: None })
}

/// What matters of a run goes to the task's log.
struct Log;

impl Observer for Log {
    fn event(&mut self, event: &Progress<'_>) {
        match event {
            Progress::Started { run, device, attempt } => {
                console::note(&format!("{run}: attempt {attempt} on {device}"))
            }
            Progress::Ended { run, outcome } => console::note(&format!("{run}: {outcome:?}")),
            Progress::Stopping { .. } => console::note("asked to end; the run saves itself"),
            Progress::Note(text) => console::note(text),
            Progress::Said { .. } | Progress::Again { .. } | Progress::Waits { .. } => {}
        }
    }
}
