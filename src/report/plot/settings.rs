//! Charts over settings: every run, the ranking, what each axis does.

use plotters::style::RGBColor;

use super::{
    rows::{Row, Rows},
    style::{self, INK},
};
use crate::{
    report::{
        Analysis,
        aggregate::{Run, Sweep},
        cells::{levels, setting_axes, varies},
        standings, words,
    },
    statistics,
};

/// The axis that gives runs their colour, with its levels: the first setting that varies.
pub fn color_axis(sweep: &Sweep) -> Option<(String, Vec<String>)> {
    let axis = setting_axes(sweep).into_iter().find(|axis| varies(sweep, axis))?;
    Some((axis.to_owned(), levels(sweep, axis)))
}

/// The colour of a run by that axis; ink where there is none.
pub fn color_of(run: &Run, axis: &Option<(String, Vec<String>)>) -> RGBColor {
    let place = axis.as_ref().and_then(|(axis, levels)| {
        let value = run.axis(axis)?;
        levels.iter().position(|level| *level == value)
    });
    place.map_or(INK, style::series)
}

/// The legend of that axis.
pub fn legend_of(axis: &Option<(String, Vec<String>)>) -> Option<(String, Vec<(String, RGBColor)>)> {
    let (axis, levels) = axis.as_ref()?;
    let entry = |(index, level): (usize, &String)| (level.clone(), style::series(index));
    Some((axis.clone(), levels.iter().enumerate().map(entry).collect()))
}

fn at_best(sweep: &Sweep) -> String {
    format!("{} at the best epoch", words::metric(sweep.monitor))
}

/// The `most` best settings: every run, the mean, its interval over splits; those that tie with the best are shaded.
/// `None` if there is one setting alone.
pub fn ranking(sweep: &Sweep, analysis: &Analysis<'_>, most: usize) -> Option<Rows> {
    let axis = color_axis(sweep);
    let row = |standing: &standings::Standing<'_>| {
        let missing = standing.cell.runs.len() - standing.scores.len();
        let of = if missing > 0 { format!(" of {}", standing.cell.runs.len()) } else { String::new() };
        Row {
            label: standing.cell.label(sweep),
            note: format!("n = {}{of}", standing.scores.len()),
            points: standing.scores.clone(),
            mean: Some(standing.mean),
            interval: standing.interval.map(|interval| (interval.low, interval.high)),
            color: standing.cell.runs.first().map_or(INK, |run| color_of(run, &axis)),
            shaded: standing.ties,
            ..Row::default()
        }
    };
    let settings = analysis.standings.len();
    let which = if settings > most { format!("The best {most} of {settings} settings") } else { "The settings".into() };
    (settings > 1).then(|| Rows {
        title: format!(
            "{which}, best first: every run, mean, 95 % interval over splits; shaded: cannot be told apart from the best"
        ),
        scale: at_best(sweep),
        rows: analysis.standings.iter().take(most).map(row).collect(),
        legend: legend_of(&axis),
        width: 520.0,
        height: 36.0,
        labels_above: true,
        ..Rows::default()
    })?
    .if_any()
}

/// What each value of each axis does: every run, the mean, its interval over splits.
pub fn effects(sweep: &Sweep) -> Option<Rows> {
    let mut rows = Vec::new();
    for (place, axis) in setting_axes(sweep).into_iter().filter(|axis| varies(sweep, axis)).enumerate() {
        for (index, level) in levels(sweep, axis).iter().enumerate() {
            let runs: Vec<&Run> = sweep.runs.iter().filter(|run| run.axis(axis).as_ref() == Some(level)).collect();
            let scores: Vec<f64> = runs.iter().filter_map(|run| run.score(sweep.monitor)).collect();
            rows.push(Row {
                label: format!("{axis} {level}"),
                note: format!("n = {}", scores.len()),
                mean: statistics::mean(&scores),
                interval: standings::interval_over_splits(sweep, &runs).map(|i| (i.low, i.high)),
                points: scores,
                // Colours mean the same in every chart: values of the first axis.
                color: if place == 0 { style::series(index) } else { INK },
                opens_group: index == 0,
                ..Row::default()
            });
        }
    }
    Rows {
        title: format!("{} by each axis alone: every run, mean, 95 % interval over splits", at_best(sweep)),
        scale: at_best(sweep),
        rows,
        ..Rows::default()
    }
    .if_any()
}
