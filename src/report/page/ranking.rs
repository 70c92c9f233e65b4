//! The page's table of settings.

use crate::{
    domain::Split,
    report::{
        aggregate::{Run, Sweep},
        standings::Standing,
        words,
    },
    statistics::{self, Interval},
};

/// The settings, and which columns have anything to say.
#[derive(Default)]
pub struct Ranking {
    /// The best first.
    pub rows: Vec<RankRow>,
    /// Whether there are others to be held against.
    pub has_others: bool,
    /// Whether two settings ran on the same splits.
    pub is_compared: bool,
    /// Whether some setting ran on several splits.
    pub has_intervals: bool,
    /// Whether some setting has runs enough for an interquartile mean.
    pub has_middles: bool,
}

/// A setting.
pub struct RankRow {
    /// From 1.
    pub place: usize,
    /// What varies of it.
    pub setting: String,
    /// Mean and deviation.
    pub score: String,
    /// The mean, to sort by.
    pub sort: f64,
    /// Runs with a score.
    pub runs: usize,
    /// Mean and deviation of the pooled Dice.
    pub dice_coef: String,
    /// Of the mean over splits.
    pub interval: String,
    /// Interquartile mean and its interval.
    pub middle: String,
    /// The best setting's mean less this one's.
    pub behind: String,
    /// Corrected.
    pub p: String,
    /// Whether it cannot be told apart from the best.
    pub ties: bool,
}

impl Ranking {
    /// The table of `standings`.
    pub fn of(data: &Sweep, standings: &[Standing<'_>]) -> Self {
        Self {
            rows: standings.iter().enumerate().map(|(index, standing)| row(data, index, standing)).collect(),
            has_others: standings.len() > 1,
            is_compared: standings.iter().any(|standing| standing.p.is_some()),
            has_intervals: standings.iter().any(|standing| standing.interval.is_some()),
            has_middles: standings.iter().any(|standing| standing.middle.is_some()),
        }
    }

    /// Whether there is nothing to rank and nothing to take a mean of.
    pub fn is_one_run(&self) -> bool {
        matches!(self.rows.as_slice(), [row] if row.runs == 1)
    }
}

fn row(data: &Sweep, index: usize, standing: &Standing<'_>) -> RankRow {
    let pooled = |run: &&Run| run.best_row(data.monitor, Split::Val)?.dice_coef;
    let pooled: Vec<f64> = standing.cell.runs.iter().filter_map(pooled).collect();
    RankRow {
        place: index + 1,
        setting: standing.cell.label(data),
        score: mean_and_spread(&standing.scores),
        sort: standing.mean,
        runs: standing.scores.len(),
        dice_coef: mean_and_spread(&pooled),
        interval: standing.interval.map(interval).unwrap_or_default(),
        middle: standing.middle.map(|(mean, of)| format!("{mean:.3} ({})", interval(of))).unwrap_or_default(),
        behind: words::cell(standing.behind.map(|test| test.difference)),
        p: words::cell(standing.p),
        ties: standing.ties,
    }
}

/// `0.553 to 0.671`: tables have three decimals.
pub fn interval(interval: Interval) -> String {
    format!("{:.3} to {:.3}", interval.low, interval.high)
}

fn mean_and_spread(scores: &[f64]) -> String {
    let mean = words::cell(statistics::mean(scores));
    statistics::deviation(scores).map_or(mean.clone(), |spread| format!("{mean} ± {spread:.3}"))
}
