//! How long runs still take, from the measured epochs of like ones.

use std::collections::{BTreeMap, HashMap};

use super::sweep::Standing;
use crate::{
    domain::{RunState, TimingRow},
    store::{Entry, Journal, RunFile, SweepDir, read_rows},
};

/// Runs whose epochs are read at most, of those done and of those under way; more would not change a median.
const SAMPLE: usize = 100;

/// The last epochs of a run that are read.
const LAST: usize = 20;

/// Measured epochs.
#[derive(Default)]
pub struct Pace {
    by_setting: BTreeMap<String, Seconds>,
    all: Seconds,
    epochs: BTreeMap<String, usize>,
    planned: Option<usize>,
}

/// How long epochs took, in order of length.
#[derive(Default)]
struct Seconds(Vec<f64>);

impl Seconds {
    fn add(&mut self, seconds: f64) {
        let place = self.0.partition_point(|known| *known < seconds);
        self.0.insert(place, seconds);
    }

    fn median(&self) -> Option<f64> {
        self.0.get(self.0.len() / 2).copied()
    }
}

impl Pace {
    /// Reads the epochs of some runs that are under way and of some that are done.
    pub fn read(sweep: &SweepDir, runs: &[Standing]) -> Self {
        let planned = runs.first().and_then(|run| planned_epochs(sweep, run));
        let mut pace = Self { planned, ..Self::default() };
        let is_done = |run: &&Standing| matches!(run.state.state, RunState::Completed | RunState::EndedEarly);
        if runs.iter().all(|run| is_done(&run)) {
            return pace;
        }
        let under_way = runs.iter().filter(|run| run.state.epoch > 0 && !is_done(run)).take(SAMPLE);
        let done = runs.iter().rev().filter(is_done).take(SAMPLE);
        for run in under_way.chain(done) {
            let rows: Vec<TimingRow> = read_rows(&sweep.run(&run.planned.run).timing_csv()).unwrap_or_default();
            for row in rows.iter().rev().take(LAST) {
                pace.add(&run.planned.setting, row.train_seconds + row.eval_seconds);
            }
        }
        if pace.all.0.is_empty() {
            pace.read_journal(sweep, runs);
        }
        let varies = runs.first().is_some_and(|run| run.planned.axes.contains_key("train.epochs"));
        for run in runs.iter().filter(|run| varies && !is_done(run)) {
            if let Some(epochs) = run.planned.axes.get("train.epochs").and_then(serde_json::Value::as_u64) {
                pace.epochs.insert(run.planned.run.clone(), epochs as usize);
            }
        }
        pace
    }

    /// An outside trainer does not say how long its epochs take; the times of its starts and ends do.
    fn read_journal(&mut self, sweep: &SweepDir, runs: &[Standing]) {
        let entries = Journal::read(sweep).unwrap_or_default();
        let times = |what: &str| -> HashMap<String, u64> {
            let of_kind = entries.iter().filter(|entry| entry.what == what);
            of_kind.filter_map(|entry| Some((entry.run.clone()?, entry.time))).collect()
        };
        let (started, completed, now) = (times("started"), times("completed"), Entry::new("").time);
        for run in runs.iter().filter(|run| run.state.attempts == 1 && run.state.epoch > 0) {
            let end = match run.state.state {
                RunState::Running => Some(now),
                _ => completed.get(&run.planned.run).copied(),
            };
            if let Some((start, end)) = started.get(&run.planned.run).zip(end) {
                let seconds = end.saturating_sub(*start) as f64 / 1000.0;
                self.add(&run.planned.setting, seconds / run.state.epoch as f64);
            }
        }
    }

    /// An epoch of a run of `setting` took so long.
    pub fn add(&mut self, setting: &str, seconds: f64) {
        match self.by_setting.get_mut(setting) {
            Some(known) => known.add(seconds),
            None => self.by_setting.entry(setting.to_owned()).or_default().add(seconds),
        }
        self.all.add(seconds);
    }

    /// Seconds of an epoch of `setting`, or where none was measured, of any.
    pub fn epoch(&self, setting: &str) -> Option<f64> {
        self.by_setting.get(setting).and_then(Seconds::median).or_else(|| self.all.median())
    }

    /// Epochs that a run is planned to have.
    pub fn epochs_of(&self, run: &Standing) -> Option<usize> {
        self.epochs.get(&run.planned.run).copied().or(self.planned)
    }

    /// Seconds that a run still takes at most, if any epoch was measured.
    pub fn left(&self, run: &Standing) -> Option<f64> {
        let epochs = match run.state.state {
            RunState::Completed | RunState::EndedEarly | RunState::Failed => return None,
            _ => self.epochs_of(run)?.saturating_sub(run.state.epoch),
        };
        Some(self.epoch(&run.planned.setting)? * epochs as f64)
    }

    /// Seconds that the sweep still takes with `at_once` runs at a time.
    pub fn left_of_all(&self, runs: &[Standing], at_once: usize) -> Option<f64> {
        together(runs.iter().filter_map(|run| self.left(run)), at_once)
    }
}

/// Seconds that runs take which each take so long, `at_once` of them at a time.
pub fn together(each: impl Iterator<Item = f64>, at_once: usize) -> Option<f64> {
    let each: Vec<f64> = each.collect();
    let longest = each.iter().copied().reduce(f64::max)?;
    Some((each.iter().sum::<f64>() / at_once.max(1) as f64).max(longest))
}

fn planned_epochs(sweep: &SweepDir, run: &Standing) -> Option<usize> {
    Some(RunFile::read(&sweep.run(&run.planned.run)).ok()?.config.train.epochs)
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
        let mut pace = Pace { planned: Some(8), ..Pace::default() };
        for (setting, seconds) in [("slow", 9.0), ("slow", 50.0), ("fast", 1.0), ("slow", 10.0)] {
            pace.add(setting, seconds);
        }
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
