//! What a failure means for its run, its device and the sweep.

use std::time::Duration;

use super::{
    super::{
        event::{Action, Outcome},
        retry::{Rule, backoff, blames_device, rule},
    },
    Phase, State,
};
use crate::domain::{Failure, FailureKind};

impl State {
    pub(super) fn failed(&mut self, run: usize, device: usize, failure: Failure, actions: &mut Vec<Action>) {
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
        let ready = self.ready.iter().map(|&(_, run)| run).chain(self.ready_alone.iter().copied());
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
}
