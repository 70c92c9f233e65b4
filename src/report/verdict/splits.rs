//! How far validation can be trusted: curves that jump, splits that decide.

use std::collections::BTreeMap;

use crate::{
    domain::{Split, SplitStrategy},
    report::{
        Analysis,
        aggregate::{Run, Sweep},
        cells,
        diagnose::Balance,
        evidence::values,
        standings::split_of,
        words,
    },
    statistics::{deviation, mean, median, robust_sigma},
};

/// How much the validation score moves from epoch to epoch, where rule 7 finds that too much in a quarter of the runs.
pub fn jumping(analysis: &Analysis<'_>) -> Option<String> {
    let noisy = analysis.findings.iter().filter(|finding| finding.rule.number == 7).count();
    let known: Vec<_> = analysis.evidence.iter().flatten().collect();
    if noisy == 0 || 4 * noisy < known.len() {
        return None;
    }
    let noise = |evidence: &&crate::report::evidence::Evidence<'_>| {
        let curve = values(&evidence.dice(Split::Val));
        robust_sigma(&curve[curve.len() / 2..])
    };
    let noise = median(&known.iter().filter_map(noise).collect::<Vec<_>>())?;
    let halves: Vec<f64> =
        known.iter().filter_map(|evidence| Some(evidence.macro_dice?.interval.half_width())).collect();
    let images = known.iter().map(|evidence| evidence.val.len()).min()?;
    let images = words::count(images, "validation image");
    let known_to = median(&halves)
        .map(|half| format!("; with {images} a run's score is known to ± {} (95 %)", words::score(half)));
    Some(format!(
        "The validation curves jump in {noisy} of {} ({} from epoch to epoch, standard deviation){}.",
        words::count(known.len(), "run"),
        words::score(noise),
        known_to.unwrap_or_default()
    ))
}

/// What stratified splits change against random ones, where the sweep has both.
pub fn stratified(sweep: &Sweep, balances: &[Balance]) -> Option<String> {
    let of = |strategy: SplitStrategy| {
        let dealt: Vec<f64> =
            balances.iter().filter(|balance| balance.strategy == strategy).map(|balance| balance.percentile).collect();
        let mut by_split: BTreeMap<Vec<String>, Vec<f64>> = BTreeMap::new();
        let is_it = |run: &&Run| run.file.as_ref().is_some_and(|file| file.config.split.strategy == strategy);
        for run in sweep.runs.iter().filter(is_it) {
            by_split.entry(split_of(sweep, run)).or_default().extend(run.score(sweep.monitor));
        }
        let means: Vec<f64> = by_split.values().filter_map(|scores| mean(scores)).collect();
        Some((median(&dealt)?, deviation(&means)?))
    };
    let ((random, spread), (balanced, less)) = (of(SplitStrategy::Random)?, of(SplitStrategy::Stratified)?);
    Some(format!(
        "Stratified, train and val are more alike than in {:.0} % of random splits (dealt at random: {:.0} %); between \
         splits the mean score then varies by {} (at random: {}; standard deviation).",
        100.0 - balanced,
        100.0 - random,
        three(less),
        three(spread)
    ))
}

fn three(value: f64) -> String {
    words::cell(Some(value))
}

/// The largest difference between an axis's values against that between splits, each by its means.
pub fn spread(sweep: &Sweep) -> Option<String> {
    let split = range(sweep, |run| split_of(sweep, run));
    let axes = cells::setting_axes(sweep);
    let axis = axes
        .into_iter()
        .filter_map(|axis| Some((axis, range(sweep, |run| run.axis(axis).into_iter().collect())?)))
        .max_by(|a, b| a.1.total_cmp(&b.1));
    Some(match (axis, split) {
        (Some((axis, setting)), Some(split)) if split >= setting => format!(
            "The split moves the score more ({}, highest minus lowest mean) than any axis does ({axis}: {}).",
            three(split),
            three(setting)
        ),
        (Some((axis, setting)), Some(split)) => format!(
            "{axis} moves the score most: {} between its highest and lowest mean; splits move it by {}.",
            three(setting),
            three(split)
        ),
        (Some(_), None) => {
            "All runs with a score share one split: whether another would rank the settings alike is not known.".into()
        }
        (None, Some(split)) => {
            format!("Between splits the score moves by {} (highest minus lowest).", three(split))
        }
        (None, None) => return None,
    })
}

/// Highest minus lowest mean of the runs grouped by `key`; `None` for one group.
fn range(sweep: &Sweep, key: impl Fn(&Run) -> Vec<String>) -> Option<f64> {
    let mut groups: BTreeMap<Vec<String>, Vec<f64>> = BTreeMap::new();
    for run in sweep.runs.iter().filter(|run| run.file.is_some()) {
        if let Some(score) = run.score(sweep.monitor) {
            groups.entry(key(run)).or_default().push(score);
        }
    }
    let means: Vec<f64> = groups.values().filter_map(|scores| mean(scores)).collect();
    let (low, high) = (means.iter().copied().reduce(f64::min)?, means.iter().copied().reduce(f64::max)?);
    (means.len() > 1).then_some(high - low)
}
