//! The pure core: what to do, given what happened. No clock, no process, no disk.

mod ending;
mod failing;
mod starting;

use std::{collections::BTreeSet, time::Duration};

use super::{
    event::{Action, Event, Outcome},
    halving::Halving,
    job::Demand,
    packing::Seen,
    pool::Pool,
    sentinel::Sentinel,
};
use ending::{Ending, Why, seen_in_light_of};

/// A silent run counts as hung after this many of its longest epochs,
const EPOCHS_OF_SILENCE: u32 = 10;
/// but not before this time (unless `stall_timeout` is shorter).
const SHORTEST_SILENCE: Duration = Duration::from_secs(120);

/// What the core needs to know of the settings.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) retries: usize,
    /// 0: no limit.
    pub(super) max_fails: usize,
    pub(super) grace: Duration,
    pub(super) stall_after: Duration,
    pub(super) first_backoff: Duration,
}

/// What the core needs to know of a run.
#[derive(Clone, Debug)]
pub(super) struct RunSpec {
    /// The same for all seeds of a setting.
    pub(super) cell: usize,
    /// Which of them it is.
    pub(super) seed: String,
    pub(super) demand: Option<Demand>,
    /// Rungs of the halving that it has reached already.
    pub(super) rungs: usize,
    /// Whether the user wants it to go on, however hopeless it is.
    pub(super) spared: bool,
}

#[derive(Clone, Debug)]
struct Run {
    spec: RunSpec,
    phase: Phase,
    /// In a row, without a new epoch between.
    failures: usize,
    /// The latest epoch that any attempt has ended.
    furthest: usize,
    /// Whether it must have its device for itself.
    alone: bool,
    last_device: Option<usize>,
}

#[derive(Clone, Debug)]
enum Phase {
    Waiting,
    Running(Running),
    Over,
}

#[derive(Clone, Debug)]
struct Running {
    slot: usize,
    ending: Option<Ending>,
    last_sign: Duration,
    epoch_since: Duration,
    longest_epoch: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Going,
    /// No more starts; what runs goes on.
    Halted,
    /// What runs was asked to end.
    Stopping,
}

/// Everything the scheduler knows.
#[derive(Clone, Debug)]
pub(super) struct State {
    settings: Settings,
    runs: Vec<Run>,
    pool: Pool,
    /// Ready, those at the lowest rung first.
    ready: BTreeSet<(usize, usize)>,
    /// Ready, and in need of a device to itself.
    ready_alone: BTreeSet<usize>,
    delayed: BTreeSet<(Duration, usize)>,
    running: BTreeSet<usize>,
    now: Duration,
    mode: Mode,
    failed: usize,
    sentinel: Sentinel,
    halving: Option<Halving>,
}

/// Takes in one event and says what to do about it.
pub(super) fn step(state: &mut State, event: Event) -> Vec<Action> {
    let mut actions = Vec::new();
    match event {
        Event::Time(now) => state.advance(now, &mut actions),
        Event::Sign { run, epoch } => state.sign(run, epoch),
        Event::Rung { run, epoch, score } => state.rung(run, epoch, score, &mut actions),
        Event::Measured { run, mib } => state.measured(run, mib),
        Event::Memory { device, free_mib, others_mib } => {
            state.pool.note_memory(device, Seen { free_mib, others_mib }, state.now)
        }
        Event::Ended { run, outcome } => state.ended(run, outcome, &mut actions),
        Event::DeviceLost { device, reason } => state.device_lost(device, reason, &mut actions),
        Event::Stop => state.stop(&mut actions),
        Event::StopNow => {
            state.mode = Mode::Stopping;
            state.kill_all(&mut actions);
        }
    }
    state.start_what_can(&mut actions);
    actions
}

impl State {
    /// All runs waiting, all slots free.
    pub(super) fn new(settings: Settings, runs: Vec<RunSpec>, pool: Pool, halving: Option<Halving>) -> Self {
        let fresh =
            |spec| Run { spec, phase: Phase::Waiting, failures: 0, furthest: 0, alone: false, last_device: None };
        Self {
            settings,
            ready: runs.iter().enumerate().map(|(run, spec)| (spec.rungs, run)).collect(),
            runs: runs.into_iter().map(fresh).collect(),
            pool,
            ready_alone: BTreeSet::new(),
            delayed: BTreeSet::new(),
            running: BTreeSet::new(),
            now: Duration::ZERO,
            mode: Mode::Going,
            failed: 0,
            sentinel: Sentinel::default(),
            halving,
        }
    }

    /// Whether nothing runs and nothing more will be started.
    pub(super) fn is_over(&self) -> bool {
        self.running.is_empty() && (self.mode != Mode::Going || self.waiting() == 0)
    }

    /// When [`Event::Time`] is needed at the latest.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        let delayed = self.delayed.first().filter(|_| self.mode == Mode::Going).map(|&(at, _)| at);
        let running = self.running.iter().filter_map(|&run| match &self.runs[run].phase {
            Phase::Running(Running { ending: Some(ending), .. }) => (!ending.killed).then_some(ending.kill_at),
            Phase::Running(running) => running.last_sign.checked_add(self.silence_allowed(running)),
            Phase::Waiting | Phase::Over => None,
        });
        let settling = self.pool.next_settled().filter(|_| self.mode == Mode::Going);
        running.chain(delayed).chain(settling).min()
    }

    /// Runs that wait, now or until their next attempt.
    pub(super) fn waiting(&self) -> usize {
        self.ready.len() + self.ready_alone.len() + self.delayed.len()
    }

    /// Whether what runs was asked to end.
    pub(super) fn is_stopping(&self) -> bool {
        self.mode == Mode::Stopping
    }

    fn advance(&mut self, now: Duration, actions: &mut Vec<Action>) {
        self.now = self.now.max(now);
        while let Some(&(at, run)) = self.delayed.first().filter(|&&(at, _)| at <= self.now) {
            self.delayed.remove(&(at, run));
            self.queue(run);
        }
        for (device, reason) in self.pool.unsettled(self.now) {
            self.say_set_aside(device, reason, actions);
        }
        for run in self.running.clone() {
            self.check_clock_of(run, actions);
        }
    }

    fn check_clock_of(&mut self, run: usize, actions: &mut Vec<Action>) {
        let (now, grace) = (self.now, self.settings.grace);
        let Phase::Running(running) = &self.runs[run].phase else { return };
        let silence = now.saturating_sub(running.last_sign);
        let hung = silence > self.silence_allowed(running);
        let Phase::Running(running) = &mut self.runs[run].phase else { return };
        match &mut running.ending {
            Some(ending) if !ending.killed && ending.kill_at <= now => {
                ending.killed = true;
                actions.push(Action::Kill { run });
            }
            None if hung => {
                running.ending = Some(Ending { why: Why::Silent(silence), kill_at: now + grace, killed: false });
                actions.push(Action::Terminate { run });
            }
            _ => {}
        }
    }

    fn silence_allowed(&self, running: &Running) -> Duration {
        let longest = self.settings.stall_after;
        running.longest_epoch.map_or(longest, |epoch| (epoch * EPOCHS_OF_SILENCE).max(longest.min(SHORTEST_SILENCE)))
    }

    fn sign(&mut self, run: usize, epoch: Option<usize>) {
        let now = self.now;
        let Some(run) = self.runs.get_mut(run) else { return };
        let Phase::Running(running) = &mut run.phase else { return };
        running.last_sign = now;
        if let Some(epoch) = epoch {
            let took = now.saturating_sub(running.epoch_since);
            running.longest_epoch = Some(running.longest_epoch.unwrap_or_default().max(took));
            running.epoch_since = now;
            if epoch > run.furthest {
                (run.furthest, run.failures) = (epoch, 0);
            }
            self.sentinel.progress();
            self.pool.praise(running.slot);
        }
    }

    fn ended(&mut self, run: usize, outcome: Outcome, actions: &mut Vec<Action>) {
        let Some(Phase::Running(running)) = self.runs.get(run).map(|run| &run.phase) else { return };
        let running = running.clone();
        self.running.remove(&run);
        if outcome == Outcome::Completed {
            self.sentinel.progress();
            self.pool.praise(running.slot);
        }
        let device = self.pool.release(running.slot, self.now);
        let made_room = running.ending.as_ref().is_some_and(|ending| ending.why == Why::Rung);
        match seen_in_light_of(running.ending.as_ref(), outcome) {
            Outcome::Failed(failure) => self.failed(run, device, failure, actions),
            Outcome::Stopped if made_room && self.mode == Mode::Going => {
                self.runs[run].phase = Phase::Waiting;
                self.queue(run);
                actions.push(Action::Wait { run });
            }
            outcome => self.finish(run, outcome, actions),
        }
    }

    fn measured(&mut self, run: usize, mib: u64) {
        if let Some(Run { phase: Phase::Running(running), .. }) = self.runs.get(run) {
            self.pool.measured(running.slot, mib);
        }
    }

    /// Puts a waiting run where it will be started from.
    fn queue(&mut self, run: usize) {
        if self.runs[run].alone {
            self.ready_alone.insert(run);
        } else {
            self.ready.insert((self.runs[run].spec.rungs, run));
        }
    }

    fn finish(&mut self, run: usize, outcome: Outcome, actions: &mut Vec<Action>) {
        self.ready.remove(&(self.runs[run].spec.rungs, run));
        self.ready_alone.remove(&run);
        self.delayed.retain(|&(_, delayed)| delayed != run);
        self.runs[run].phase = Phase::Over;
        actions.push(Action::Finish { run, outcome });
    }

    fn device_lost(&mut self, device: usize, reason: String, actions: &mut Vec<Action>) {
        if self.pool.set_aside(device) {
            self.say_set_aside(device, reason, actions);
        }
    }

    fn say_set_aside(&mut self, device: usize, reason: String, actions: &mut Vec<Action>) {
        if self.pool.is_empty() {
            let name = self.pool.name(device);
            self.halt(format!("no device is left; the last, {name}, was set aside: {reason}"), false, actions);
        }
        actions.push(Action::SetAside { device, reason });
    }

    fn halt(&mut self, reason: String, resumable: bool, actions: &mut Vec<Action>) {
        if self.mode == Mode::Going {
            self.mode = Mode::Halted;
            actions.push(Action::Halt { reason, resumable });
        }
    }
}

#[cfg(test)]
mod random;
#[cfg(test)]
mod tests;
