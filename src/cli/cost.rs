//! What the pending runs will cost: memory, operations, and from epochs that were measured the time.

use super::{console, loading::CheckedData};
use crate::{
    data::Dataset,
    domain::{Channels, RunConfig, TimingRow},
    estimate::{self, Cost},
    plan::{Plan, PlanEntry},
    store,
};

/// A line on the memory and the time that the pending runs need.
pub fn line(plan: &Plan, data: &CheckedData<'_>) -> String {
    let estimates: Vec<Estimate> = plan.entries.iter().map(|entry| Estimate::of(entry, data)).collect();
    let left = || plan.entries.iter().zip(&estimates).filter(|(entry, _)| entry.is_pending());
    let memory = left().map(|(_, estimate)| estimate.cost.memory).fold(0.0, f64::max);
    let operations: f64 = left().map(|(entry, estimate)| estimate.epoch * epochs_left(entry)).sum();
    let time = match rate(plan, &estimates) {
        Some(rate) => format!("about {} if one run follows another", console::duration(operations / rate)),
        None => "the time is known once an epoch has been measured".to_owned(),
    };
    let mebibytes = memory / f64::from(1 << 20);
    let operations = match operations {
        few if few < 1e11 => format!("{:.1} · 10⁹", few / 1e9),
        many => format!("{:.1} · 10¹²", many / 1e12),
    };
    format!(
        "a run takes up to {mebibytes:.0} MiB of memory for its maps and weights; all take {operations} operations: {time}\n"
    )
}

struct Estimate {
    cost: Cost,
    /// Operations of an epoch.
    epoch: f64,
}

impl Estimate {
    fn of(entry: &PlanEntry, data: &CheckedData<'_>) -> Self {
        let (config, dataset) = (&entry.config, &data.dataset);
        let cost = estimate::cost(config, channels(config, dataset), dataset.classes().len());
        let [train, val] = data.sizes(&config.split);
        Self { cost, epoch: estimate::epoch(&cost, train, val) }
    }
}

fn channels(config: &RunConfig, dataset: &Dataset) -> usize {
    let color = config.data.channels == Channels::Auto && dataset.samples().iter().any(|sample| sample.has_color);
    if color || config.data.channels == Channels::Rgb { 3 } else { 1 }
}

fn epochs_left(entry: &PlanEntry) -> f64 {
    entry.config.train.epochs.saturating_sub(entry.state.checkpoint) as f64
}

/// Operations a second over all epochs of this sweep that were timed.
fn rate(plan: &Plan, estimates: &[Estimate]) -> Option<f64> {
    let (mut operations, mut seconds) = (0.0, 0.0);
    for (entry, estimate) in plan.entries.iter().zip(estimates).filter(|(entry, _)| entry.state.epoch > 0) {
        // A table that cannot be read makes the estimate rougher, no more.
        let rows: Vec<TimingRow> = store::read_rows(&plan.run_dir(entry).timing_csv()).unwrap_or_default();
        operations += estimate.epoch * rows.len() as f64;
        seconds += rows.iter().map(|row| row.train_seconds + row.eval_seconds).sum::<f64>();
    }
    (seconds > 0.0).then(|| operations / seconds)
}
