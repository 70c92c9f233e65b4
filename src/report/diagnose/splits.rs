//! Rule 5: whether train and val are alike, against random splits of the same images.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::{Finding, Severity};
use crate::{
    domain::{Counts, SplitStrategy, seed},
    report::{
        aggregate::Sweep,
        evidence::{Evidence, by_group},
        standings::split_of,
        words,
    },
    statistics,
};

const DRAWS: usize = 1000;
const PERCENTILE: f64 = 0.95;

/// One split's classes in train and val.
#[derive(Clone, Debug)]
pub struct Balance {
    /// Which split, in words.
    pub split: String,
    /// How the images were dealt.
    pub strategy: SplitStrategy,
    /// Per cent of random splits whose train and val are more alike (Jensen–Shannon divergence of all pixels).
    pub percentile: f64,
    /// Each class of [`Sweep::classes`].
    pub classes: Vec<ClassBalance>,
    findings: Vec<Finding>,
}

/// One class's share of the pixels.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClassBalance {
    /// In train.
    pub train: f64,
    /// In val.
    pub val: f64,
    /// Where val's share lies in 95 % of random splits.
    pub random: (f64, f64),
}

/// The balance of each split that a run was trained on, in the order of runs, and what rule 5 finds in each run, in the
/// sweep's order. Runs with the same split share the computation.
pub fn compare(sweep: &Sweep, evidence: &[Option<Evidence<'_>>]) -> (Vec<Balance>, Vec<Vec<Finding>>) {
    let mut known: BTreeMap<[Vec<&str>; 2], usize> = BTreeMap::new();
    let mut first: Vec<&Evidence<'_>> = Vec::new();
    let mut places: Vec<Option<usize>> = Vec::new();
    for evidence in evidence {
        let usable = evidence.as_ref().filter(|evidence| evidence.val.len() > 1 && evidence.train.len() > 1);
        places.push(usable.map(|evidence| {
            let images = [&evidence.val, &evidence.train].map(|split| split.iter().map(|(image, _)| *image).collect());
            *known.entry(images).or_insert_with(|| {
                first.push(evidence);
                first.len() - 1
            })
        }));
    }
    let balances: Vec<Balance> = first.par_iter().map(|evidence| balance(sweep, evidence)).collect();
    let found = |place: Option<usize>| place.map_or_else(Vec::new, |place| balances[place].findings.clone());
    let findings = places.into_iter().map(found).collect();
    (balances, findings)
}

fn balance(sweep: &Sweep, evidence: &Evidence<'_>) -> Balance {
    let images: Vec<&[Counts]> = evidence.val.iter().chain(&evidence.train).map(|(_, c)| c.as_slice()).collect();
    let val = evidence.val.len();
    let order: Vec<usize> = (0..images.len()).collect();
    let observed = Dealt::of(sweep, &images, &order, val);
    let blocks = by_group(evidence.run, evidence.val.iter().chain(&evidence.train).map(|(name, _)| *name));
    let grouped = blocks.len() < images.len();
    let in_val = blocks.iter().filter(|block| block.iter().any(|&image| image < val)).count();
    let groups = blocks.len();
    let by_group = random_splits(sweep, &images, blocks, val);
    let dealt = if grouped { "random splits of whole groups" } else { "random splits" };
    let mut findings = exceeded(sweep, &observed, &by_group, Severity::Warn, dealt);
    if grouped && findings.is_empty() {
        let singly = random_splits(sweep, &images, order.iter().map(|&image| vec![image]).collect(), val);
        findings = exceeded(sweep, &observed, &singly, Severity::Info, "random splits of single images");
        // Nothing but other data would help, so it is said once and not for every class.
        findings.truncate(1);
        for finding in &mut findings {
            let alone = if in_val == 1 { format!("; val is one group of {groups}") } else { String::new() };
            finding.evidence = format!("Whole groups are kept together{alone}. {}", finding.evidence);
            finding.advice = "Have more groups, or pool the folds of several split seeds.".into();
        }
    }
    let class = |place: usize| {
        let shares: Vec<f64> = by_group.iter().map(|dealt| dealt.val[place]).collect();
        let at = |share| statistics::quantile(&shares, share).unwrap_or_default();
        ClassBalance { train: observed.train[place], val: observed.val[place], random: (at(0.025), at(0.975)) }
    };
    let axes = sweep.axes.iter().filter(|axis| crate::report::cells::is_split(axis));
    let named: Vec<String> =
        axes.zip(split_of(sweep, evidence.run)).map(|(axis, value)| format!("{axis} {value}")).collect();
    let split = if named.is_empty() { "the split".into() } else { words::list(&named) };
    let strategy = evidence.run.file.as_ref().map_or(SplitStrategy::Random, |file| file.config.split.strategy);
    let closer = by_group.iter().filter(|dealt| dealt.distances[0] < observed.distances[0]).count();
    let percentile = 100.0 * closer as f64 / by_group.len() as f64;
    Balance { split, strategy, percentile, classes: (0..sweep.classes.len()).map(class).collect(), findings }
}

/// Deals the blocks at random; val takes whole blocks until it has as many images as it had.
fn random_splits(sweep: &Sweep, images: &[&[Counts]], mut blocks: Vec<Vec<usize>>, val: usize) -> Vec<Dealt> {
    let mut random = seed::generator(0, "report/splits", &[images.len() as u64]);
    let deal = |_| {
        blocks.shuffle(&mut random);
        let order: Vec<usize> = blocks.iter().flatten().copied().collect();
        let mut taken = 0;
        let whole = blocks.iter().map(Vec::len).take_while(|size| {
            let more = taken < val;
            taken += size;
            more
        });
        let whole = whole.sum::<usize>().min(images.len() - 1);
        Dealt::of(sweep, images, &order, whole)
    };
    (0..DRAWS).map(deal).collect()
}

/// Findings for each distance above the level in the random splits. There is one over all pixels and one a class:
/// each is held to the level divided by their number (Bonferroni), or every fifth random split of four classes would
/// be called different.
fn exceeded(sweep: &Sweep, observed: &Dealt, random: &[Dealt], severity: Severity, dealt: &str) -> Vec<Finding> {
    let level = 1.0 - (1.0 - PERCENTILE) / observed.distances.len() as f64;
    let finding = |(place, &observed): (usize, &f64)| {
        let drawn: Vec<f64> = random.iter().map(|dealt| dealt.distances[place]).collect();
        let limit = statistics::quantile(&drawn, level).filter(|limit| observed > limit + 1e-12)?;
        let less = drawn.iter().filter(|&&distance| distance < observed).count();
        let how_many = if less == DRAWS {
            "all 1,000".to_owned()
        } else {
            format!("{:.1} % of 1,000", 100.0 * less as f64 / DRAWS as f64)
        };
        let (what, class) = match place.checked_sub(1) {
            None => ("The pixels' classes in train and val differ".to_owned(), None),
            Some(place) => {
                let class = &sweep.classes[place];
                (format!("The share of {class} in an image differs between train and val"), Some(class))
            }
        };
        let found = Finding::new(5, severity, format!("{what} more than in {how_many} {dealt}."));
        let found = found.against(observed, limit);
        Some(class.map_or(found.clone(), |class| found.of(class)))
    };
    observed.distances.iter().enumerate().filter_map(finding).collect()
}

/// One way to deal the images.
struct Dealt {
    /// Share of each class among train's pixels.
    train: Vec<f64>,
    /// Among val's.
    val: Vec<f64>,
    /// Jensen–Shannon divergence over all pixels, then each class's Kolmogorov–Smirnov distance of its shares an image.
    distances: Vec<f64>,
}

impl Dealt {
    fn of(sweep: &Sweep, images: &[&[Counts]], order: &[usize], val: usize) -> Self {
        let classes = sweep.classes.len();
        let part = |places: &[usize]| {
            let mut pixels = vec![0.0; classes];
            let mut shares = vec![Vec::with_capacity(places.len()); classes];
            for &place in places {
                let total: u64 = images[place].iter().map(Counts::support).sum();
                for class in 0..classes {
                    let support = images[place][class].support() as f64;
                    pixels[class] += support;
                    shares[class].push(support / total.max(1) as f64);
                }
            }
            let total: f64 = pixels.iter().sum();
            pixels.iter_mut().for_each(|pixels| *pixels /= total.max(1.0));
            (pixels, shares)
        };
        let ((val, val_shares), (train, train_shares)) = (part(&order[..val]), part(&order[val..]));
        let whole = statistics::jensen_shannon(&[&val, &train]).unwrap_or_default();
        let of_class = |(a, b): (&Vec<f64>, &Vec<f64>)| statistics::kolmogorov_smirnov(a, b).unwrap_or_default();
        let each = val_shares.iter().zip(&train_shares).map(of_class);
        Self { distances: [whole].into_iter().chain(each).collect(), train, val }
    }
}
