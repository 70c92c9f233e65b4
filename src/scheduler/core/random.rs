//! The core under random orders of events.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    super::{job::Demand, pool::DeviceSpec},
    tests::{SECOND, device, ended, failed, settings, spec, time},
    *,
};
use crate::domain::{EarlyEnd, FailureKind, Metric};

/// What a random test does next.
#[derive(Clone, Debug)]
enum Move {
    Wait(u32),
    Sign { which: usize, epoch: Option<usize> },
    End { which: usize, outcome: Outcome },
    Unasked(usize, Outcome),
    Lose(usize),
    Rung { which: usize, score: u32 },
    Measure { which: usize, mib: u64 },
    Memory { device: usize, free_mib: u64, others_mib: Option<u64> },
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
        4 => (any::<usize>(), prop::option::of(1..9_usize)).prop_map(|(which, epoch)| Move::Sign { which, epoch }),
        8 => (any::<usize>(), outcomes()).prop_map(|(which, outcome)| Move::End { which, outcome }),
        1 => (0..20_usize, outcomes()).prop_map(|(run, outcome)| Move::Unasked(run, outcome)),
        1 => (0..5_usize).prop_map(Move::Lose),
        4 => (any::<usize>(), 0..100_u32).prop_map(|(which, score)| Move::Rung { which, score }),
        2 => (any::<usize>(), 1..2000_u64).prop_map(|(which, mib)| Move::Measure { which, mib }),
        2 => (0..5_usize, 0..3000_u64, prop::option::of(0..2000_u64))
            .prop_map(|(device, free_mib, others_mib)| Move::Memory { device, free_mib, others_mib }),
        1 => Just(Move::Stop),
        1 => Just(Move::StopNow),
    ]
}

fn states() -> impl Strategy<Value = State> {
    let demand = prop::option::of((1..4_usize, 1..4_usize))
        .prop_map(|sizes| sizes.map(|(batch, pixels)| Demand { batch, pixels, width: 8, depth: 4 }));
    let runs = prop::collection::vec((0..4_usize, 0..4_u32, demand), 1..16);
    let devices = prop::collection::vec((prop::option::of(1..3_u64), any::<bool>(), 0..4_usize), 1..5)
        .prop_filter("some device has a slot", |devices| devices.iter().any(|device| device.2 > 0));
    let manner = (any::<bool>(), any::<bool>());
    (runs, devices, 0..3_usize, 0..4_usize, manner).prop_map(|(runs, devices, retries, max_fails, (packs, halves))| {
        let specs = runs.into_iter().map(|(cell, seed, demand)| spec(cell, &seed.to_string(), demand)).collect();
        let names = (0..4).map(|cell| format!("cell {cell}")).collect();
        let rules = EarlyEnd { min_epochs: 1, reduction_factor: 2, confidence: 0.5 };
        let halving = halves.then(|| Halving::new(rules, Metric::default(), 0.3, names));
        let slots: Vec<usize> =
            devices.iter().enumerate().flat_map(|(number, device)| vec![number; device.2]).collect();
        let devices = devices
            .into_iter()
            .map(|(memory_mib, can_break, _)| DeviceSpec { memory_mib, ..device(0, can_break) })
            .collect();
        State::new(Settings { retries, max_fails, ..settings() }, specs, Pool::new(devices, &slots, packs), halving)
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
            Action::Again { run, .. } | Action::Wait { run } => {
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
        prop_assert!(state.ready.iter().map(|(_, run)| run).chain(&state.ready_alone).all(in_queue));
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
        Move::Unasked(run, _) => Event::Sign { run: run + 1000, epoch: Some(1) },
        Move::Lose(device) => Event::DeviceLost { device, reason: "it fell off the bus".into() },
        Move::Rung { which, score } => {
            let run = nth(which)?;
            let score = Some(f64::from(score) / 100.0);
            Event::Rung { run, epoch: 1 << state.runs[run].spec.rungs.min(40), score }
        }
        Move::Measure { which, mib } => Event::Measured { run: nth(which)?, mib },
        Move::Memory { device, free_mib, others_mib } => Event::Memory { device, free_mib, others_mib },
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
