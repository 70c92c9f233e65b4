//! The outside trainers in `examples/`, as a user runs them: swept, killed in the middle, gone on with, reported.
//! Skipped with a line where Python or its packages are missing.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

mod common;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use sweepscope::store::RunDir;

const TABLES: [&str; 4] = ["epochs.csv", "classes.csv", "images.csv", "split.csv"];

#[test]
fn the_pytorch_example_goes_on_after_sigterm() {
    check("pytorch", "torch", Signal::TERM, 75);
}

#[test]
fn the_keras_example_goes_on_after_a_crash() {
    check("keras", "keras", Signal::KILL, -1);
}

/// Sweeps an example twice, the second time with a signal to all in the middle: both end with the same tables.
fn check(example: &str, package: &str, signal: Signal, code: i32) {
    let Some(python) = python(package) else { return };
    let folder = tempfile::tempdir().unwrap();
    common::expect_code(&common::call(folder.path(), &["data", "synth", "data", "--images", "40"]), 0);
    common::expect_code(&sweep(folder.path(), example, &python, "whole").output().unwrap(), 0);
    let whole = folder.path().join("whole").join(example);

    let mut killed = sweep(folder.path(), example, &python, "killed").stderr(Stdio::null()).spawn().unwrap();
    let root = folder.path().join("killed").join(example);
    let deadline = Instant::now() + Duration::from_secs(300);
    while runs(&root).iter().map(|run| run.read_state().unwrap().checkpoint).sum::<usize>() < 2 {
        assert!(Instant::now() < deadline && killed.try_wait().unwrap().is_none(), "no epoch was recorded in time");
        thread::sleep(Duration::from_millis(20));
    }
    kill_process(Pid::from_raw(killed.id().cast_signed()).unwrap(), signal).unwrap();
    assert_eq!(killed.wait().unwrap().code().unwrap_or(-1), code);
    let begun: usize = runs(&root).iter().filter(|run| run.read_state().unwrap().checkpoint > 0).count();
    assert!(begun > 0);
    common::expect_code(&sweep(folder.path(), example, &python, "killed").output().unwrap(), 0);

    let resumed = runs(&root).into_iter().filter(|run| run.read_state().unwrap().attempts > 1);
    assert!(resumed.count() >= begun, "the runs that had been begun were not gone on with");
    assert_eq!(common::contents(&root.join("runs"), &TABLES), common::contents(&whole.join("runs"), &TABLES));
    let report = common::call(folder.path(), &["report", &format!("killed/{example}")]);
    common::expect_code(&report, 0);
    assert!(!common::said(&report).contains("warning"), "{}", common::said(&report));
    for name in ["report/index.html", "runs.csv", "metrics.csv", "findings.csv"] {
        assert!(fs::metadata(root.join(name)).unwrap().len() > 100, "{name}");
    }
    // 4 runs of 3 epochs, train and val, 5 classes, and the header.
    assert_eq!(fs::read_to_string(root.join("metrics.csv")).unwrap().lines().count(), 4 * 3 * 2 * 5 + 1);
}

fn sweep(folder: &Path, example: &str, python: &Path, results: &str) -> Command {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/{example}.toml"));
    let path = format!("{}:{}", python.parent().unwrap().display(), env::var("PATH").unwrap_or_default());
    let data = folder.join("data");
    let mut command = common::sweepscope(folder);
    command.arg("run").arg(file).args(["data.input_size=32", "train.epochs=3", "-j", "2", "--results", results]);
    for (key, place) in [("images", "images"), ("masks", "masks"), ("groups.file", "manifest.csv")] {
        command.arg(format!("data.{key}={}", data.join(place).display()));
    }
    // One thread a run: sums in another order would be other figures.
    command.envs([("OMP_NUM_THREADS", "1"), ("KERAS_BACKEND", "torch"), ("PYTHONDONTWRITEBYTECODE", "1")]);
    command.env("PATH", path).stdout(Stdio::null());
    command
}

fn runs(root: &Path) -> Vec<RunDir> {
    fs::read_dir(root.join("runs")).into_iter().flatten().flatten().map(|entry| RunDir::new(entry.path())).collect()
}

/// The Python with that package; else says that the test is skipped.
#[expect(clippy::print_stdout, reason = "a skipped check is said aloud")]
fn python(package: &str) -> Option<PathBuf> {
    let python = PathBuf::from(env::var("SWEEPSCOPE_PYTHON").unwrap_or_else(|_| "python3".into()));
    let imports = format!("import {package}, torch, numpy, PIL, tomllib");
    let answer = Command::new(&python).args(["-c", &imports]).env("KERAS_BACKEND", "torch").output();
    if answer.is_ok_and(|answer| answer.status.success()) {
        // Found by its name alone: the examples call `python3`.
        return Some(if python.components().count() > 1 { python } else { PathBuf::from("/usr/bin/python3") });
    }
    println!("skipped: no Python with {package}, torch, numpy and pillow");
    None
}
