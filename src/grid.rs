//! The sweep file's grid as a list of cells: every combination once, in a stable order, never truncated.

mod picks;
mod sections;

use std::collections::HashSet;

use rayon::prelude::*;
use serde_json::Value as Json;
use toml::Value;

use crate::{
    domain::{Canonical, ClassWeights, RunConfig, axis_text},
    spec::{Problem, Problems, SweepSpec, schema},
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

/// Two cells are one if all their sections are, which `places` tells.
fn duplicates(spec: &SweepSpec, cells: &[Cell], places: &[Vec<usize>]) -> Vec<Problem> {
    let mut seen = HashSet::with_capacity(cells.len());
    let mut problems = Vec::new();
    for (cell, places) in cells.iter().zip(places) {
        if !seen.insert(places) {
            let axes: Vec<_> = cell.axes.iter().map(|(axis, value)| format!("{axis}={}", axis_text(value))).collect();
            let message = format!("the cell {} occurs twice", axes.join(" "));
            let repeated = spec.cells.groups.iter().flatten().find(|axis| repeats(&axis.values));
            let place = repeated.map_or("include", |axis| axis.key.as_str());
            problems.push(spec.problem_at(place, message, "drop the value or the [[include]] that repeats it"));
        }
    }
    problems
}

fn repeats(values: &[Value]) -> bool {
    values.iter().enumerate().any(|(i, value)| values[..i].contains(value))
}

/// Combinations that are valid one by one and impossible together, each named once.
fn settings_that_cannot_be(spec: &SweepSpec, cells: &[Cell]) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    for (key, message, help) in cells.iter().flat_map(|cell| contradictions(&cell.config)) {
        if !problems.iter().any(|problem| problem.message == message) {
            problems.push(spec.problem_at(key, message, help));
        }
    }
    problems
}

fn contradictions(config: &RunConfig) -> Vec<(&'static str, String, String)> {
    let mut found = Vec::new();
    let step = 1usize << (config.model.depth - 1);
    let [height, width] = config.data.input_size.0;
    if height % step != 0 || width % step != 0 {
        let near = |side: usize| (side + step / 2) / step * step;
        let help = format!("try {} × {}, or a smaller model.depth", near(height).max(step), near(width).max(step));
        let message = format!(
            "input_size {height} × {width} is not a multiple of {step}, which model.depth {} halves it by",
            config.model.depth
        );
        found.push(("data.input_size", message, help));
    }
    let fractions = config.split.fractions;
    let sum = fractions.train + fractions.val + fractions.test;
    if (sum - 1.0).abs() > 1e-9 || fractions.train <= 0.0 || fractions.val <= 0.0 {
        let message = format!("split.fractions are {}, {} and {}", fractions.train, fractions.val, fractions.test);
        found.push(("split.fractions", message, "train and val must be above 0, and all three must sum to 1".into()));
    }
    let classes = config.data.classes.len();
    let ClassWeights::Given(weights) = &config.loss.class_weights else { return found };
    let weights = weights.len();
    if weights != 0 && weights != classes && config.data.keep.is_empty() {
        let message = format!("loss.class_weights has {weights} weights for {classes} classes");
        found.push(("loss.class_weights", message, "give one weight a class, in the order of data.classes".into()));
    }
    found
}
