//! `status`: one row a run: state, device, epoch, best score, time left, cause of failure.

use std::{
    collections::{BTreeMap, HashMap},
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::Duration,
};

use ::console::Term;
use clap::Args;
use rayon::prelude::*;
use serde_json::json;

use super::{
    console,
    exit::Refusal,
    sweep::{self, Standing},
    time_left::Pace,
};
use crate::{
    domain::{Failure, RunState, StateRecord},
    slurm::{self, Phase, Place, SlurmError},
    store::{Holder, Journal, SweepDir, SweepLock},
};

/// How often the view is drawn again.
const LOOK: Duration = Duration::from_secs(1);

/// How often where Slurm has to be asked, which others ask too.
const LOOK_AT_QUEUE: Duration = Duration::from_secs(10);

/// Arguments of `status`.
#[derive(Args)]
#[command(after_help = "Example: sweepscope status results/demo --watch")]
pub struct Arguments {
    /// Folder of the sweep's results
    results: PathBuf,
    /// Keep showing it until the sweep is over
    #[arg(short, long)]
    watch: bool,
    /// Machine-readable output
    #[arg(long, conflicts_with = "watch")]
    json: bool,
}

/// Shows a sweep, once or until it is over.
pub fn main(arguments: &Arguments) -> Result<ExitCode, Refusal> {
    let view = View::read(&arguments.results)?;
    if arguments.json {
        console::answer(&format!("{:#}\n", view.to_json()));
    } else if arguments.watch && std::io::stdout().is_terminal() {
        watch(&arguments.results)?;
    } else {
        console::answer(&view.whole());
    }
    Ok(ExitCode::SUCCESS)
}

/// Below this width runs go by the eight digits at the end of their names.
const NARROW: usize = 100;

/// Draws over what was drawn before, line by line, so that nothing flickers. What the terminal showed scrolls up first.
fn watch(folder: &Path) -> Result<(), Refusal> {
    let terminal = Term::stdout();
    let mut screen = "\n".repeat(usize::from(terminal.size().0));
    loop {
        let view = View::read(folder)?;
        let may_have_jobs = |queue: &Result<HashMap<_, _>, _>| queue.as_ref().map_or(true, |jobs| !jobs.is_empty());
        let over = view.holder.is_none() && !view.with_slurm.as_ref().is_some_and(may_have_jobs);
        let (height, width) = terminal.size();
        let (height, width) = (usize::from(height), usize::from(width));
        screen += "\x1b[H";
        for line in view.lines_for(height.saturating_sub(1), width < NARROW) {
            screen.extend(line.chars().take(width.saturating_sub(1)));
            screen += "\x1b[K\n";
        }
        screen += "\x1b[J";
        if (&terminal).write_all(screen.as_bytes()).is_err() || over {
            return Ok(());
        }
        screen.clear();
        thread::sleep(if view.with_slurm.is_some() { LOOK_AT_QUEUE } else { LOOK });
    }
}

/// A sweep as it stands.
struct View {
    sweep: SweepDir,
    runs: Vec<Standing>,
    holder: Option<Holder>,
    /// The runs that Slurm has, where it was ever used; an error where it does not answer.
    with_slurm: Option<Result<HashMap<String, Place>, SlurmError>>,
    devices: BTreeMap<String, String>,
    pace: Pace,
}

impl View {
    fn read(folder: &Path) -> Result<Self, Refusal> {
        let (sweep, mut runs) = sweep::open(folder)?;
        let holder = SweepLock::holder(&sweep);
        let with_slurm = slurm::is_used(&sweep).then(|| slurm::standing(&sweep));
        // A worker ends with its scheduler or its job, whatever the state says that it last wrote.
        let has_ended = |run: &Standing| match &with_slurm {
            Some(Ok(places)) => places.get(&run.planned.run).is_none_or(|place| place.phase != Phase::Running),
            Some(Err(_)) => false,
            None => holder.is_none(),
        };
        for run in runs.iter_mut().filter(|run| run.state.state == RunState::Running && has_ended(run)) {
            run.state.state = RunState::Stopped;
        }
        let running = runs.iter().any(|run| run.state.state == RunState::Running);
        let mut devices = if running { devices_of(&sweep)? } else { BTreeMap::new() };
        let nodes = with_slurm.iter().flatten().flatten().filter(|(_, place)| place.phase == Phase::Running);
        devices.extend(nodes.map(|(run, place)| (run.clone(), place.text.clone())));
        let pace = Pace::read(&sweep, &runs);
        Ok(Self { sweep, runs, holder, with_slurm, devices, pace })
    }

    fn count(&self, state: RunState) -> usize {
        self.runs.iter().filter(|run| run.state.state == state).count()
    }

    fn summary(&self) -> String {
        let states = [
            RunState::Completed,
            RunState::Running,
            RunState::Stopped,
            RunState::EndedEarly,
            RunState::Failed,
            RunState::New,
        ]
        .into_iter();
        let counts: Vec<String> = states
            .map(|state| (state, self.count(state)))
            .filter(|(_, count)| *count > 0)
            .map(|(state, count)| format!("{count} {}", state.name()))
            .collect();
        let who = match (&self.holder, &self.with_slurm) {
            (Some(holder), None) => format!("run by process {} on {}", holder.process.pid, holder.host),
            (Some(holder), Some(Ok(places))) => format!("{}, watched by {}", in_queue(places), holder.host),
            (None, Some(Ok(places))) if !places.is_empty() => in_queue(places),
            (Some(holder), Some(Err(e))) => format!("run by process {} on {}; {e}", holder.process.pid, holder.host),
            (None, Some(Err(e))) => format!("what Slurm has of it is not known: {e}"),
            (None, _) => "not running".to_owned(),
        };
        let left = self.pace.left_of_all(&self.runs, self.count(RunState::Running));
        let left = left.map_or_else(String::new, |seconds| format!(", about {} left", console::duration(seconds)));
        format!("{}: {} ({who}{left})", self.sweep.root().display(), counts.join(", "))
    }

    /// Everything, in the plan's order.
    fn whole(&self) -> String {
        let rows: Vec<_> = self.runs.par_iter().map(|run| self.row(run)).collect();
        format!("{}{}\n", table(rows, false), self.summary())
    }

    /// What fits on a screen: first what is running, then what went wrong, then the rest.
    fn lines_for(&self, height: usize, is_narrow: bool) -> Vec<String> {
        let rank = |run: &&Standing| match run.state.state {
            RunState::Running => 0,
            RunState::Failed => 1,
            RunState::Stopped => 2,
            RunState::New => 3,
            RunState::EndedEarly => 4,
            RunState::Completed => 5,
        };
        let mut runs: Vec<&Standing> = self.runs.iter().collect();
        runs.sort_by_key(rank);
        let shown = height.saturating_sub(3).min(runs.len());
        let mut lines = vec![self.summary()];
        lines.extend(
            table(runs[..shown].iter().map(|run| self.row(run)).collect(), is_narrow).lines().map(str::to_owned),
        );
        if shown < runs.len() {
            lines.push(format!("… and {}", console::count(runs.len() - shown, "more run")));
        }
        lines.truncate(height.max(1));
        lines
    }

    /// The columns that matter most come first, so that a narrow terminal cuts the least.
    fn row(&self, run: &Standing) -> [String; 8] {
        let state = &run.state;
        let epochs = self.pace.epochs_of(run).map_or(String::new(), |epochs| format!("/{epochs}"));
        let best = state.best_score.map_or(String::new(), |score| format!("{score:.4} @ {}", state.best_epoch));
        let left = self.pace.left(run).map_or(String::new(), console::duration);
        [
            run.planned.id.short(),
            state.state.name().to_owned(),
            format!("{}{epochs}", state.epoch),
            best,
            left,
            self.devices
                .get(&run.planned.run)
                .filter(|_| state.state == RunState::Running)
                .cloned()
                .unwrap_or_default(),
            run.planned.run.clone(),
            self.waits_for(run).unwrap_or_else(|| cause(state)),
        ]
    }

    /// Why Slurm lets a run wait.
    fn waits_for(&self, run: &Standing) -> Option<String> {
        let place = self.with_slurm.as_ref()?.as_ref().ok()?.get(&run.planned.run)?;
        (place.phase == Phase::Waiting && !run.state.state.is_over()).then(|| format!("waits: {}", place.text))
    }

    fn to_json(&self) -> serde_json::Value {
        let run = |run: &Standing| {
            let state = &run.state;
            json!({
                "run": run.planned.run, "id": run.planned.id, "axes": run.planned.axes,
                "state": state.state.name(), "device": self.devices.get(&run.planned.run),
                "waits_for": self.waits_for(run),
                "epoch": state.epoch, "epochs": self.pace.epochs_of(run), "checkpoint": state.checkpoint,
                "best_epoch": (state.best_epoch > 0).then_some(state.best_epoch), "best_score": state.best_score,
                "attempts": state.attempts, "seconds_left": self.pace.left(run),
                "note": state.note, "failure": state.failure.as_ref().map(|f| json!({ "kind": f.kind.name(), "message": f.message })),
            })
        };
        let left = self.pace.left_of_all(&self.runs, self.count(RunState::Running));
        let jobs = self.with_slurm.iter().flatten().map(HashMap::len).next();
        json!({
            "sweep": self.sweep.root(), "running": self.holder.is_some(), "slurm_jobs": jobs,
            "process": self.holder.as_ref().map(|holder| json!({ "pid": holder.process.pid, "host": holder.host })),
            "seconds_left": left, "runs": self.runs.iter().map(run).collect::<Vec<_>>(),
        })
    }
}

/// "5 jobs with Slurm, 3 of them running".
fn in_queue(places: &HashMap<String, Place>) -> String {
    let running = places.values().filter(|place| place.phase == Phase::Running).count();
    format!("{} with Slurm, {running} of them running", console::count(places.len(), "job"))
}

/// Why a run failed or was ended early.
fn cause(state: &StateRecord) -> String {
    let note = state.note.as_ref().filter(|_| state.state == RunState::EndedEarly).cloned();
    state.failure.as_ref().map(Failure::to_string).or(note).unwrap_or_default()
}

/// Where each run was last started.
fn devices_of(sweep: &SweepDir) -> Result<BTreeMap<String, String>, Refusal> {
    let started = Journal::read(sweep)?.into_iter().filter(|entry| entry.what == "started");
    Ok(started.filter_map(|entry| Some((entry.run?, entry.device?))).collect())
}

/// A narrow table names runs by their last eight digits, in front; a wide one by their whole names.
fn table(rows: Vec<[String; 8]>, is_narrow: bool) -> String {
    let header = ["run", "state", "epoch", "best", "left", "device", "run", "cause"].map(str::to_owned);
    let columns: &[usize] = if is_narrow { &[0, 1, 2, 3, 4, 7] } else { &[1, 2, 3, 4, 5, 6, 7] };
    let shown = |row: [String; 8]| columns.iter().map(|&column| row[column].clone()).collect();
    let table: Vec<Vec<String>> = std::iter::once(header).chain(rows).map(shown).collect();
    console::table(&table, &[if is_narrow { 2 } else { 1 }])
}
