//! Which failure is tried again, and when.

use std::time::Duration;

use crate::domain::FailureKind;

/// What a failure means for its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// It may not come back: start again, as often as `retries` allows.
    Again,
    /// Start again with a whole device to itself; if that fails too, it cannot be run here.
    Alone,
    /// It would come back.
    Never,
    /// Nothing can be recorded: end the sweep, to be resumed once there is room.
    EndSweep,
}

/// The table.
pub(super) fn rule(kind: FailureKind) -> Rule {
    match kind {
        FailureKind::Spawn | FailureKind::Signal | FailureKind::Stalled | FailureKind::ExitCode => Rule::Again,
        FailureKind::OutOfMemory => Rule::Alone,
        FailureKind::NotFinite
        | FailureKind::BadConfig
        | FailureKind::BadData
        | FailureKind::CorruptCheckpoint
        | FailureKind::Protocol
        | FailureKind::Lost => Rule::Never,
        FailureKind::Storage | FailureKind::Superseded => Rule::EndSweep,
    }
}

/// Whether a failure may be the device's fault rather than the run's.
pub(super) fn blames_device(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::Spawn
            | FailureKind::Signal
            | FailureKind::Stalled
            | FailureKind::ExitCode
            | FailureKind::OutOfMemory
    )
}

/// How long to wait before the start after the `failures`-th failure in a row: each time five times as long, at most
/// two minutes.
pub(super) fn backoff(first: Duration, failures: usize) -> Duration {
    let factor = 5_u32.saturating_pow(failures.saturating_sub(1).min(8) as u32);
    first.saturating_mul(factor).min(Duration::from_secs(120))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_bearable() {
        let waits: Vec<u64> = (1..=6).map(|n| backoff(Duration::from_secs(2), n).as_secs()).collect();
        assert_eq!(waits, [2, 10, 50, 120, 120, 120]);
    }
}
