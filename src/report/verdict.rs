//! The result in plain words: what is best, what the pooled score hides, and how much the split decides.

use super::{
    aggregate::{Run, Sweep},
    cells::{Cell, cells},
    statistics::{deviation, mean},
    words,
};
use crate::domain::{Direction, RunState, Split};

/// A gap between the pooled and the macro score above which the pooled one misleads.
const GAP: f64 = 0.10;

/// The three lines.
pub fn lines(sweep: &Sweep) -> Vec<String> {
    let scored = sweep.runs.iter().filter(|run| run.score(sweep.monitor).is_some()).count();
    if scored == 0 {
        let failed = sweep.runs.iter().filter(|run| run.state.state == RunState::Failed).count();
        return vec![format!("No run has a score yet: {}, {failed} failed.", words::count(sweep.runs.len(), "run"))];
    }
    [best(sweep), hidden(sweep), spread(sweep)].into_iter().flatten().collect()
}

fn best(sweep: &Sweep) -> Option<String> {
    let cells = cells(sweep);
    let best = ranked(sweep, &cells).into_iter().next()?;
    let scores = best.scores(sweep);
    Some(format!(
        "Best setting: {}: {} {} over {}.",
        best.label(sweep),
        words::metric(sweep.monitor),
        mean_and_spread(&scores),
        words::count(scores.len(), "run"),
    ))
}

/// The cells with a score, the best mean first.
pub fn ranked<'a, 'b>(sweep: &Sweep, cells: &'b [Cell<'a>]) -> Vec<&'b Cell<'a>> {
    let mut ranked: Vec<_> = cells.iter().filter_map(|cell| Some((mean(&cell.scores(sweep))?, cell))).collect();
    ranked.sort_by(|a, b| match sweep.monitor.direction() {
        Direction::Maximize => b.0.total_cmp(&a.0),
        Direction::Minimize => a.0.total_cmp(&b.0),
    });
    ranked.into_iter().map(|(_, cell)| cell).collect()
}

fn hidden(sweep: &Sweep) -> Option<String> {
    let rows: Vec<_> = sweep.runs.iter().filter_map(|run| run.best_row(sweep.monitor, Split::Val)).collect();
    let pooled = mean(&rows.iter().filter_map(|row| row.dice_coef).collect::<Vec<_>>())?;
    let macro_dice = mean(&rows.iter().filter_map(|row| row.dice_macro).collect::<Vec<_>>())?;
    let figures = format!("pooled val dice_coef {}, macro Dice {}", words::score(pooled), words::score(macro_dice));
    let never: Vec<String> = sweep
        .foreground()
        .filter_map(|class| {
            let runs = sweep.runs.iter().filter(|run| never_predicted(sweep, run, class)).count();
            (runs > 0).then(|| format!("{class} is never predicted in {runs} of {}", words::count(rows.len(), "run")))
        })
        .collect();
    Some(if !never.is_empty() {
        format!("The pooled score hides a class ({figures}): {}.", words::list(&never))
    } else if pooled - macro_dice > GAP {
        format!("The pooled score flatters ({figures}); {}.", worst_class(sweep)?)
    } else {
        format!("Every class is predicted ({figures}); {}.", worst_class(sweep)?)
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
    Some(format!("the weakest is {class} with Dice {}", words::score(dice)))
}

fn class_scores(sweep: &Sweep, class: &str) -> Vec<f64> {
    let score = |run: &Run| run.class(Split::Val, class)?.at(run.best_epoch(sweep.monitor)?)?.dice();
    sweep.runs.iter().filter_map(score).collect()
}

fn spread(sweep: &Sweep) -> Option<String> {
    let cells = cells(sweep);
    let within: Vec<f64> = cells.iter().filter_map(|cell| deviation(&cell.scores(sweep))).collect();
    let between = deviation(&cells.iter().filter_map(|cell| mean(&cell.scores(sweep))).collect::<Vec<_>>());
    let within = mean(&within);
    Some(match (within, between) {
        (Some(within), Some(between)) => format!(
            "Repeating a setting moves the score by {} (standard deviation), changing the setting by {}.",
            words::score(within),
            words::score(between)
        ),
        (None, _) => "Each setting ran once: whether another split would rank them alike is not known.".into(),
        (Some(within), None) => {
            format!("Repeating the setting moves the score by {} (standard deviation).", words::score(within))
        }
    })
}

/// `0.61 ± 0.04`; the spread is the standard deviation.
pub fn mean_and_spread(scores: &[f64]) -> String {
    let centre = mean(scores).map(words::score).unwrap_or_default();
    deviation(scores).map_or(centre.clone(), |spread| format!("{centre} ± {}", words::score(spread)))
}
