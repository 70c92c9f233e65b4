//! `run`: runs what is not done yet, then says what came out.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use clap::Args;

use super::{
    console,
    executor::{self, Executor},
    exit,
    exit::Refusal,
    jobs,
    loading::{self, CheckedData, Loaded, Place},
    plan,
    progress::Progress,
    splits,
};
use crate::{
    data::Cache,
    devices::{self, DeviceKind},
    domain::{DeviceRequest, ScheduleConfig},
    plan::{Action, Plan},
    report,
    scheduler::{self, Options, Summary},
    spec::Problems,
    store,
};

/// Arguments of `run`.
#[derive(Args)]
#[command(after_help = "Example: sweepscope run sweeps/demo.toml train.epochs=5 grid.learning_rate=1e-3,1e-4 -j 2")]
pub struct Arguments {
    /// The sweep file
    sweep: PathBuf,
    /// Changes of it: KEY=VALUE, grid.AXIS=A,B, ~KEY
    overrides: Vec<String>,
    /// Folder of results
    #[arg(long, default_value = "results")]
    results: PathBuf,
    /// Only show what would be done, as `plan`
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    schedule: Schedule,
}

/// Flags that change [schedule].
#[derive(Args)]
pub struct Schedule {
    /// Runs at once
    #[arg(short, long)]
    pub jobs: Option<usize>,
    /// auto, cpu, or GPUs such as cuda:0,1
    #[arg(long)]
    devices: Option<DeviceRequest>,
    /// Who starts the runs; `resume` goes on as the sweep was run
    #[arg(long, value_enum)]
    pub executor: Option<Executor>,
    /// Failed runs after which no more are started
    #[arg(long)]
    max_fails: Option<usize>,
}

impl Schedule {
    /// `[schedule]` with these flags applied.
    pub fn apply(&self, schedule: &ScheduleConfig) -> Result<ScheduleConfig, Refusal> {
        if self.jobs == Some(0) {
            return Err(Refusal::wrong("-j 0 runs nothing; give a number from 1"));
        }
        let devices = self.devices.clone().unwrap_or_else(|| schedule.devices.clone());
        Ok(ScheduleConfig { devices, max_fails: self.max_fails.unwrap_or(schedule.max_fails), ..schedule.clone() })
    }
}

/// Runs a sweep file.
pub fn main(arguments: &Arguments) -> Result<ExitCode, Refusal> {
    let place = Place::Below(&arguments.results);
    if !arguments.dry_run {
        loading::make_synthetic(&arguments.sweep, &arguments.overrides)?;
    }
    let cache = if arguments.dry_run { None } else { Cache::standard() };
    let loaded = loading::load(&arguments.sweep, &arguments.overrides, &place, cache.as_ref())?;
    if arguments.dry_run {
        plan::show(&loaded, &arguments.schedule, false)?;
        return Ok(ExitCode::SUCCESS);
    }
    let executor = arguments.schedule.executor.unwrap_or(Executor::Local);
    run(&loaded, &arguments.schedule, executor)
}

/// Runs a checked sweep.
pub fn run(loaded: &Loaded, flags: &Schedule, executor: Executor) -> Result<ExitCode, Refusal> {
    let plan = &loaded.plan;
    if plan.pending().next().is_none() {
        return nothing_to_do(plan);
    }
    let data = loading::check_data(plan, Cache::standard().as_ref())?;
    let sweep = &plan.sweep;
    let options = match executor {
        Executor::Local => {
            executor::expect_nothing_with_slurm(sweep, plan)?;
            Some(options(loaded, flags, data.as_ref().map_or(0.0, CheckedData::val_share))?)
        }
        Executor::Slurm => {
            executor::check(loaded)?;
            None
        }
    };
    store::create_dir(sweep.root())?;
    let lock = store::SweepLock::acquire(sweep)?;
    store::remove_temporaries(sweep.root())?;
    plan.write()?;
    if let Some(data) = data {
        splits::write(plan, &data.dataset)?;
    }
    store::write_text(&sweep.sweep_toml(), &loaded.spec.resolved)?;
    console::note(&plan::summary(plan));

    let started = Instant::now();
    let mut progress = Progress::new(plan);
    let summary = match &options {
        Some(options) => scheduler::run(sweep, &lock, &jobs::of(plan)?, options, &mut progress)?,
        None => executor::run_on_slurm(loaded, flags, &lock, &mut progress)?,
    };
    progress.finish();
    drop(lock);
    tell(plan, &summary, started.elapsed().as_secs_f64())?;
    Ok(ExitCode::from(summary.exit_code()))
}

/// Everything is done (or failed for good): say so, and where the report is. What is shown are these runs, even where
/// others ran last.
fn nothing_to_do(plan: &Plan) -> Result<ExitCode, Refusal> {
    let root = plan.sweep.root().display();
    let is_recorded = plan.is_recorded();
    if !is_recorded {
        let _lock = store::SweepLock::acquire(&plan.sweep)?;
        plan.write()?;
    }
    if !is_recorded || report_is_stale(plan) {
        let runs: Vec<String> = plan.entries.iter().map(|entry| entry.planned.run.clone()).collect();
        report::build(&plan.sweep, &runs)?;
    }
    let failed = plan.count(Action::Failed);
    if failed > 0 {
        let runs = console::count(failed, "run");
        console::answer(&format!("nothing to do, but {runs} failed; `sweepscope retry {root}` queues them again\n"));
        return Ok(ExitCode::from(exit::FAILED));
    }
    let early = plan.count(Action::EndedEarly);
    let early = if early > 0 { format!(", {early} ended early") } else { String::new() };
    console::answer(&format!("nothing to do: {} done{early}\n", console::count(plan.count(Action::Skip), "run")));
    console::answer(&format!("report: {}\n", plan.sweep.report().join("index.html").display()));
    Ok(ExitCode::SUCCESS)
}

/// Whether a run was recorded after the page was made: the program was killed in between.
fn report_is_stale(plan: &Plan) -> bool {
    let changed = |path: PathBuf| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let made = changed(plan.sweep.report().join("index.html"));
    plan.entries.iter().any(|entry| changed(plan.run_dir(entry).state_json()) > made)
}

fn options(loaded: &Loaded, flags: &Schedule, val_share: f64) -> Result<Options, Refusal> {
    let schedule = flags.apply(&loaded.spec.schedule)?;
    let outside = loaded.plan.entries.iter().any(|entry| entry.config.trainer.is_some());
    let inventory = super::devices::find(&schedule.devices, outside)?;
    for note in &inventory.notes {
        console::note(note);
    }
    let on_gpu = inventory.devices.iter().all(|device| device.kind == DeviceKind::Cuda);
    if let Some(wrong) = loaded.plan.pending().find_map(|entry| entry.config.wrong_precision(on_gpu)) {
        return Err(Problems::from(loaded.spec.problem_at(wrong.key, wrong.message, wrong.help)).into());
    }
    let slots = devices::slots(&inventory, &schedule, flags.jobs, loaded.plan.pending().count());
    let contest = jobs::contest(&loaded.plan, schedule.early_end.as_ref(), val_share);
    Ok(Options { schedule, inventory, slots, contest })
}

/// What came out, where the report is, and what to do next.
fn tell(plan: &Plan, summary: &Summary, seconds: f64) -> Result<(), Refusal> {
    let root = plan.sweep.root();
    let done = plan.count(Action::Skip) + summary.completed;
    let mut text = format!(
        "{done} of {} completed ({} now) in {}\n",
        console::count(plan.entries.len(), "run"),
        summary.completed,
        console::duration(seconds)
    );
    let ended_early = plan.count(Action::EndedEarly) + summary.ended_early;
    if ended_early > 0 {
        let runs = console::count(ended_early, "run");
        text += &format!(
            "{runs} of hopeless settings ended early; `sweepscope status {}` says by what evidence\n",
            root.display()
        );
    }
    for (run, failure) in &summary.failed {
        text += &format!("failed: {run}: {failure}\n");
    }
    if let Some(reason) = &summary.halted {
        text += &format!("no more runs were started: {reason}\n");
    }
    if done > 0 {
        let runs: Vec<String> = plan.entries.iter().map(|entry| entry.planned.run.clone()).collect();
        let made = report::build(&plan.sweep, &runs)?;
        text += &made.lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        text += &format!("report: {}\n", made.index.display());
    }
    text += &next_step(root, summary);
    console::answer(&text);
    Ok(())
}

fn next_step(root: &Path, summary: &Summary) -> String {
    let root = root.display();
    match summary.exit_code() {
        exit::STOPPED | exit::INTERRUPTED => format!("next: the same command again, or sweepscope resume {root}\n"),
        exit::FAILED => format!("next: sweepscope status {root}; once mended, sweepscope retry {root}\n"),
        _ => String::new(),
    }
}
