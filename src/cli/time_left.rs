//! How long runs still take, from the measured epochs of like ones.

use std::collections::BTreeMap;

use super::sweep::Standing;
use crate::{
    domain::{RunState, TimingRow},
    store::{RunFile, SweepDir, read_rows},
};

/// Completed runs whose epochs are read at most; more would not change a median.
const SAMPLE: usize = 100;

/// Measured epochs, by setting.
#[derive(Default)]
pub struct Pace {
    by_setting: BTreeMap<String, Vec<f64>>,
    epochs: BTreeMap<String, usize>,
    planned: Option<usize>,
}

impl Pace {
    /// Reads the epochs of the runs that are under way and of some that are done.
    pub fn read(sweep: &SweepDir, runs: &[Standing]) -> Self {
        let planned = runs.first().and_then(|run| planned_epochs(sweep, run));
        let mut pace = Self { planned, ..Self::default() };
        if runs.iter().all(|run| run.state.state == RunState::Completed) {
            return pace;
        }
        let under_way = runs.iter().filter(|run| run.state.epoch > 0 && run.state.state != RunState::Completed);
        let done = runs.iter().rev().filter(|run| run.state.state == RunState::Completed).take(SAMPLE);
        for run in under_way.chain(done) {
            let rows: Vec<TimingRow> = read_rows(&sweep.run(&run.planned.run).timing_csv()).unwrap_or_default();
            let seconds = rows.iter().map(|row| row.train_seconds + row.eval_seconds);
            pace.by_setting.entry(run.planned.setting.clone()).or_default().extend(seconds);
        }
        let varies = runs.first().is_some_and(|run| run.planned.axes.contains_key("train.epochs"));
        for run in runs.iter().filter(|run| varies && run.state.state != RunState::Completed) {
            if let Some(epochs) = run.planned.axes.get("train.epochs").and_then(serde_json::Value::as_u64) {
                pace.epochs.insert(run.planned.run.clone(), epochs as usize);
            }
        }
        pace
    }

    /// Epochs that a run is planned to have.
    pub fn epochs_of(&self, run: &Standing) -> Option<usize> {
        self.epochs.get(&run.planned.run).copied().or(self.planned)
    }

    /// Seconds that a run still takes at most, if any epoch was measured.
    pub fn left(&self, run: &Standing) -> Option<f64> {
        let epochs = match run.state.state {
            RunState::Completed | RunState::Failed => return None,
            _ => self.epochs_of(run)?.saturating_sub(run.state.epoch),
        };
        let own = self.by_setting.get(&run.planned.setting).and_then(|seconds| median(seconds));
        let seconds = own.or_else(|| median(&self.by_setting.values().flatten().copied().collect::<Vec<_>>()))?;
        Some(seconds * epochs as f64)
    }

    /// Seconds that the sweep still takes with `at_once` runs at a time.
    pub fn left_of_all(&self, runs: &[Standing], at_once: usize) -> Option<f64> {
        let each: Vec<f64> = runs.iter().filter_map(|run| self.left(run)).collect();
        let longest = each.iter().copied().reduce(f64::max)?;
        Some((each.iter().sum::<f64>() / at_once.max(1) as f64).max(longest))
    }
}

fn planned_epochs(sweep: &SweepDir, run: &Standing) -> Option<usize> {
    Some(RunFile::read(&sweep.run(&run.planned.run)).ok()?.config.train.epochs)
}

fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{RunId, StateRecord},
        store::PlannedRun,
    };

    fn run(name: &str, setting: &str, state: RunState, epoch: usize) -> Standing {
        let planned = PlannedRun {
            run: name.into(),
            id: RunId(uuid::Uuid::nil()),
            setting: setting.into(),
            axes: serde_json::Map::new(),
        };
        Standing { planned, state: StateRecord { state, epoch, ..StateRecord::default() } }
    }

    #[test]
    fn like_runs_are_the_measure_and_any_run_is_where_there_are_none() {
        let pace = Pace {
            by_setting: BTreeMap::from([("slow".into(), vec![9.0, 10.0, 50.0]), ("fast".into(), vec![1.0])]),
            epochs: BTreeMap::new(),
            planned: Some(8),
        };
        let runs = [
            run("a", "slow", RunState::Running, 6),
            run("b", "fast", RunState::New, 0),
            run("c", "new", RunState::New, 0),
            run("d", "fast", RunState::Completed, 8),
        ];
        let left: Vec<_> = runs.iter().map(|run| pace.left(run)).collect();
        assert_eq!(left, [Some(20.0), Some(8.0), Some(80.0), None]);
        assert_eq!(pace.left_of_all(&runs, 1), Some(108.0));
        assert_eq!(pace.left_of_all(&runs, 2), Some(80.0));
        assert_eq!(Pace::default().left_of_all(&runs, 2), None);
    }
}
