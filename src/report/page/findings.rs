//! What the page says of findings: what many runs share is said once.

use std::collections::BTreeMap;

use crate::{
    domain::Severity,
    report::{
        aggregate::{Run, Sweep},
        diagnose::{self, Finding, Group},
        labels::Labels,
        words,
    },
};

/// What a rule found, over the runs in which it did.
pub struct FindingView {
    /// How bad.
    pub severity: &'static str,
    /// The rule in words.
    pub title: &'static str,
    /// Where the rule is from.
    pub source: &'static str,
    /// The class, where it is about one.
    pub class: String,
    /// In how many runs; empty for the sweep.
    pub count: String,
    /// What was seen, in the first run.
    pub evidence: String,
    /// What to do.
    pub advice: String,
    /// What was seen in which runs; nothing where there is one run alone.
    pub seen: Vec<Seen>,
}

/// The same thing seen in some runs.
pub struct Seen {
    /// What was seen.
    pub evidence: String,
    /// What of it is otherwise than in other runs; empty where all show the same.
    pub differs: String,
    /// The number of each in the page, and what tells it from others.
    pub runs: Vec<(usize, String)>,
}

/// Failures and warnings, and what is worth knowing no more.
pub fn views(data: &Sweep, findings: &[Finding]) -> (Vec<FindingView>, Vec<FindingView>) {
    let labels = Labels::of(data);
    let runs: BTreeMap<&str, (usize, &Run)> =
        data.runs.iter().enumerate().map(|(place, run)| (run.name.as_str(), (place + 1, run))).collect();
    let view = |group: Group<'_>| {
        let count = format!("{} of {}", group.runs(), words::count(data.runs.len(), "run"));
        FindingView {
            severity: group.first.severity.name(),
            title: group.first.rule.title,
            source: group.first.rule.source,
            class: group.first.class.clone().unwrap_or_default(),
            count: if group.first.run.is_some() { count } else { String::new() },
            evidence: group.first.evidence.clone(),
            advice: group.first.advice.clone(),
            seen: if runs.len() > 1 { seen(&group, &runs, &labels) } else { Vec::new() },
        }
    };
    let (notes, findings): (Vec<Group<'_>>, Vec<Group<'_>>) =
        diagnose::grouped(findings).into_iter().partition(|group| group.first.severity == Severity::Info);
    (findings.into_iter().map(view).collect(), notes.into_iter().map(view).collect())
}

/// Each evidence once, in order of first appearance, with the runs that show it.
fn seen(group: &Group<'_>, runs: &BTreeMap<&str, (usize, &Run)>, labels: &Labels<'_>) -> Vec<Seen> {
    let mut seen: Vec<Seen> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in &group.findings {
        let Some((number, run)) = finding.run.as_deref().and_then(|name| runs.get(name)) else { continue };
        let place = *places.entry(finding.evidence.as_str()).or_insert_with(|| {
            let (evidence, differs) = (finding.evidence.clone(), String::new());
            seen.push(Seen { evidence, differs, runs: Vec::new() });
            seen.len() - 1
        });
        seen[place].runs.push((*number, labels.run(run)));
    }
    if seen.len() > 1 {
        let sentences: Vec<&str> = seen.iter().map(|seen| seen.evidence.as_str()).collect();
        let differing = differing(&sentences);
        seen.iter_mut().zip(differing).for_each(|(seen, differs)| seen.differs = differs);
    }
    seen
}

/// The figures in which sentences differ; the sentences where their words do.
fn differing(sentences: &[&str]) -> Vec<String> {
    let parts: Vec<(String, Vec<&str>)> = sentences.iter().map(|sentence| figures(sentence)).collect();
    if parts.windows(2).any(|pair| pair[0].0 != pair[1].0) {
        return sentences.iter().map(ToString::to_string).collect();
    }
    let is_other = |place: &usize| parts.windows(2).any(|pair| pair[0].1[*place] != pair[1].1[*place]);
    let places: Vec<usize> = (0..parts.first().map_or(0, |part| part.1.len())).filter(is_other).collect();
    parts.iter().map(|part| places.iter().map(|&place| part.1[place]).collect::<Vec<_>>().join("; ")).collect()
}

/// A sentence without its figures, and these.
fn figures(sentence: &str) -> (String, Vec<&str>) {
    let (mut words, mut figures, mut rest) = (String::new(), Vec::new(), sentence);
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let start = if rest[..start].ends_with(" -") { start - 1 } else { start };
        let of_figure = |c: char| c.is_ascii_digit() || ".-".contains(c);
        let length = rest[start..].find(|c| !of_figure(c)).unwrap_or(rest.len() - start);
        let figure = rest[start..start + length].trim_end_matches(['.', '-']);
        words += &rest[..start];
        words.push('#');
        figures.push(figure);
        rest = &rest[start + figure.len()..];
    }
    (words + rest, figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_that_differ_in_figures_are_told_apart_by_these() {
        let sentences = ["Dice is 0.72 of 10: skill -1.37.", "Dice is 0.8 of 10: skill 2."];
        assert_eq!(differing(&sentences), ["0.72; -1.37", "0.8; 2"]);
        assert_eq!(differing(&["clay is lost", "a 10th is lost"]), ["clay is lost", "a 10th is lost"]);
    }
}
