//! Rules about the sweep as a whole: 16, 18, 19, 27.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::{Finding, Severity, beyond};
use crate::{
    domain::{Split, float_text, seed},
    report::{
        aggregate::{Run, Sweep},
        cells, setting,
        standings::{ALPHA, Standing},
        words,
    },
    statistics::{self, Chance, Component, Factor},
};

/// Every finding about the sweep.
pub fn all(sweep: &Sweep, standings: &[Standing<'_>], variance: Option<&[Component]>) -> Vec<Finding> {
    let mut findings = edges(sweep, standings);
    findings.extend(variance.and_then(|components| split_matters(components, standings)));
    findings.extend(within_noise(sweep, standings));
    findings.extend(tuned_on_validation(sweep, standings));
    findings
}

/// Rule 16: the best setting's value is the first or last of an axis of numbers.
fn edges(sweep: &Sweep, standings: &[Standing<'_>]) -> Vec<Finding> {
    let Some(best) = standings.first() else { return vec![] };
    let axes = cells::setting_axes(sweep);
    let finding = |(setting, (axis, value)): (usize, (&&str, &String))| {
        let levels = cells::levels(sweep, axis);
        let numbers: Vec<f64> = levels.iter().map(|level| level.parse().ok()).collect::<Option<_>>()?;
        let place = levels.iter().position(|level| level == value).filter(|_| levels.len() > 1)?;
        let (edge, inner) = match place {
            0 => (numbers[0], numbers[1]),
            last if last + 1 == numbers.len() => (numbers[last], numbers[last - 1]),
            _ => return None,
        };
        // The edge of an axis that makes no difference is nowhere to go on from.
        effect(sweep, axis).filter(|chance| chance.p <= ALPHA || is_told_apart(standings, setting))?;
        let side = if place == 0 { "lowest" } else { "highest" };
        let text = format!("The best setting has the {side} {axis} of the grid, {value}.");
        let advice = beyond::step(best.cell.runs.first()?, axis, edge, inner).map_or_else(
            || format!("No further value of {axis} can be proposed."),
            |next| {
                let mut values = levels.clone();
                values.insert(if place == 0 { 0 } else { levels.len() }, float_text(next));
                format!("Set in [grid]: {} = [{}]", setting::key(axis), values.join(", "))
            },
        );
        Some(Finding::new(16, Severity::Info, text).advise(advice))
    };
    axes.iter().zip(&best.cell.setting).enumerate().filter_map(finding).collect()
}

/// Whether the best setting is told apart from one that differs from it in the axis at `place` alone.
fn is_told_apart(standings: &[Standing<'_>], place: usize) -> bool {
    let Some((best, others)) = standings.split_first() else { return false };
    let differs = |other: &Standing<'_>| {
        let settings = best.cell.setting.iter().zip(&other.cell.setting).enumerate();
        settings.filter(|(_, (ours, theirs))| ours != theirs).map(|(axis, _)| axis).eq([place])
    };
    others.iter().any(|other| !other.ties && differs(other))
}

/// The scored runs and, for each axis that varies among them, its factor.
pub fn factors(sweep: &Sweep) -> (Vec<&Run>, Vec<f64>, Vec<Factor>) {
    let scored: Vec<(&Run, f64)> = sweep
        .runs
        .iter()
        .filter(|run| run.file.is_some())
        .filter_map(|run| Some((run, run.score(sweep.monitor)?)))
        .collect();
    let factor = |axis: &String| {
        let levels = cells::levels(sweep, axis);
        let place = |run: &Run| run.axis(axis).and_then(|value| levels.iter().position(|level| *level == value));
        let places: Vec<usize> = scored.iter().map(|(run, _)| place(run).unwrap_or(levels.len())).collect();
        places.windows(2).any(|pair| pair[0] != pair[1]).then(|| Factor { name: axis.clone(), levels: places })
    };
    let factors = sweep.axes.iter().filter_map(factor).collect();
    let (runs, scores) = scored.into_iter().unzip();
    (runs, scores, factors)
}

/// What each axis explains of the score; `None` where there are too few runs to tell.
pub fn variance(sweep: &Sweep) -> Option<Vec<Component>> {
    let (_, scores, factors) = factors(sweep);
    statistics::components(&scores, &factors, true).or_else(|| statistics::components(&scores, &factors, false))
}

/// Rule 18: the share of the variance between repetitions that is the split's, where an F test shows that it has any; a
/// warning where the split moves the score as much as the settings do. [H]
fn split_matters(components: &[Component], standings: &[Standing<'_>]) -> Option<Finding> {
    const SHARE: f64 = 0.5;
    let of = |source| components.iter().filter(|c| cells::source(&c.name) == source).map(|c| c.variance).sum::<f64>();
    let (split, rest) = (of(cells::Source::Split), of(cells::Source::Chance));
    let share = split / (split + rest);
    let terms = components.iter().filter(|component| cells::source(&component.name) == cells::Source::Split);
    let least = terms.clone().map(|term| term.p).fold(1.0, f64::min) * terms.count() as f64;
    if share.is_nan() || share <= SHARE || least > ALPHA {
        return None;
    }
    let (split, settings) = (split.sqrt(), of(cells::Source::Setting).sqrt());
    let mut text = format!(
        "{:.0} % of the variance between repetitions of a setting comes with the split (standard deviation {}",
        share * 100.0,
        words::score(split)
    );
    text += &if standings.len() > 1 { format!("; between settings {}).", words::score(settings)) } else { ").".into() };
    let ties = standings.iter().skip(1).any(|standing| standing.ties);
    let severity = if ties && split >= settings { Severity::Warn } else { Severity::Info };
    let finding = Finding::new(18, severity, text).against(share, SHARE);
    Some(if ties { finding.advise("Add values to split_seed before values to any other axis.") } else { finding })
}

/// Rule 19: an axis whose values, dealt out anew among runs alike in all else, explain as much, and of which no value is
/// told apart from the best. Too few runs to show any effect show none of its absence.
fn within_noise(sweep: &Sweep, standings: &[Standing<'_>]) -> Vec<Finding> {
    let (_, _, factors) = factors(sweep);
    let axes = cells::setting_axes(sweep);
    let is_told_apart =
        |axis: &str| axes.iter().position(|a| *a == axis).is_some_and(|place| is_told_apart(standings, place));
    let finding = |factor: &Factor| {
        let Chance { p, least } = effect(sweep, &factor.name)?;
        let text = format!("Runs that differ in {} alone: p = {p:.2} (permutation test).", factor.name);
        (p > ALPHA && least <= ALPHA && !is_told_apart(&factor.name))
            .then(|| Finding::new(19, Severity::Info, text).against(p, ALPHA))
    };
    factors.par_iter().filter(|factor| !cells::is_replicate(&factor.name)).filter_map(finding).collect()
}

/// The permutation test of an axis's effect; `None` if no two runs differ in it alone.
fn effect(sweep: &Sweep, axis: &str) -> Option<Chance> {
    const DRAWS: usize = 5000;
    let (runs, scores, factors) = factors(sweep);
    let factor = factors.iter().find(|factor| factor.name == axis)?;
    let mut known = BTreeMap::new();
    let stratum = |run: &&Run| {
        let others: Vec<_> = sweep.axes.iter().filter(|a| *a != axis).map(|a| run.axis(a)).collect();
        let next = known.len();
        *known.entry(others).or_insert(next)
    };
    let strata: Vec<usize> = runs.iter().map(stratum).collect();
    let mut random = seed::generator(0, "report/permutation", &[runs.len() as u64]);
    statistics::permutation_p(&scores, &factor.levels, &strata, DRAWS, &mut random)
}

/// Rule 27: how many settings the best was picked from, on images that also score it.
fn tuned_on_validation(sweep: &Sweep, standings: &[Standing<'_>]) -> Vec<Finding> {
    if standings.is_empty() {
        return vec![];
    }
    let has_test = sweep.runs.iter().any(|run| run.split.iter().any(|row| row.split == Split::Test));
    let (tried, picked) = match standings.len() {
        1 => ("one setting".to_owned(), "The best epoch was".to_owned()),
        settings => (format!("{settings} settings"), format!("The best of {settings} settings was")),
    };
    if let Some(last) = sweep.tests.last() {
        let (severity, text) = match last.look {
            1 => (Severity::Info, format!("{}, of {tried}, was evaluated on the test images once.", last.setting)),
            looks => (
                Severity::Warn,
                format!("The test images were looked at {looks} times: the best of these looks is optimistic too."),
            ),
        };
        return vec![
            Finding::new(27, severity, text)
                .against(last.look as f64, 1.0)
                .advise("Quote the test score, not the validation score."),
        ];
    }
    let text = format!("{picked} picked on the validation images that score it: its score is optimistic.");
    let finding = if has_test {
        Finding::new(27, Severity::Info, text)
            .advise("Evaluate the chosen setting on the test images, once: sweepscope test FOLDER (the sweep's).")
    } else {
        Finding::new(27, Severity::Warn, text + " There is no test split.")
    };
    vec![finding.against(standings.len() as f64, 1.0)]
}
