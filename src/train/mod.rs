//! The training of one run: exact, resumable, recorded epoch by epoch.
//!
//! | file | does |
//! | --- | --- |
//! | `epoch` | the steps of one epoch |
//! | `samples` | what training reads |
//! | `loader`, `augment`, `warp` | batches made ahead, random changes |
//! | `crop` | windows in images of their own size |
//! | `optimizer`, `schedule` | how weights move |
//! | `evaluate` | figures of a split |
//! | `early_stopping` | when to end, which epoch is best |
//! | `record`, `checkpoint`, `resume` | what is written each epoch, and where to go on |
//! | `finish`, `panel` | images.csv and pictures at the end |
//! | `evidence`, `alike` | evidence.csv: what the diagnosis needs beyond the tables |
//! | `predict`, `export` | a run's network for new images, and for other programs |

mod alike;
mod augment;
mod checkpoint;
mod crop;
mod early_stopping;
mod epoch;
mod evaluate;
mod evidence;
mod export;
mod finish;
mod loader;
mod optimizer;
mod panel;
mod predict;
mod record;
mod resume;
mod samples;
mod schedule;
mod warp;

use std::sync::atomic::AtomicBool;

use burn::tensor::backend::AutodiffBackend;

pub use early_stopping::{best, stops};
pub use evaluate::evaluate;
pub use export::export;
pub use loader::Batch;
pub use optimizer::{Gradients, Optimizer, gradients};
pub use predict::Predictor;
pub use samples::{Samples, Task};
pub use schedule::learning_rate;

use crate::{
    domain::{Failure, RunState, StateRecord},
    loss::{Loss, LossOps},
    model::ConvOps,
    protocol::Message,
    store::{RunDir, StoreError},
};

/// How a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is complete.
    Completed,
    /// It ended on request and can be resumed.
    Stopped,
}

/// Who listens to a training.
pub type Say<'a> = dyn FnMut(&Message) + Send + 'a;

/// One training and where it is recorded.
pub struct Training<'a, A: AutodiffBackend> {
    /// The run's folder.
    pub run: &'a RunDir,
    /// What it is about.
    pub task: Task<'a>,
    /// Where it computes.
    pub device: &'a A::Device,
    /// Set to end after the current batch.
    pub stop: &'a AtomicBool,
    /// The loss, derived from the settings.
    pub loss: Loss,
}

impl<'a, A> Training<'a, A>
where
    A: AutodiffBackend + ConvOps + LossOps,
    A::InnerBackend: ConvOps,
{
    /// A training that has not begun.
    pub fn new(run: &'a RunDir, task: Task<'a>, device: &'a A::Device, stop: &'a AtomicBool) -> Self {
        let loss = Loss::new(&task.config.loss, &task.training_pixels());
        Self { run, task, device, stop, loss }
    }

    /// Trains from where the run stands to its end. `state` is what state.json says, with this attempt counted.
    ///
    /// # Errors
    /// If the loss is not finite, a checkpoint cannot be used or the disk refuses.
    pub fn run(&self, mut state: StateRecord, say: &mut Say<'_>) -> Result<Outcome, Failure> {
        let (mut network, mut history) = self.resume(&mut state)?;
        let mut unsaved = None;
        say(&Message::Start { epoch: state.epoch, epochs: self.task.config.train.epochs });
        while !self.is_over(&history, state.epoch) {
            let epoch = state.epoch + 1;
            let Some(trained) = self.train_epoch(network, &history, epoch, say)? else {
                self.stop(state, unsaved, say)?;
                return Ok(Outcome::Stopped);
            };
            network = trained.network;
            unsaved = self.record(&network, &mut history, &mut state, trained.spent, trained.learning_rate, say)?;
        }
        self.finish(&state)?;
        state.state = RunState::Completed;
        state.process = None;
        self.run.write_state(&state).map_err(storage)?;
        say(&Message::Done);
        Ok(Outcome::Completed)
    }
}

/// What keeps results from being read or written, as a failure of the run.
pub fn storage(error: StoreError) -> Failure {
    Failure::new(error.kind(), error)
}
