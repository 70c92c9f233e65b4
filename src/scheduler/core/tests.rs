//! The core under chosen orders of events.

use super::{
    super::{job::Demand, pool::DeviceSpec},
    *,
};
use crate::domain::{EarlyEnd, Failure, FailureKind, Metric};

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn settings() -> Settings {
    Settings { retries: 1, max_fails: 0, grace: 10 * SECOND, stall_after: 100 * SECOND, first_backoff: 2 * SECOND }
}

pub(super) fn device(number: usize, can_break: bool) -> DeviceSpec {
    DeviceSpec { name: format!("device {number}"), memory_mib: None, can_break }
}

/// `runs` runs, each a cell of its own, on GPUs with a slot each entry of `slots` names.
fn state(settings: Settings, runs: usize, devices: usize, slots: &[usize]) -> State {
    let specs = (0..runs).map(|cell| spec(cell, "0", None)).collect();
    let devices = (0..devices).map(|number| device(number, true)).collect();
    State::new(settings, specs, Pool::new(devices, slots, false), None)
}

pub(super) fn spec(cell: usize, seed: &str, demand: Option<Demand>) -> RunSpec {
    RunSpec { cell, seed: seed.into(), demand, rungs: 0, spared: false }
}

pub(super) fn failed(kind: FailureKind) -> Outcome {
    Outcome::Failed(Failure::new(kind, "for a test"))
}

pub(super) fn ended(run: usize, outcome: Outcome) -> Event {
    Event::Ended { run, outcome }
}

pub(super) fn time(seconds: u32) -> Event {
    Event::Time(seconds * SECOND)
}

#[test]
fn runs_start_in_their_order_as_slots_come_free() {
    let mut state = state(settings(), 3, 1, &[0, 0]);
    let started = step(&mut state, time(0));
    assert_eq!(started, [Action::Start { run: 0, slot: 0 }, Action::Start { run: 1, slot: 1 }]);
    let actions = step(&mut state, ended(1, Outcome::Completed));
    assert_eq!(actions, [Action::Finish { run: 1, outcome: Outcome::Completed }, Action::Start { run: 2, slot: 1 }]);
}

#[test]
fn a_crash_waits_its_time_and_goes_to_another_device() {
    let mut state = state(settings(), 1, 2, &[0, 1]);
    step(&mut state, time(0));
    let actions = step(&mut state, ended(0, failed(FailureKind::Signal)));
    assert!(matches!(actions[..], [Action::Again { run: 0, after, alone: false, .. }] if after == 2 * SECOND));
    assert_eq!(state.next_deadline(), Some(2 * SECOND));
    assert_eq!(step(&mut state, time(1)), []);
    assert_eq!(step(&mut state, time(2)), [Action::Start { run: 0, slot: 1 }]);
    let actions = step(&mut state, ended(0, failed(FailureKind::Signal)));
    assert_eq!(actions, [Action::Finish { run: 0, outcome: failed(FailureKind::Signal) }]);
    assert!(state.is_over());
}

#[test]
fn a_recorded_epoch_sets_the_count_of_failures_back() {
    let mut state = state(settings(), 1, 1, &[0]);
    let mut now = 0;
    step(&mut state, time(now));
    for epoch in 1..=5 {
        step(&mut state, Event::Sign { run: 0, epoch: Some(epoch) });
        let actions = step(&mut state, ended(0, failed(FailureKind::Signal)));
        assert!(matches!(actions[..], [Action::Again { .. }]), "{actions:?}");
        now += 2;
        assert_eq!(step(&mut state, time(now)).len(), 1);
    }
    // An epoch that was reached before is no progress.
    step(&mut state, Event::Sign { run: 0, epoch: Some(5) });
    let actions = step(&mut state, ended(0, failed(FailureKind::Signal)));
    assert!(matches!(actions[..], [Action::Finish { .. }]), "{actions:?}");
}

#[test]
fn what_does_not_fit_runs_alone_once_and_then_takes_the_larger_cells_with_it() {
    let demand = |batch| Some(Demand { batch, pixels: 64 * 64, width: 8, depth: 4 });
    let specs = [8, 4, 16, 8, 2].map(|batch| spec(batch, "0", demand(batch))).to_vec();
    let mut state = State::new(settings(), specs, Pool::new(vec![device(0, true)], &[0, 0], false), None);
    step(&mut state, time(0));
    let actions = step(&mut state, ended(0, failed(FailureKind::OutOfMemory)));
    assert!(matches!(actions[..], [Action::Again { run: 0, alone: true, .. }, Action::Start { run: 2, .. }]));
    step(&mut state, ended(1, Outcome::Completed));
    // The others go on; only when the device is free does the large one get it, and nobody joins.
    step(&mut state, time(1));
    step(&mut state, ended(2, Outcome::Completed));
    step(&mut state, ended(3, failed(FailureKind::Signal)));
    let actions = step(&mut state, ended(4, Outcome::Completed));
    assert_eq!(actions[1..], [Action::Start { run: 0, slot: 0 }]);
    assert_eq!(step(&mut state, time(50)), []);
    let actions = step(&mut state, ended(0, failed(FailureKind::OutOfMemory)));
    let finished: Vec<usize> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Finish { run, outcome: Outcome::Failed(_) } => Some(*run),
            _ => None,
        })
        .collect();
    assert_eq!(finished, [0, 3]);
    assert!(state.is_over());
}

#[test]
fn the_first_wish_asks_and_the_second_kills_and_grace_runs_out() {
    let mut state = state(settings(), 3, 1, &[0, 0]);
    step(&mut state, time(0));
    assert_eq!(step(&mut state, Event::Stop), [Action::Terminate { run: 0 }, Action::Terminate { run: 1 }]);
    let actions = step(&mut state, ended(0, failed(FailureKind::Signal)));
    assert_eq!(actions, [Action::Finish { run: 0, outcome: Outcome::Stopped }]);
    let mut patient = state.clone();
    assert_eq!(step(&mut state, Event::StopNow), [Action::Kill { run: 1 }]);
    assert_eq!(step(&mut patient, time(9)), []);
    assert_eq!(step(&mut patient, time(10)), [Action::Kill { run: 1 }]);
    assert_eq!(step(&mut patient, time(11)), []);
    step(&mut patient, ended(1, Outcome::Stopped));
    assert!(patient.is_over());
    assert_eq!(patient.waiting(), 1);
}

#[test]
fn silence_is_measured_against_the_runs_own_epochs() {
    let mut fast = state(Settings { stall_after: 1000 * SECOND, ..settings() }, 1, 1, &[0]);
    step(&mut fast, time(0));
    let mut slow = fast.clone();
    step(&mut fast, time(1));
    step(&mut fast, Event::Sign { run: 0, epoch: Some(1) });
    assert_eq!(step(&mut fast, time(121)), []);
    assert_eq!(step(&mut fast, time(122)), [Action::Terminate { run: 0 }]);
    assert_eq!(step(&mut fast, time(132)), [Action::Kill { run: 0 }]);
    let actions = step(&mut fast, ended(0, failed(FailureKind::Signal)));
    assert!(matches!(&actions[..], [Action::Again { failure, .. }] if failure.kind == FailureKind::Stalled));

    step(&mut slow, time(900));
    step(&mut slow, Event::Sign { run: 0, epoch: Some(1) });
    assert_eq!(step(&mut slow, time(9900)), []);
    assert_eq!(step(&mut slow, time(9901)), [Action::Terminate { run: 0 }]);
}

#[test]
fn a_device_on_which_different_settings_fail_in_a_row_is_set_aside() {
    let mut state = state(Settings { retries: 0, ..settings() }, 30, 2, &[0, 1]);
    step(&mut state, time(0));
    step(&mut state, Event::Sign { run: 1, epoch: Some(1) });
    let mut on_first = 0;
    for _ in 0..3 {
        let actions = step(&mut state, ended(on_first, failed(FailureKind::ExitCode)));
        match actions.last() {
            Some(Action::Start { run, slot: 0 }) => on_first = *run,
            other => assert!(matches!(other, Some(Action::Finish { .. })), "{other:?}"),
        }
    }
    assert!(state.pool.is_set_aside(0));
    let actions = step(&mut state, ended(1, Outcome::Completed));
    assert!(matches!(actions[..], [Action::Finish { .. }, Action::Start { slot: 1, .. }]));
}

#[test]
fn a_device_without_a_slot_is_none_that_is_left() {
    let halts = |mut state: State, failures: usize| {
        let actions = (0..failures).flat_map(|run| step(&mut state, ended(run, failed(FailureKind::ExitCode))));
        actions.filter(|action| matches!(action, Action::Halt { .. })).count() == 1 && state.is_over()
    };
    let mut alike = state(Settings { retries: 0, ..settings() }, 9, 2, &[0]);
    step(&mut alike, time(0));
    let mut worked = alike.clone();
    assert!(halts(alike, 3), "three that fail alike on the only device in use are enough");
    step(&mut worked, Event::Sign { run: 0, epoch: Some(1) });
    assert!(!halts(worked.clone(), 5) && halts(worked, 6), "it is the last, and judged as such");
}

#[test]
fn a_disk_that_takes_no_more_stops_the_sweep_to_be_resumed() {
    let mut state = state(settings(), 3, 2, &[0, 1]);
    step(&mut state, time(0));
    let actions = step(&mut state, ended(0, failed(FailureKind::Storage)));
    assert!(matches!(
        actions[..],
        [
            Action::Finish { run: 0, outcome: Outcome::Stopped },
            Action::Halt { resumable: true, .. },
            Action::Terminate { run: 1 }
        ]
    ));
}

#[test]
fn no_more_runs_start_after_max_fails() {
    let mut state = state(Settings { max_fails: 1, ..settings() }, 3, 1, &[0, 0]);
    step(&mut state, time(0));
    let actions = step(&mut state, ended(0, failed(FailureKind::BadConfig)));
    assert!(matches!(actions[..], [Action::Finish { .. }, Action::Halt { resumable: false, .. }]));
    step(&mut state, ended(1, Outcome::Completed));
    assert!(state.is_over());
    assert_eq!(state.waiting(), 1);
}

/// Two settings of three seeds with rungs at epochs 4 and 8, on one device.
fn contest(slots: &[usize]) -> State {
    let rules = EarlyEnd { min_epochs: 4, reduction_factor: 2, confidence: 0.95 };
    let halving = Halving::new(rules, Metric::default(), 1.0 / 3.0, vec!["good".into(), "bad".into()]);
    let specs = (0..6).map(|run| spec(run % 2, &(run / 2).to_string(), None)).collect();
    State::new(settings(), specs, Pool::new(vec![device(0, true)], slots, false), Some(halving))
}

fn rung(run: usize, epoch: usize, score: f64) -> Event {
    Event::Rung { run, epoch, score: Some(score) }
}

#[test]
fn all_runs_reach_a_rung_before_any_goes_further_and_hopeless_ones_do_not() {
    let mut state = contest(&[0]);
    assert_eq!(step(&mut state, time(0)), [Action::Start { run: 0, slot: 0 }]);
    for run in 0..5 {
        let score = if run % 2 == 0 { 0.8 } else { 0.1 + 0.01 * run as f64 };
        assert_eq!(step(&mut state, rung(run, 4, score)), [Action::Terminate { run }]);
        let actions = step(&mut state, ended(run, Outcome::Stopped));
        assert_eq!(actions, [Action::Wait { run }, Action::Start { run: run + 1, slot: 0 }]);
    }
    // The last to arrive settles it: its setting is hopeless, and its seeds end as their turns come.
    assert_eq!(step(&mut state, rung(5, 4, 0.15)), [Action::Terminate { run: 5 }]);
    let mut actions = step(&mut state, ended(5, Outcome::Stopped));
    for run in [0, 2, 4] {
        assert!(actions.contains(&Action::Start { run, slot: 0 }), "{actions:?}");
        actions.extend(step(&mut state, ended(run, Outcome::Completed)));
    }
    let is_early = |action: &Action| match action {
        Action::Finish { run, outcome: Outcome::EndedEarly(evidence) } if evidence.contains("good") => Some(*run),
        _ => None,
    };
    assert_eq!(actions.iter().filter_map(is_early).collect::<Vec<_>>(), [1, 3, 5]);
    assert!(state.is_over());
}

#[test]
fn nobody_gives_way_where_nobody_waits_and_a_spared_run_goes_on() {
    let mut state = contest(&[0; 6]);
    state.runs[1].spec.spared = true;
    step(&mut state, time(0));
    for run in 0..5 {
        assert_eq!(step(&mut state, rung(run, 4, if run % 2 == 0 { 0.8 } else { 0.1 })), []);
    }
    // The third seed settles it for the other one, too.
    let both = [Action::Terminate { run: 3 }, Action::Terminate { run: 5 }];
    assert_eq!(step(&mut state, rung(5, 4, 0.1)), both);
    let actions = step(&mut state, ended(5, failed(FailureKind::Signal)));
    assert!(matches!(
        actions[..],
        [Action::Wait { run: 5 }, Action::Finish { run: 5, outcome: Outcome::EndedEarly(_) }]
    ));
    assert_eq!(step(&mut state, rung(1, 8, 0.1)), []);
}

fn memory(free_mib: u64, others_mib: Option<u64>) -> Event {
    Event::Memory { device: 0, free_mib, others_mib }
}

#[test]
fn runs_are_packed_once_the_first_was_measured_and_wait_until_its_memory_is_back() {
    let demand = Some(Demand { batch: 4, pixels: 64 * 64, width: 16, depth: 5 });
    let specs = (0..9).map(|run| spec(run, "0", demand)).collect();
    let mut state = State::new(settings(), specs, Pool::new(vec![device(0, true)], &[0; 4], true), None);
    step(&mut state, memory(10_000, Some(0)));
    assert_eq!(state.running.len(), 1, "the first one runs alone");
    step(&mut state, Event::Measured { run: 0, mib: 2_900 });
    assert_eq!(state.running.len(), 3, "three need 8,700 of 10,000 MiB");
    for run in 0..3 {
        step(&mut state, memory(1_300, Some(0)));
        step(&mut state, ended(run, Outcome::Completed));
    }
    assert_eq!(state.running.len(), 0, "the memory of the three has not come back");
    assert_eq!(state.next_deadline(), Some(15 * SECOND));
    let mut late = state.clone();
    assert!(matches!(step(&mut late, memory(9_900, Some(0)))[..], [Action::Start { .. }, ..]));
    assert!(matches!(step(&mut state, time(15))[..], [Action::Start { .. }]), "it is the last device");
}

#[test]
fn a_device_is_set_aside_for_memory_that_nobody_has() {
    let mut state = state(settings(), 9, 2, &[0, 1]);
    step(&mut state, memory(10_000, Some(0)));
    step(&mut state, time(0));
    let end_with = |state: &mut State, run, seen| {
        step(state, seen);
        step(state, ended(run, Outcome::Completed))
    };
    let actions = end_with(&mut state, 0, memory(4_000, Some(6_000)));
    assert!(actions.contains(&Action::Start { run: 2, slot: 0 }), "another program has it: {actions:?}");
    let actions = end_with(&mut state, 2, memory(4_000, None));
    assert!(matches!(actions[..], [Action::Finish { .. }]), "{actions:?}");
    assert_eq!(step(&mut state, time(15)), [Action::Start { run: 3, slot: 0 }], "who has it cannot be told");
    end_with(&mut state, 3, memory(1_000, Some(500)));
    let actions = step(&mut state, time(30));
    assert!(matches!(&actions[..], [Action::SetAside { device: 0, reason }] if reason.contains("2500 of 4000 MiB")));
}
