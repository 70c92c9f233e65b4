//! Sweeps where Slurm's programs are scripts that answer as a cluster in some strait does.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

mod common;
mod outside;

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use common::{call, expect_code, said, sweepscope};
use outside::Outside;
use rustix::process::Signal;
use sweepscope::{
    domain::{RunState, ScheduleConfig, StateRecord},
    slurm::{Chunk, Share},
    store::{Attempt, Journal, RunDir, TakeOver, owner, process_of, shut_out},
};

/// A sweep of two runs that end at once, beside scripts for Slurm's programs.
struct Pretended(Outside);

impl Pretended {
    fn new(more: &str) -> Self {
        let sweep = Outside::with_command(1, 2, 1, r#"["sh", "-c", "echo '{{\"event\":\"done\"}}'"]"#, more);
        fs::create_dir(sweep.folder.path().join("bin")).unwrap();
        Self(sweep)
    }

    /// One of Slurm's programs.
    fn program(&self, name: &str, body: &str) {
        let path = self.0.folder.path().join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = sweepscope(self.0.folder.path());
        let path = std::env::var("PATH").unwrap();
        command.args(arguments).env("PATH", format!("{}/bin:{path}", self.0.folder.path().display()));
        command
    }

    /// The runs of the plan, which may not be there yet.
    fn runs(&self) -> Vec<RunDir> {
        let plan = call(self.0.folder.path(), &["plan", "sweep.toml", "--json"]);
        let plan: serde_json::Value = serde_json::from_slice(&plan.stdout).unwrap();
        let runs = plan["runs"].as_array().unwrap().iter();
        runs.map(|run| self.0.sweep().run(run["run"].as_str().unwrap())).collect()
    }

    /// As if all runs had been submitted so often.
    fn were_submitted(&self, generation: usize) {
        let share = |run: &RunDir| Share { run: run.name(), retries: 0 };
        let shares: Vec<Share> = self.runs().iter().map(share).collect();
        for chunk in Chunk::cut("1a2b3c4d", generation, 10, &ScheduleConfig::default(), &[], &shares) {
            chunk.write(&self.0.sweep(), "").unwrap();
        }
    }
}

#[test]
fn a_log_is_followed_until_slurm_has_no_job_of_the_run() {
    let sweep = Pretended::new("");
    sweep.program("squeue", "exit 0");
    sweep.were_submitted(1);
    expect_code(&sweep.command(&["run", "sweep.toml"]).output().unwrap(), 0);
    let run = sweep.runs().remove(0);
    shut_out(&run, Attempt { generation: 2, restart: 0, job: 7, task: 0 }).unwrap();
    run.write_state(&StateRecord { state: RunState::Running, ..run.read_state().unwrap() }).unwrap();
    let mut logs = sweep.command(&["logs", "results/outside", &run.name(), "-f"]).spawn().unwrap();
    sweep.0.wait_until(|| process_of(logs.id()).is_none());
    assert_eq!(logs.wait().unwrap().code(), Some(0));
}

/// Takes at most two tasks at a time, and shows those that it took.
const SBATCH: &str = r#"
last=$(sed -n 's/^#SBATCH --array=0-\([0-9]*\).*/\1/p' "$2")
name=$(sed -n 's/^#SBATCH --job-name=//p' "$2")
if [ -e queue ] || [ "${last:-0}" -ge 2 ]; then
    echo 'sbatch: error: QOSMaxSubmitJobPerUserLimit' >&2
    exit 1
fi
for task in $(seq 0 "${last:-0}"); do echo "9|$task|PENDING|Resources||now|$name" >>queue; done
echo 9
"#;

#[test]
fn a_limit_on_submitted_jobs_is_waited_for_and_met_by_smaller_ones() {
    let sweep = Pretended::new("[slurm]\npoll = 1");
    let folder = sweep.0.folder.path();
    sweep.program("scontrol", "echo 'MaxArraySize = 1001'");
    sweep.program("squeue", "cat queue 2>/dev/null || true");
    sweep.program("sbatch", SBATCH);
    let run = ["run", "sweep.toml", "grid.split_seed=0,1,2,3,4", "--executor", "slurm"];
    let mut command = sweep.command(&run).spawn().unwrap();
    let entries = || Journal::read(&sweep.0.sweep()).unwrap_or_default();
    let count = |what: &str| entries().iter().filter(|entry| entry.what == what).count();
    // Five runs are too many, and so are three; of two each, the first are taken and the others wait.
    sweep.0.wait_until(|| count("submitted") == 1 && count("not submitted") >= 2);
    assert_eq!(fs::read_to_string(folder.join("queue")).unwrap().lines().count(), 2);
    fs::remove_file(folder.join("queue")).unwrap();
    sweep.0.wait_until(|| count("submitted") == 2);
    outside::signal(command.id(), Signal::TERM);
    assert_eq!(command.wait().unwrap().code(), Some(75));
}

#[test]
fn where_slurm_does_not_answer_runs_are_taken_from_all_that_was_submitted() {
    let sweep = Pretended::new("");
    sweep.program("squeue", "echo 'Unable to contact slurm controller' >&2; exit 1");
    sweep.were_submitted(3);
    let output = sweep.command(&["run", "sweep.toml"]).output().unwrap();
    expect_code(&output, 0);
    assert!(said(&output).contains("2 of 2 runs completed"), "{}", said(&output));
    for run in sweep.runs() {
        let attempt = |generation, restart| Attempt { generation, restart, job: 7, task: 0 };
        assert_eq!(owner(&run).unwrap().unwrap().attempt, Attempt::after(3));
        assert!(matches!(shut_out(&run, attempt(3, 9)).unwrap(), TakeOver::Later(_)));
        assert_eq!(shut_out(&run, attempt(4, 0)).unwrap(), TakeOver::Taken);
    }
}
