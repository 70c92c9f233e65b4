//! A disk that fills up, and a folder that vanishes: the sweep stops cleanly and goes on once there is room.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test may end at the first surprise")]

mod common;
mod outside;

use std::{
    fs,
    process::{Command, Stdio},
};

use common::{call, expect_code, said, sweepscope};
use outside::{Outside, signal};
use rustix::process::Signal;
use sweepscope::domain::RunState;

/// A script that runs the sweep on a small disk of its own, then again with more room.
const ON_A_SMALL_DISK: &str = r#"
mkdir -p results && mount -t tmpfs -o size=128k tmpfs results || exit 99
"$SWEEPSCOPE" run sweep.toml -j 2 >first.txt 2>&1
echo $? >first.code
cp -r results first
mount -o remount,size=64m results
"$SWEEPSCOPE" run sweep.toml -j 2 >second.txt 2>&1
echo $? >second.code
cp -r results second
"#;

#[test]
fn a_full_disk_stops_the_sweep_and_more_room_lets_it_go_on() {
    let sweep = Outside::new(4, 2, 30, "grace = 5");
    let folder = sweep.folder.path();
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", ON_A_SMALL_DISK]).current_dir(folder);
    match command.env("SWEEPSCOPE", env!("CARGO_BIN_EXE_sweepscope")).status() {
        Ok(status) if status.success() => {}
        other => return eprintln!("skipped: no small disk can be mounted here ({other:?})"),
    }
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(read("first.code").trim(), "75", "{}", read("first.txt"));
    for words in ["No space left on device", "of 8 runs completed", "next: the same command again"] {
        assert!(read("first.txt").contains(words), "{}", read("first.txt"));
    }
    assert_eq!(read("second.code").trim(), "0", "{}", read("second.txt"));
    let tables = common::contents(&folder.join("second/outside/runs"), &["epochs.csv"]);
    assert_eq!(tables.len(), 8);
    for (path, bytes) in tables {
        assert_eq!(String::from_utf8(bytes).unwrap().lines().count(), 1 + 2 * 30, "{}", path.display());
    }
}

#[test]
fn a_report_that_cannot_be_written_hides_nothing_of_the_runs() {
    let command = r#"["sh", "-c", "[ {split_seed} = 0 ] || [ -e ok ] || sleep 1000; echo '{{\"event\":\"done\"}}'"]"#;
    let sweep = Outside::with_command(1, 2, 1, command, "");
    let folder = sweep.folder.path();
    fs::create_dir_all(sweep.results()).unwrap();
    fs::write(sweep.results().join("report"), "no folder").unwrap();
    let child = sweepscope(folder)
        .args(["run", "sweep.toml", "-j", "2"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    sweep.wait_until(|| sweep.states().values().any(|state| state.state == RunState::Completed));
    signal(child.id(), Signal::TERM);
    let stopped = child.wait_with_output().unwrap();
    expect_code(&stopped, 75);
    for words in ["1 of 2 runs completed", "no report: ", "next: the same command again"] {
        assert!(said(&stopped).contains(words), "{}", said(&stopped));
    }
    fs::write(folder.join("ok"), "").unwrap();
    let done = call(folder, &["run", "sweep.toml"]);
    expect_code(&done, 1);
    assert!(said(&done).contains("2 of 2 runs completed") && said(&done).contains("no report: "), "{}", said(&done));
}

#[test]
fn a_folder_that_vanishes_stops_the_sweep_and_it_starts_over() {
    let sweep = Outside::new(2, 2, 60, "grace = 5");
    let mut child = sweep.start_and_wait_for(4);
    fs::rename(sweep.results(), sweep.folder.path().join("elsewhere")).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(75));
    let back = call(sweep.folder.path(), &["run", "sweep.toml", "-j", "2"]);
    expect_code(&back, 0);
    assert!(said(&back).contains("4 of 4 runs completed"), "{}", said(&back));
    assert!(sweep.states().values().all(|state| state.state == RunState::Completed));
}
