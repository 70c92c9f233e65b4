//! Rules about the data: 4, 6.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Severity};
use crate::{
    domain::Split,
    report::{aggregate::Sweep, evidence::Evidence, words},
};

/// Rule 4: images of a split that have the class. [H]
pub fn class_missing(sweep: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    const FEW: u32 = 5;
    let mut findings = Vec::new();
    for split in [Split::Train, Split::Val] {
        for class in sweep.foreground() {
            let Some(point) = evidence.class(split, class).and_then(|history| history.at(evidence.best)) else {
                continue;
            };
            let (severity, threshold) = match point.images {
                0 => (Severity::Fail, 0),
                few if few < FEW => (Severity::Warn, FEW),
                _ => continue,
            };
            let text = match point.images {
                0 => format!("No {split} image has {class}."),
                few => format!(
                    "Only {} of {split} {} {class}.",
                    words::count(few as usize, "image"),
                    if few == 1 { "has" } else { "have" }
                ),
            };
            findings
                .push(Finding::new(4, severity, text).of(class).against(f64::from(point.images), f64::from(threshold)));
        }
    }
    findings
}

/// Rule 6: a group or the same picture in two splits; pictures that nearly are the same.
pub fn leak(_: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    const BITS: f64 = 5.0;
    let mut groups: BTreeMap<&str, BTreeSet<Split>> = BTreeMap::new();
    for row in evidence.run.split.iter().filter(|row| !row.group.is_empty()) {
        groups.entry(&row.group).or_default().insert(row.split);
    }
    let mut findings = Vec::new();
    let shared: Vec<String> =
        groups.iter().filter(|(_, splits)| splits.len() > 1).map(|(g, _)| g.to_string()).collect();
    if let Some(first) = shared.first() {
        let text = format!("{} in more than one split, {first} for one.", words::count(shared.len(), "group"));
        findings.push(Finding::new(6, Severity::Fail, text).against(shared.len() as f64, 0.0));
    }
    for (image, other, bits) in evidence.extra(Split::Val, "duplicate").filter(|(.., bits)| *bits <= BITS) {
        let (severity, how) =
            if bits == 0.0 { (Severity::Fail, "the same as") } else { (Severity::Warn, "nearly the same as") };
        let text = format!("{image} is {how} {other} of another split.");
        findings.push(Finding::new(6, severity, text).against(bits, BITS));
    }
    findings
}
