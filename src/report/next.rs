//! What to run next: the grid's edge, and what it would take to settle what is open.

use super::{
    Analysis,
    aggregate::{Run, Sweep},
    cells,
    diagnose::HALF_WIDTH,
    setting,
    standings::{self, Standing},
    words,
};
use crate::statistics::{self, NOETHER_PAIRS};

/// Sentences, the most useful first.
pub fn advice(sweep: &Sweep, analysis: &Analysis<'_>) -> Vec<String> {
    let mut advice: Vec<String> = analysis
        .findings
        .iter()
        .filter(|finding| finding.rule.number == 16)
        .map(|finding| format!("{} {}", finding.evidence, finding.advice))
        .collect();
    advice.extend(early(sweep, &analysis.standings));
    if let [best, second, ..] = analysis.standings.as_slice() {
        advice.push(budget(sweep, best, second));
    }
    advice.extend(images(analysis));
    if advice.is_empty() {
        advice.push("Nothing: there is too little to go by.".into());
    }
    advice
}

/// Of a sweep that goes on: the settings that are behind already, whatever their other runs will say. One may look after
/// each seed, so the error is shared out over as many looks (Bonferroni).
fn early(sweep: &Sweep, standings: &[Standing<'_>]) -> Option<String> {
    if sweep.open_runs() == 0 {
        return None;
    }
    let most = standings.iter().map(|standing| standing.cell.runs.len()).max()?;
    let level = standings::ALPHA / most as f64;
    let is_open = |standing: &&Standing<'_>| standing.cell.runs.len() > standing.scores.len();
    let behind: Vec<&Standing<'_>> =
        standings.iter().filter(is_open).filter(|standing| standing.p.is_some_and(|p| p < level)).collect();
    let left: Vec<&Run> = behind
        .iter()
        .flat_map(|standing| standing.cell.runs.iter().copied())
        .filter(|run| run.score(sweep.monitor).is_none())
        .collect();
    let excludes: String = left.iter().map(|run| exclude(sweep, run)).collect();
    (!behind.is_empty()).then(|| {
        format!(
            "{} behind the best already (p < {level:.3}: {} over {most} looks). To leave out the {} not begun, add to \
             the sweep file and run it again:{excludes}",
            if behind.len() == 1 { "One setting is".into() } else { format!("{} settings are", behind.len()) },
            standings::ALPHA,
            words::count(left.len(), "run"),
        )
    })
}

/// A run as a table of the sweep file.
fn exclude(sweep: &Sweep, run: &Run) -> String {
    let axes = run.file.iter().flat_map(|file| &file.axes).filter(|(axis, _)| cells::varies(sweep, axis));
    // Numbers, texts and lists are written alike in JSON and in TOML.
    axes.fold("\n[[exclude]]".into(), |text, (axis, value)| format!("{text}\n{} = {value}", setting::key(axis)))
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
        // Holm's correction asks for more than the test of one pair.
        Some(needed) => format!(
            "If the difference between {names} is what it seems, about {} values of split_seed would show it ({seen}).",
            needed.max(pairs + 1)
        ),
        None => format!(
            "No number of splits would tell {names} apart at the difference seen ({seen}): treat them as equal, or have more images."
        ),
    }
}

/// How many validation images would fix the score to ± [`HALF_WIDTH`].
fn images(analysis: &Analysis<'_>) -> Option<String> {
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
