//! All sweeps in a folder of results, side by side.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::SystemTime,
};

use askama::Template;
use tokio::sync::watch;

use super::{parts::Parts, watch::LOOK};
use crate::{
    domain::{Metric, RunState, StateRecord},
    report::ReportError,
    store::{PlannedRun, RunFile, SweepDir, SweepLock, has_job},
};

/// A sweep that can be watched.
pub struct Listed {
    /// What it is called: its folder's name.
    pub name: String,
    /// Where it is.
    pub folder: PathBuf,
}

/// The sweeps in `results` by name, or the one that it is itself.
pub fn list(results: &Path) -> Vec<Listed> {
    // `.` has no name of its own.
    let results = std::path::absolute(results).unwrap_or_else(|_| results.to_owned());
    let name = |folder: &Path| folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let is_sweep = |folder: &Path| SweepDir::new(folder).plan_json().is_file();
    if is_sweep(&results) {
        return vec![Listed { name: name(&results), folder: results }];
    }
    let folders = fs::read_dir(&results).into_iter().flatten().flatten().map(|entry| entry.path());
    let sweeps = folders.filter(|folder| is_sweep(folder));
    let mut sweeps: Vec<_> = sweeps.map(|folder| Listed { name: name(&folder), folder }).collect();
    sweeps.sort_by(|a, b| a.name.cmp(&b.name));
    sweeps
}

#[derive(Template)]
#[template(path = "sweeps.html")]
struct Shell;

#[derive(Template)]
#[template(path = "sweeps_cards.html")]
struct Cards {
    cards: Vec<Card>,
}

/// A sweep in a few lines.
struct Card {
    name: String,
    /// Some run is not done, and no process is at it.
    is_idle: bool,
    runs: usize,
    states: Vec<(&'static str, usize)>,
    monitor: String,
    best: Option<(String, String)>,
    /// Best scores of the runs in the order of the plan: places in a box of 300 by 60.
    dots: Vec<(String, String)>,
}

/// The page, to be filled with parts.
///
/// # Errors
/// If it cannot be filled in.
pub fn shell() -> Result<String, ReportError> {
    Ok(Shell.render()?)
}

/// Looks after the page of all sweeps.
pub struct Sweeps {
    parts: watch::Sender<Parts>,
}

impl Sweeps {
    /// Starts a thread that looks while somebody watches; it ends with the program.
    pub fn start(results: &Path) -> Arc<Self> {
        let sweeps = Arc::new(Self { parts: watch::channel(Parts::default()).0 });
        let (looked_after, results) = (Arc::clone(&sweeps), results.to_owned());
        thread::spawn(move || {
            let mut states = States::default();
            loop {
                if looked_after.parts.receiver_count() > 0 {
                    let cards = Cards { cards: list(&results).iter().map(|sweep| card(sweep, &mut states)).collect() };
                    let html = cards.render().unwrap_or_else(|e| e.to_string());
                    looked_after.parts.send_modify(|parts| parts.set(("sweeps".into(), html)));
                }
                thread::sleep(LOOK);
            }
        });
        sweeps
    }

    /// The page's parts, now and as they change.
    pub fn parts(&self) -> watch::Receiver<Parts> {
        self.parts.subscribe()
    }
}

/// What each state.json said when it was last changed.
#[derive(Default)]
struct States(HashMap<PathBuf, (Option<SystemTime>, StateRecord)>);

impl States {
    fn read(&mut self, sweep: &SweepDir, run: &str) -> StateRecord {
        let run = sweep.run(run);
        let path = run.state_json();
        let changed = fs::metadata(&path).and_then(|metadata| metadata.modified()).ok();
        match self.0.get(&path) {
            Some((known, state)) if *known == changed => state.clone(),
            _ => {
                // The sweep's own page names what cannot be read.
                let state = run.read_state().unwrap_or_default();
                self.0.insert(path, (changed, state.clone()));
                state
            }
        }
    }
}

fn card(listed: &Listed, states: &mut States) -> Card {
    let sweep = SweepDir::new(&listed.folder);
    let planned = PlannedRun::read_all(&sweep).ok().flatten().unwrap_or_default();
    let monitor = planned.iter().find_map(|run| Some(RunFile::read(&sweep.run(&run.run)).ok()?.config.monitor));
    let is_running = SweepLock::holder(&sweep).is_some();
    let mut found: Vec<StateRecord> = planned.iter().map(|run| states.read(&sweep, &run.run)).collect();
    for (state, run) in found.iter_mut().zip(&planned) {
        // A run that Slurm started goes on without a scheduler on this machine.
        if state.state == RunState::Running && !is_running && !has_job(&sweep.run(&run.run)) {
            state.state = RunState::Stopped;
        }
    }
    let scores: Vec<Option<f64>> = found.iter().map(|state| state.best_score).collect();
    let names = [
        RunState::Completed,
        RunState::Running,
        RunState::EndedEarly,
        RunState::Failed,
        RunState::Stopped,
        RunState::New,
    ];
    let count = |wanted| found.iter().filter(|state| state.state == wanted).count();
    let counts = names.map(|state| (state.name(), count(state)));
    Card {
        name: listed.name.clone(),
        is_idle: !is_running && count(RunState::Running) == 0 && count(RunState::New) + count(RunState::Stopped) > 0,
        runs: planned.len(),
        states: counts.into_iter().filter(|(_, count)| *count > 0).collect(),
        monitor: monitor.map(|metric| metric.to_string()).unwrap_or_default(),
        best: best(monitor.unwrap_or_default(), &scores).map(|(place, score)| {
            let run = planned.get(place).map(|run| run.run.clone()).unwrap_or_default();
            (format!("{score:.3}"), run)
        }),
        dots: dots(&scores),
    }
}

fn best(monitor: Metric, scores: &[Option<f64>]) -> Option<(usize, f64)> {
    let known = scores.iter().enumerate().filter_map(|(place, score)| Some((place, (*score)?)));
    known.reduce(|best, next| if monitor.direction().improves(next.1, best.1, 0.0) { next } else { best })
}

/// From 0 at the bottom to 1 at the top, or to the highest score where some are above 1.
fn dots(scores: &[Option<f64>]) -> Vec<(String, String)> {
    let top = scores.iter().flatten().copied().fold(1.0, f64::max);
    let step = 300.0 / scores.len().max(1) as f64;
    let known = scores.iter().enumerate().filter_map(|(place, score)| Some((place, (*score)?)));
    known
        .map(|(place, score)| {
            let (x, y) = ((place as f64 + 0.5) * step, 57.0 - 54.0 * (score / top).clamp(0.0, 1.0));
            (format!("{x:.1}"), format!("{y:.1}"))
        })
        .collect()
}
