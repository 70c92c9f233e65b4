//! Rules about the sweep as a whole: 16, 18, 19, 27.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::{Finding, Severity};
use crate::{
    domain::{Split, float_text, seed},
    report::{
        aggregate::{Run, Sweep},
        cells, setting,
        standings::{ALPHA, Standing},
        words,
    },
    statistics::{self, Component, Factor},
};

/// Every finding about the sweep.
pub fn all(sweep: &Sweep, standings: &[Standing<'_>], variance: Option<&[Component]>) -> Vec<Finding> {
    let mut findings = edges(sweep, standings);
    findings.extend(variance.and_then(split_matters));
    findings.extend(within_noise(sweep));
    findings.extend(tuned_on_validation(sweep, standings));
    findings
}

/// Rule 16: the best setting's value is the first or last of an axis of numbers.
fn edges(sweep: &Sweep, standings: &[Standing<'_>]) -> Vec<Finding> {
    let Some(best) = standings.first() else { return vec![] };
    let axes = cells::setting_axes(sweep);
    let finding = |(axis, value): (&&str, &String)| {
        let levels = cells::levels(sweep, axis);
        let numbers: Vec<f64> = levels.iter().map(|level| level.parse().ok()).collect::<Option<_>>()?;
        let place = levels.iter().position(|level| level == value).filter(|_| levels.len() > 1)?;
        let (edge, inner) = match place {
            0 => (numbers[0], numbers[1]),
            last if last + 1 == numbers.len() => (numbers[last], numbers[last - 1]),
            _ => return None,
        };
        let next = beyond(edge, inner)?;
        let side = if place == 0 { "lowest" } else { "highest" };
        let text = format!("The best setting has the {side} {axis} of the grid, {value}.");
        let advice = format!(
            "Add to [grid]: {} = [{}]",
            setting::key(axis),
            next.iter().map(|&n| float_text(n)).collect::<Vec<_>>().join(", ")
        );
        Some(Finding::new(16, Severity::Info, text).advise(advice))
    };
    axes.iter().zip(&best.cell.setting).filter_map(finding).collect()
}

/// The next two values beyond an edge: by the ratio of the last two where they are positive, whole numbers kept whole.
fn beyond(edge: f64, inner: f64) -> Option<Vec<f64>> {
    if !(edge > 0.0 && inner > 0.0) {
        return None;
    }
    let ratio = edge / inner;
    let whole = edge.fract() == 0.0 && inner.fract() == 0.0;
    let tidy = |value: f64| if whole { value.round() } else { format!("{value:.2e}").parse().unwrap_or(value) };
    let next: Vec<f64> = [edge * ratio, edge * ratio * ratio].map(tidy).into();
    let mut next: Vec<f64> = next.into_iter().filter(|&value| value > 0.0 && value != edge).collect();
    next.dedup();
    (!next.is_empty()).then_some(next)
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

/// Rule 18: the share of the variance between repetitions that is the split's. [H]
fn split_matters(components: &[Component]) -> Option<Finding> {
    const SHARE: f64 = 0.5;
    let of = |is: &dyn Fn(&str) -> bool| components.iter().filter(|c| is(&c.name)).map(|c| c.variance).sum::<f64>();
    let split = of(&cells::is_split);
    let rest = of(&|name| name == "residual" || (cells::is_replicate(name) && !cells::is_split(name)));
    let share = split / (split + rest);
    if share.is_nan() || share <= SHARE {
        return None;
    }
    let text = format!(
        "{:.0} % of the variance between repetitions of a setting comes with the split (standard deviation {}).",
        share * 100.0,
        words::score(split.sqrt())
    );
    Some(Finding::new(18, Severity::Warn, text).against(share, SHARE))
}

/// Rule 19: an axis whose values, dealt out anew among runs alike in all else, explain as much.
fn within_noise(sweep: &Sweep) -> Vec<Finding> {
    let (_, _, factors) = factors(sweep);
    let finding = |factor: &Factor| {
        let p = effect_p(sweep, &factor.name)?;
        let text = format!("Runs that differ in {} alone: p = {p:.2} (permutation test).", factor.name);
        (p > ALPHA).then(|| Finding::new(19, Severity::Info, text).against(p, ALPHA))
    };
    factors.par_iter().filter(|factor| !cells::is_replicate(&factor.name)).filter_map(finding).collect()
}

/// The permutation p value of an axis's effect; `None` if no two runs differ in it alone.
pub fn effect_p(sweep: &Sweep, axis: &str) -> Option<f64> {
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
    let tried = words::count(standings.len(), "setting");
    if let Some(last) = sweep.tests.last() {
        let (severity, text) = match last.look {
            1 => (
                Severity::Info,
                format!("{} was picked among {tried} and then evaluated on the test images, once.", last.setting),
            ),
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
    let (severity, text) = if has_test {
        (
            Severity::Info,
            format!("The best of {tried} was picked on the validation images that score it: its score is optimistic."),
        )
    } else {
        (
            Severity::Warn,
            format!(
                "The best of {tried} was picked on the validation images that score it, and there is no test split."
            ),
        )
    };
    vec![Finding::new(27, severity, text).against(standings.len() as f64, 1.0)]
}
