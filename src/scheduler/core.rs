//! The pure core: what to do, given what happened. No clock, no process, no disk.

use std::{collections::BTreeSet, time::Duration};

use super::{
    event::{Action, Event, Outcome},
    job::Demand,
    pool::Pool,
    retry::{Rule, backoff, blames_device, rule},
    sentinel::Sentinel,
};
use crate::domain::{Failure, FailureKind};

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
    pub(super) demand: Option<Demand>,
}

#[derive(Clone, Debug)]
struct Run {
    spec: RunSpec,
    phase: Phase,
    /// In a row, without a recorded epoch between.
    failures: usize,
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

#[derive(Clone, Debug)]
struct Ending {
    /// Why it was asked to end: hung for so long, or (none) because the sweep stops.
    silence: Option<Duration>,
    kill_at: Duration,
    killed: bool,
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
    ready: BTreeSet<usize>,
    /// Ready, and in need of a device to itself.
    ready_alone: BTreeSet<usize>,
    delayed: BTreeSet<(Duration, usize)>,
    running: BTreeSet<usize>,
    now: Duration,
    mode: Mode,
    failed: usize,
    sentinel: Sentinel,
}

/// Takes in one event and says what to do about it.
pub(super) fn step(state: &mut State, event: Event) -> Vec<Action> {
    let mut actions = Vec::new();
    match event {
        Event::Time(now) => state.advance(now, &mut actions),
        Event::Sign { run, epoch } => state.sign(run, epoch),
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
    pub(super) fn new(settings: Settings, runs: Vec<RunSpec>, pool: Pool) -> Self {
        let fresh = |spec| Run { spec, phase: Phase::Waiting, failures: 0, alone: false, last_device: None };
        Self {
            settings,
            ready: (0..runs.len()).collect(),
            runs: runs.into_iter().map(fresh).collect(),
            pool,
            ready_alone: BTreeSet::new(),
            delayed: BTreeSet::new(),
            running: BTreeSet::new(),
            now: Duration::ZERO,
            mode: Mode::Going,
            failed: 0,
            sentinel: Sentinel::default(),
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
        running.chain(delayed).min()
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
            let queue = if self.runs[run].alone { &mut self.ready_alone } else { &mut self.ready };
            queue.insert(run);
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
                running.ending = Some(Ending { silence: Some(silence), kill_at: now + grace, killed: false });
                actions.push(Action::Terminate { run });
            }
            _ => {}
        }
    }

    fn silence_allowed(&self, running: &Running) -> Duration {
        let longest = self.settings.stall_after;
        running.longest_epoch.map_or(longest, |epoch| (epoch * EPOCHS_OF_SILENCE).max(longest.min(SHORTEST_SILENCE)))
    }

    fn sign(&mut self, run: usize, epoch: bool) {
        let now = self.now;
        let Some(run) = self.runs.get_mut(run) else { return };
        let Phase::Running(running) = &mut run.phase else { return };
        running.last_sign = now;
        if epoch {
            let took = now.saturating_sub(running.epoch_since);
            running.longest_epoch = Some(running.longest_epoch.unwrap_or_default().max(took));
            running.epoch_since = now;
            run.failures = 0;
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
        let device = self.pool.release(running.slot);
        match seen_in_light_of(running.ending.as_ref(), outcome) {
            Outcome::Failed(failure) => self.failed(run, device, failure, actions),
            outcome => self.finish(run, outcome, actions),
        }
    }

    fn failed(&mut self, run: usize, device: usize, failure: Failure, actions: &mut Vec<Action>) {
        self.runs[run].last_device = Some(device);
        if let Some(reason) = self.sentinel.failure(run, device, self.pool.devices(), &failure) {
            self.halt(reason, false, actions);
        }
        if blames_device(failure.kind)
            && let Some(reason) = self.pool.blame(device, self.runs[run].spec.cell)
        {
            self.say_set_aside(device, reason, actions);
        }
        match rule(failure.kind) {
            Rule::Again if self.runs[run].failures < self.settings.retries => {
                self.runs[run].failures += 1;
                let after = backoff(self.settings.first_backoff, self.runs[run].failures);
                self.again(run, failure, after, actions);
            }
            Rule::Alone if !self.runs[run].alone => {
                self.runs[run].alone = true;
                self.again(run, failure, Duration::ZERO, actions);
            }
            Rule::Alone => self.infeasible(run, failure, actions),
            Rule::EndSweep => {
                self.finish(run, Outcome::Stopped, actions);
                self.halt(format!("results cannot be written: {failure}"), true, actions);
                self.stop(actions);
            }
            Rule::Again | Rule::Never => self.give_up(run, failure, actions),
        }
    }

    fn again(&mut self, run: usize, failure: Failure, after: Duration, actions: &mut Vec<Action>) {
        self.runs[run].phase = Phase::Waiting;
        self.delayed.insert((self.now + after, run));
        actions.push(Action::Again { run, failure, after, alone: self.runs[run].alone });
    }

    fn give_up(&mut self, run: usize, failure: Failure, actions: &mut Vec<Action>) {
        self.finish(run, Outcome::Failed(failure), actions);
        self.failed += 1;
        if self.failed == self.settings.max_fails {
            self.halt(format!("{} runs failed, as many as max_fails allows", self.failed), false, actions);
        }
    }

    /// The run did not fit alone; nor would those that need at least as much.
    fn infeasible(&mut self, run: usize, failure: Failure, actions: &mut Vec<Action>) {
        let needed = self.runs[run].spec.demand;
        let message = format!("{} (with a whole device to itself)", failure.message);
        self.give_up(run, Failure { message, ..failure }, actions);
        let ready = self.ready.iter().chain(&self.ready_alone).copied();
        let waiting = ready.chain(self.delayed.iter().map(|&(_, run)| run));
        let larger: Vec<usize> = waiting
            .filter(|&other| needed.zip(self.runs[other].spec.demand).is_some_and(|(a, b)| b.covers(&a)))
            .collect();
        for other in larger {
            let message = "not started: a run that needs no more memory did not fit with a whole device to itself; \
                           a smaller batch, input or network is needed";
            self.finish(other, Outcome::Failed(Failure::new(FailureKind::OutOfMemory, message)), actions);
        }
    }

    fn finish(&mut self, run: usize, outcome: Outcome, actions: &mut Vec<Action>) {
        self.ready.remove(&run);
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

    fn stop(&mut self, actions: &mut Vec<Action>) {
        self.mode = Mode::Stopping;
        let kill_at = self.now + self.settings.grace;
        for &run in &self.running {
            if let Phase::Running(running) = &mut self.runs[run].phase
                && running.ending.is_none()
            {
                running.ending = Some(Ending { silence: None, kill_at, killed: false });
                actions.push(Action::Terminate { run });
            }
        }
    }

    fn kill_all(&mut self, actions: &mut Vec<Action>) {
        for &run in &self.running {
            if let Phase::Running(Running { ending, .. }) = &mut self.runs[run].phase {
                let ending = ending.get_or_insert(Ending { silence: None, kill_at: self.now, killed: false });
                if !std::mem::replace(&mut ending.killed, true) {
                    actions.push(Action::Kill { run });
                }
            }
        }
    }

    /// Runs in their order; those that need a device alone come when no other can start.
    fn start_what_can(&mut self, actions: &mut Vec<Action>) {
        if self.mode != Mode::Going {
            return;
        }
        while let Some(&run) = self.ready.first() {
            let Some(slot) = self.pool.take(run, self.runs[run].last_device) else { return };
            self.start(run, slot, actions);
        }
        while let Some(&run) = self.ready_alone.first()
            && let Some(slot) = self.pool.take_alone(run)
        {
            self.start(run, slot, actions);
        }
    }

    fn start(&mut self, run: usize, slot: usize, actions: &mut Vec<Action>) {
        self.ready.remove(&run);
        self.ready_alone.remove(&run);
        self.running.insert(run);
        self.runs[run].phase = Phase::Running(Running {
            slot,
            ending: None,
            last_sign: self.now,
            epoch_since: self.now,
            longest_epoch: None,
        });
        actions.push(Action::Start { run, slot });
    }
}

/// What a worker's end means once it is known that it was asked to end.
fn seen_in_light_of(ending: Option<&Ending>, outcome: Outcome) -> Outcome {
    let own_fault = |failure: &Failure| !(blames_device(failure.kind) || failure.kind == FailureKind::Protocol);
    match (ending, outcome) {
        (None, outcome) | (_, outcome @ Outcome::Completed) => outcome,
        (_, Outcome::Failed(failure)) if own_fault(&failure) => Outcome::Failed(failure),
        (Some(Ending { silence: None, .. }), _) => Outcome::Stopped,
        (Some(Ending { silence: Some(silence), .. }), _) => Outcome::Failed(Failure::new(
            FailureKind::Stalled,
            format!("said nothing for {} s and was ended; see worker.log for its last words", silence.as_secs()),
        )),
    }
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;
