//! What is wrong, in plain words: the worst finding, the classes, curves that jump.

use std::collections::BTreeSet;

use super::{classes, splits};
use crate::{
    domain::{RunState, Severity},
    report::{
        Analysis,
        aggregate::Sweep,
        diagnose::{self, Finding, Group, LABELS_EXCHANGED, NOTHING_LEARNED},
        words,
    },
};

/// The worst finding first; nothing for a sweep without an epoch.
pub fn lines(sweep: &Sweep, analysis: &Analysis<'_>) -> Vec<String> {
    let loud = diagnose::loud(&analysis.findings, &analysis.of_best());
    let classes = classes::line(sweep, analysis);
    let about_classes = |group: &&Group<'_>| [1, 3].contains(&group.first.rule.number);
    let jumping = splits::jumping(analysis);
    let worst = loud.first().filter(|group| !about_classes(group));
    // What the other lines say better is not said twice.
    let worst = worst.filter(|group| group.first.rule.number != 7 || jumping.is_none());
    let worst = worst.map(|group| plain(sweep, analysis, group, &loud));
    let first_is_noise = loud.first().is_some_and(|group| group.first.rule.number == 7);
    let (first, second) = if first_is_noise { (jumping, classes) } else { (classes, jumping) };
    [worst, first, second].into_iter().flatten().collect()
}

/// A group, with the classes of the others that say the same of other classes.
fn plain(sweep: &Sweep, analysis: &Analysis<'_>, group: &Group<'_>, all: &[Group<'_>]) -> String {
    let first = group.first;
    let is_same = |other: &&Group<'_>| other.first.rule == first.rule && other.first.severity == first.severity;
    let findings: Vec<&Finding> = all.iter().filter(is_same).flat_map(|group| group.findings.iter().copied()).collect();
    let classes: Vec<String> = distinct(findings.iter().filter_map(|finding| finding.class.clone()));
    let runs = findings.iter().filter_map(|finding| finding.run.as_deref()).collect::<BTreeSet<_>>().len();
    let judged = judged(sweep, analysis);
    let best = analysis.of_best();
    let spares_best = !best.is_empty()
        && !findings.iter().any(|finding| finding.run.as_deref().is_none_or(|run| best.contains(&run)));
    let place = if first.run.is_none() || judged == 1 {
        String::new()
    } else if runs == judged {
        format!(" in all {runs} runs")
    } else {
        format!(" in {runs} of {judged} runs{}", if spares_best { ", none of the best setting" } else { "" })
    };
    if *first.rule == NOTHING_LEARNED {
        return format!("Nothing was learned{place}.");
    }
    if *first.rule == LABELS_EXCHANGED {
        let masks = findings.iter().filter_map(|finding| finding.value).fold(0.0, f64::max);
        let seem = if masks == 1.0 { "seems" } else { "seem" };
        return format!("{} {seem} to have {} exchanged.", words::count(masks as usize, "mask"), classes.join("; "));
    }
    match (first.rule.number, first.severity) {
        // These evidences are plain words already.
        (4, Severity::Fail) => format!("{}{}.", first.evidence.trim_end_matches('.'), place.replacen(" in", ", in", 1)),
        (14, Severity::Fail) => format!("Training broke down{place}: {}.", first.evidence.trim_end_matches('.')),
        (2, Severity::Fail) => format!("dice_coef is lower than predicting one class everywhere would score{place}."),
        (23, _) if runs == 1 => format!("{}{place}: {}", first.rule.title, first.evidence),
        _ if classes.is_empty() => format!("{}{place}.", first.rule.title),
        _ => format!("{}{place}: {}.", first.rule.title, words::list(&classes)),
    }
}

/// Runs of which there is something to judge.
fn judged(sweep: &Sweep, analysis: &Analysis<'_>) -> usize {
    let is_judged =
        |place: &usize| analysis.evidence[*place].is_some() || sweep.runs[*place].state.state == RunState::Failed;
    (0..sweep.runs.len()).filter(is_judged).count()
}

fn distinct(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut known: Vec<String> = Vec::new();
    for text in texts {
        if !known.contains(&text) {
            known.push(text);
        }
    }
    known
}
