//! Findings of the same rule and class together, so that what many runs share is said once.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, NOTHING_LEARNED, Severity};

/// What one rule found of one class.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// The finding in the first run.
    pub first: &'a Finding,
    /// All of them.
    pub findings: Vec<&'a Finding>,
}

impl Group<'_> {
    /// What was seen: in one sentence where all runs share it, else what was seen in the first run, as an example.
    pub fn evidence(&self) -> String {
        let mut seen: Vec<&str> = Vec::new();
        for finding in &self.findings {
            if !seen.contains(&finding.evidence.as_str()) {
                seen.push(&finding.evidence);
            }
        }
        if self.runs() < 2 {
            seen.join(" ")
        } else if seen.len() == 1 {
            seen[0].to_owned()
        } else {
            format!("For example: {}", seen[0])
        }
    }

    /// In how many runs; a rule may find several things of one class in a run.
    pub fn runs(&self) -> usize {
        self.findings.iter().filter_map(|finding| finding.run.as_deref()).collect::<BTreeSet<_>>().len()
    }
}

/// How bad, the rule's number and title, the class, and the finding's place if it stays by itself.
type Key<'a> = (Severity, usize, &'static str, Option<&'a str>, Option<usize>);

/// The groups, the worst first, then in the order of the rules. A finding about the whole sweep stays by itself.
pub fn grouped(findings: &[Finding]) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<Key<'_>, Vec<&Finding>> = BTreeMap::new();
    for (place, finding) in findings.iter().enumerate() {
        let alone = finding.run.is_none().then_some(place);
        let key = (finding.severity, finding.rule.number, finding.rule.title, finding.class.as_deref(), alone);
        groups.entry(key).or_default().push(finding);
    }
    groups.into_values().filter_map(|findings| Some(Group { first: findings.first()?, findings })).collect()
}

/// The rules whose findings spoil a result, the worst first; the others come after them.
const WORST: [usize; 20] = [4, 14, 6, 3, 2, 23, 15, 13, 20, 11, 1, 9, 10, 5, 24, 7, 8, 17, 12, 18];

/// The groups that fail or warn: failures first, then those that touch a run of `best`, then those of half of the runs
/// and more that any rule names, then by rule.
pub fn loud<'a>(findings: &'a [Finding], best: &[&str]) -> Vec<Group<'a>> {
    let mut groups = grouped(findings);
    groups.retain(|group| group.first.severity != Severity::Info);
    let most = groups.iter().map(Group::runs).max().unwrap_or(0);
    groups.sort_by_key(|group| {
        let touches = group.findings.iter().any(|f| f.run.as_deref().is_none_or(|run| best.contains(&run)));
        let place = WORST.iter().position(|rule| *rule == group.first.rule.number).unwrap_or(WORST.len());
        let nothing = *group.first.rule == NOTHING_LEARNED;
        (group.first.severity, !touches, !nothing, 2 * group.runs() < most, place)
    });
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_in_which_a_rule_finds_two_things_counts_once() {
        let finding = |run: &str| Finding {
            run: Some(run.into()),
            class: Some("clay".into()),
            ..Finding::new(25, Severity::Warn, String::new())
        };
        let findings = [finding("a"), finding("a"), finding("b")];
        let groups = grouped(&findings);
        assert_eq!((groups.len(), groups[0].findings.len(), groups[0].runs()), (1, 3, 2));
    }

    #[test]
    fn failures_come_first_then_what_touches_the_best_setting() {
        let finding = |number: usize, severity, run: &str| Finding {
            run: Some(run.into()),
            ..Finding::new(number, severity, String::new())
        };
        let findings = [
            finding(7, Severity::Warn, "best"),
            finding(14, Severity::Warn, "other"),
            finding(25, Severity::Info, "best"),
            finding(3, Severity::Fail, "other"),
            finding(1, Severity::Warn, "best"),
        ];
        let order: Vec<_> = loud(&findings, &["best"]).iter().map(|group| group.first.rule.number).collect();
        assert_eq!(order, [3, 1, 7, 14]);
    }

    #[test]
    fn figures_of_one_run_are_called_an_example_and_nothing_is_said_twice() {
        let finding =
            |run: &str, text: &str| Finding { run: Some(run.into()), ..Finding::new(25, Severity::Warn, text.into()) };
        let said = |findings: &[Finding]| grouped(findings)[0].evidence();
        assert_eq!(
            said(&[finding("a", "It is 1."), finding("a", "It is 2."), finding("a", "It is 1.")]),
            "It is 1. It is 2."
        );
        assert_eq!(said(&[finding("a", "It is so."), finding("b", "It is so.")]), "It is so.");
        assert_eq!(said(&[finding("a", "It is 1."), finding("b", "It is 2.")]), "For example: It is 1.");
    }
}
