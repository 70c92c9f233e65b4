//! What the queue and the disk together say of a run. The disk decides what is done, the queue only what is waited for.

use super::queue::{Entry, Phase};
use crate::domain::{Failure, FailureKind, RunState, StateRecord};

/// Looks in a row at which a job must be gone or over before its run counts as lost: on a shared file system the queue
/// may know of an end before its files can be seen.
const LOOKS: usize = 2;

/// A run, as the login side knows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Track {
    /// The chunk that it was last submitted in, and its task there.
    pub(super) place: Option<(String, usize)>,
    /// The array job and the node on which it was last seen.
    pub(super) seen: Option<(u64, String)>,
    /// The last epoch that is known to be recorded.
    pub(super) epoch: usize,
    /// Losses in a row without an epoch recorded between them.
    pub(super) losses: usize,
    /// Whether nothing more is to be done for it.
    pub(super) is_over: bool,
    missing: usize,
}

/// What a look tells of a run.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum News {
    /// Nothing that matters.
    None,
    /// It runs on a node on which it was not seen before.
    Started(String),
    /// It is over: this is its state.
    Over(StateRecord),
    /// Its job is gone, and it is not done.
    Lost(Loss),
}

/// A job that ended before its run was done.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Loss {
    /// The node it had; empty: not known.
    pub(super) node: String,
    /// Whether that may be the node's fault.
    pub(super) blames_node: bool,
    /// What is known of the cause.
    pub(super) failure: Failure,
}

impl Track {
    /// A run that starts at `epoch`.
    pub(super) fn new(epoch: usize) -> Self {
        Self { epoch, ..Self::default() }
    }

    /// It was submitted.
    pub(super) fn place_at(&mut self, chunk: &str, task: usize) {
        self.place = Some((chunk.to_owned(), task));
        self.seen = None;
        self.missing = 0;
    }

    /// Takes in a look at the queue. `state` reads state.json, which is only done where it may have changed; what cannot
    /// be read now is read at the next look.
    pub(super) fn look(&mut self, entry: Option<&Entry>, state: impl FnOnce() -> Option<StateRecord>) -> News {
        let phase = entry.map_or(Phase::Over, |entry| entry.phase);
        if phase == Phase::Waiting {
            self.missing = 0;
            return News::None;
        }
        let Some(state) = state() else { return News::None };
        if state.epoch > self.epoch {
            self.epoch = state.epoch;
            self.losses = 0;
        }
        // A task that runs may yet take back that its run failed.
        let may_change = phase == Phase::Running && state.state == RunState::Failed;
        if state.state.is_over() && !may_change {
            self.is_over = true;
            return News::Over(state);
        }
        match entry {
            Some(entry) if phase == Phase::Running => self.runs(entry),
            entry => self.is_missing(entry, state),
        }
    }

    fn runs(&mut self, entry: &Entry) -> News {
        self.missing = 0;
        let seen = Some((entry.job, entry.node.clone()));
        if entry.node.is_empty() || self.seen == seen {
            return News::None;
        }
        self.seen = seen;
        News::Started(entry.node.clone())
    }

    fn is_missing(&mut self, entry: Option<&Entry>, state: StateRecord) -> News {
        self.missing += 1;
        // A task that says why it failed has said its last word.
        if self.missing < LOOKS && state.failure.is_none() {
            return News::None;
        }
        let node = entry.map(|entry| entry.node.clone()).unwrap_or_default();
        let job = self.place.as_ref().map_or_else(String::new, |(chunk, task)| format!("{chunk}[{task}]"));
        let how = match entry {
            Some(entry) if node.is_empty() => format!("ended as {}", entry.state),
            Some(entry) => format!("ended as {} on {node}", entry.state),
            None => "is no longer in the queue".to_owned(),
        };
        let lost = || Failure::new(FailureKind::Lost, format!("its job {job} {how} before it was done"));
        let blames_node =
            entry.is_some_and(|entry| ["FAILED", "BOOT_FAIL", "NODE_FAIL"].contains(&entry.state.as_str()));
        News::Lost(Loss { node, blames_node, failure: state.failure.unwrap_or_else(lost) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(state: &str, phase: Phase, node: &str) -> Entry {
        let (state, node) = (state.to_owned(), node.to_owned());
        Entry { job: 12, task: 0, state, phase, reason: String::new(), node, submitted: String::new() }
    }

    fn state(state: RunState, epoch: usize) -> impl FnOnce() -> Option<StateRecord> {
        move || Some(StateRecord { state, epoch, ..StateRecord::default() })
    }

    fn running() -> Entry {
        entry("RUNNING", Phase::Running, "n1")
    }

    #[test]
    fn a_run_is_done_when_the_disk_says_so_whatever_the_queue_shows() {
        for seen in [Some(running()), Some(entry("FAILED", Phase::Over, "n1")), None] {
            let news = Track::new(0).look(seen.as_ref(), state(RunState::Completed, 4));
            assert!(matches!(news, News::Over(state) if state.epoch == 4), "{seen:?}");
        }
    }

    #[test]
    fn a_job_that_is_gone_is_lost_at_the_second_look_and_one_that_comes_back_is_not() {
        let mut track = Track::new(0);
        track.place_at("chunk", 3);
        assert_eq!(track.look(None, state(RunState::Running, 0)), News::None);
        assert_eq!(track.look(Some(&entry("PENDING", Phase::Waiting, "")), state(RunState::Running, 0)), News::None);
        assert_eq!(track.look(None, state(RunState::Running, 0)), News::None);
        let News::Lost(loss) = track.look(None, state(RunState::Running, 0)) else { unreachable!() };
        assert!(!loss.blames_node && loss.failure.message.contains("chunk[3] is no longer in the queue"), "{loss:?}");
    }

    #[test]
    fn a_task_that_failed_and_says_why_is_lost_at_once_by_its_node() {
        let failed = entry("FAILED", Phase::Over, "n2");
        let failure = Some(Failure::new(FailureKind::ExitCode, "the worker ended with exit code 3"));
        let state = StateRecord { failure: failure.clone(), ..StateRecord::default() };
        let News::Lost(loss) = Track::new(0).look(Some(&failed), || Some(state)) else { unreachable!() };
        assert_eq!((loss.node.as_str(), loss.blames_node, Some(loss.failure)), ("n2", true, failure));
        let cancelled = entry("CANCELLED", Phase::Over, "n2");
        let mut track = Track::new(0);
        track.look(Some(&cancelled), || Some(StateRecord::default()));
        let news = track.look(Some(&cancelled), || Some(StateRecord::default()));
        assert!(matches!(news, News::Lost(loss) if !loss.blames_node));
    }

    #[test]
    fn a_failure_counts_once_the_task_is_over() {
        let mut track = Track::new(0);
        assert_eq!(track.look(Some(&running()), state(RunState::Failed, 0)), News::Started("n1".into()));
        let news = track.look(Some(&entry("FAILED", Phase::Over, "n1")), state(RunState::Failed, 0));
        assert!(matches!(news, News::Over(_)) && track.is_over);
    }

    #[test]
    fn a_start_is_told_once_a_node_and_an_epoch_forgives_losses() {
        let mut track = Track { losses: 2, ..Track::new(3) };
        assert_eq!(track.look(Some(&running()), state(RunState::Running, 3)), News::Started("n1".into()));
        assert_eq!((track.look(Some(&running()), state(RunState::Running, 3)), track.losses), (News::None, 2));
        let moved = entry("RUNNING", Phase::Running, "n2");
        assert_eq!(track.look(Some(&moved), state(RunState::Running, 4)), News::Started("n2".into()));
        assert_eq!((track.losses, track.epoch), (0, 4));
    }

    #[test]
    fn what_cannot_be_read_now_says_nothing() {
        let mut track = Track::new(0);
        assert!((0..5).all(|_| track.look(None, || None) == News::None));
    }
}
