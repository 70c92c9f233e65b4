//! Time that jumps or stands still: the wall clock is set, the orchestrator is stopped for longer than a run may be
//! silent. Neither may cost a run.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

mod common;
mod outside;

use std::{fs, thread, time::Duration};

use outside::{Outside, signal};
use rustix::process::Signal;
use sweepscope::{domain::RunState, store::Journal};

/// All runs are completed at the first attempt.
fn assert_untouched(sweep: &Outside) {
    for (run, state) in sweep.states() {
        assert_eq!((state.state, state.attempts), (RunState::Completed, 1), "{run}: {state:?}");
    }
}

#[test]
fn a_wall_clock_that_is_set_forth_and_back_changes_nothing() {
    let sweep = Outside::new(2, 2, 30, "stall_timeout = 30");
    let folder = sweep.folder.path();
    let clock = outside::jumping_clock(folder);
    let mut child = sweep.command().env("LD_PRELOAD", clock).env("JUMP", folder.join("jump")).spawn().unwrap();
    for (epochs, jump) in [(10, "86400"), (40, "-7200"), (70, "0")] {
        sweep.wait_until(|| sweep.states().values().map(|state| state.checkpoint).sum::<usize>() >= epochs);
        fs::write(folder.join("jump"), jump).unwrap();
    }
    assert!(child.wait().unwrap().success());
    assert_untouched(&sweep);
    let times: Vec<u64> = Journal::read(&sweep.sweep()).unwrap().iter().map(|entry| entry.time).collect();
    let spread = times.iter().max().unwrap() - times.iter().min().unwrap();
    assert!(spread > 7_000_000, "the test's own premise: the wall clock jumped ({spread} ms)");
}

#[test]
fn a_pause_of_the_orchestrator_is_not_the_workers_silence() {
    let sweep = Outside::new(1, 2, 60, "stall_timeout = 4");
    let mut child = sweep.start_and_wait_for(4);
    signal(child.id(), Signal::STOP);
    thread::sleep(Duration::from_secs(6));
    signal(child.id(), Signal::CONT);
    assert!(child.wait().unwrap().success());
    assert_untouched(&sweep);
}
