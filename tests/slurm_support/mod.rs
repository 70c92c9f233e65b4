//! A real Slurm on this machine, and sweeps whose runs it runs.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may end at the first surprise")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use sweepscope::{
    domain::{RunState, StateRecord},
    store::{RunDir, SweepDir},
};

use crate::common;

/// What a run records that must not depend on who ran it.
pub const TABLES: [&str; 5] = ["epochs.csv", "classes.csv", "images.csv", "split.csv", "run.toml"];

/// Three nodes of two pretended GPUs each; gone with this value.
pub struct Cluster {
    folder: tempfile::TempDir,
}

impl Cluster {
    /// Starts one; says that the test is skipped where Slurm is not installed.
    pub fn start() -> Option<Self> {
        for program in ["slurmctld", "slurmd", "munged", "sbatch"] {
            if !is_there(program) {
                eprintln!("skipped: {program} is not on this machine");
                return None;
            }
        }
        let cluster = Self { folder: tempfile::tempdir().unwrap() };
        cluster.script(&["up"], &[]);
        Some(cluster)
    }

    /// The configuration that its programs read.
    pub fn configuration(&self) -> PathBuf {
        self.folder.path().join("slurm.conf")
    }

    /// The node is gone with all that it ran.
    pub fn crash(&self, node: &str) {
        self.script(&["crash", node], &[]);
    }

    /// The node is gone for Slurm, and what it ran lives on.
    pub fn lose(&self, node: &str) {
        self.script(&["crash", node], &[("KEEP_JOBS", "1")]);
    }

    /// The node is back.
    pub fn bring_back(&self, node: &str) {
        self.script(&["node", node], &[]);
    }

    /// The controller ends and is started again.
    pub fn restart_controller(&self) {
        self.script(&["controller"], &[]);
    }

    /// One of Slurm's programs, run to its end.
    pub fn call(&self, program: &str, arguments: &[&str]) -> String {
        let output = Command::new(program).args(arguments).env("SLURM_CONF", self.configuration()).output().unwrap();
        common::said(&output)
    }

    /// Tasks that run: `job_index` and node.
    pub fn running(&self) -> Vec<(String, String)> {
        let text = self.call("squeue", &["-h", "-r", "-t", "RUNNING", "-o", "%F_%K %N"]);
        text.lines().filter_map(|line| line.split_once(' ')).map(|(task, node)| (task.into(), node.into())).collect()
    }

    fn script(&self, arguments: &[&str], environment: &[(&str, &str)]) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slurm_support/cluster.sh");
        let mut command = Command::new("bash");
        command.arg(script).arg(arguments[0]).arg(self.folder.path()).args(&arguments[1..]);
        // What is started here outlives the script and must not hold its output open.
        let log = fs::File::create(self.folder.path().join("script.log")).unwrap();
        command.envs(environment.iter().copied()).stdout(Stdio::null()).stderr(log);
        let is_fine = command.status().unwrap().success();
        let said = fs::read_to_string(self.folder.path().join("script.log")).unwrap_or_default();
        assert!(is_fine || arguments[0] == "down", "{arguments:?}: {said}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.script(&["down"], &[]);
    }
}

fn is_there(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    path.split(':').any(|folder| Path::new(folder).join(program).is_file())
}

/// A folder with a few images and a sweep of the trainer script on a cluster.
pub struct Sweep<'a> {
    pub folder: tempfile::TempDir,
    cluster: &'a Cluster,
    pause: &'static str,
}

impl<'a> Sweep<'a> {
    /// `rates` × `seeds` runs of `epochs` epochs of `pause` seconds each; `slurm` goes into `[slurm]`.
    pub fn new(cluster: &'a Cluster, [rates, seeds, epochs]: [usize; 3], pause: &'static str, slurm: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let command = common::trainer_script("slurm_support/trainer.sh");
        let more = format!("[schedule]\nretries = 3\n[slurm]\n{slurm}");
        common::outside_sweep(folder.path(), [rates, seeds, epochs], &command, &more);
        Self { folder, cluster, pause }
    }

    /// The program on this cluster.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = common::sweepscope(self.folder.path());
        command.args(arguments).env("SLURM_CONF", self.cluster.configuration());
        command.env("PAUSE", self.pause).env("BROKEN", self.folder.path().join("broken"));
        command
    }

    /// Runs it to its end.
    pub fn call(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Starts the sweep on the cluster; what it says goes to a file.
    pub fn start(&self) -> Child {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("said")).unwrap();
        let errors = log.try_clone().unwrap();
        self.command(&["run", "sweep.toml", "--executor", "slurm"]).stdout(log).stderr(errors).spawn().unwrap()
    }

    /// What the command that was started has said so far.
    pub fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("said")).unwrap_or_default()
    }

    /// The sweep's results.
    pub fn results(&self) -> SweepDir {
        SweepDir::new(self.folder.path().join("results/outside"))
    }

    /// Where each run stands.
    pub fn states(&self) -> BTreeMap<String, StateRecord> {
        let sweep = self.results();
        let names = sweep.run_names().into_iter();
        names.map(|name| (name.clone(), sweep.run(&name).read_state().unwrap())).collect()
    }

    /// Epochs recorded in all runs together.
    pub fn epochs(&self) -> usize {
        self.states().values().map(|state| state.epoch).sum()
    }

    /// The run that the task called `job_index` runs now.
    pub fn run_of(&self, task: &str) -> Option<RunDir> {
        let mut runs = self.results().run_names().into_iter().map(|name| self.results().run(&name));
        let is_of = |run: &RunDir| {
            let owner = sweepscope::store::owner(run).ok().flatten();
            owner.is_some_and(|owner| owner.token.starts_with(&format!("{task}.")))
        };
        runs.find(is_of)
    }

    /// What the tasks printed.
    pub fn logs(&self) -> String {
        let files = fs::read_dir(self.results().slurm().join("logs")).into_iter().flatten().flatten();
        files.map(|file| fs::read_to_string(file.path()).unwrap_or_default()).collect()
    }

    /// Waits until something is so.
    #[track_caller]
    pub fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(150);
        while !is_so() {
            assert!(
                Instant::now() < deadline,
                "waited in vain for {what}\n{}\n{}\n{}",
                self.said(),
                self.cluster.call("squeue", &["-r", "-t", "all"]),
                self.logs()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for the end of the command and expects that code.
    #[track_caller]
    pub fn expect_end(&self, child: &mut Child, code: i32) {
        let pid = child.id();
        self.wait_until("the end of the command", || sweepscope::store::process_of(pid).is_none());
        assert_eq!(child.wait().unwrap().code(), Some(code), "{}\n{}", self.said(), self.logs());
    }

    /// All runs are done, with the tables that the local executor writes for them, byte for byte.
    #[track_caller]
    pub fn expect_as_if_local(&self) {
        let states = self.states();
        let undone: Vec<_> = states.iter().filter(|(_, state)| state.state != RunState::Completed).collect();
        assert!(undone.is_empty(), "{undone:#?}\n{}", self.said());
        let mut local = self.command(&["run", "sweep.toml", "--results", "local", "--executor", "local", "-j", "8"]);
        common::expect_code(&local.env("PAUSE", "0").output().unwrap(), 0);
        let here = common::contents(&self.folder.path().join("local/outside/runs"), &TABLES);
        let there = common::contents(&self.results().runs(), &TABLES);
        assert_eq!(here.keys().collect::<Vec<_>>(), there.keys().collect::<Vec<_>>());
        for (path, bytes) in &here {
            assert!(there[path] == *bytes, "{} differs", path.display());
        }
        for table in ["metrics.csv", "findings.csv"] {
            let read = |folder: PathBuf| fs::read(folder.join(table)).unwrap();
            let is_same = read(self.folder.path().join("local/outside")) == read(self.results().root().to_owned());
            assert!(is_same, "{table} differs");
        }
    }
}

/// Sends a signal to a process, which may be gone.
pub fn signal(pid: u32, signal: Signal) {
    let _ = kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal);
}
