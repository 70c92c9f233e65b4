//! Sweeps of small shell scripts that play the worker.
#![allow(dead_code, reason = "each test file uses its part")]

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use sweepscope::{
    devices::{find, slots},
    domain::{DeviceRequest, ScheduleConfig, StateRecord},
    scheduler::{Job, Observer, Options, Outcome, Progress, Summary, Trainer, run},
    store::{Entry, Journal, SweepDir, SweepLock},
};
use tempfile::TempDir;

/// A sweep in a temporary folder.
pub struct Sweep {
    pub folder: TempDir,
    pub dir: SweepDir,
    pub jobs: Vec<Job>,
    pub options: Options,
}

/// What was observed, a line each.
#[derive(Default)]
pub struct Diary(pub Vec<String>);

impl Observer for Diary {
    fn event(&mut self, progress: &Progress<'_>) {
        self.0.push(match progress {
            Progress::Started { run, device, attempt } => format!("start {run} {device} {attempt}"),
            Progress::Said { run, message } => format!("said {run} {}", message.line().trim()),
            Progress::Again { run, failure, .. } => format!("again {run} {failure}"),
            Progress::Waits { run } => format!("waits {run}"),
            Progress::Ended { run, outcome: Outcome::Failed(failure) } => format!("failed {run} {failure}"),
            Progress::Ended { run, outcome } => format!("ended {run} {outcome:?}"),
            Progress::Stopping { at_once } => format!("stopping {at_once}"),
            Progress::Note(text) => format!("note {text}"),
        });
    }
}

/// Writes a shell script that is started as `script worker RUN_DIR --threads N --device D`; `$run` is its folder.
pub fn script(path: &Path, body: &str) {
    let done = r#"done_() { echo '{"state":"completed","epoch":1,"checkpoint":1}' > "$run/state.json"; echo '{"event":"done"}'; }"#;
    fs::write(path, format!("#!/bin/sh\nrun=$2\n{done}\n{body}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

impl Sweep {
    /// `count` runs of one script, each a cell of its own, two at once, without waits for retries.
    pub fn new(count: usize, body: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("worker.sh");
        script(&program, body);
        let dir = SweepDir::new(folder.path().join("results"));
        let job = |number: usize| {
            let name = format!("run-{number:04}");
            let run = dir.run(&name);
            fs::create_dir_all(run.root()).unwrap();
            let trainer = Trainer::BuiltIn { program: program.clone() };
            Job { cell: name.clone(), seed: String::new(), epochs: 1, name, run, trainer, demand: None }
        };
        let jobs = (0..count).map(job).collect();
        let schedule = ScheduleConfig { grace: 5.0, retries: 0, ..ScheduleConfig::default() };
        let options = options(schedule, DeviceRequest::Cpu, Some(2), count);
        Self { folder, dir, jobs, options }
    }

    /// Runs it to the end.
    pub fn run(&self) -> (Summary, Vec<String>) {
        let lock = SweepLock::acquire(&self.dir).unwrap();
        let mut diary = Diary::default();
        let summary = run(&self.dir, &lock, &self.jobs, &self.options, &mut diary).unwrap();
        (summary, diary.0)
    }

    /// The state of a run.
    pub fn state(&self, number: usize) -> StateRecord {
        self.jobs[number].run.read_state().unwrap()
    }

    /// The log of a run.
    pub fn log(&self, number: usize) -> String {
        fs::read_to_string(self.jobs[number].run.worker_log()).unwrap()
    }

    /// The journal.
    pub fn journal(&self) -> Vec<Entry> {
        Journal::read(&self.dir).unwrap()
    }
}

/// Options for a request of devices.
pub fn options(schedule: ScheduleConfig, devices: DeviceRequest, jobs: Option<usize>, runs: usize) -> Options {
    let inventory = find(&devices, false).unwrap();
    let slots = slots(&inventory, &schedule, jobs, runs);
    Options { schedule, inventory, slots, contest: None }
}

/// Whether a process runs (a zombie does not).
pub fn runs(pid: u32) -> bool {
    sweepscope::store::process_of(pid).is_some()
}
