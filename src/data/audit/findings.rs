//! What the figures of an audit mean: the rules, their thresholds and what to do.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    data::{DataError, Dataset},
    domain::{
        Severity, Split, count,
        limits::{FEW_IMAGES, LOST, LOW_CEILING},
    },
};

use super::{Audit, ClassLoss, Duplicate, SplitReport, duplicates};

/// Something to do something about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// A name for it, as `leak_risk`.
    pub rule: &'static str,
    /// What was seen.
    pub evidence: String,
    /// What to do.
    pub advice: &'static str,
}

/// Share of random splits that are closer, above which a split counts as unlike.
pub const UNLIKE: f64 = 0.95;

/// All findings, the worst first.
pub(super) fn of(
    dataset: &Dataset,
    audit: &Audit,
    dealt: &[Vec<Split>],
    refused: &[DataError],
    has_groups: bool,
) -> Vec<Finding> {
    let mut found = Vec::new();
    of_classes(audit, &mut found);
    of_images(audit, &mut found);
    of_sources(dataset, has_groups, &mut found);
    for error in refused {
        let evidence = format!("{}: {}", error.file.display(), error.cause);
        add(&mut found, Severity::Fail, "split_impossible", evidence, error.mend());
    }
    for (report, splits) in audit.splits.iter().zip(dealt) {
        of_split(audit, report, &mut found);
        of_leaks(dataset, &audit.duplicates, report, splits, &mut found);
    }
    of_sizes(audit, &mut found);
    found.sort_by_key(|finding| finding.severity);
    found
}

fn add(found: &mut Vec<Finding>, severity: Severity, rule: &'static str, evidence: String, advice: &'static str) {
    found.push(Finding { severity, rule, evidence, advice });
}

fn of_classes(audit: &Audit, found: &mut Vec<Finding>) {
    for class in audit.classes.iter().filter(|class| class.images == 0) {
        let evidence = format!("no image has the class {}", class.class);
        add(
            found,
            Severity::Fail,
            "class_absent",
            evidence,
            "check the mask's values against data.classes, or remove the class",
        );
    }
}

fn of_images(audit: &Audit, found: &mut Vec<Finding>) {
    if let Some(first) = audit.doubtful.first() {
        let number = audit.doubtful.len();
        let evidence =
            format!("{number} blank, constant or saturated images, the first {} ({:?})", first.image, first.doubt);
        add(found, Severity::Warn, "doubtful_images", evidence, "look at them; leave them out or export them again");
    }
    if let Some(first) = audit.without_foreground.first() {
        let evidence = format!(
            "{} of {} images without foreground, the first {first}",
            audit.without_foreground.len(),
            audit.images
        );
        add(
            found,
            Severity::Info,
            "no_foreground",
            evidence,
            "make sure that they are empty and not merely unlabelled",
        );
    }
}

/// Tiles of one picture that may come to lie in different splits.
fn of_sources(dataset: &Dataset, has_groups: bool, found: &mut Vec<Finding>) {
    let Some(sources) = duplicates::sources(dataset.names()) else { return };
    let mut groups_of: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (source, group) in sources.iter().zip(dataset.groups()) {
        let groups = groups_of.entry(source).or_default();
        if !groups.contains(&group.as_str()) {
            groups.push(group);
        }
    }
    let broken = groups_of.values().filter(|groups| groups.len() > 1).count();
    if broken == 0 {
        return;
    }
    let evidence = format!(
        "by their names the {} images are cut from {} pictures (such as {}), but {broken} of these are not kept together",
        dataset.len(),
        groups_of.len(),
        sources[0],
    );
    let severity = if has_groups { Severity::Info } else { Severity::Warn };
    add(
        found,
        severity,
        "leak_risk",
        evidence,
        "name the picture of each image in a CSV and set data.groups, so that no picture is split",
    );
}

fn of_split(audit: &Audit, report: &SplitReport, found: &mut Vec<Finding>) {
    let name = name(report);
    for part in &report.parts {
        if (1..FEW_IMAGES as usize).contains(&part.images) {
            let evidence = format!("{name}: {} has only {}", part.split, count(part.images, "image"));
            add(found, Severity::Warn, "few_images", evidence, "have more images, or larger fractions");
        }
        for class in part.classes.iter().zip(&audit.classes).filter(|(_, all)| all.images > 0).map(|(class, _)| class) {
            let (severity, rule) = match class.images {
                0 => (Severity::Fail, "class_missing_from_split"),
                // Where all have it, that there are few images says all.
                images if images < FEW_IMAGES as usize && images < part.images => {
                    (Severity::Warn, "few_images_of_class")
                }
                _ => continue,
            };
            let evidence = format!(
                "{name}: {} of {} {} images have the class {}",
                class.images, part.images, part.split, class.class
            );
            add(found, severity, rule, evidence, "stratify, take another seed or larger fractions");
        }
    }
    if report.likeness.divergence_percentile > UNLIKE {
        let evidence = format!(
            "{name}: {:.0} % of {} random splits are more alike",
            100.0 * report.likeness.divergence_percentile,
            report.likeness.random_splits
        );
        add(found, Severity::Warn, "splits_differ", evidence, "use strategy = \"stratified\" or another seed");
    }
}

/// The same image, or nearly the same, in two splits.
fn of_leaks(dataset: &Dataset, pairs: &[Duplicate], report: &SplitReport, splits: &[Split], found: &mut Vec<Finding>) {
    let split_of: BTreeMap<&str, Split> =
        dataset.names().iter().map(String::as_str).zip(splits.iter().copied()).collect();
    let crossing = |exact: bool| {
        let crosses = |pair: &&Duplicate| split_of.get(pair.image.as_str()) != split_of.get(pair.other.as_str());
        pairs.iter().filter(move |pair| pair.exact == exact).filter(crosses).collect::<Vec<_>>()
    };
    for (exact, severity, word) in [(true, Severity::Fail, "the same"), (false, Severity::Warn, "nearly the same")] {
        let crossing = crossing(exact);
        if let Some(first) = crossing.first() {
            let evidence = format!(
                "{}: {} of images {word} {} in different splits, the first {} and {}",
                name(report),
                count(crossing.len(), "pair"),
                if crossing.len() == 1 { "lies" } else { "lie" },
                first.image,
                first.other,
            );
            add(found, severity, "leak", evidence, "remove one of each pair, or put both in one group");
        }
    }
}

fn of_sizes(audit: &Audit, found: &mut Vec<Finding>) {
    for report in &audit.sizes {
        let costly = |class: &&ClassLoss| {
            class.ceiling.is_some_and(|ceiling| ceiling < LOW_CEILING)
                || class.components_lost.is_some_and(|lost| lost > LOST)
        };
        let of_class = |class: &ClassLoss| {
            let lost = 100.0 * class.components_lost.unwrap_or(0.0);
            format!("{} {:.3} ({lost:.0} %)", class.class, class.ceiling.unwrap_or(0.0))
        };
        let classes: Vec<String> = report.classes.iter().filter(costly).map(of_class).collect();
        if !classes.is_empty() {
            let [height, width] = report.input_size;
            let evidence = format!(
                "input_size {height} x {width}: Dice of a perfect model (and components that vanish): {}",
                classes.join(", ")
            );
            let advice = "use a larger input_size, or smaller tiles of the images";
            add(found, Severity::Warn, "resizing_destroys", evidence, advice);
        }
    }
}

fn name(report: &SplitReport) -> String {
    match report.fold {
        Some(fold) => format!("split seed {}, fold {fold}", report.seed),
        None => format!("split seed {}", report.seed),
    }
}
