//! Findings of the same rule and class together, so that what many runs share is said once.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Severity};

/// What one rule found of one class.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// The finding in the first run.
    pub first: &'a Finding,
    /// All of them.
    pub findings: Vec<&'a Finding>,
}

impl Group<'_> {
    /// In how many runs; a rule may find several things of one class in a run.
    pub fn runs(&self) -> usize {
        self.findings.iter().filter_map(|finding| finding.run.as_deref()).collect::<BTreeSet<_>>().len()
    }
}

/// How bad, the rule's number, the class, and the finding's place if it stays by itself.
type Key<'a> = (Severity, usize, Option<&'a str>, Option<usize>);

/// The groups, the worst first, then in the order of the rules. A finding about the whole sweep stays by itself.
pub fn grouped(findings: &[Finding]) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<Key<'_>, Vec<&Finding>> = BTreeMap::new();
    for (place, finding) in findings.iter().enumerate() {
        let alone = finding.run.is_none().then_some(place);
        let key = (finding.severity, finding.rule.number, finding.class.as_deref(), alone);
        groups.entry(key).or_default().push(finding);
    }
    groups.into_values().filter_map(|findings| Some(Group { first: findings.first()?, findings })).collect()
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
}
