//! The grid against what is on disk: which runs are new, which go on, which are done.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    thread,
};

use rayon::prelude::*;

use crate::{
    domain::{RunConfig, RunId, RunState, StateRecord},
    grid::Cell,
    store::{PlannedRun, RunDir, RunFile, StoreError, SweepDir},
};

/// Threads that write run.toml files.
const WRITERS: usize = 16;

/// What is to be done with a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing is recorded yet.
    Start,
    /// Some epochs are recorded.
    Resume,
    /// It is complete.
    Skip,
    /// Its setting was hopeless; `retry` queues it again.
    EndedEarly,
    /// It failed for good; `retry` queues it again.
    Failed,
}

impl Action {
    /// The word that `plan` prints.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "new",
            Self::Resume => "resume",
            Self::Skip => "done",
            Self::EndedEarly => "ended early",
            Self::Failed => "failed",
        }
    }
}

/// A cell with its name and what is on disk of it.
#[derive(Clone, Debug)]
pub struct PlanEntry {
    /// Name, identity, axes.
    pub planned: PlannedRun,
    /// Every setting.
    pub config: RunConfig,
    /// Where it stands.
    pub state: StateRecord,
    /// What is to be done.
    pub action: Action,
}

impl PlanEntry {
    /// Whether there is something to be done that `run` does.
    pub fn is_pending(&self) -> bool {
        matches!(self.action, Action::Start | Action::Resume)
    }
}

/// The whole sweep, in the order in which it is to be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its folder.
    pub sweep: SweepDir,
    /// The data's fingerprint.
    pub fingerprint: String,
    /// One entry a cell.
    pub entries: Vec<PlanEntry>,
}

impl Plan {
    /// Holds the cells against the sweep's folder. `weights`: a digest of each file that `model.pretrained` names.
    ///
    /// # Errors
    /// If a state file is there but cannot be read.
    pub fn new(
        sweep: SweepDir,
        cells: Vec<Cell>,
        fingerprint: String,
        weights: &HashMap<PathBuf, String>,
    ) -> Result<Self, StoreError> {
        let started = sweep.run_names();
        let id = |cell: &Cell| match cell.config.model.pretrained.as_ref().and_then(|file| weights.get(file)) {
            Some(weights) => RunId::of_canonical(&cell.canonical, &format!("{fingerprint}\n{weights}")),
            None => RunId::of_canonical(&cell.canonical, &fingerprint),
        };
        let entry = |cell: Cell| entry(&sweep, &started, id(&cell), cell);
        let entries = cells.into_par_iter().map(entry).collect::<Result<_, _>>()?;
        Ok(Self { sweep, fingerprint, entries })
    }

    /// The entries that are not done and did not fail for good.
    pub fn pending(&self) -> impl Iterator<Item = &PlanEntry> {
        self.entries.iter().filter(|entry| entry.is_pending())
    }

    /// Reads again where each run stands: another process may have run some of them meanwhile.
    ///
    /// # Errors
    /// If a state file is there but cannot be read.
    pub fn read_states(&mut self) -> Result<(), StoreError> {
        let Self { sweep, entries, .. } = self;
        let started = sweep.run_names();
        entries.par_iter_mut().try_for_each(|entry| {
            entry.state = state(sweep, &started, &entry.planned.run)?;
            entry.action = action(&entry.state);
            Ok(())
        })
    }

    /// Goes on with the runs that were ended early: the sweep asks for that no more.
    pub fn resume_ended_early(&mut self) {
        for entry in self.entries.iter_mut().filter(|entry| entry.action == Action::EndedEarly) {
            entry.action = if entry.state.checkpoint > 0 { Action::Resume } else { Action::Start };
        }
    }

    /// Whether plan.json holds these runs: the tables and the report are then theirs.
    pub fn is_recorded(&self) -> bool {
        let planned = self.entries.iter().map(|entry| &entry.planned);
        PlannedRun::read_all(&self.sweep).ok().flatten().is_some_and(|known| known.iter().eq(planned))
    }

    /// How many entries have that action.
    pub fn count(&self, action: Action) -> usize {
        self.entries.iter().filter(|entry| entry.action == action).count()
    }

    /// Folders under runs/ that this sweep file does not name: they stay, and are in no table.
    pub fn leftovers(&self) -> HashSet<String> {
        let mut left = self.sweep.run_names();
        for entry in &self.entries {
            left.remove(&entry.planned.run);
        }
        left
    }

    /// Whether the images or masks were others when one of these runs was made.
    pub fn had_other_data(&self, runs: &HashSet<String>) -> bool {
        let has_other =
            |run: &String| RunFile::read(&self.sweep.run(run)).is_ok_and(|run| run.fingerprint != self.fingerprint);
        runs.par_iter().any(has_other)
    }

    /// Writes the plan and the run.toml of each pending run.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn write(&self) -> Result<(), StoreError> {
        crate::store::create_dir(&self.sweep.runs())?;
        self.write_runs()?;
        let planned: Vec<_> = self.entries.iter().map(|entry| entry.planned.clone()).collect();
        PlannedRun::write_all(&self.sweep, &planned)
    }

    /// A durable write waits for the disk, which takes many at once as fast as one.
    fn write_runs(&self) -> Result<(), StoreError> {
        let pending: Vec<_> = self.pending().collect();
        let share = pending.len().div_ceil(WRITERS).max(1);
        thread::scope(|scope| {
            let write = |entries: &[&PlanEntry]| entries.iter().try_for_each(|entry| self.write_run(entry));
            let writers: Vec<_> = pending.chunks(share).map(|entries| scope.spawn(move || write(entries))).collect();
            writers
                .into_iter()
                .try_for_each(|writer| writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    }

    fn write_run(&self, entry: &PlanEntry) -> Result<(), StoreError> {
        let run = self.run_dir(entry);
        let known = RunFile::read(&run).ok();
        let file = RunFile {
            id: entry.planned.id,
            fingerprint: self.fingerprint.clone(),
            axes: entry.planned.axes.clone(),
            scale: known.as_ref().and_then(|known| known.scale),
            config: entry.config.clone(),
        };
        if known.as_ref() == Some(&file) {
            return Ok(());
        }
        crate::store::create_dir(run.root())?;
        file.write(&run)
    }

    /// The folder of an entry's run.
    pub fn run_dir(&self, entry: &PlanEntry) -> RunDir {
        self.sweep.run(&entry.planned.run)
    }
}

/// `started` are the runs that have a folder.
fn entry(sweep: &SweepDir, started: &HashSet<String>, id: RunId, cell: Cell) -> Result<PlanEntry, StoreError> {
    let run = id.folder(&cell.axes);
    let state = state(sweep, started, &run)?;
    let action = action(&state);
    let planned = PlannedRun { run, id, setting: cell.setting, axes: cell.axes.into_iter().collect() };
    Ok(PlanEntry { planned, config: cell.config, state, action })
}

fn state(sweep: &SweepDir, started: &HashSet<String>, run: &str) -> Result<StateRecord, StoreError> {
    if started.contains(run) { sweep.run(run).read_state() } else { Ok(StateRecord::default()) }
}

fn action(state: &StateRecord) -> Action {
    match state.state {
        RunState::Completed => Action::Skip,
        RunState::Failed => Action::Failed,
        RunState::EndedEarly => Action::EndedEarly,
        _ if state.checkpoint > 0 => Action::Resume,
        _ => Action::Start,
    }
}
