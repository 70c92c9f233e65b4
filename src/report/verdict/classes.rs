//! What the pooled score hides: classes that are never predicted or badly.

use crate::{
    domain::Split,
    report::{
        aggregate::{Run, Sweep},
        words,
    },
    statistics::mean,
};

/// A gap between the pooled and the macro score above which the pooled one misleads; rule 1's.
const GAP: f64 = 0.10;

/// The pooled score against the macro score, and the classes behind the difference.
pub fn hidden(sweep: &Sweep) -> Option<String> {
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
