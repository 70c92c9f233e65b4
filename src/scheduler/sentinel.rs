//! Notices that every run fails alike, before a whole night is spent on it.

use std::collections::BTreeSet;

use crate::domain::Failure;

/// Runs that must fail alike.
const ALIKE: usize = 3;

/// Watches the first failures of a sweep, as long as no run gets anywhere.
#[derive(Clone, Debug, Default)]
pub(super) struct Sentinel {
    satisfied: bool,
    /// The run, its device and why it failed.
    failures: Vec<(usize, usize, Failure)>,
}

impl Sentinel {
    /// A run got somewhere: what fails from now on is not common to all.
    pub(super) fn progress(&mut self) {
        self.satisfied = true;
        self.failures.clear();
    }

    /// A run failed on one of `devices` devices. Returns the diagnosis once enough runs have failed alike and none has
    /// got anywhere. Where there are several devices, one of them alone may be the cause, and proves nothing.
    pub(super) fn failure(&mut self, run: usize, device: usize, devices: usize, failure: &Failure) -> Option<String> {
        if self.satisfied {
            return None;
        }
        self.failures.retain(|(other, ..)| *other != run);
        self.failures.push((run, device, failure.clone()));
        let like = self.failures.iter().filter(|(.., other)| gist(other) == gist(failure));
        let on: BTreeSet<usize> = like.clone().map(|(_, device, _)| *device).collect();
        let alike = like.count();
        (alike >= ALIKE && on.len() >= devices.min(2)).then(|| {
            format!(
                "the first {alike} runs failed alike and none got anywhere, so no more are started. Each: {failure}"
            )
        })
    }
}

/// What two failures of different runs have in common: the kind and the words without numbers and paths.
fn gist(failure: &Failure) -> (crate::domain::FailureKind, String) {
    let words = failure.message.split_whitespace().filter(|word| !word.contains(['/', '=']));
    let words: Vec<String> = words.map(|word| word.chars().filter(|c| !c.is_ascii_digit()).collect()).collect();
    (failure.kind, words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::FailureKind;

    fn failure(message: &str) -> Failure {
        Failure::new(FailureKind::ExitCode, message)
    }

    #[test]
    fn three_runs_that_fail_alike_are_noticed_and_one_that_fails_three_times_is_not() {
        let mut sentinel = Sentinel::default();
        for _ in 0..3 {
            assert_eq!(sentinel.failure(0, 0, 1, &failure("exit code 1: no module torch")), None);
        }
        assert_eq!(sentinel.failure(1, 0, 1, &failure("exit code 2: no module torch")), None);
        assert_eq!(sentinel.failure(2, 0, 1, &failure("exit code 1: something else")), None);
        let diagnosis = sentinel.failure(3, 0, 1, &failure("exit code 1: no module torch"));
        assert!(diagnosis.is_some_and(|text| text.contains("no module torch")));
    }

    #[test]
    fn one_of_several_devices_is_not_taken_for_all() {
        let mut sentinel = Sentinel::default();
        assert!((0..5).all(|run| sentinel.failure(run, 2, 4, &failure("x")).is_none()));
        assert!(sentinel.failure(5, 3, 4, &failure("x")).is_some());
    }

    #[test]
    fn a_run_that_got_somewhere_ends_the_watch() {
        let mut sentinel = Sentinel::default();
        sentinel.progress();
        assert!((0..9).all(|run| sentinel.failure(run, 0, 1, &failure("x")).is_none()));
    }
}
