//! Two settings paired by split: the difference, its interval, the verdict.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    aggregate::{Run, Sweep},
    cells,
    setting::{self, SettingError},
    standings::{self, Needed, Standing},
    tables, words,
};
use crate::{
    domain::Direction,
    statistics::{self, NOETHER_PAIRS},
    store::SweepDir,
};

/// Why two settings cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// One of them is no setting of this sweep.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The two settings have no run that differs in nothing else.
    #[error("{a} and {b} never ran on the same split with all else equal")]
    NoPair {
        /// The first.
        a: String,
        /// The second.
        b: String,
    },
    /// Several runs of one setting would be held against the same run of the other.
    #[error(
        "{setting} stands for several runs where the other setting stands for one; name the same axes in both, as in \
         learning_rate=1e-3,batch_size=4 against learning_rate=1e-4,batch_size=4"
    )]
    Uneven {
        /// The setting that says less.
        setting: String,
    },
}

/// What `compare` answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The first setting, as it was written.
    pub a: String,
    /// The second.
    pub b: String,
    /// The figure that is compared.
    pub figure: String,
    /// Mean of the first over the pairs.
    pub mean_a: f64,
    /// Mean of the second over the pairs.
    pub mean_b: f64,
    /// Pairs of runs that differ in nothing else.
    pub pairs: usize,
    /// Splits they lie on.
    pub splits: usize,
    /// How far A is ahead: A − B, of a loss B − A; the mean over splits.
    pub difference: f64,
    /// Its 95 % interval (Nadeau & Bengio), where there are two splits.
    pub interval: Option<[f64; 2]>,
    /// Two-sided p value of the same test.
    pub p: Option<f64>,
    /// Where both are full settings, of which the report compares all: the pairs of settings there are, and the p value
    /// corrected for them, as in the report.
    pub corrected: Option<Corrected>,
    /// Share of splits on which A is better.
    pub superiority: f64,
    /// Its 95 % interval (Wilson).
    pub superiority_interval: [f64; 2],
    /// In plain words.
    pub verdict: String,
}

/// A p value among many.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Corrected {
    /// Pairs of settings of the sweep.
    pub pairs: usize,
    /// The p value, corrected.
    pub p: f64,
}

/// Compares the settings `a` and `b`: `axis=value` pairs joined by commas, or a run's folder name for its setting.
/// Axes that neither names are held equal within each pair.
///
/// # Errors
/// If one is no setting of this sweep or they share no split.
pub fn compare(sweep: &SweepDir, runs: &[String], a: &str, b: &str) -> Result<Comparison, CompareError> {
    let data = tables::read(sweep, runs);
    let (first, second) = (setting::selection(&data, a)?, setting::selection(&data, b)?);
    let named: Vec<&str> = first.iter().chain(&second).map(|(axis, _)| axis.as_str()).collect();
    let (ours, theirs) = (scores(&data, &first, &named), scores(&data, &second, &named));
    for (text, found) in [(a, &ours), (b, &theirs)] {
        if found.as_ref().is_some_and(BTreeMap::is_empty) {
            return Err(SettingError::NoRun { setting: text.into(), axes: setting::levels(&data) }.into());
        }
    }
    let uneven = |setting: &str| CompareError::Uneven { setting: setting.into() };
    let (ours, theirs) = (ours.ok_or_else(|| uneven(a))?, theirs.ok_or_else(|| uneven(b))?);
    let sign = if data.monitor.direction() == Direction::Maximize { 1.0 } else { -1.0 };
    let mut by_split: BTreeMap<Vec<String>, Vec<f64>> = BTreeMap::new();
    let (mut scores_a, mut scores_b) = (Vec::new(), Vec::new());
    let mut share = None;
    for (key, (run, score)) in &ours {
        let other = theirs.get(key).filter(|(other, _)| standings::are_measured_alike(run, other));
        if let Some((_, other)) = other {
            by_split.entry(standings::split_of(&data, run)).or_default().push(sign * (score - other));
            scores_a.push(*score);
            scores_b.push(*other);
            share.get_or_insert(standings::val_share(&[run]));
        }
    }
    let differences: Vec<f64> = by_split.values().filter_map(|values| statistics::mean(values)).collect();
    let none = || CompareError::NoPair { a: a.into(), b: b.into() };
    let superiority = statistics::superiority(&differences).ok_or_else(none)?;
    let test = statistics::nadeau_bengio(&differences, share.unwrap_or(0.25));
    let mut answer = Comparison {
        a: a.into(),
        b: b.into(),
        figure: words::metric(data.monitor),
        mean_a: statistics::mean(&scores_a).ok_or_else(none)?,
        mean_b: statistics::mean(&scores_b).ok_or_else(none)?,
        pairs: scores_a.len(),
        splits: differences.len(),
        difference: statistics::mean(&differences).ok_or_else(none)?,
        interval: test.map(|test| [test.interval.low, test.interval.high]),
        p: test.map(|test| test.p),
        corrected: test.and_then(|test| corrected(&data, &first, &second, test.p)),
        superiority: superiority.share,
        superiority_interval: [superiority.interval.low, superiority.interval.high],
        verdict: String::new(),
    };
    answer.verdict = verdict(&answer, &differences, share.unwrap_or(0.25));
    Ok(answer)
}

fn verdict(answer: &Comparison, differences: &[f64], share: f64) -> String {
    let better = if answer.difference >= 0.0 { &answer.a } else { &answer.b };
    match answer.p {
        None => "Too few splits, or the same difference on all: nothing can be said.".into(),
        Some(p) if p < standings::ALPHA => match answer.corrected.filter(|corrected| corrected.pairs > 1) {
            None => format!("{better} is better ({}).", words::chance(p)),
            Some(Corrected { pairs, p }) if p < standings::ALPHA => {
                format!("{better} is better (one of {pairs} possible pairs; corrected {}).", words::chance(p))
            }
            Some(Corrected { pairs, p: corrected }) => format!(
                "They cannot be told apart: this is one of {pairs} possible pairs, and {} alone is {corrected:.2} once \
                 corrected for that.",
                words::chance(p)
            ),
        },
        Some(p) => {
            let seen = "if the difference is what it seems,";
            let more = match standings::needed(differences, share) {
                Needed::Splits(needed) => format!("{seen} about {needed} values of split_seed would show it"),
                Needed::Thousands => format!("{seen} more than 1,000 values of split_seed would show it"),
                Needed::Never => "no number of splits would show a difference as small as this".into(),
            };
            format!("They cannot be told apart (p = {p:.2}); {more}.")
        }
    }
}

/// What the report makes of the p value of two full settings: as it says itself where one is the best, else by
/// Bonferroni's correction, which is never milder.
fn corrected(sweep: &Sweep, first: &[(String, String)], second: &[(String, String)], p: f64) -> Option<Corrected> {
    let ranked = standings::standings(sweep);
    let place = |selection: &[(String, String)]| {
        let axes = cells::setting_axes(sweep).into_iter().filter(|axis| cells::varies(sweep, axis));
        let is_full = axes.into_iter().all(|axis| selection.iter().any(|(named, _)| named == axis));
        let is_it = |standing: &Standing<'_>| standing.cell.runs.iter().any(|run| setting::has(run, selection));
        ranked.iter().position(is_it).filter(|_| is_full)
    };
    let (a, b) = (place(first)?, place(second)?);
    let pairs = ranked.len() * (ranked.len() - 1) / 2;
    let of_report = if a.min(b) == 0 { ranked[a.max(b)].p } else { None };
    Some(Corrected { pairs, p: of_report.unwrap_or((p * pairs as f64).min(1.0)) })
}

/// The comparison in lines for a terminal.
pub fn lines(answer: &Comparison) -> Vec<String> {
    let score = |value: f64| words::cell(Some(value));
    let interval = answer
        .interval
        .map_or_else(|| "no interval".into(), |[low, high]| format!("95 % interval {} to {}", score(low), score(high)));
    let [low, high] = answer.superiority_interval;
    vec![
        format!("A: {}: {} {}", answer.a, answer.figure, score(answer.mean_a)),
        format!("B: {}: {} {}", answer.b, answer.figure, score(answer.mean_b)),
        format!(
            "A ahead of B by {} ({interval}; {} on {})",
            score(answer.difference),
            words::count(answer.pairs, "pair"),
            words::count(answer.splits, "split")
        ),
        format!(
            "A is better on {} of {} (95 % interval of that share: {low:.2} to {high:.2}); these are {} of the \
             {NOETHER_PAIRS} splits that surely show a setting which wins on three of four",
            share_of(answer.superiority, answer.splits),
            words::count(answer.splits, "split"),
            answer.splits,
        ),
        answer.verdict.clone(),
    ]
}

/// Of how many splits; a tie counts half.
fn share_of(share: f64, splits: usize) -> String {
    format!("{}", (share * splits as f64 * 2.0).round() / 2.0)
}

/// Runs with their scores, by the values of axes.
type Scores<'a> = BTreeMap<Vec<Option<String>>, (&'a Run, f64)>;

/// The scored runs of a selection under the values of the axes that neither selection names; `None` if two have the
/// same.
fn scores<'a>(sweep: &'a Sweep, selection: &[(String, String)], named: &[&str]) -> Option<Scores<'a>> {
    let key = |run: &Run| {
        let others = sweep.axes.iter().filter(|axis| !named.contains(&axis.as_str()));
        others.map(|axis| run.axis(axis)).collect::<Vec<_>>()
    };
    let scored = sweep
        .runs
        .iter()
        .filter(|run| setting::has(run, selection))
        .filter_map(|run| Some((run, run.score(sweep.monitor)?)));
    let mut found = BTreeMap::new();
    for (run, score) in scored {
        if found.insert(key(run), (run, score)).is_some() {
            return None;
        }
    }
    Some(found)
}
