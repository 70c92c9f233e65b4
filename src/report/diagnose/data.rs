//! Rules about the data: 4, 6.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Severity, rules};
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
    let mut few = Vec::new();
    for class in sweep.foreground() {
        for split in [Split::Train, Split::Val] {
            let point = evidence.class(split, class).and_then(|history| history.at(evidence.best));
            match point.map(|point| point.images) {
                Some(0) => {
                    let text = format!("No {} image has {class}: {}.", long(split), without(split));
                    findings.push(Finding::new(4, Severity::Fail, text).of(class).against(0.0, 0.0));
                }
                Some(images) if images < FEW_IMAGES && counts_images(evidence, split) => {
                    few.push((images, split, class))
                }
                _ => {}
            }
        }
    }
    if let Some(least) = few.iter().map(|(images, ..)| *images).min() {
        let one = |(images, split, class): &(u32, Split, &String)| {
            format!("{class} is in only {}", words::count(*images as usize, &format!("{} image", long(*split))))
        };
        let text = format!("{}.", words::list(&few.iter().map(one).collect::<Vec<_>>()));
        findings.push(
            Finding::by(&rules::FEW_IMAGES, Severity::Warn, text).against(f64::from(least), f64::from(FEW_IMAGES)),
        );
    }
    findings
}

fn long(split: Split) -> &'static str {
    match split {
        Split::Train => "training",
        Split::Val => "validation",
        Split::Test => "test",
    }
}

/// What it means that a split lacks a class.
fn without(split: Split) -> &'static str {
    if split == Split::Train { "it cannot be learned" } else { "its score is unknown" }
}

/// Whether it is known in how many images of `split` a class occurs: an outside trainer may tell pixels alone.
fn counts_images(evidence: &Evidence<'_>, split: Split) -> bool {
    let is_outside = evidence.run.file.as_ref().is_some_and(|file| file.config.trainer.is_some());
    !is_outside || evidence.run.images.rows.iter().any(|row| row.split == split)
}

/// Rule 6: a group or the same picture in two splits; pictures that nearly are the same (their difference hashes lie
/// within five bits of 64).
pub fn leak(_: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
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
        let similar: Vec<_> =
            evidence.extra(split, "similar_image").filter(|(.., bits)| *bits <= f64::from(NEAR_BITS)).collect();
        if let Some((image, other, bits)) = similar.iter().min_by(|a, b| a.2.total_cmp(&b.2)) {
            let text = format!(
                "{} nearly the same as one in train, {image} as {other} for one ({bits} of 64 bits differ).",
                images(split, similar.len())
            );
            findings.push(Finding::new(6, Severity::Warn, text).against(*bits, f64::from(NEAR_BITS)));
        }
    }
    findings
}

/// `1 val image is`, `3 val images are`.
fn images(split: Split, number: usize) -> String {
    format!("{} {}", words::count(number, &format!("{split} image")), if number == 1 { "is" } else { "are" })
}
