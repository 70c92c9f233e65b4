//! Rules about the data: 4, 6.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Severity};
use crate::{
    domain::{
        Split,
        limits::{FEW_IMAGES, NEAR_BITS},
    },
    report::{aggregate::Sweep, evidence::Evidence, words},
};

/// Rule 4: images of a split that have the class. [H]
pub fn class_missing(sweep: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for split in [Split::Train, Split::Val] {
        for class in sweep.foreground() {
            let Some(point) = evidence.class(split, class).and_then(|history| history.at(evidence.best)) else {
                continue;
            };
            let (severity, threshold) = match point.images {
                0 => (Severity::Fail, 0),
                few if few < FEW_IMAGES => (Severity::Warn, FEW_IMAGES),
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

/// Rule 6: a group or the same picture in two splits; pictures that nearly are the same (their difference hashes lie
/// within five bits of 64).
pub fn leak(_: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    const BITS: f64 = NEAR_BITS as f64;
    let mut groups: BTreeMap<&str, BTreeSet<Split>> = BTreeMap::new();
    for row in evidence.run.split.iter().filter(|row| !row.group.is_empty()) {
        groups.entry(&row.group).or_default().insert(row.split);
    }
    let mut findings = Vec::new();
    let shared: Vec<&str> = groups.iter().filter(|(_, splits)| splits.len() > 1).map(|(group, _)| *group).collect();
    if let Some(first) = shared.first() {
        let text = format!("{} in more than one split, {first} for one.", words::count(shared.len(), "group"));
        findings.push(Finding::new(6, Severity::Fail, text).against(shared.len() as f64, 0.0));
    }
    for split in [Split::Val, Split::Test] {
        let same: Vec<_> = evidence.extra(split, "same_image").collect();
        if let Some((image, other, _)) = same.first() {
            let text = format!("{} also in train, {image} as {other} for one.", images(split, same.len()));
            findings.push(Finding::new(6, Severity::Fail, text).against(same.len() as f64, 0.0));
        }
        let similar: Vec<_> = evidence.extra(split, "similar_image").filter(|(.., bits)| *bits <= BITS).collect();
        if let Some((image, other, bits)) = similar.iter().min_by(|a, b| a.2.total_cmp(&b.2)) {
            let text = format!(
                "{} nearly the same as one in train, {image} as {other} for one ({bits} of 64 bits differ).",
                images(split, similar.len())
            );
            findings.push(Finding::new(6, Severity::Warn, text).against(*bits, BITS));
        }
    }
    findings
}

/// `1 val image is`, `3 val images are`.
fn images(split: Split, number: usize) -> String {
    format!("{} {}", words::count(number, &format!("{split} image")), if number == 1 { "is" } else { "are" })
}
