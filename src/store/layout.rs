//! Every path under `results/`.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use super::{StoreError, atomic};
use crate::domain::StateRecord;

/// `results/<sweep>/`.
#[derive(Clone, Debug)]
pub struct SweepDir(PathBuf);

impl SweepDir {
    /// The folder of a sweep; it need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self(root.into())
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// The sweep file as it was run: overrides applied, paths absolute.
    pub fn sweep_toml(&self) -> PathBuf {
        self.0.join("sweep.toml")
    }

    /// The runs of the sweep as it was last run, in their order.
    pub fn plan_json(&self) -> PathBuf {
        self.0.join("plan.json")
    }

    /// Held by the one orchestrator.
    pub fn lock(&self) -> PathBuf {
        self.0.join("sweep.lock")
    }

    /// What happened when; it explains and never decides.
    pub fn journal(&self) -> PathBuf {
        self.0.join("journal.jsonl")
    }

    /// One row a run.
    pub fn runs_csv(&self) -> PathBuf {
        self.0.join("runs.csv")
    }

    /// Every run's classes.csv joined with its axes.
    pub fn metrics_csv(&self) -> PathBuf {
        self.0.join("metrics.csv")
    }

    /// What the diagnosis found.
    pub fn findings_csv(&self) -> PathBuf {
        self.0.join("findings.csv")
    }

    /// Which settings were evaluated on the test images.
    pub fn test_csv(&self) -> PathBuf {
        self.0.join("test.csv")
    }

    /// Charts and the page.
    pub fn report(&self) -> PathBuf {
        self.0.join("report")
    }

    /// What was handed to Slurm, and what its jobs printed.
    pub fn slurm(&self) -> PathBuf {
        self.0.join("slurm")
    }

    /// The folder of all runs.
    pub fn runs(&self) -> PathBuf {
        self.0.join("runs")
    }

    /// The names of all folders there; none if it cannot be read.
    pub fn run_names(&self) -> HashSet<String> {
        let folders = std::fs::read_dir(self.runs()).into_iter().flatten().flatten();
        folders.map(|folder| folder.file_name().to_string_lossy().into_owned()).collect()
    }

    /// The folder of the run called `name`.
    pub fn run(&self, name: &str) -> RunDir {
        RunDir(self.runs().join(name))
    }
}

/// `results/<sweep>/runs/<run>/`.
#[derive(Clone, Debug)]
pub struct RunDir(PathBuf);

impl RunDir {
    /// The folder of a run; it need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self(root.into())
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// The run's name: its folder's.
    pub fn name(&self) -> String {
        self.0.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Identity, axes and settings.
    pub fn run_toml(&self) -> PathBuf {
        self.0.join("run.toml")
    }

    /// Program version, machine, device, threads of each attempt.
    pub fn environment_json(&self) -> PathBuf {
        self.0.join("environment.json")
    }

    /// Where the run stands.
    pub fn state_json(&self) -> PathBuf {
        self.0.join("state.json")
    }

    /// Which attempt on a cluster has the run.
    pub fn owner(&self) -> PathBuf {
        self.0.join("owner.json")
    }

    /// What happened when to a run that a cluster runs; it explains and never decides.
    pub fn journal(&self) -> PathBuf {
        self.0.join("journal.jsonl")
    }

    /// What the worker said.
    pub fn worker_log(&self) -> PathBuf {
        self.0.join("worker.log")
    }

    /// Figures of each epoch and split.
    pub fn epochs_csv(&self) -> PathBuf {
        self.0.join("epochs.csv")
    }

    /// Counts and scores of each epoch, split and class.
    pub fn classes_csv(&self) -> PathBuf {
        self.0.join("classes.csv")
    }

    /// Counts of each image at the best and at the final epoch.
    pub fn images_csv(&self) -> PathBuf {
        self.0.join("images.csv")
    }

    /// Figures for the diagnosis that no other table holds.
    pub fn evidence_csv(&self) -> PathBuf {
        self.0.join("evidence.csv")
    }

    /// How long each epoch took.
    pub fn timing_csv(&self) -> PathBuf {
        self.0.join("timing.csv")
    }

    /// What each image is used for.
    pub fn split_csv(&self) -> PathBuf {
        self.0.join("split.csv")
    }

    /// Checkpoint sets; `last` and `best` point at two of them.
    pub fn checkpoints(&self) -> PathBuf {
        self.0.join("checkpoints")
    }

    /// image | truth | prediction | error.
    pub fn panels(&self) -> PathBuf {
        self.0.join("panels")
    }

    /// Where the run stands; the default if nothing was recorded yet.
    ///
    /// # Errors
    /// If state.json is there but cannot be read.
    pub fn read_state(&self) -> Result<StateRecord, StoreError> {
        Ok(atomic::read_json(&self.state_json())?.unwrap_or_default())
    }

    /// Replaces state.json, durably.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn write_state(&self, state: &StateRecord) -> Result<(), StoreError> {
        atomic::write_json(&self.state_json(), state)
    }
}
