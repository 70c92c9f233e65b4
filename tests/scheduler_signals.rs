//! What a user can do to a running sweep: stop it, kill it, pause it, start it twice, go on.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

mod common;
mod outside;

use std::{
    fs,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use common::{call, expect_code, said, sweepscope};
use outside::{Outside, signal};
use rustix::process::Signal;
use sweepscope::{
    domain::{FailureKind, RunState},
    store::SweepLock,
};

/// Runs of 40 epochs of 20 ms: long enough to be interrupted.
fn long() -> Outside {
    Outside::new(2, 2, 40, "grace = 5")
}

/// Whatever ended it: nothing is left running, and the same command goes on to the end.
fn goes_on(sweep: &Outside) {
    assert_eq!(sweep.processes_left(), Vec::<u32>::new(), "processes are left behind");
    assert!(sweep.states().values().all(|state| state.state != RunState::Running));
    let before = sweep.states();
    let output = call(sweep.folder.path(), &["resume", "results/outside", "-j", "2"]);
    expect_code(&output, 0);
    for run in sweep.runs() {
        let log = fs::read_to_string(run.worker_log()).unwrap();
        let checkpoint = before[&run.name()].checkpoint;
        assert!(log.contains(&format!("goes on after epoch {checkpoint}\n")), "{log}");
        let rows = fs::read_to_string(run.epochs_csv()).unwrap();
        assert_eq!(rows.lines().count(), 1 + 2 * 40);
    }
}

#[test]
fn the_first_ctrl_c_saves_and_the_exit_code_says_interrupted() {
    let sweep = long();
    let mut child = sweep.start_and_wait_for(4);
    signal(child.id(), Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(sweep.states().values().any(|state| state.state == RunState::Stopped));
    goes_on(&sweep);
}

#[test]
fn termination_and_a_closed_terminal_stop_the_sweep_to_be_resumed() {
    for wish in [Signal::TERM, Signal::HUP] {
        let sweep = long();
        let mut child = sweep.start_and_wait_for(4);
        signal(child.id(), wish);
        assert_eq!(child.wait().unwrap().code(), Some(75));
        goes_on(&sweep);
    }
}

#[test]
fn a_second_ctrl_c_ends_workers_that_do_not_listen() {
    let command = r#"["sh", "-c", "trap '' TERM INT; while :; do sleep 1; done"]"#;
    let sweep = Outside::with_command(1, 2, 3, command, "grace = 1000");
    let mut child = sweep.command().spawn().unwrap();
    sweep.wait_until(|| sweep.workers().len() >= 4);
    signal(child.id(), Signal::INT);
    thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "the first wish waits for the workers");
    signal(child.id(), Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(sweep.processes_left(), Vec::<u32>::new());
}

#[test]
fn grace_runs_out_for_workers_that_do_not_listen() {
    let sweep =
        Outside::with_command(1, 1, 3, r#"["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]"#, "grace = 0.3");
    let mut child = sweep.command().spawn().unwrap();
    sweep.wait_until(|| sweep.workers().len() >= 2);
    signal(child.id(), Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(75));
    assert_eq!(sweep.processes_left(), Vec::<u32>::new());
    assert!(sweep.states().values().all(|state| state.state == RunState::Stopped));
}

#[test]
fn while_the_report_is_made_signals_end_the_program() {
    // Whoever reads this table waits for ever.
    let command = r#"["sh", "-c", "mkfifo \"$SWEEPSCOPE_RUN_DIR/evidence.csv\"; echo '{{\"event\":\"done\"}}'"]"#;
    for (wish, code) in [(Signal::INT, 130), (Signal::TERM, 75)] {
        let sweep = Outside::with_command(1, 1, 1, command, "");
        let mut child = sweep.command().spawn().unwrap();
        let is_done = || sweep.states().values().any(|state| state.state == RunState::Completed);
        sweep.wait_until(|| is_done() && SweepLock::holder(&sweep.sweep()).is_none());
        signal(child.id(), wish);
        sweep.wait_until(|| sweepscope::store::process_of(child.id()).is_none());
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}

#[test]
fn a_program_started_with_nohup_outlives_its_terminal() {
    let sweep = Outside::new(1, 2, 15, "");
    let mut command = Command::new("nohup");
    command.arg(env!("CARGO_BIN_EXE_sweepscope")).args(["run", "sweep.toml"]).current_dir(sweep.folder.path());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null()).spawn().unwrap();
    sweep.wait_until(|| sweep.states().values().any(|state| state.checkpoint > 0));
    signal(child.id(), Signal::HUP);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn workers_end_with_a_killed_orchestrator_and_the_next_one_goes_on() {
    let sweep = long();
    let mut child = sweep.start_and_wait_for(4);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(sweep.processes_left(), Vec::<u32>::new());
    let output = call(sweep.folder.path(), &["status", "results/outside"]);
    assert!(!said(&output).contains("running  "), "{}", said(&output));
    let output = call(sweep.folder.path(), &["run", "sweep.toml"]);
    expect_code(&output, 0);
}

#[test]
fn what_a_killed_orchestrator_left_is_ended_before_its_cells_run_again() {
    // The trainer's own child outlives it: it has another parent and another group.
    let command =
        r#"["sh", "-c", "if [ -e ok ]; then echo '{{\"event\":\"done\"}}'; else setsid sleep 1000 & sleep 1000; fi"]"#;
    let sweep = Outside::with_command(1, 1, 3, command, "");
    let mut child = sweep.command().spawn().unwrap();
    sweep.wait_until(|| sweep.workers().len() >= 3);
    child.kill().unwrap();
    child.wait().unwrap();
    sweep.wait_until(|| sweep.workers().len() < 3);
    let left = sweep.workers();
    assert!(!left.is_empty(), "the test's own premise: something is left behind");
    fs::write(sweep.folder.path().join("ok"), "").unwrap();
    let output = call(sweep.folder.path(), &["resume", "results/outside"]);
    expect_code(&output, 0);
    assert!(left.iter().all(|pid| sweepscope::store::process_of(*pid).is_none()));
}

#[test]
fn a_second_orchestrator_is_refused_and_stop_ends_the_first() {
    let sweep = long();
    let mut child = sweep.start_and_wait_for(2);
    let second = call(sweep.folder.path(), &["run", "sweep.toml"]);
    assert!(!second.status.success());
    assert!(said(&second).contains(&format!("is being run by process {}", child.id())), "{}", said(&second));
    assert!(said(&call(sweep.folder.path(), &["retry", "results/outside"])).contains("nothing to retry"));

    let status = call(sweep.folder.path(), &["status", "results/outside", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["process"]["pid"], child.id());
    let running = status["runs"].as_array().unwrap().iter().filter(|run| run["state"] == "running");
    assert!(running.clone().count() > 0 && running.clone().all(|run| run["device"] == "cpu"), "{status:#}");

    let stopped = call(sweep.folder.path(), &["stop", "results/outside"]);
    expect_code(&stopped, 0);
    assert!(said(&stopped).contains("sweepscope resume results/outside"));
    assert_eq!(child.wait().unwrap().code(), Some(75));
    assert!(said(&call(sweep.folder.path(), &["stop", "results/outside"])).contains("nothing to stop"));
    goes_on(&sweep);
}

#[test]
fn stop_now_does_not_wait() {
    let sweep =
        Outside::with_command(1, 1, 3, r#"["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]"#, "grace = 1000");
    let mut child = sweep.command().spawn().unwrap();
    sweep.wait_until(|| sweep.workers().len() >= 2);
    expect_code(&call(sweep.folder.path(), &["stop", "results/outside", "--now"]), 0);
    assert_eq!(child.wait().unwrap().code(), Some(75));
    assert_eq!(sweep.processes_left(), Vec::<u32>::new());
}

#[test]
fn ctrl_z_pauses_the_workers_too() {
    let sweep = long();
    let mut command = sweep.command();
    // In a group of its own whose parent is in another, as a shell would start it; else the stop is ignored.
    let mut child = command.process_group(0).spawn().unwrap();
    sweep.wait_until(|| sweep.states().values().any(|state| state.checkpoint > 1));
    signal(child.id(), Signal::TSTP);
    sweep.wait_until(|| state_of(child.id()) == Some('T'));
    // A shell whose child was stopped between fork and exec waits for it (D).
    let is_paused = |pid: u32| matches!(state_of(pid), Some('T' | 'D'));
    sweep.wait_until(|| sweep.workers().into_iter().all(is_paused));
    let before = sweep.states();
    thread::sleep(Duration::from_millis(200));
    assert_eq!(sweep.states(), before);
    signal(child.id(), Signal::CONT);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_paused_sweep_can_be_stopped() {
    for now in [false, true] {
        let sweep = long();
        let mut child = sweep.command().process_group(0).spawn().unwrap();
        sweep.wait_until(|| sweep.states().values().any(|state| state.checkpoint > 1));
        signal(child.id(), Signal::TSTP);
        sweep.wait_until(|| state_of(child.id()) == Some('T'));
        let arguments = ["stop", "results/outside", "--now"];
        let mut stop = sweepscope(sweep.folder.path()).args(&arguments[..2 + usize::from(now)]).spawn().unwrap();
        sweep.wait_until(|| sweepscope::store::process_of(stop.id()).is_none());
        assert_eq!((stop.wait().unwrap().code(), child.wait().unwrap().code()), (Some(0), Some(75)));
        goes_on(&sweep);
    }
}

/// The letter by which /proc tells whether a process runs (R, S), waits for the disk (D) or was stopped (T).
fn state_of(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next())
}

#[test]
fn failed_runs_wait_for_retry_and_then_complete() {
    let command = r#"["sh", "-c", "if [ -e {split_seed}.ok ]; then echo '{{\"event\":\"done\"}}'; else echo not yet >&2; exit 3; fi"]"#;
    let sweep = Outside::with_command(1, 2, 3, command, "retries = 0");
    let folder = sweep.folder.path();
    fs::write(folder.join("0.ok"), "").unwrap();
    expect_code(&call(folder, &["run", "sweep.toml"]), 1);
    let failed = sweep.states().into_values().find(|state| state.state == RunState::Failed).unwrap();
    assert_eq!(failed.failure.as_ref().unwrap().kind, FailureKind::ExitCode);
    let status = said(&call(folder, &["status", "results/outside"]));
    assert!(status.contains("exit_code: the worker ended with exit code 3; its last words: not yet"), "{status}");
    let again = call(folder, &["run", "sweep.toml"]);
    expect_code(&again, 1);
    assert!(said(&again).contains("sweepscope retry"), "{}", said(&again));

    fs::write(folder.join("1.ok"), "").unwrap();
    let wrong = call(folder, &["retry", "results/outside", "split_seed=0", "nonsense"]);
    expect_code(&wrong, 2);
    assert!(
        said(&wrong).contains("is completed, not failed") && said(&wrong).contains("`nonsense`"),
        "{}",
        said(&wrong)
    );
    expect_code(&call(folder, &["retry", "results/outside", "split_seed=1"]), 0);
    expect_code(&call(folder, &["resume", "results/outside"]), 0);
    assert!(SweepLock::holder(&sweep.sweep()).is_none());
}

#[test]
fn logs_follow_a_run_to_its_end() {
    let sweep = Outside::new(1, 1, 20, "");
    let mut child = sweep.start_and_wait_for(1);
    let log = call(sweep.folder.path(), &["logs", "results/outside", "split_seed=0", "-f"]);
    expect_code(&log, 0);
    assert!(said(&log).contains("attempt 1 goes on after epoch 0"), "{}", said(&log));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let none = call(sweep.folder.path(), &["logs", "results/outside", "nonsense"]);
    expect_code(&none, 2);
}
