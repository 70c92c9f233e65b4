//! What to run next: the grid's edge, and what it would take to settle what is open.

use super::{
    Analysis,
    aggregate::Sweep,
    standings::{self, Standing},
    statistics::{self, NOETHER_PAIRS},
    words,
};

/// Sentences, the most useful first.
pub fn advice(sweep: &Sweep, analysis: &Analysis<'_>) -> Vec<String> {
    let mut advice: Vec<String> = analysis
        .findings
        .iter()
        .filter(|finding| finding.rule.number == 16)
        .map(|finding| format!("{} {}", finding.evidence, finding.advice))
        .collect();
    if let [best, second, ..] = analysis.standings.as_slice() {
        advice.push(budget(sweep, best, second));
    }
    advice.extend(images(analysis));
    if advice.is_empty() {
        advice.push("Nothing: there is too little to go by.".into());
    }
    advice
}

/// How many splits would tell the two best settings apart.
fn budget(sweep: &Sweep, best: &Standing<'_>, second: &Standing<'_>) -> String {
    let duel = standings::duel(sweep, &best.cell, &second.cell);
    let pairs = duel.differences.len();
    let names = format!("{} and {}", best.cell.label(sweep), second.cell.label(sweep));
    if pairs < 2 {
        return format!("Run {names} on at least three values of split_seed: on one split nothing can be ranked.");
    }
    if !second.ties {
        return format!(
            "{names} are told apart on {}; no more runs are needed for that.",
            words::count(pairs, "split")
        );
    }
    let seen = format!(
        "there are {pairs} of the {NOETHER_PAIRS} pairs that would show a setting that wins three times in four"
    );
    match statistics::splits_needed(&duel.differences, duel.val_share) {
        Some(needed) => format!(
            "If the difference between {names} is what it seems, about {needed} values of split_seed would show it ({seen})."
        ),
        None => format!(
            "No number of splits would tell {names} apart at the difference seen ({seen}): treat them as equal, or have more images."
        ),
    }
}

/// How many validation images would fix the score to ± 0.02.
fn images(analysis: &Analysis<'_>) -> Option<String> {
    const HALF_WIDTH: f64 = 0.02;
    let known: Vec<(f64, usize)> = analysis
        .evidence
        .iter()
        .flatten()
        .filter_map(|evidence| Some((evidence.macro_dice?.interval.half_width(), evidence.val.len())))
        .collect();
    let half = statistics::median(&known.iter().map(|(half, _)| *half).collect::<Vec<_>>())?;
    let images = known.first()?.1;
    let needed = (images as f64 * (half / HALF_WIDTH).powi(2)).ceil();
    (half > HALF_WIDTH).then(|| {
        format!(
            "{images} validation images fix a run's macro Dice to ± {} (95 %, median over runs); about {needed} would make it ± {HALF_WIDTH}.",
            words::score(half)
        )
    })
}
