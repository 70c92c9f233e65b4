//! What the page says of findings: what many runs share is said once.

use std::collections::BTreeMap;

use crate::report::{
    aggregate::{Run, Sweep},
    diagnose::{self, Finding, Group, Severity},
    labels::Labels,
    words,
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
    /// Empty where it is what all runs of the finding show.
    pub evidence: String,
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
            seen.push(Seen { evidence: finding.evidence.clone(), runs: Vec::new() });
            seen.len() - 1
        });
        seen[place].runs.push((*number, labels.run(run)));
    }
    if let [only] = seen.as_mut_slice() {
        only.evidence.clear();
    }
    seen
}
