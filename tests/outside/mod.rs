//! Sweeps of an outside trainer, run by the program itself.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test may end at the first surprise")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use sweepscope::{
    domain::StateRecord,
    store::{RunDir, SweepDir},
};

use crate::common;

/// A folder with a few images, a sweep file and a trainer.
pub struct Outside {
    pub folder: tempfile::TempDir,
}

impl Outside {
    /// A sweep of `rates` × `seeds` runs of `epochs` epochs of the trainer script, with more settings in `more`.
    pub fn new(rates: usize, seeds: usize, epochs: usize, more: &str) -> Self {
        Self::with_command(rates, seeds, epochs, &common::trainer_script("outside/trainer.sh"), more)
    }

    /// The same of any command (as TOML).
    pub fn with_command(rates: usize, seeds: usize, epochs: usize, command: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        common::outside_sweep(folder.path(), [rates, seeds, epochs], command, &format!("[schedule]\n{more}"));
        Self { folder }
    }

    /// The program on this sweep, two runs at once, silent. It hears SIGHUP even where these tests were started with
    /// nohup.
    pub fn command(&self) -> Command {
        let mut command = Command::new("env");
        command.args(["--default-signal=HUP,TSTP", env!("CARGO_BIN_EXE_sweepscope"), "run", "sweep.toml", "-j", "2"]);
        command.current_dir(self.folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Starts it and waits until `epochs` checkpoints are recorded in all runs together.
    pub fn start_and_wait_for(&self, epochs: usize) -> Child {
        let child = self.command().spawn().unwrap();
        self.wait_until(|| self.states().values().map(|state| state.checkpoint).sum::<usize>() >= epochs);
        child
    }

    /// Waits until something is so.
    #[track_caller]
    pub fn wait_until(&self, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !is_so() {
            assert!(Instant::now() < deadline, "waited for a minute in vain: {:#?}", self.states());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The sweep's results.
    pub fn sweep(&self) -> SweepDir {
        SweepDir::new(self.results())
    }

    /// Their folder.
    pub fn results(&self) -> PathBuf {
        self.folder.path().join("results/outside")
    }

    /// The runs on disk.
    pub fn runs(&self) -> Vec<RunDir> {
        let folders = fs::read_dir(self.sweep().runs()).into_iter().flatten().flatten();
        let mut runs: Vec<_> = folders.map(|folder| RunDir::new(folder.path())).collect();
        runs.sort_by_key(RunDir::name);
        runs
    }

    /// Where each run stands.
    pub fn states(&self) -> BTreeMap<String, StateRecord> {
        self.runs().into_iter().map(|run| (run.name(), run.read_state().unwrap())).collect()
    }

    /// Every process whose environment names a run of this sweep, once those that are ending had a moment.
    pub fn processes_left(&self) -> Vec<u32> {
        // One that waits for the disk ends only when that has answered.
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.workers().is_empty() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        self.workers()
    }

    /// Every process whose environment names a run of this sweep.
    pub fn workers(&self) -> Vec<u32> {
        let wanted = format!("SWEEPSCOPE_RUN_DIR={}", self.sweep().runs().display());
        let pids = fs::read_dir("/proc").unwrap().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let named = environment.split(|&byte| byte == 0).any(|variable| variable.starts_with(wanted.as_bytes()));
            named && sweepscope::store::process_of(*pid).is_some()
        })
        .collect()
    }
}

/// Sends a signal to a process, which may be gone.
pub fn signal(pid: u32, signal: Signal) {
    let _ = kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal);
}

/// Compiles a library into `folder` that lets the wall clock of a program jump, and gives its path.
pub fn jumping_clock(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outside/clock.c");
    let library = folder.join("clock.so");
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).status();
    assert!(compiled.unwrap().success());
    library
}
