//! What to do next: what the worst findings advise, the grid's edge, and what it would take to settle what is open.

use super::{
    Analysis,
    aggregate::{Run, Sweep},
    cells,
    diagnose::{self, Finding, Group, HALF_WIDTH},
    setting,
    standings::{self, Needed, Standing},
    words,
};
use crate::statistics;

/// The most valuable step: the advice of the worst finding; else what would tell the two best settings apart; else the
/// look at the test images.
pub fn step(sweep: &Sweep, analysis: &Analysis<'_>) -> Option<String> {
    // That the best was picked on its own images is no fault of the runs: it comes last.
    let loud = of_findings(analysis, |finding| finding.rule.number != 27);
    let tie = || match analysis.standings.as_slice() {
        [best, second, ..] if second.ties => Some(budget(sweep, best, second)),
        _ => None,
    };
    let tuned = || analysis.findings.iter().find(|finding| finding.rule.number == 27).map(|f| f.advice.clone());
    loud.into_iter().next().or_else(tie).or_else(tuned)
}

/// Sentences, the most useful first.
pub fn advice(sweep: &Sweep, analysis: &Analysis<'_>) -> Vec<String> {
    const LOUDEST: usize = 3;
    let mut advice = of_findings(analysis, |_| true);
    advice.truncate(LOUDEST);
    let edges = analysis.findings.iter().filter(|f| f.rule.number == 16 && f.advice.contains(" = ["));
    advice.extend(edges.map(|finding| format!("{} {}", finding.evidence, finding.advice)));
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

/// What the findings that fail or warn advise, the worst first; each rule and each advice once.
fn of_findings(analysis: &Analysis<'_>, is_wanted: impl Fn(&Finding) -> bool) -> Vec<String> {
    let mut said: Vec<&Finding> = Vec::new();
    let loud = diagnose::loud(&analysis.findings, &analysis.of_best());
    for group in &loud {
        let first = cause(group.first, &loud);
        if is_wanted(first) && !said.iter().any(|other| other.rule == first.rule || other.advice == first.advice) {
            said.push(first);
        }
    }
    let sentence = |finding: &&Finding| {
        let class = finding.class.as_ref().map(|class| format!(" ({class})")).unwrap_or_default();
        format!("{}{class}: {}", finding.rule.title, finding.advice)
    };
    said.iter().map(sentence).collect()
}

/// Where nothing or too little was learned, what the rules about the learning rate say of the same run.
fn cause<'a>(found: &'a Finding, loud: &[Group<'a>]) -> &'a Finding {
    let is_cause = |other: &&Finding| [14, 15].contains(&other.rule.number) && other.run == found.run;
    let mut others = loud.iter().flat_map(|group| group.findings.iter().copied());
    if found.rule.number == 2 { others.find(is_cause).unwrap_or(found) } else { found }
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
            "{} behind the best already (p < {level:.3}: {} over {most} looks). To leave out the {} without a score, \
             add to the sweep file and run it again:{excludes}",
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
    let (first, second_label) = (best.cell.label(sweep), second.cell.label(sweep));
    if pairs < 2 {
        return format!(
            "Run {first} and {second_label} on at least three values of split_seed: on one split nothing can be ranked."
        );
    }
    if !second.ties {
        return format!(
            "{first} and {second_label} are told apart on {}; no more runs are needed for that.",
            words::count(pairs, "split")
        );
    }
    let wins = duel.differences.iter().filter(|difference| **difference > 0.0).count();
    let seen =
        format!("{first} is better than {second_label} on {wins} of {pairs} splits; {pairs} are too few to tell.");
    let more = match standings::needed(&duel.differences, duel.val_share) {
        // Holm's correction asks for more than the test of one pair.
        Needed::Splits(needed) => format!(
            "If the difference is what it seems, about {} values of split_seed would show it.",
            needed.max(pairs + 1)
        ),
        Needed::Thousands => "It would take more than 1,000: treat the two as equal.".into(),
        Needed::Never => {
            return format!(
                "{first} is better than {second_label} on {wins} of {pairs} splits; no number of splits would show a \
                 difference as small as this: treat the two as equal, or have more images."
            );
        }
    };
    format!("{seen} {more}")
}

/// How many validation images would fix the score of the best setting's runs to ± 0.02.
fn images(analysis: &Analysis<'_>) -> Option<String> {
    let best = analysis.of_best();
    let known: Vec<(f64, usize)> = analysis
        .evidence
        .iter()
        .flatten()
        .filter(|evidence| best.is_empty() || best.contains(&evidence.run.name.as_str()))
        .filter_map(|evidence| Some((evidence.macro_dice?.interval.half_width(), evidence.val.len())))
        .collect();
    let half = statistics::median(&known.iter().map(|(half, _)| *half).collect::<Vec<_>>())?;
    let images = known.first()?.1;
    let needed = (images as f64 * (half / HALF_WIDTH).powi(2)).ceil();
    (half > HALF_WIDTH).then(|| {
        format!(
            "{images} validation images fix the macro Dice of the best setting's runs to ± {} (95 %, median); about {needed} would make it ± {HALF_WIDTH}.",
            words::score(half)
        )
    })
}
