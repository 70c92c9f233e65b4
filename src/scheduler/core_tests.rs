//! The core under chosen and under random orders of events.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{super::pool::DeviceSpec, *};

const SECOND: Duration = Duration::from_secs(1);

fn settings() -> Settings {
    Settings { retries: 1, max_fails: 0, grace: 10 * SECOND, stall_after: 100 * SECOND, first_backoff: 2 * SECOND }
}

fn device(number: usize, can_break: bool) -> DeviceSpec {
    DeviceSpec { name: format!("device {number}"), memory_mib: None, can_break }
}

/// `runs` runs, each a cell of its own, on GPUs with a slot each entry of `slots` names.
fn state(settings: Settings, runs: usize, devices: usize, slots: &[usize]) -> State {
    let specs = (0..runs).map(|cell| RunSpec { cell, demand: None }).collect();
    let devices = (0..devices).map(|number| device(number, true)).collect();
    State::new(settings, specs, Pool::new(devices, slots))
}

fn failed(kind: FailureKind) -> Outcome {
    Outcome::Failed(Failure::new(kind, "for a test"))
}

fn ended(run: usize, outcome: Outcome) -> Event {
    Event::Ended { run, outcome }
}

fn time(seconds: u32) -> Event {
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
    for _ in 0..5 {
        step(&mut state, Event::Sign { run: 0, epoch: true });
        let actions = step(&mut state, ended(0, failed(FailureKind::Signal)));
        assert!(matches!(actions[..], [Action::Again { .. }]), "{actions:?}");
        now += 2;
        assert_eq!(step(&mut state, time(now)).len(), 1);
    }
}

#[test]
fn what_does_not_fit_runs_alone_once_and_then_takes_the_larger_cells_with_it() {
    let demand = |batch| Some(Demand { batch, pixels: 64 * 64, width: 8, depth: 4 });
    let specs = [8, 4, 16, 8, 2].map(|batch| RunSpec { cell: batch, demand: demand(batch) }).to_vec();
    let mut state = State::new(settings(), specs, Pool::new(vec![device(0, true)], &[0, 0]));
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
    step(&mut fast, Event::Sign { run: 0, epoch: true });
    assert_eq!(step(&mut fast, time(121)), []);
    assert_eq!(step(&mut fast, time(122)), [Action::Terminate { run: 0 }]);
    assert_eq!(step(&mut fast, time(132)), [Action::Kill { run: 0 }]);
    let actions = step(&mut fast, ended(0, failed(FailureKind::Signal)));
    assert!(matches!(&actions[..], [Action::Again { failure, .. }] if failure.kind == FailureKind::Stalled));

    step(&mut slow, time(900));
    step(&mut slow, Event::Sign { run: 0, epoch: true });
    assert_eq!(step(&mut slow, time(9900)), []);
    assert_eq!(step(&mut slow, time(9901)), [Action::Terminate { run: 0 }]);
}

#[test]
fn a_device_on_which_different_settings_fail_in_a_row_is_set_aside() {
    let mut state = state(Settings { retries: 0, ..settings() }, 30, 2, &[0, 1]);
    step(&mut state, time(0));
    step(&mut state, Event::Sign { run: 1, epoch: true });
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

/// What a random test does next.
#[derive(Clone, Debug)]
enum Move {
    Wait(u32),
    Sign { which: usize, epoch: bool },
    End { which: usize, outcome: Outcome },
    Unasked(usize, Outcome),
    Lose(usize),
    Stop,
    StopNow,
}

const KINDS: [FailureKind; 11] = [
    FailureKind::Spawn,
    FailureKind::ExitCode,
    FailureKind::Signal,
    FailureKind::Stalled,
    FailureKind::OutOfMemory,
    FailureKind::NotFinite,
    FailureKind::BadConfig,
    FailureKind::BadData,
    FailureKind::CorruptCheckpoint,
    FailureKind::Protocol,
    FailureKind::Storage,
];

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Completed),
        1 => Just(Outcome::Stopped),
        6 => prop::sample::select(&KINDS[..]).prop_map(failed),
    ]
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        4 => (0..200_u32).prop_map(Move::Wait),
        4 => (any::<usize>(), any::<bool>()).prop_map(|(which, epoch)| Move::Sign { which, epoch }),
        8 => (any::<usize>(), outcomes()).prop_map(|(which, outcome)| Move::End { which, outcome }),
        1 => (0..20_usize, outcomes()).prop_map(|(run, outcome)| Move::Unasked(run, outcome)),
        1 => (0..5_usize).prop_map(Move::Lose),
        1 => Just(Move::Stop),
        1 => Just(Move::StopNow),
    ]
}

fn states() -> impl Strategy<Value = State> {
    let demand = prop::option::of((1..4_usize, 1..4_usize))
        .prop_map(|sizes| sizes.map(|(batch, pixels)| Demand { batch, pixels, width: 8, depth: 4 }));
    let runs = prop::collection::vec((0..6_usize, demand), 1..16);
    let devices = prop::collection::vec((prop::option::of(1..3_u64), any::<bool>(), 1..4_usize), 1..5);
    (runs, devices, 0..3_usize, 0..4_usize).prop_map(|(runs, devices, retries, max_fails)| {
        let specs = runs.into_iter().map(|(cell, demand)| RunSpec { cell, demand }).collect();
        let slots: Vec<usize> =
            devices.iter().enumerate().flat_map(|(number, device)| vec![number; device.2]).collect();
        let devices = devices
            .into_iter()
            .map(|(memory_mib, can_break, _)| DeviceSpec { memory_mib, ..device(0, can_break) })
            .collect();
        State::new(Settings { retries, max_fails, ..settings() }, specs, Pool::new(devices, &slots))
    })
}

/// What an onlooker knows from the actions alone.
#[derive(Default)]
struct Onlooker {
    running: BTreeMap<usize, usize>,
    finished: BTreeMap<usize, Outcome>,
    killed: Vec<usize>,
    ending: bool,
    starts: usize,
}

impl Onlooker {
    /// Sends an event, checks every action against what may be done, and the invariants.
    fn tell(&mut self, state: &mut State, event: Event) -> Result<(), TestCaseError> {
        if let Event::Ended { run, .. } = event {
            self.running.remove(&run);
        }
        self.ending |= matches!(event, Event::Stop | Event::StopNow);
        for action in step(state, event) {
            self.check(action)?;
        }
        self.check_invariants(state)
    }

    fn check(&mut self, action: Action) -> Result<(), TestCaseError> {
        match action {
            Action::Start { run, slot } => {
                prop_assert!(!self.ending, "a start after the end was asked for");
                prop_assert!(!self.finished.contains_key(&run), "a finished run is started");
                prop_assert!(self.running.values().all(|used| *used != slot), "slot {slot} is used twice");
                prop_assert!(self.running.insert(run, slot).is_none(), "run {run} runs twice");
                self.killed.retain(|killed| *killed != run);
                self.starts += 1;
            }
            Action::Terminate { run } => prop_assert!(self.running.contains_key(&run)),
            Action::Kill { run } => {
                prop_assert!(self.running.contains_key(&run));
                prop_assert!(!self.killed.contains(&run), "killed twice");
                self.killed.push(run);
            }
            Action::Finish { run, outcome } => {
                prop_assert!(!self.running.contains_key(&run), "a running run is finished");
                prop_assert!(self.finished.insert(run, outcome).is_none(), "run {run} is finished twice");
            }
            Action::Again { run, .. } => {
                prop_assert!(!self.running.contains_key(&run) && !self.finished.contains_key(&run));
            }
            Action::Halt { .. } => self.ending = true,
            Action::SetAside { .. } => {}
        }
        Ok(())
    }

    fn check_invariants(&self, state: &State) -> Result<(), TestCaseError> {
        let occupied: BTreeMap<usize, usize> =
            state.pool.occupied().into_iter().map(|(slot, run)| (run, slot)).collect();
        prop_assert_eq!(&occupied, &self.running, "slots and running runs differ");
        prop_assert_eq!(state.running.iter().collect::<Vec<_>>(), self.running.keys().collect::<Vec<_>>());
        prop_assert!(!state.pool.some_reservation_is_broken(), "a run that must be alone is not");
        let known = state.waiting() + state.running.len() + self.finished.len();
        prop_assert_eq!(known, state.runs.len(), "a run is lost or counted twice");
        let in_queue = |run: &usize| matches!(state.runs[*run].phase, Phase::Waiting);
        prop_assert!(state.ready.iter().chain(&state.ready_alone).all(in_queue));
        prop_assert!(state.delayed.iter().all(|(_, run)| in_queue(run)));
        Ok(())
    }
}

fn event_of(chosen: Move, state: &State) -> Option<Event> {
    let nth = |which: usize| state.running.iter().nth(which % state.running.len().max(1)).copied();
    Some(match chosen {
        Move::Wait(seconds) => Event::Time(state.now + seconds * SECOND),
        Move::Sign { which, epoch } => Event::Sign { run: nth(which)?, epoch },
        Move::End { which, outcome } => ended(nth(which)?, outcome),
        // What no run is waiting for is passed over.
        Move::Unasked(run, outcome) if !state.running.contains(&run) => ended(run, outcome),
        Move::Unasked(run, _) => Event::Sign { run: run + 1000, epoch: true },
        Move::Lose(device) => Event::DeviceLost { device, reason: "it fell off the bus".into() },
        Move::Stop => Event::Stop,
        Move::StopNow => Event::StopNow,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_no_slot_is_used_twice_and_no_run_is_lost(
        mut state in states(),
        moves in prop::collection::vec(moves(), 0..60),
        ends in prop::collection::vec(outcomes(), 1..8),
    ) {
        let mut onlooker = Onlooker::default();
        onlooker.tell(&mut state, time(0))?;
        for chosen in moves {
            if let Some(event) = event_of(chosen, &state) {
                onlooker.tell(&mut state, event)?;
            }
        }
        let mut outcomes = ends.into_iter().cycle();
        for _ in 0..400 {
            if state.is_over() {
                break;
            }
            let event = match state.running.first() {
                Some(&run) => ended(run, outcomes.next().unwrap_or(Outcome::Completed)),
                None => Event::Time(state.next_deadline().unwrap_or_default()),
            };
            onlooker.tell(&mut state, event)?;
        }
        prop_assert!(state.is_over(), "the sweep does not end");
        prop_assert!(onlooker.running.is_empty());
        prop_assert!(onlooker.ending || state.waiting() == 0, "runs are left over without a reason");
    }
}
