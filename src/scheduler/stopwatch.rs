//! How long the epochs of an outside trainer take, seen from here.

use std::time::Instant;

use crate::{
    domain::{StateRecord, TimingRow},
    store::peak_memory_mib,
};

/// Runs from one epoch's end to the next one's.
pub(super) struct Stopwatch {
    start: Instant,
    figures: Option<Instant>,
}

impl Stopwatch {
    /// The first epoch begins now.
    pub(super) fn start() -> Self {
        Self { start: Instant::now(), figures: None }
    }

    /// The trainer tells the epoch's figures. What it does before the first of them counts as training.
    pub(super) fn figures(&mut self) {
        self.figures.get_or_insert_with(Instant::now);
    }

    /// The epoch is over and the next one begins.
    pub(super) fn lap(&mut self, state: &StateRecord, epoch: usize, train_images: usize) -> TimingRow {
        let (start, now) = (self.start, Instant::now());
        let figures = self.figures.unwrap_or(now);
        *self = Self { start: now, figures: None };
        let train_seconds = (figures - start).as_secs_f64();
        TimingRow {
            attempt: state.attempts,
            epoch,
            train_seconds,
            eval_seconds: (now - figures).as_secs_f64(),
            images_per_second: train_images as f64 / train_seconds.max(1e-9),
            wait_seconds: None,
            peak_memory_mib: state.process.map_or(0.0, |process| peak_memory_mib(process.pid)),
        }
    }
}
