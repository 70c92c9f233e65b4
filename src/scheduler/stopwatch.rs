//! How long the epochs of an outside trainer take, seen from here.

use std::time::Instant;

use crate::{
    domain::{StateRecord, TimingRow},
    store::peak_memory_mib,
};

/// Runs from one epoch's end to the next one's.
pub(super) struct Stopwatch {
    start: Instant,
    /// When the first and the last figure of this epoch came.
    figures: Option<[Instant; 2]>,
}

impl Stopwatch {
    /// The first epoch begins now.
    pub(super) fn start() -> Self {
        Self { start: Instant::now(), figures: None }
    }

    /// The trainer tells the epoch's figures. What it does before the first of them counts as training.
    pub(super) fn figures(&mut self) {
        let now = Instant::now();
        self.figures.get_or_insert([now; 2])[1] = now;
    }

    /// The epoch is over and the next one begins: now, where the trainer has said so with a checkpoint; else it was
    /// over when its last figure came.
    pub(super) fn lap(&mut self, state: &StateRecord, epoch: usize, train_images: usize, said: bool) -> TimingRow {
        let (start, now) = (self.start, Instant::now());
        let [first, last] = self.figures.unwrap_or([now; 2]);
        let end = if said { now } else { last };
        *self = Self { start: end, figures: None };
        let train_seconds = (first - start).as_secs_f64();
        TimingRow {
            attempt: state.attempts,
            epoch,
            train_seconds,
            eval_seconds: (end - first).as_secs_f64(),
            images_per_second: train_images as f64 / train_seconds.max(1e-9),
            wait_seconds: None,
            peak_memory_mib: state.process.map_or(0.0, |process| peak_memory_mib(process.pid)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{thread::sleep, time::Duration};

    use super::*;

    #[test]
    fn training_that_follows_an_epoch_without_a_checkpoint_belongs_to_the_next_one() {
        let (training, state) = (Duration::from_millis(40), StateRecord::default());
        let mut stopwatch = Stopwatch::start();
        stopwatch.figures();
        sleep(training);
        // The figures of epoch 2 are what says that epoch 1 is over.
        let first = stopwatch.lap(&state, 1, 8, false);
        stopwatch.figures();
        let second = stopwatch.lap(&state, 2, 8, true);
        assert!(second.train_seconds >= training.as_secs_f64(), "{first:?} {second:?}");
        assert_eq!(first.eval_seconds, 0.0);
        assert!(second.images_per_second <= 8.0 / training.as_secs_f64());
    }
}
