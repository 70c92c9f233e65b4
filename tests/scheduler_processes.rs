//! The scheduler with real processes: each way in which a worker can end is told apart.
#![expect(clippy::unwrap_used, reason = "tests")]

mod scheduler_support;

use std::{collections::BTreeSet, fs};

use scheduler_support::{Sweep, runs};
use sweepscope::domain::{DeviceRequest, FailureKind, RunState, ScheduleConfig};

#[test]
fn runs_that_say_done_are_completed_and_their_output_is_logged() {
    let sweep = Sweep::new(
        5,
        r#"echo hello from $run; echo trouble >&2; echo '{"event":"start","epoch":0,"epochs":1}'; done_"#,
    );
    let (summary, diary) = sweep.run();
    assert_eq!((summary.completed, summary.exit_code()), (5, 0));
    for number in 0..5 {
        assert_eq!(sweep.state(number).state, RunState::Completed);
        let log = sweep.log(number);
        assert!(log.contains("hello from /") && log.contains("trouble\n") && !log.contains("event"), "{log}");
    }
    let started: Vec<_> = diary.iter().filter(|line| line.starts_with("start ")).collect();
    assert_eq!(started.len(), 5);
    assert_eq!(sweep.journal().iter().filter(|entry| entry.what == "completed").count(), 5);
}

#[test]
fn each_way_to_fail_is_told_apart() {
    let sweep = Sweep::new(
        8,
        r#"case $run in
        *0) echo 'no such module' >&2; exit 3;;
        *1) kill -SEGV $$;;
        *2) exit 0;;
        *3) echo '{"event":"epoch","epoch":"one"}'; sleep 60;;
        *4) echo '{"event":"failed","kind":"bad_data","message":"a.png is empty"}'; exit 1;;
        *5) echo 'torch.OutOfMemoryError: CUDA out of memory.' >&2; exit 1;;
        *6) head -c 3000000 /dev/zero | tr '\0' '{'; exit 0;;
        *7) kill -KILL $$;;
        esac"#,
    );
    let (summary, diary) = sweep.run();
    assert_eq!((summary.failed.len(), summary.exit_code()), (8, 1), "{diary:#?}");
    let expected = [
        (FailureKind::ExitCode, "exit code 3; its last words: no such module"),
        (FailureKind::Signal, "signal 11 (SIGSEGV)"),
        (FailureKind::Protocol, "exit code 0 without saying that it was done"),
        (FailureKind::Protocol, "cannot be read"),
        (FailureKind::BadData, "a.png is empty"),
        (FailureKind::OutOfMemory, "CUDA out of memory"),
        (FailureKind::Protocol, "exit code 0 without saying"),
        (FailureKind::Signal, "signal 9 (SIGKILL)"),
    ];
    for (number, (kind, words)) in expected.into_iter().enumerate() {
        let state = sweep.state(number);
        let failure = state.failure.unwrap();
        assert_eq!((state.state, failure.kind), (RunState::Failed, kind), "{number}");
        assert!(failure.message.contains(words), "{number}: {}", failure.message);
    }
    // Out of memory is tried once more, alone; the rest not at all with `retries = 0`.
    assert_eq!(diary.iter().filter(|line| line.starts_with("start ")).count(), 9);
}

#[test]
fn a_program_that_cannot_be_started_is_a_failure_of_its_own() {
    let sweep = Sweep::new(1, "");
    fs::remove_file(sweep.folder.path().join("worker.sh")).unwrap();
    sweep.run();
    let failure = sweep.state(0).failure.unwrap();
    assert_eq!(failure.kind, FailureKind::Spawn);
    assert!(failure.message.contains("worker.sh"), "{}", failure.message);
}

#[test]
fn what_a_worker_leaves_running_is_ended_even_if_it_left_the_group() {
    let sweep = Sweep::new(2, r#"sleep 300 & echo $! > $run/child; setsid sleep 300 & sleep 0.1; done_"#);
    let (summary, _) = sweep.run();
    assert_eq!(summary.completed, 2);
    for job in &sweep.jobs {
        let child = fs::read_to_string(job.run.root().join("child")).unwrap().trim().parse().unwrap();
        assert!(!runs(child), "the child {child} still runs");
        let wanted = format!("SWEEPSCOPE_RUN_DIR={}", job.run.root().display());
        let mine = fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
            fs::read(entry.path().join("environ")).is_ok_and(|text| String::from_utf8_lossy(&text).contains(&wanted))
        });
        assert_eq!(mine.count(), 0);
    }
}

#[test]
fn a_silent_worker_is_ended_and_called_stalled() {
    let mut sweep = Sweep::new(1, "trap '' TERM; while :; do sleep 1; done");
    sweep.options.schedule.stall_timeout = 0.2;
    sweep.options.schedule.grace = 0.2;
    sweep.run();
    assert_eq!(sweep.state(0).failure.unwrap().kind, FailureKind::Stalled);
}

#[test]
fn a_crash_is_tried_again_from_where_the_run_stood() {
    let mut sweep = Sweep::new(
        1,
        r#"echo "$SWEEPSCOPE_ATTEMPT,$SWEEPSCOPE_RESUME_EPOCH" >> $run/attempts
        case $SWEEPSCOPE_RESUME_EPOCH in
        "") echo '{"state":"running","epoch":2,"checkpoint":2,"attempts":1}' > $run/state.json; kill -KILL $$;;
        *) done_;;
        esac"#,
    );
    sweep.options.schedule.retries = 1;
    let (summary, diary) = sweep.run();
    assert_eq!((summary.completed, summary.exit_code()), (1, 0), "{diary:#?}");
    assert_eq!(fs::read_to_string(sweep.jobs[0].run.root().join("attempts")).unwrap(), "1,\n2,2\n");
}

#[test]
fn a_run_that_completed_on_disk_is_complete_however_its_worker_ended() {
    let sweep = Sweep::new(1, "done_ > /dev/null; kill -KILL $$");
    let (summary, _) = sweep.run();
    assert_eq!(summary.completed, 1);
}

#[test]
fn three_runs_that_fail_alike_end_the_sweep_with_one_diagnosis() {
    let sweep = Sweep::new(20, "echo 'no module named torch' >&2; exit 1");
    let (summary, _) = sweep.run();
    assert!(summary.halted.as_ref().unwrap().contains("no module named torch"));
    assert_eq!(summary.exit_code(), 1);
    assert!(summary.left >= 15 && summary.failed.len() <= 5, "{summary:?}");
}

#[test]
fn a_device_that_fails_run_after_run_is_set_aside_and_the_others_do_its_work() {
    let mut sweep = Sweep::new(30, r#"[ "$CUDA_VISIBLE_DEVICES" = 2 ] && kill -SEGV $$; sleep 0.02; done_"#);
    let schedule = ScheduleConfig { retries: 2, ..sweep.options.schedule.clone() };
    sweep.options = scheduler_support::options(schedule, DeviceRequest::Fake(4), None, 30);
    let (summary, diary) = sweep.run();
    assert_eq!((summary.completed, summary.exit_code()), (30, 0), "{diary:#?}");
    let set_aside = diary.iter().position(|line| line.starts_with("note fake:2 is used no more")).unwrap();
    let on_it = |lines: &[String]| lines.iter().filter(|line| line.contains(" fake:2 ")).count();
    assert_eq!((on_it(&diary[..set_aside]), on_it(&diary[set_aside..])), (3, 0));
}

#[test]
fn eight_fake_gpus_are_all_busy_while_work_is_left_and_each_worker_sees_one() {
    let mut sweep = Sweep::new(
        64,
        r#"now() { cut -d' ' -f1 /proc/uptime; }; from=$(now); sleep 0.1
        echo "$CUDA_VISIBLE_DEVICES $from $(now)" > $run/seen; done_"#,
    );
    let schedule = sweep.options.schedule.clone();
    sweep.options = scheduler_support::options(schedule, DeviceRequest::Fake(8), None, 64);
    let (summary, diary) = sweep.run();
    assert_eq!(summary.completed, 64);
    let seen: Vec<String> =
        sweep.jobs.iter().map(|job| fs::read_to_string(job.run.root().join("seen")).unwrap()).collect();
    let devices: BTreeSet<&str> = seen.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(devices, BTreeSet::from(["0", "1", "2", "3", "4", "5", "6", "7"]));
    // A slot that is freed is filled at once: never fewer than eight runs while any waits.
    let (mut running, mut started) = (0, 0);
    for (place, line) in diary.iter().enumerate() {
        match line.split(' ').next().unwrap() {
            "start" => (running, started) = (running + 1, started + 1),
            "ended" => running -= 1,
            _ => continue,
        }
        let filled_next = diary.get(place + 1).is_some_and(|next| next.starts_with("start"));
        assert!(running == 8 || started == 64 || filled_next, "{running} running after {started} starts");
    }
}
