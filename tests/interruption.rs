//! Killed at random moments and run again, a sweep ends with the same bytes as one that was left alone.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

mod common;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use common::{call, children_of, contents, expect_code, processes, small_sweep, sweepscope};
use rustix::process::{Pid, Signal, kill_process};
use sweepscope::domain::seed;

const TABLES: [&str; 7] =
    ["epochs.csv", "classes.csv", "images.csv", "evidence.csv", "split.csv", "metrics.csv", "findings.csv"];

/// The tables of the small sweep, run without a disturbance, and how long that took.
fn undisturbed(folder: &Path, jobs: &str, results: &str) -> (BTreeMap<PathBuf, Vec<u8>>, Duration) {
    let started = Instant::now();
    expect_code(&call(folder, &["run", "sweep.toml", "-j", jobs, "--results", results]), 0);
    (contents(&folder.join(results), &TABLES), started.elapsed())
}

#[test]
fn ten_kills_at_random_moments_leave_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    small_sweep(folder);
    let (expected, alone) = undisturbed(folder, "1", "alone");
    assert!(expected.len() > 4 * 4, "tables are missing: {:?}", expected.keys());
    assert_eq!(undisturbed(folder, "2", "two").0, expected, "-j 2 against -j 1");

    let mut kills = 0;
    for attempt in 0.. {
        let fraction = seed::number(42, "kill", &[attempt]) % 1000;
        let mut child = start(folder);
        thread::sleep(alone * u32::try_from(fraction).unwrap() / 4000);
        if child.try_wait().unwrap().is_some() {
            // It came to its end before its turn: begin the sweep anew.
            fs::remove_dir_all(folder.join("killed")).unwrap();
            continue;
        }
        match kills % 3 {
            0 => kill_all(child),
            1 => kill_orchestrator(child),
            _ => kill_one_worker(child),
        }
        kills += 1;
        if kills == 10 {
            break;
        }
    }
    expect_code(&call(folder, &["run", "sweep.toml", "-j", "2", "--results", "killed"]), 0);
    let found = contents(&folder.join("killed"), &TABLES);
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (path, bytes) in &expected {
        assert_eq!(String::from_utf8_lossy(bytes), String::from_utf8_lossy(&found[path]), "{}", path.display());
    }
    assert_eq!(workers_in(folder), Vec::<Pid>::new(), "workers are left behind");
}

#[test]
fn the_same_command_again_does_nothing_and_a_new_value_runs_only_its_cells() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let file = small_sweep(folder);
    undisturbed(folder, "2", "results");
    let again = call(folder, &["run", "sweep.toml"]);
    expect_code(&again, 0);
    assert!(common::said(&again).contains("nothing to do: 4 runs done"), "{}", common::said(&again));

    let before = contents(&folder.join("results"), &["timing.csv", "state.json"]);
    let text = fs::read_to_string(&file).unwrap().replace("[1e-2, 1e-3]", "[1e-2, 1e-3, 1e-4]");
    fs::write(&file, text).unwrap();
    let more = call(folder, &["run", "sweep.toml"]);
    expect_code(&more, 0);
    assert!(common::said(&more).contains("6 of 6 runs completed (2 now)"), "{}", common::said(&more));
    let after = contents(&folder.join("results"), &["timing.csv", "state.json"]);
    assert!(before.iter().all(|(path, bytes)| after[path] == *bytes), "a finished run was touched");
    assert_eq!(after.len(), before.len() + 2 * 2);

    // Fewer runs, all done: the tables are theirs, though others ran last.
    let fewer = call(folder, &["run", "sweep.toml", "grid.learning_rate=1e-2"]);
    assert!(common::said(&fewer).contains("nothing to do: 2 runs done"), "{}", common::said(&fewer));
    let rows = fs::read_to_string(folder.join("results/small/runs.csv")).unwrap();
    assert_eq!(rows.lines().count(), 1 + 2, "{rows}");
}

fn start(folder: &Path) -> Child {
    let mut command = sweepscope(folder);
    command.args(["run", "sweep.toml", "-j", "2", "--results", "killed"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn kill_all(mut child: Child) {
    let workers = children_of(child.id());
    let _ = child.kill();
    workers.into_iter().for_each(kill);
    child.wait().unwrap();
}

fn kill_orchestrator(mut child: Child) {
    let _ = child.kill();
    child.wait().unwrap();
}

/// The sweep itself goes on, until all is killed a moment later.
fn kill_one_worker(child: Child) {
    children_of(child.id()).into_iter().take(1).for_each(kill);
    thread::sleep(Duration::from_millis(100));
    kill_all(child);
}

#[test]
fn a_killed_worker_is_started_again_and_the_sweep_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    small_sweep(folder);
    let (expected, _) = undisturbed(folder, "2", "alone");
    let mut child = start(folder);
    let first = loop {
        if let Some(&worker) = children_of(child.id()).first() {
            break worker;
        }
        assert!(child.try_wait().unwrap().is_none(), "the sweep ended without a worker");
        thread::sleep(Duration::from_millis(5));
    };
    kill(first);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(contents(&folder.join("killed"), &TABLES), expected);
}

fn kill(process: Pid) {
    // It may have ended by itself a moment ago.
    let _ = kill_process(process, Signal::KILL);
}

/// Workers whose run lies below `folder`, once those that are on their way out had a moment to end.
fn workers_in(folder: &Path) -> Vec<Pid> {
    let text = folder.to_string_lossy().into_owned();
    let find = || processes(|status, command| command.contains(&text) && !status.contains("State:\tZ"));
    let deadline = Instant::now() + Duration::from_secs(10);
    while !find().is_empty() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
    find()
}
