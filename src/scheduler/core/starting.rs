//! Which run starts next, and which gives way at a rung of the halving.

use super::{
    super::event::{Action, Outcome},
    Ending, Mode, Phase, Run, Running, State, Why,
};

impl State {
    /// A run has a checkpoint of the epoch of its next rung. It gives way to runs at lower rungs; whether it goes on is
    /// decided when it would start again. Runs elsewhere that are hopeless now are not waited for.
    pub(super) fn rung(&mut self, run: usize, epoch: usize, score: Option<f64>, actions: &mut Vec<Action>) {
        let Some(Run { spec, phase: Phase::Running(_), .. }) = self.runs.get_mut(run) else { return };
        spec.rungs += 1;
        let rungs = spec.rungs;
        if let (Some(halving), Some(score)) = (&mut self.halving, score) {
            halving.arrived(epoch, spec.cell, &spec.seed, score);
        }
        let comes_first = self.ready.first().is_some_and(|&(others, _)| others < rungs);
        if self.mode != Mode::Going {
            return;
        }
        let mut leaving: Vec<usize> =
            self.running.iter().copied().filter(|&other| self.is_hopeless(other).is_some()).collect();
        if comes_first && !leaving.contains(&run) {
            leaving.push(run);
        }
        leaving.into_iter().for_each(|run| self.leave(run, actions));
    }

    fn leave(&mut self, run: usize, actions: &mut Vec<Action>) {
        let kill_at = self.now + self.settings.grace;
        let Phase::Running(running) = &mut self.runs[run].phase else { return };
        if running.ending.is_none() {
            running.ending = Some(Ending { why: Why::Rung, kill_at, killed: false });
            actions.push(Action::Terminate { run });
        }
    }

    /// By what evidence a run should not go on.
    fn is_hopeless(&self, run: usize) -> Option<String> {
        let spec = &self.runs[run].spec;
        self.halving.as_ref().filter(|_| !spec.spared)?.verdict(spec.cell)
    }

    /// Runs in their order; those that need a device alone come when no other can start.
    pub(super) fn start_what_can(&mut self, actions: &mut Vec<Action>) {
        if self.mode != Mode::Going {
            return;
        }
        while let Some(&(_, run)) = self.ready.first() {
            if let Some(evidence) = self.is_hopeless(run) {
                self.finish(run, Outcome::EndedEarly(evidence), actions);
                continue;
            }
            let Run { spec, last_device, .. } = &self.runs[run];
            let Some(slot) = self.pool.take(run, spec.demand, *last_device) else { return };
            self.start(run, slot, actions);
        }
        while let Some(&run) = self.ready_alone.first()
            && let Some(slot) = self.pool.take_alone(run, self.runs[run].spec.demand)
        {
            self.start(run, slot, actions);
        }
    }

    fn start(&mut self, run: usize, slot: usize, actions: &mut Vec<Action>) {
        self.ready.remove(&(self.runs[run].spec.rungs, run));
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
