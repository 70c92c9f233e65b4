//! The end of an epoch: evaluation, then everything that is recorded, in the one order in which each crash point
//! has one meaning: checkpoint set, rows, state, links.

use std::{process, time::Instant};

use burn::{module::AutodiffModule, tensor::backend::AutodiffBackend};

use super::{
    Say, Training, best, checkpoint,
    epoch::{Network, Spent, expect_finite},
    evaluate::evaluate,
    resume::History,
    stops, storage,
};
use crate::{
    domain::{EpochRecord, Failure, ImageRow, RunState, Split, StateRecord, TimingRow},
    loss::LossOps,
    metrics::{class_rows, epoch_row, image_rows},
    model::ConvOps,
    protocol::Message,
    store::{CheckpointSet, append_rows, peak_memory_mib},
};

/// What a checkpoint set holds, of an epoch that has none.
pub struct Unsaved<A: AutodiffBackend> {
    network: Network<A>,
    images: Vec<ImageRow>,
}

impl<A> Training<'_, A>
where
    A: AutodiffBackend + ConvOps + LossOps,
    A::InnerBackend: ConvOps,
{
    /// Evaluates and records the epoch after `state.epoch`. Gives what a checkpoint set of it holds, where it has none.
    pub(super) fn record(
        &self,
        network: &Network<A>,
        history: &mut History,
        state: &mut StateRecord,
        spent: Spent,
        learning_rate: f64,
        say: &mut Say<'_>,
    ) -> Result<Option<Unsaved<A>>, Failure> {
        let epoch = state.epoch + 1;
        let mut record = self.figures(network, epoch, learning_rate);
        // The last step may have ruined the weights, and no figure is ever NaN.
        for row in &record.splits {
            row.loss
                .map_or(Ok(()), |loss| expect_finite(loss, &format!("the {} images after epoch {epoch}", row.split)))?;
        }
        record.timing.attempt = state.attempts;
        record.timing.train_seconds = spent.train_seconds;
        record.timing.wait_seconds = Some(spent.wait_seconds);
        let images = self.task.images_of(Split::Train).len() as f64;
        record.timing.images_per_second = images / spent.train_seconds.max(1e-9);
        history.extend(record.splits.iter().cloned());
        let monitor = self.task.config.monitor;
        let found = best(&history.values(monitor), monitor.direction());
        let config = &self.task.config.train;
        let is_due = found.is_some_and(|(best, _)| best == epoch)
            || epoch.is_multiple_of(config.checkpoint_every.max(1))
            || config.keep_epochs.is_some_and(|every| epoch.is_multiple_of(every.max(1)))
            || self.is_over(history, epoch);
        if is_due {
            self.write_set(network, &record.images, epoch, state)?;
        }
        self.append(&record).map_err(storage)?;
        state.epoch = epoch;
        (state.best_epoch, state.best_score) = found.map_or((0, None), |(epoch, score)| (epoch, Some(score)));
        self.run.write_state(state).map_err(storage)?;
        self.announce(&record, say);
        if is_due {
            self.publish_set(state, say)?;
        }
        Ok((!is_due).then(|| Unsaved { network: network.clone(), images: record.images }))
    }

    /// Makes the end on request resumable from the last epoch recorded.
    pub(super) fn stop(
        &self,
        mut state: StateRecord,
        unsaved: Option<Unsaved<A>>,
        say: &mut Say<'_>,
    ) -> Result<(), Failure> {
        state.state = RunState::Stopped;
        if let Some(Unsaved { network, images }) = &unsaved {
            let epoch = state.epoch;
            self.write_set(network, images, epoch, &mut state)?;
        }
        self.run.write_state(&state).map_err(storage)?;
        unsaved.map_or(Ok(()), |_| self.publish_set(&state, say))
    }

    fn write_set(
        &self,
        network: &Network<A>,
        images: &[ImageRow],
        epoch: usize,
        state: &mut StateRecord,
    ) -> Result<(), Failure> {
        let fill = |folder: &std::path::Path| checkpoint::write(folder, &network.model, &network.optimizer);
        CheckpointSet::write(self.run, epoch, images, fill).map_err(storage)?;
        state.checkpoint = epoch;
        Ok(())
    }

    /// Points the links at the newest set, once state.json names it.
    fn publish_set(&self, state: &StateRecord, say: &mut Say<'_>) -> Result<(), Failure> {
        let epoch = state.checkpoint;
        let best = if state.best_epoch == 0 { epoch } else { state.best_epoch };
        CheckpointSet::publish(self.run, epoch, best, self.task.config.train.keep_epochs).map_err(storage)?;
        say(&Message::Checkpoint { epoch });
        Ok(())
    }

    /// Whether no epoch follows `epoch`.
    pub(super) fn is_over(&self, history: &History, epoch: usize) -> bool {
        let config = &self.task.config.train;
        let stopped = |rule: &crate::domain::EarlyStopping| stops(&history.values(rule.monitor), rule);
        epoch >= config.epochs || config.early_stopping.as_ref().is_some_and(stopped)
    }

    fn figures(&self, network: &Network<A>, epoch: usize, learning_rate: f64) -> EpochRecord {
        let started = Instant::now();
        let model = network.model.valid();
        let task = &self.task;
        let mut record = EpochRecord {
            epoch,
            splits: Vec::new(),
            classes: Vec::new(),
            images: Vec::new(),
            timing: TimingRow {
                attempt: 0,
                epoch,
                train_seconds: 0.0,
                eval_seconds: 0.0,
                images_per_second: 0.0,
                peak_memory_mib: 0.0,
                wait_seconds: None,
            },
        };
        for split in [Split::Train, Split::Val] {
            let indices = task.images_of(split);
            let images = evaluate(&model, task, &indices, &self.loss, self.device);
            record.splits.push(epoch_row(epoch, split, &images, task.classes, &self.loss, learning_rate));
            record.classes.extend(class_rows(epoch, split, &images, task.classes));
            for (index, figures) in indices.into_iter().zip(&images) {
                record.images.extend(image_rows(epoch, split, &task.names[index], figures, task.classes));
            }
        }
        record.timing.eval_seconds = started.elapsed().as_secs_f64();
        record.timing.peak_memory_mib = peak_memory_mib(process::id());
        record
    }

    fn append(&self, record: &EpochRecord) -> Result<(), crate::store::StoreError> {
        append_rows(&self.run.epochs_csv(), &record.splits)?;
        append_rows(&self.run.classes_csv(), &record.classes)?;
        append_rows(&self.run.timing_csv(), std::slice::from_ref(&record.timing))
    }

    fn announce(&self, record: &EpochRecord, say: &mut Say<'_>) {
        for row in &record.splits {
            let classes = record.classes.iter().filter(|class| class.split == row.split);
            say(&Message::Epoch {
                epoch: record.epoch,
                split: row.split,
                loss: row.loss,
                dice_macro: row.dice_macro,
                figures: Default::default(),
                classes: classes.map(|class| (class.class.clone(), class.counts())).collect(),
            });
        }
    }
}
