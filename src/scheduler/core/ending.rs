//! Workers that were asked to end: because the sweep stops, because they are silent, or to make room at a rung.

use std::time::Duration;

use super::{
    super::{
        event::{Action, Outcome},
        retry::blames_device,
    },
    Mode, Phase, Running, State,
};
use crate::domain::{Failure, FailureKind};

/// What was asked of a worker.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    pub(super) why: Why,
    pub(super) kill_at: Duration,
    pub(super) killed: bool,
}

/// Why it was asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The sweep stops.
    Asked,
    /// It said nothing for so long.
    Silent(Duration),
    /// At a rung: others come first, or it is hopeless.
    Rung,
}

impl State {
    pub(super) fn stop(&mut self, actions: &mut Vec<Action>) {
        self.mode = Mode::Stopping;
        let kill_at = self.now + self.settings.grace;
        for &run in &self.running {
            if let Phase::Running(running) = &mut self.runs[run].phase
                && running.ending.is_none()
            {
                running.ending = Some(Ending { why: Why::Asked, kill_at, killed: false });
                actions.push(Action::Terminate { run });
            }
        }
    }

    pub(super) fn kill_all(&mut self, actions: &mut Vec<Action>) {
        for &run in &self.running {
            if let Phase::Running(Running { ending, .. }) = &mut self.runs[run].phase {
                let ending = ending.get_or_insert(Ending { why: Why::Asked, kill_at: self.now, killed: false });
                if !std::mem::replace(&mut ending.killed, true) {
                    actions.push(Action::Kill { run });
                }
            }
        }
    }
}

/// What a worker's end means once it is known that it was asked to end.
pub(super) fn seen_in_light_of(ending: Option<&Ending>, outcome: Outcome) -> Outcome {
    let own_fault = |failure: &Failure| !(blames_device(failure.kind) || failure.kind == FailureKind::Protocol);
    match (ending, outcome) {
        (None, outcome) | (_, outcome @ Outcome::Completed) => outcome,
        (_, Outcome::Failed(failure)) if own_fault(&failure) => Outcome::Failed(failure),
        (Some(Ending { why: Why::Asked | Why::Rung, .. }), _) => Outcome::Stopped,
        (Some(Ending { why: Why::Silent(silence), .. }), _) => Outcome::Failed(Failure::new(
            FailureKind::Stalled,
            format!("said nothing for {} s and was ended; see worker.log for its last words", silence.as_secs()),
        )),
    }
}
