//! Settings compared honestly: ranked, each held against the best on the same splits.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::{
    aggregate::{Run, Sweep},
    cells::{self, Cell},
};
use crate::{
    domain::{Direction, Figure, Split, seed},
    statistics::{self, Interval, Paired, Superiority},
};

/// The error that a claim "better" may have.
pub const ALPHA: f64 = 0.05;

/// A setting's place.
#[derive(Clone, Debug)]
pub struct Standing<'a> {
    /// The setting.
    pub cell: Cell<'a>,
    /// The scores of its completed runs.
    pub scores: Vec<f64>,
    /// Splits that they lie on.
    pub splits: usize,
    /// Their mean.
    pub mean: f64,
    /// Interquartile mean with its 95 % interval by bootstrap, within splits where
    /// each ran more than once (Agarwal et al. 2021); needs eight runs.
    pub middle: Option<(f64, Interval)>,
    /// 95 % interval of the mean over splits, with Nadeau & Bengio's correction; needs two splits.
    pub interval: Option<Interval>,
    /// The best setting minus this one, on the same splits; needs two splits that both ran on.
    pub behind: Option<Paired>,
    /// The test's p value after Holm's correction over all pairs of settings.
    pub p: Option<f64>,
    /// Whether it cannot be told apart from the best.
    pub ties: bool,
}

/// Two settings on the splits that both ran on.
#[derive(Clone, Debug)]
pub struct Duel {
    /// One difference a split, positive where the first is better; the mean over what else was repeated.
    pub differences: Vec<f64>,
    /// The test; `None` where there are fewer than two splits.
    pub test: Option<Paired>,
    /// How often the first is better.
    pub superiority: Option<Superiority>,
    /// n_val / n_train.
    pub val_share: f64,
}

/// The settings with a score, the best mean first; after all others those with a single split, whose mean may be its
/// luck and is held against nothing.
pub fn standings(sweep: &Sweep) -> Vec<Standing<'_>> {
    let mut ranked: Vec<Standing<'_>> =
        cells::cells(sweep).into_par_iter().filter_map(|cell| standing(sweep, cell)).collect();
    ranked.sort_by(|a, b| {
        let by_mean = match sweep.monitor.direction() {
            Direction::Maximize => b.mean.total_cmp(&a.mean),
            Direction::Minimize => a.mean.total_cmp(&b.mean),
        };
        (a.splits < 2).cmp(&(b.splits < 2)).then(by_mean)
    });
    let Some((best, others)) = ranked.split_first_mut() else { return ranked };
    for other in others.iter_mut() {
        other.behind = duel(sweep, &best.cell, &other.cell).test;
    }
    let tested: Vec<usize> = (0..others.len()).filter(|&place| others[place].behind.is_some()).collect();
    // The best is chosen by looking, so the correction is over all pairs of settings, not over those with the best:
    // pairs that are not tested count as p = 1.
    let settings = tested.len() + 1;
    let mut of_all_pairs: Vec<f64> =
        tested.iter().filter_map(|&place| others[place].behind.map(|test| test.p)).collect();
    of_all_pairs.resize(settings * (settings - 1) / 2, 1.0);
    for (&place, corrected) in tested.iter().zip(statistics::holm(&of_all_pairs)) {
        others[place].p = Some(corrected);
        others[place].ties = corrected >= ALPHA;
    }
    ranked
}

fn standing<'a>(sweep: &Sweep, cell: Cell<'a>) -> Option<Standing<'a>> {
    let scores = cell.scores(sweep);
    let mean = statistics::mean(&scores)?;
    let interval = interval_over_splits(sweep, &cell.runs);
    let splits = by_split(sweep, &cell.runs).values().filter(|scores| !scores.is_empty()).count();
    let middle = middle(sweep, &cell, &scores);
    Some(Standing { cell, scores, splits, mean, middle, interval, behind: None, p: None, ties: true })
}

fn middle(sweep: &Sweep, cell: &Cell<'_>, scores: &[f64]) -> Option<(f64, Interval)> {
    const RUNS: usize = 8;
    const DRAWS: usize = 2000;
    let value = statistics::interquartile_mean(scores).filter(|_| scores.len() >= RUNS)?;
    let mut strata: Vec<Vec<f64>> = by_split(sweep, &cell.runs).into_values().collect();
    // A split that ran once has nothing to draw from: then the splits themselves are drawn.
    if strata.iter().any(|stratum| stratum.len() < 2) {
        strata = vec![scores.to_vec()];
    }
    let mut random = seed::generator(0, "report/middle", &[scores.len() as u64]);
    Some((value, statistics::stratified_percentile(&strata, DRAWS, &mut random, statistics::interquartile_mean)?))
}

/// How many splits it would take to show a difference as large as the one seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    /// About so many.
    Splits(usize),
    /// More than a thousand.
    Thousands,
    /// No number: the training sets overlap, so that the error does not shrink to nothing.
    Never,
}

/// The splits needed for the mean difference and spread of `differences`.
pub fn needed(differences: &[f64], val_share: f64) -> Needed {
    if let Some(splits) = statistics::splits_needed(differences, val_share) {
        return Needed::Splits(splits);
    }
    // The error of infinitely many splits, and the normal distribution's quantile.
    const REACH: f64 = 1.959_963_984_540_054;
    let limit = statistics::deviation(differences).map(|spread| REACH * val_share.sqrt() * spread);
    match statistics::mean(differences).zip(limit) {
        Some((mean, limit)) if mean.abs() > limit => Needed::Thousands,
        _ => Needed::Never,
    }
}

/// Holds `a` against `b`.
pub fn duel(sweep: &Sweep, a: &Cell<'_>, b: &Cell<'_>) -> Duel {
    let sign = if sweep.monitor.direction() == Direction::Maximize { 1.0 } else { -1.0 };
    let (ours, theirs) = (by_replicate(sweep, a), by_replicate(sweep, b));
    let mut by_split: BTreeMap<Vec<String>, Vec<f64>> = BTreeMap::new();
    for (key, (run, score)) in &ours {
        let other = theirs.get(key).filter(|(other, _)| are_measured_alike(run, other));
        if let Some((_, other)) = other {
            by_split.entry(split_of(sweep, run)).or_default().push(sign * (score - other));
        }
    }
    let differences: Vec<f64> = by_split.values().filter_map(|values| statistics::mean(values)).collect();
    let val_share = val_share(&a.runs);
    Duel {
        test: statistics::nadeau_bengio(&differences, val_share),
        superiority: statistics::superiority(&differences),
        differences,
        val_share,
    }
}

/// Each run with its score under its seeds.
fn by_replicate<'a>(sweep: &Sweep, cell: &Cell<'a>) -> BTreeMap<Vec<String>, (&'a Run, f64)> {
    let of = |run: &&'a Run| Some((seeds(sweep, run, cells::is_replicate), (*run, run.score(sweep.monitor)?)));
    cell.runs.iter().filter_map(of).collect()
}

/// Whether two runs of the same seeds were scored on the same validation images and by the same classes: other
/// fractions deal other images, and with other classes kept the mean is over others.
pub fn are_measured_alike(a: &Run, b: &Run) -> bool {
    fn val(run: &Run) -> impl Iterator<Item = &str> {
        run.split.iter().filter(|row| row.split == Split::Val).map(|row| row.image.as_str())
    }
    fn kept(run: &Run) -> Option<&[String]> {
        run.file.as_ref().map(|file| file.config.data.keep.as_slice())
    }
    let is_known = |run: &Run| !run.split.is_empty();
    kept(a) == kept(b) && (!is_known(a) || !is_known(b) || val(a).eq(val(b)))
}

/// The 95 % interval of the runs' mean score over splits, with Nadeau & Bengio's correction; that of a score ends where
/// scores end, at 0 and 1.
pub fn interval_over_splits(sweep: &Sweep, runs: &[&Run]) -> Option<Interval> {
    let means: Vec<f64> = by_split(sweep, runs).values().filter_map(|scores| statistics::mean(scores)).collect();
    let interval = statistics::nadeau_bengio(&means, val_share(runs))?.interval;
    if sweep.monitor.figure == Figure::Loss {
        return Some(interval);
    }
    Some(Interval { low: interval.low.max(0.0), high: interval.high.min(1.0) })
}

fn by_split(sweep: &Sweep, runs: &[&Run]) -> BTreeMap<Vec<String>, Vec<f64>> {
    let mut by_split: BTreeMap<Vec<String>, Vec<f64>> = BTreeMap::new();
    for run in runs {
        by_split.entry(split_of(sweep, run)).or_default().extend(run.score(sweep.monitor));
    }
    by_split
}

/// What names the split of a run: its values on the axes that deal images.
pub fn split_of(sweep: &Sweep, run: &Run) -> Vec<String> {
    seeds(sweep, run, cells::is_split)
}

fn seeds(sweep: &Sweep, run: &Run, is: fn(&str) -> bool) -> Vec<String> {
    sweep.axes.iter().filter(|axis| is(axis)).map(|axis| run.axis(axis).unwrap_or_default()).collect()
}

/// n_val / n_train of a setting's first run that knows.
pub(super) fn val_share(runs: &[&Run]) -> f64 {
    let share = |run: &&Run| {
        let count = |split| run.split.iter().filter(|row| row.split == split).count() as f64;
        let train = count(Split::Train);
        (train > 0.0).then(|| count(Split::Val) / train)
    };
    // Without a record of the split: a fifth held out, the least that is usual.
    runs.iter().find_map(share).unwrap_or(0.25)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean .1, deviation 1 (n − 1) over 101 differences: the limit of the error is √share.
    #[test]
    fn what_a_thousand_splits_do_not_show_may_still_be_shown() {
        let spread: Vec<f64> = (0..100).map(|place| if place % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let around = |mean: f64| spread.iter().map(|value| value + mean).collect::<Vec<_>>();
        assert_eq!(needed(&around(0.1), 0.25), Needed::Never);
        assert_eq!(needed(&around(0.02), 0.0), Needed::Thousands);
        assert!(matches!(needed(&around(0.1), 0.0), Needed::Splits(100..=1000)));
    }
}
