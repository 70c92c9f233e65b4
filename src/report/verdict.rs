//! The result in plain words: what is best, what the pooled score hides, and how much the split decides.

use std::collections::BTreeMap;

use super::{
    aggregate::{Run, Sweep},
    cells,
    standings::{Standing, split_of},
    statistics::mean,
    words,
};
use crate::domain::{RunState, Split};

/// A gap between the pooled and the macro score above which the pooled one misleads; rule 1's.
const GAP: f64 = 0.10;

/// A line each: the ranking, the test images where they were looked at, what the pooled score hides, what moves the score.
pub fn lines(sweep: &Sweep, standings: &[Standing<'_>]) -> Vec<String> {
    let Some(best) = standings.first() else {
        let failed = sweep.runs.iter().filter(|run| run.state.state == RunState::Failed).count();
        return vec![format!("No run has a score yet: {}, {failed} failed.", words::count(sweep.runs.len(), "run"))];
    };
    [Some(ranking(sweep, best, standings)), tested(sweep), hidden(sweep), spread(sweep)].into_iter().flatten().collect()
}

fn ranking(sweep: &Sweep, best: &Standing<'_>, standings: &[Standing<'_>]) -> String {
    let figure = format!(
        "{} {} over {}",
        words::metric(sweep.monitor),
        words::mean_and_spread(&best.scores),
        words::count(best.scores.len(), "run")
    );
    let label = best.cell.label(sweep);
    let others = standings.len() - 1;
    if others == 0 {
        return format!("One setting: {figure}.");
    }
    let tested = standings.iter().filter(|standing| standing.p.is_some()).count();
    if tested == 0 {
        return format!(
            "Highest: {label}, {figure}. No two splits are shared by two settings, so nothing can be said to be better."
        )
        .replace("Highest", highest(sweep));
    }
    let ties = standings[1..].iter().filter(|standing| standing.ties).count();
    let verdict = match ties {
        0 => format!(
            "it is better than {}",
            if others == 1 { "the other setting".into() } else { format!("all {others} others") }
        ),
        all if all == others => "no other setting can be told apart from it, so do not rank them".into(),
        some => format!("{some} of the {others} other settings cannot be told apart from it"),
    };
    format!("{} mean: {label}, {figure}; {verdict}.", highest(sweep))
}

fn tested(sweep: &Sweep) -> Option<String> {
    let last = sweep.tests.last()?;
    let of_look = sweep.tests.iter().filter(|row| row.look == last.look);
    let scores: Vec<f64> = of_look.filter_map(|row| row.dice_macro).collect();
    let looks = match last.look {
        1 => "looked at once".into(),
        looks => format!("looked at {looks} times, which makes the best of them optimistic"),
    };
    Some(format!(
        "On the test images ({looks}): {}, Dice (macro) {} over {}.",
        last.setting,
        words::mean_and_spread(&scores),
        words::count(scores.len(), "run")
    ))
}

fn highest(sweep: &Sweep) -> &'static str {
    match sweep.monitor.direction() {
        crate::domain::Direction::Maximize => "Highest",
        crate::domain::Direction::Minimize => "Lowest",
    }
}

fn hidden(sweep: &Sweep) -> Option<String> {
    let rows: Vec<_> = sweep.runs.iter().filter_map(|run| run.best_row(sweep.monitor, Split::Val)).collect();
    let pooled = mean(&rows.iter().filter_map(|row| row.dice_coef).collect::<Vec<_>>());
    let macro_dice = mean(&rows.iter().filter_map(|row| row.dice_macro).collect::<Vec<_>>())?;
    let figures = pooled.map_or_else(
        || format!("val Dice (macro) {}", words::score(macro_dice)),
        |pooled| format!("pooled val dice_coef {}, macro Dice {}", words::score(pooled), words::score(macro_dice)),
    );
    let never: Vec<String> = sweep
        .foreground()
        .filter_map(|class| {
            let runs = sweep.runs.iter().filter(|run| never_predicted(sweep, run, class)).count();
            (runs > 0).then(|| format!("{class} is never predicted in {runs} of {}", words::count(rows.len(), "run")))
        })
        .collect();
    let weakest = || worst_class(sweep).map(|text| format!("; {text}")).unwrap_or_default();
    let gap = pooled.is_some_and(|pooled| pooled - macro_dice > GAP);
    Some(match (never.is_empty(), gap) {
        (false, true) => format!("The pooled score hides a class ({figures}): {}.", words::list(&never)),
        (false, false) => format!("A class is not learned ({figures}): {}.", words::list(&never)),
        (true, true) => format!("The pooled score flatters ({figures}){}.", weakest()),
        (true, false) => format!("Every class is predicted ({figures}){}.", weakest()),
    })
}

/// Whether `class` occurs in val but no pixel is predicted as it at the best epoch.
fn never_predicted(sweep: &Sweep, run: &Run, class: &str) -> bool {
    let point = run.best_epoch(sweep.monitor).and_then(|epoch| run.class(Split::Val, class)?.at(epoch));
    point.is_some_and(|point| point.counts.support() > 0 && point.counts.tp + point.counts.fp == 0)
}

fn worst_class(sweep: &Sweep) -> Option<String> {
    let (class, dice) = sweep
        .foreground()
        .filter_map(|class| Some((class, mean(&class_scores(sweep, class))?)))
        .min_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(format!("the weakest class is {class} with Dice {}", words::score(dice)))
}

fn class_scores(sweep: &Sweep, class: &str) -> Vec<f64> {
    let score = |run: &Run| run.class(Split::Val, class)?.at(run.best_epoch(sweep.monitor)?)?.dice();
    sweep.runs.iter().filter_map(score).collect()
}

/// The largest difference between an axis's values against that between splits, each by its means.
fn spread(sweep: &Sweep) -> Option<String> {
    let split = range(sweep, |run| split_of(sweep, run));
    let axes = cells::setting_axes(sweep);
    let axis = axes
        .into_iter()
        .filter_map(|axis| Some((axis, range(sweep, |run| run.axis(axis).into_iter().collect())?)))
        .max_by(|a, b| a.1.total_cmp(&b.1));
    Some(match (axis, split) {
        (Some((axis, setting)), Some(split)) if split >= setting => format!(
            "The split moves the score more ({}, highest minus lowest mean) than any axis does ({axis}: {}).",
            words::score(split),
            words::score(setting)
        ),
        (Some((axis, setting)), Some(split)) => format!(
            "{axis} moves the score most: {} between its highest and lowest mean; splits move it by {}.",
            words::score(setting),
            words::score(split)
        ),
        (Some(_), None) => {
            "All runs share one split: whether another would rank the settings alike is not known.".into()
        }
        (None, Some(split)) => {
            format!("Between splits the score moves by {} (highest minus lowest).", words::score(split))
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
