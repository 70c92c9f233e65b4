//! `run`: runs what is not done yet, then says what came out.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use clap::{
    Args,
    builder::{RangedI64ValueParser, TypedValueParser},
};

use super::{
    console,
    executor::{self, Executor},
    exit,
    exit::Refusal,
    jobs,
    loading::{self, Loaded, Place},
    plan,
    progress::Progress,
    signals, splits,
};
use crate::{
    data::Cache,
    devices::{self, DeviceKind, Inventory},
    domain::{DeviceRequest, ScheduleConfig},
    plan::{Action, Plan},
    report,
    scheduler::{self, Options, Summary},
    slurm,
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
    #[arg(short, long, value_parser = jobs_allowed())]
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

/// What -j may be: none runs nothing, and more than any machine has use for is a slip.
pub fn jobs_allowed() -> impl TypedValueParser<Value = usize> {
    RangedI64ValueParser::<usize>::new().range(1..=1024)
}

impl Schedule {
    /// `[schedule]` with these flags applied.
    pub fn apply(&self, schedule: &ScheduleConfig) -> ScheduleConfig {
        let devices = self.devices.clone().unwrap_or_else(|| schedule.devices.clone());
        ScheduleConfig { devices, max_fails: self.max_fails.unwrap_or(schedule.max_fails), ..schedule.clone() }
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
    run(loaded, &arguments.schedule, executor)
}

/// Runs a checked sweep.
pub fn run(mut loaded: Loaded, flags: &Schedule, executor: Executor) -> Result<ExitCode, Refusal> {
    if loaded.plan.pending().next().is_none() {
        return nothing_to_do(&loaded.plan);
    }
    let data = loading::check_data(&loaded.plan, Cache::standard().as_ref())?;
    let (val_share, dataset) = data.map(|data| (data.val_share(), data.dataset)).unzip();
    let here = match executor {
        Executor::Local => Some(Here::find(&loaded, flags)?),
        Executor::Slurm => {
            executor::check(&loaded)?;
            None
        }
    };
    let lock = store::SweepLock::acquire(&loaded.plan.sweep)?;
    loaded.read_states()?;
    if here.is_some() && slurm::is_used(&loaded.plan.sweep) {
        executor::take_from_slurm(&loaded.plan)?;
        // Some may have ended before they were taken.
        loaded.read_states()?;
    }
    let (loaded, plan, sweep) = (&loaded, &loaded.plan, &loaded.plan.sweep);
    if plan.pending().next().is_none() {
        drop(lock);
        return nothing_to_do(plan);
    }
    store::remove_temporaries(sweep.root())?;
    plan.write()?;
    if let Some(dataset) = dataset {
        splits::write(plan, &dataset)?;
    }
    store::write_text(&sweep.sweep_toml(), &loaded.spec.resolved)?;
    console::note(&plan::summary(plan));

    let started = Instant::now();
    let mut progress = Progress::new(plan);
    let summary = match here {
        Some(here) => {
            let options = here.options(plan, flags, val_share.unwrap_or_default());
            scheduler::run(sweep, &lock, &jobs::of(plan)?, &options, &mut progress)?
        }
        None => executor::run_on_slurm(loaded, flags, &lock, &mut progress)?,
    };
    progress.finish();
    if let Err(e) = signals::end_this_process() {
        console::note(&format!("signals are not heard from here on: {e}"));
    }
    drop(lock);
    Ok(ExitCode::from(tell(plan, &summary, started.elapsed().as_secs_f64())))
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

/// What this machine offers to a sweep.
struct Here {
    schedule: ScheduleConfig,
    inventory: Inventory,
}

impl Here {
    /// Finds it, and refuses what it cannot do.
    fn find(loaded: &Loaded, flags: &Schedule) -> Result<Self, Refusal> {
        let schedule = flags.apply(&loaded.spec.schedule);
        let outside = loaded.plan.entries.iter().any(|entry| entry.config.trainer.is_some());
        let inventory = super::devices::find(&schedule.devices, outside)?;
        for note in &inventory.notes {
            console::note(note);
        }
        let on_gpu = inventory.devices.iter().all(|device| device.kind == DeviceKind::Cuda);
        if let Some(wrong) = loaded.plan.pending().find_map(|entry| entry.config.wrong_precision(on_gpu)) {
            return Err(Problems::from(loaded.spec.problem_at(wrong.key, wrong.message, wrong.help)).into());
        }
        Ok(Self { schedule, inventory })
    }

    fn options(self, plan: &Plan, flags: &Schedule, val_share: f64) -> Options {
        let Self { schedule, inventory } = self;
        let slots = devices::slots(&inventory, &schedule, flags.jobs, plan.pending().count());
        let contest = jobs::contest(plan, schedule.early_end.as_ref(), val_share);
        Options { schedule, inventory, slots, contest }
    }
}

/// Says what came out, where the report is, and what to do next; returns the exit code. A report that cannot be written
/// (the disk is full) takes nothing from the runs.
fn tell(plan: &Plan, summary: &Summary, seconds: f64) -> u8 {
    let mut code = summary.exit_code();
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
        match report::build(&plan.sweep, &runs) {
            Ok(made) => {
                text += &made.lines.iter().map(|line| format!("{line}\n")).collect::<String>();
                text += &format!("report: {}\n", made.index.display());
            }
            Err(e) => {
                text += &format!("no report: {e}; once mended, sweepscope report {}\n", root.display());
                code = if code == 0 { exit::FAILED } else { code };
            }
        }
    }
    text += &next_step(root, summary);
    console::answer(&text);
    code
}

fn next_step(root: &Path, summary: &Summary) -> String {
    let root = root.display();
    match summary.exit_code() {
        exit::STOPPED | exit::INTERRUPTED => format!("next: the same command again, or sweepscope resume {root}\n"),
        exit::FAILED if summary.failed.is_empty() => {
            format!("next: once mended, the same command again, or sweepscope resume {root}\n")
        }
        exit::FAILED => format!("next: sweepscope status {root}; once mended, sweepscope retry {root}\n"),
        _ => String::new(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        data::synth,
        domain::{Failure, FailureKind, RunState, StateRecord},
    };

    const SWEEP: &str = r#"
[sweep]
name = "outside"
[data]
images = "data/images"
masks = "data/masks"
classes = ["background", "cell", "vesicle", "crystal", "fibre"]
[split]
allow_missing_class = true
[train]
batch_size = 1
[trainer]
command = ["false"]
"#;

    #[test]
    fn what_is_left_is_resumed_and_what_failed_is_retried() {
        let halted = Summary { left: 3, halted: Some("no device is left".into()), ..Summary::default() };
        let failed = vec![("run".to_owned(), Failure::new(FailureKind::ExitCode, "for a test"))];
        let both = Summary { failed, ..halted.clone() };
        for (summary, command) in [(halted, "resume"), (both, "retry")] {
            let step = next_step(Path::new("results/demo"), &summary);
            assert!(step.contains(&format!("sweepscope {command} results/demo")), "{step}");
        }
    }

    #[test]
    fn what_another_start_has_done_since_the_plan_was_made_is_not_run_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sweep.toml");
        synth::write(&folder.path().join("data"), synth::Options { images: 6, ..synth::Options::default() }).unwrap();
        fs::write(&file, SWEEP).unwrap();
        let loaded = loading::load(&file, &[], &Place::Below(folder.path()), None).unwrap();
        let run = loaded.plan.run_dir(&loaded.plan.entries[0]);
        loaded.plan.write().unwrap();
        let done = StateRecord { state: RunState::Completed, epoch: 2, ..StateRecord::default() };
        run.write_state(&done).unwrap();

        let flags = Schedule { jobs: None, devices: None, executor: None, max_fails: None };
        let code = super::run(loaded, &flags, Executor::Local).unwrap();
        assert_eq!((code, run.read_state().unwrap()), (ExitCode::SUCCESS, done));
    }
}
