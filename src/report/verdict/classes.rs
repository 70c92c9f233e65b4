//! What the pooled score hides: classes that are not learned, and how the classes score in the best setting.

use crate::{
    domain::{Severity, Split},
    report::{
        Analysis,
        aggregate::{Run, Sweep},
        evidence::Evidence,
        words,
    },
    statistics::mean,
};

/// Below this Dice at the best epoch a class counts as not learned.
const LEARNED: f64 = 0.05;

/// Classes that are not learned, else the weakest, with the pooled and the macro score.
pub fn line(sweep: &Sweep, analysis: &Analysis<'_>) -> Option<String> {
    let best = analysis.of_best();
    let (runs, over): (Vec<&Run>, &str) = if best.is_empty() {
        let begun = sweep.runs.iter().filter(|run| run.best_epoch(sweep.monitor).is_some());
        (begun.collect(), "Mean of all runs so far")
    } else {
        let of_best = sweep.runs.iter().filter(|run| best.contains(&run.name.as_str()));
        (of_best.collect(), if analysis.standings.len() > 1 { "Best setting" } else { "Mean over runs" })
    };
    let rows: Vec<_> = runs.iter().filter_map(|run| run.best_row(sweep.monitor, Split::Val)).collect();
    let macro_dice = mean(&rows.iter().filter_map(|row| row.dice_macro).collect::<Vec<_>>())?;
    let pooled = mean(&rows.iter().filter_map(|row| row.dice_coef).collect::<Vec<_>>());
    let figures = pooled.map_or_else(
        || format!("{over}: val Dice (macro) {macro_dice:.3}"),
        |pooled| format!("{over}: pooled val dice_coef {pooled:.3}, macro Dice {macro_dice:.3}"),
    );
    let lost: Vec<String> = sweep.foreground().filter_map(|class| not_learned(analysis, class)).collect();
    let flatters = analysis.findings.iter().any(|finding| {
        finding.rule.number == 1 && finding.run.as_ref().is_some_and(|run| runs.iter().any(|of| of.name == *run))
    });
    let weakest = weakest(sweep, &runs).unwrap_or_default();
    // A failure of another kind may well be about a class.
    let failed = analysis.findings.iter().any(|finding| finding.severity == Severity::Fail);
    // A trainer that tells no classes says nothing of any.
    if runs.iter().all(|run| run.classes.is_empty()) {
        return Some(format!("{figures}."));
    }
    Some(match (lost.is_empty(), flatters) {
        (false, true) => format!("The pooled score hides a class: {}. {figures}.", words::list(&lost)),
        (false, false) => format!("A class is not learned: {}. {figures}.", words::list(&lost)),
        (true, true) => format!("The pooled score flatters. {figures}{weakest}."),
        (true, false) if failed => format!("{figures}{weakest}."),
        (true, false) => format!("Every class is predicted. {figures}{weakest}."),
    })
}

/// `fibre is not learned in any of 12 runs (Dice at most 0.010)`: where rule 3 finds it, or it scores next to nothing.
fn not_learned(analysis: &Analysis<'_>, class: &str) -> Option<String> {
    let never = |run: &Run| {
        analysis.findings.iter().any(|finding| {
            finding.rule.number == 3
                && finding.class.as_deref() == Some(class)
                && finding.run.as_ref() == Some(&run.name)
        })
    };
    let known: Vec<&Evidence<'_>> =
        analysis.evidence.iter().flatten().filter(|evidence| dice(evidence, class).is_some()).collect();
    let lost: Vec<&&Evidence<'_>> = known
        .iter()
        .filter(|evidence| never(evidence.run) || dice(evidence, class).is_some_and(|dice| dice < LEARNED))
        .collect();
    let most = lost.iter().filter_map(|evidence| dice(evidence, class)).reduce(f64::max)?;
    let runs = words::in_none_of(lost.len(), known.len());
    Some(if most < LEARNED {
        let dice = if most < 5e-4 { "Dice 0".to_owned() } else { format!("Dice at most {}", words::score(most)) };
        format!("{class} is not learned {runs} ({dice})")
    } else {
        // It was predicted at the best epoch and no longer at the end.
        format!("{class} is not predicted to the end {runs}")
    })
}

fn dice(evidence: &Evidence<'_>, class: &str) -> Option<f64> {
    evidence.class(Split::Val, class)?.at(evidence.best)?.dice()
}

fn weakest(sweep: &Sweep, runs: &[&Run]) -> Option<String> {
    let of_run = |run: &&Run, class: &str| run.class(Split::Val, class)?.at(run.best_epoch(sweep.monitor)?)?.dice();
    let score = |class: &String| mean(&runs.iter().filter_map(|run| of_run(run, class)).collect::<Vec<_>>());
    let (class, dice) =
        sweep.foreground().filter_map(|class| Some((class, score(class)?))).min_by(|a, b| a.1.total_cmp(&b.1))?;
    (sweep.foreground().count() > 1).then(|| format!("; the weakest class is {class} with Dice {dice:.3}"))
}
