//! Where a training goes on: the newest whole checkpoint set, with the tables cut back to its epoch.

use std::{
    collections::BTreeMap,
    fmt::Display,
    fs,
    io::{self, Write},
    slice,
};

use burn::tensor::backend::AutodiffBackend;

use super::{Optimizer, Training, best, checkpoint, epoch::Network, storage};
use crate::{
    domain::{EpochRow, Failure, FailureKind, Metric, RunState, Split, StateRecord},
    loss::LossOps,
    model::{ConvOps, Freeze, UNet, pretrained},
    store::{CheckpointSet, StoreError, cut_after, cut_split, read_rows},
};

/// The rows of epochs.csv so far.
#[derive(Clone, Debug, Default)]
pub struct History(Vec<EpochRow>);

impl History {
    /// Adds an epoch's rows.
    pub fn extend(&mut self, rows: impl IntoIterator<Item = EpochRow>) {
        self.0.extend(rows);
    }

    /// A figure of each epoch from 1 on.
    pub fn values(&self, metric: Metric) -> Vec<Option<f64>> {
        let of_split = self.0.iter().filter(|row| row.split == metric.split);
        let known: BTreeMap<_, _> = of_split.map(|row| (row.epoch, metric.of(slice::from_ref(row)))).collect();
        let last = self.0.iter().map(|row| row.epoch).max().unwrap_or(0);
        (1..=last).map(|epoch| known.get(&epoch).copied().flatten()).collect()
    }
}

impl<A> Training<'_, A>
where
    A: AutodiffBackend + ConvOps + LossOps,
    A::InnerBackend: ConvOps,
{
    /// The network and history where `state` says, and `state` made to say exactly that.
    pub(super) fn resume(&self, state: &mut StateRecord) -> Result<(Network<A>, History), Failure> {
        let (set, history) = self.whole_point(state.checkpoint).map_err(storage)?;
        let monitor = self.task.config.monitor;
        let found = best(&history.values(monitor), monitor.direction());
        state.state = RunState::Running;
        state.failure = None;
        state.epoch = set.as_ref().map_or(0, |set| set.epoch);
        state.checkpoint = state.epoch;
        (state.best_epoch, state.best_score) = found.map_or((0, None), |(epoch, score)| (epoch, Some(score)));
        self.run.write_state(state).map_err(storage)?;
        self.cut_tables(state.epoch).map_err(storage)?;
        let mut network = self.fresh()?;
        let Some(set) = set else {
            network.model = self.pretrained(network.model)?;
            return Ok((network, history));
        };
        let best = if state.best_epoch == 0 { set.epoch } else { state.best_epoch };
        CheckpointSet::publish(self.run, set.epoch, best, self.task.config.train.keep_epochs).map_err(storage)?;
        network.model = checkpoint::read_model(&set, network.model)?;
        network.optimizer = checkpoint::read_optimizer(&set, network.optimizer, self.device)?;
        Ok((network, history))
    }

    /// A network that has learned nothing.
    fn fresh(&self) -> Result<Network<A>, Failure> {
        let config = self.task.config;
        let (channels, classes) = (self.task.samples.channels(), self.loss.classes());
        let model = UNet::new(&config.model, channels, classes, config.train.init_seed, self.device);
        Ok(Network { model: self.as_trained(model)?, optimizer: Optimizer::new(&config.train) })
    }

    /// The network with the weights that `model.pretrained` gives it to begin with.
    fn pretrained(&self, model: UNet<A>) -> Result<UNet<A>, Failure> {
        let Some(path) = &self.task.config.model.pretrained else { return Ok(model) };
        let named = |text: &dyn Display| format!("model.pretrained {}: {text}", path.display());
        let unusable = |e: &dyn Display| Failure::new(FailureKind::BadConfig, named(e));
        let file = fs::read(path).map_err(|e| unusable(&e))?;
        let (model, why_fresh) = pretrained::load(model, &file, &self.task.classes.names).map_err(|e| unusable(&e))?;
        if let Some(why) = why_fresh {
            // A worker's stderr is worker.log.
            let _ = writeln!(io::stderr(), "{}", named(&format!("the last layer starts fresh; {why}")));
        }
        Ok(model)
    }

    /// The network with the layers frozen and the precision set as the settings say.
    pub(super) fn as_trained<B: ConvOps>(&self, mut model: UNet<B>) -> Result<UNet<B>, Failure> {
        let config = self.task.config;
        let rule = Freeze::new(&config.model).map_err(|e| Failure::new(FailureKind::BadConfig, e))?;
        model.freeze(&rule, &config.model);
        model.set_precision(config.train.precision);
        Ok(model)
    }

    /// Leaves the rows of the epochs up to `epoch`, and none of test images, which belong to a training that was over.
    fn cut_tables(&self, epoch: usize) -> Result<(), StoreError> {
        let tables = [self.run.epochs_csv(), self.run.classes_csv(), self.run.timing_csv()];
        tables.iter().try_for_each(|table| cut_after(table, epoch))?;
        tables[..2].iter().try_for_each(|table| cut_split(table, Split::Test))
    }

    /// The newest set at or before `epoch` that is whole and whose best epoch's set is whole too.
    fn whole_point(&self, epoch: usize) -> Result<(Option<CheckpointSet>, History), StoreError> {
        self.cut_tables(epoch)?;
        let rows: Vec<EpochRow> = read_rows(&self.run.epochs_csv())?;
        let mut latest = epoch;
        while let Some(set) = CheckpointSet::newest(self.run, latest)? {
            let history = History(rows.iter().filter(|row| row.epoch <= set.epoch).cloned().collect());
            let monitor = self.task.config.monitor;
            match best(&history.values(monitor), monitor.direction()) {
                Some((best, _)) if CheckpointSet::of_epoch(self.run, best).is_none() => latest = best - 1,
                _ => return Ok((Some(set), history)),
            }
        }
        Ok((None, History::default()))
    }
}
