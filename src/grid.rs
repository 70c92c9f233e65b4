//! The sweep file's grid as a list of cells: every combination once, in a stable order, never truncated.

mod picks;
mod sections;

use std::collections::HashSet;

use rayon::prelude::*;
use serde_json::Value as Json;

use crate::{
    domain::{Canonical, Contradiction, DeviceRequest, Figure, RunConfig, axis_text},
    spec::{Axis, Problem, Problems, SweepSpec, schema},
};
use picks::Axes;
use sections::Sections;

/// One cell of the grid: the settings of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The axes as the sweep names them, and this cell's values.
    pub axes: Vec<(String, Json)>,
    /// The values of all axes but the replicates; the same for all seeds of a setting.
    pub setting: String,
    /// Every setting.
    pub config: RunConfig,
    /// What names the run, together with its data.
    pub canonical: Canonical,
}

/// All cells in the order in which they are to be run.
///
/// # Errors
/// With every cell that cannot be trained or that occurs twice.
pub fn expand(spec: &SweepSpec) -> Result<Vec<Cell>, Problems> {
    let axes = Axes::of(spec);
    let picks = axes.picks(spec);
    if picks.is_empty() {
        let message = "every cell of the grid is excluded";
        return Err(Problems(vec![spec.problem_at("grid", message, "drop an [[exclude]]")]));
    }
    let (sections, places) = Sections::read(spec, &axes, &picks)?;
    let cells: Vec<Cell> = places.par_iter().map(|places| sections.cell(&axes, places)).collect();
    let mut problems = duplicates(spec, &cells, &places);
    problems.extend(settings_that_cannot_be(spec, &cells));
    problems.extend(losses_that_do_not_compare(spec, &cells));
    if problems.is_empty() { Ok(cells) } else { Err(Problems(problems)) }
}

/// Excludes that match no cell: allowed, for the command line may have dropped what they match.
pub fn idle_excludes(spec: &SweepSpec) -> Problems {
    if spec.cells.exclude.is_empty() {
        return Problems::default();
    }
    let axes = Axes::of(spec);
    let idle = axes.idle_excludes(spec);
    idle.map(|exclude| {
        let text: Vec<_> =
            exclude.iter().map(|(key, value)| format!("{} = {value}", schema::short_name(key))).collect();
        spec.problem_at("exclude", format!("an [[exclude]] matches no cell: {}", text.join(", ")), "")
    })
    .collect()
}

/// Two cells are one if all their sections are, which `places` tells. Where an axis has a value twice, that says it all.
fn duplicates(spec: &SweepSpec, cells: &[Cell], places: &[Vec<usize>]) -> Vec<Problem> {
    let axes = spec.cells.groups.iter().filter(|group| group.len() == 1).flatten();
    let repeated: Vec<Problem> = axes.filter_map(|axis| repeated_value(spec, axis)).collect();
    if !repeated.is_empty() {
        return repeated;
    }
    let mut seen = HashSet::with_capacity(cells.len());
    let mut problems = Vec::new();
    for (cell, places) in cells.iter().zip(places) {
        if !seen.insert(places) {
            let axes: Vec<_> = cell.axes.iter().map(|(axis, value)| format!("{axis}={}", axis_text(value))).collect();
            let message = format!("the cell {} occurs twice", axes.join(" "));
            problems.push(spec.problem_at("include", message, "drop the step or the [[include]] that repeats it"));
        }
    }
    problems
}

fn repeated_value(spec: &SweepSpec, axis: &Axis) -> Option<Problem> {
    let (_, value) = axis.values.iter().enumerate().find(|(place, value)| axis.values[..*place].contains(value))?;
    let message = format!("the axis {} has {value} twice", schema::short_name(&axis.key));
    Some(spec.problem_at(&axis.key, message, "drop one of them"))
}

/// Settings that are valid one by one and impossible together, each named once.
fn settings_that_cannot_be(spec: &SweepSpec, cells: &[Cell]) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    for Contradiction { key, message, help } in cells.iter().flat_map(|cell| contradictions(spec, &cell.config)) {
        if !problems.iter().any(|problem| problem.message == message) {
            problems.push(spec.problem_at(key, message, help));
        }
    }
    problems
}

/// Runs of other losses cannot be ranked by their loss.
fn losses_that_do_not_compare(spec: &SweepSpec, cells: &[Cell]) -> Option<Problem> {
    let is_ranked_by_loss = cells.iter().any(|cell| cell.config.monitor.figure == Figure::Loss);
    let differ = cells.windows(2).any(|pair| pair[0].config.loss != pair[1].config.loss);
    (is_ranked_by_loss && differ).then(|| {
        let message = "sweep.monitor is a loss, and the grid has several losses, whose values do not compare";
        spec.problem_at("sweep.monitor", message, "set sweep.monitor = \"val_dice_macro\"")
    })
}

fn contradictions(spec: &SweepSpec, config: &RunConfig) -> Vec<Contradiction> {
    // Which classes stay, `keep` decides with the masks at hand.
    let classes = config.data.keep.is_empty().then_some(config.data.classes.len());
    let mut found = config.contradictions(classes);
    found.extend(config.wrong_precision(spec.schedule.devices != DeviceRequest::Cpu));
    found
}
