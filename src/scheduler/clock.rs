//! The time a sweep has really had: pauses of the machine or of this process do not count.

use std::time::{Duration, Instant};

/// The driver looks at the clock at least this often.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// The longest step between two looks that counts. More than that and this process itself did not run (Ctrl-Z,
/// SIGSTOP, a laptop's lid), so its silence about the workers says nothing about them.
const LONGEST_STEP: Duration = Duration::from_secs(3);

/// See above.
#[derive(Debug)]
pub(super) struct Clock {
    counted: Duration,
    last: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { counted: Duration::ZERO, last: Instant::now() }
    }

    /// The time that counts.
    pub(super) fn now(&mut self) -> Duration {
        let now = Instant::now();
        self.counted += (now - self.last).min(LONGEST_STEP);
        self.last = now;
        self.counted
    }
}
