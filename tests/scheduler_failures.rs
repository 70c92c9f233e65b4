//! Workers that fail in earnest: out of memory by the kernel's hand, silent, babbling, gone without a word, with
//! children. Each is told apart in runs.csv and handled by the table of retries.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may end at the first surprise, and says what it skips"
)]

mod common;
mod outside;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::{call, expect_code};
use outside::Outside;
use sweepscope::domain::{FailureKind, RunState};

/// Plays a part by its input size. The largest runs out of memory, so that no other is judged by it.
const TRAINER: &str = r#"#!/bin/sh
case $1 in
112) if [ -e group ]; then
       echo $$ >"$(cat group)/cgroup.procs"
       greedy=$(head -c 400000000 /dev/zero | tr '\0' x)
   fi
   echo 'std::bad_alloc'; exit 1 ;;
32) echo '{"event":"epoch","epoch":1,"split":"val","loss":0.5}'; trap '' TERM; while :; do sleep 1; done ;;
48) head -c 100000 /dev/urandom; echo; echo '{"event":"epoch","epoch":"first"}'; sleep 60 ;;
64) echo '{"event":"epoch","epoch":1,"split":"val","loss":0.5}'; exit 0 ;;
80) sleep 1000 & setsid sleep 1000 & echo '{"event":"done"}' ;;
96) sleep 1000 & setsid sleep 1000 & exit 7 ;;
esac
"#;

/// A control group of 64 MiB, if this machine lets one be made.
struct Group(PathBuf);

impl Group {
    fn new() -> Option<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let path = |mark: &str| groups.lines().find_map(|line| line.split_once(mark)).map(|(_, path)| path.to_owned());
        let name = format!("sweepscope-test-{}", std::process::id());
        let first = path(":memory:").map(|path| (format!("/sys/fs/cgroup/memory{path}"), "memory.limit_in_bytes"));
        let second = path("0::").map(|path| (format!("/sys/fs/cgroup{path}"), "memory.max"));
        first.into_iter().chain(second).find_map(|(parent, limit)| {
            let group = Self(Path::new(&parent).join(&name));
            fs::create_dir(&group.0).ok()?;
            fs::write(group.0.join(limit), "67108864").is_ok().then_some(group)
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn each_is_told_apart_in_the_table_and_tried_again_as_it_deserves() {
    let command = r#"["sh", "trainer.sh", "{input_size}"]"#;
    let sweep = Outside::with_command(1, 1, 3, command, "retries = 1\nstall_timeout = 5\ngrace = 0.3");
    let folder = sweep.folder.path();
    fs::write(folder.join("trainer.sh"), TRAINER).unwrap();
    let group = Group::new();
    match &group {
        Some(group) => fs::write(folder.join("group"), group.0.as_os_str().as_encoded_bytes()).unwrap(),
        None => eprintln!("skipped: no memory cgroup can be made or mounted here; a program that gives up stands in"),
    }
    expect_code(&call(folder, &["run", "sweep.toml", "grid.input_size=112,32,48,64,80,96", "-j", "6"]), 1);
    assert_eq!(sweep.processes_left(), Vec::<u32>::new());

    let memory =
        if group.is_some() { "was ended by the kernel because" } else { "exit code 1; its last words: std::bad" };
    let expected = [
        (112, Some((FailureKind::OutOfMemory, memory)), 2),
        (32, Some((FailureKind::Stalled, "said nothing for")), 2),
        (48, Some((FailureKind::Protocol, "a message that cannot be read")), 1),
        (64, Some((FailureKind::Protocol, "exit code 0 without saying that it was done")), 1),
        (80, None, 1),
        (96, Some((FailureKind::ExitCode, "ended with exit code 7")), 2),
    ];
    let table = fs::read_to_string(sweep.sweep().runs_csv()).unwrap();
    let states = sweep.states();
    for (size, failure, attempts) in expected {
        let (run, state) = states.iter().find(|(run, _)| run.contains(&format!("input_size={size}"))).unwrap();
        let row = table.lines().find(|row| row.starts_with(&format!("\"{run}\"")) || row.starts_with(run)).unwrap();
        assert_eq!(state.attempts, attempts, "{row}");
        match failure {
            None => assert_eq!(state.state, RunState::Completed, "{row}"),
            Some((kind, words)) => {
                assert_eq!(state.failure.as_ref().map(|failure| failure.kind), Some(kind), "{row}");
                assert!(row.contains(&format!("{}: ", kind.name())) && row.contains(words), "{row}");
            }
        }
    }
}
