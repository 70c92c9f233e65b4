//! Rules about the data and its splits: 4, 5, 6.

use std::collections::{BTreeMap, BTreeSet};

use rand::seq::SliceRandom;

use super::{Finding, Severity};
use crate::{
    domain::{Counts, Split, seed},
    report::{aggregate::Sweep, evidence::Evidence, statistics, words},
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

/// Rule 5: the class fractions of train and val are less alike than in 95 % of 1,000 random splits of the same
/// images: Jensen–Shannon divergence of the pixels, Kolmogorov–Smirnov distance of each class's share an image.
/// Runs with the same split share the computation.
pub fn splits_differ(sweep: &Sweep, evidence: &[Option<Evidence<'_>>]) -> Vec<Finding> {
    let mut known: BTreeMap<Vec<&str>, Vec<Finding>> = BTreeMap::new();
    let mut findings = Vec::new();
    for evidence in evidence.iter().flatten() {
        let key: Vec<&str> = evidence.val.iter().map(|(image, _)| *image).collect();
        let found = known.entry(key).or_insert_with(|| compare_splits(sweep, evidence));
        for finding in found.iter() {
            findings.push(Finding { run: Some(evidence.run.name.clone()), ..finding.clone() });
        }
    }
    findings
}

fn compare_splits(sweep: &Sweep, evidence: &Evidence<'_>) -> Vec<Finding> {
    const DRAWS: usize = 1000;
    const PERCENTILE: f64 = 0.95;
    if evidence.val.len() < 2 || evidence.train.len() < 2 {
        return vec![];
    }
    let images: Vec<&[Counts]> = evidence.val.iter().chain(&evidence.train).map(|(_, c)| c.as_slice()).collect();
    let val = evidence.val.len();
    let mut order: Vec<usize> = (0..images.len()).collect();
    let observed = distances(sweep, &images, &order, val);
    let mut random = seed::generator(0, "report/splits", &[images.len() as u64]);
    let mut drawn = vec![Vec::with_capacity(DRAWS); observed.len()];
    for _ in 0..DRAWS {
        order.shuffle(&mut random);
        drawn.iter_mut().zip(distances(sweep, &images, &order, val)).for_each(|(all, one)| all.extend(one));
    }
    // One statistic over all pixels and one a class: each is held to the level divided by their number (Bonferroni),
    // or every fifth random split of four classes would be called different.
    let level = 1.0 - (1.0 - PERCENTILE) / observed.len() as f64;
    let finding = |(place, observed): (usize, &Option<f64>)| {
        let (observed, limit) = ((*observed)?, statistics::quantile(&drawn[place], level)?);
        if observed <= limit + 1e-12 {
            return None;
        }
        let share = drawn[place].iter().filter(|&&d| d < observed).count() as f64 / DRAWS as f64;
        let percent = share * 100.0;
        Some(match place.checked_sub(1) {
            None => {
                let text = format!(
                    "The pixels' classes in train and val differ more than in {percent:.1} % of random splits."
                );
                Finding::new(5, Severity::Warn, text).against(observed, limit)
            }
            Some(class) => {
                let class = &sweep.classes[class];
                let text = format!(
                    "The share of {class} an image differs between train and val more than in {percent:.1} % of random splits."
                );
                Finding::new(5, Severity::Warn, text).of(class).against(observed, limit)
            }
        })
    };
    observed.iter().enumerate().filter_map(finding).collect()
}

/// Jensen–Shannon divergence over all pixels, then each class's Kolmogorov–Smirnov distance.
fn distances(sweep: &Sweep, images: &[&[Counts]], order: &[usize], val: usize) -> Vec<Option<f64>> {
    let classes = sweep.classes.len();
    let part = |places: &[usize]| {
        let mut pixels = vec![0.0; classes];
        let mut shares = vec![Vec::with_capacity(places.len()); classes];
        for &place in places {
            let total: u64 = images[place].iter().map(Counts::support).sum();
            for class in 0..classes {
                let support = images[place][class].support() as f64;
                pixels[class] += support;
                shares[class].push(support / (total.max(1)) as f64);
            }
        }
        (pixels, shares)
    };
    let ((val_pixels, val_shares), (train_pixels, train_shares)) = (part(&order[..val]), part(&order[val..]));
    let classes = val_shares.iter().zip(&train_shares).map(|(a, b)| statistics::kolmogorov_smirnov(a, b));
    [statistics::jensen_shannon(&val_pixels, &train_pixels)].into_iter().chain(classes).collect()
}
