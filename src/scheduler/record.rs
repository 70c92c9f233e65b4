//! The transitions of state.json that a dead worker cannot write itself.

use super::{Job, Outcome};
use crate::{domain::RunState, store::StoreError};

/// A worker may be killed between its last record and its last word: what is on disk is the truth.
pub(super) fn as_on_disk(job: &Job, outcome: Outcome) -> Outcome {
    match job.run.read_state() {
        Ok(state) if state.state == RunState::Completed => Outcome::Completed,
        Ok(_) | Err(_) => outcome,
    }
}

/// Records how a run ended.
pub(super) fn finish(job: &Job, outcome: &Outcome) -> Result<(), StoreError> {
    let (state, failure, note) = match outcome {
        Outcome::Completed => (RunState::Completed, None, None),
        Outcome::Stopped => (RunState::Stopped, None, None),
        Outcome::EndedEarly(evidence) => (RunState::EndedEarly, None, Some(evidence.clone())),
        Outcome::Failed(failure) => (RunState::Failed, Some(failure.clone()), None),
    };
    let mut record = job.run.read_state()?;
    let before = record.clone();
    record.state = state;
    record.failure = failure;
    record.note = note;
    record.process = None;
    if record == before { Ok(()) } else { job.run.write_state(&record) }
}

/// Records that a run waits to be started again.
pub(super) fn queue_again(job: &Job) -> Result<(), StoreError> {
    let mut record = job.run.read_state()?;
    record.state = RunState::New;
    record.failure = None;
    record.note = None;
    record.process = None;
    job.run.write_state(&record)
}
