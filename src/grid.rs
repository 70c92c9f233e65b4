//! The sweep file's grid as a list of cells: every combination once, in a stable order, never truncated.

use rayon::prelude::*;
use serde_json::Value as Json;
use toml::{Table, Value};

use crate::{
    domain::{ClassWeights, RunConfig, axis_text},
    spec::{Order, Problem, Problems, SweepSpec, schema},
};

/// One cell of the grid: the settings of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The axes as the sweep names them, and this cell's values.
    pub axes: Vec<(String, Json)>,
    /// The values of all axes but the replicates; the same for all seeds of a setting.
    pub setting: String,
    /// Every setting.
    pub config: RunConfig,
}

/// All cells in the order in which they are to be run.
///
/// # Errors
/// With every cell that cannot be trained or that occurs twice.
pub fn expand(spec: &SweepSpec) -> Result<Vec<Cell>, Problems> {
    let assignments = assignments(spec);
    let mut problems = Vec::new();
    if assignments.is_empty() {
        problems.push(spec.problem_at("grid", "every cell of the grid is excluded", "drop an [[exclude]]"));
    }
    let keys = spec.cells.keys();
    let mut cells = Vec::with_capacity(assignments.len());
    for made in assignments.par_iter().map(|assignment| cell(spec, &keys, assignment)).collect::<Vec<_>>() {
        match made {
            Ok(cell) => cells.push(cell),
            Err(problem) => problems.push(*problem),
        }
    }
    problems.extend(duplicates(spec, &cells));
    problems.extend(settings_that_cannot_be(spec, &cells));
    if problems.is_empty() { Ok(cells) } else { Err(Problems(problems)) }
}

/// Excludes that match no cell: allowed, for the command line may have dropped what they match.
pub fn idle_excludes(spec: &SweepSpec) -> Problems {
    let grid = product(spec);
    let idle = spec.cells.exclude.iter().filter(|exclude| !grid.iter().any(|cell| matches(cell, exclude)));
    idle.map(|exclude| {
        let text: Vec<_> =
            exclude.iter().map(|(key, value)| format!("{} = {value}", schema::short_name(key))).collect();
        spec.problem_at("exclude", format!("an [[exclude]] matches no cell: {}", text.join(", ")), "")
    })
    .collect()
}

type Assignment<'a> = Vec<(&'a str, &'a Value)>;

/// Grid, then includes; then sorted by replicate if asked for.
fn assignments(spec: &SweepSpec) -> Vec<Assignment<'_>> {
    let mut cells = product(spec);
    cells.retain(|cell| !spec.cells.exclude.iter().any(|exclude| matches(cell, exclude)));
    cells.extend(spec.cells.include.iter().map(|cell| cell.iter().map(|(key, value)| (key.as_str(), value)).collect()));
    if spec.order == Order::ReplicatesFirst {
        cells.sort_by_key(|cell| schema::REPLICATES.map(|key| replicate_rank(spec, cell, key)));
    }
    cells
}

/// The product of all groups of axes, the last one fastest. Without a grid there is one cell, unless cells are
/// included by name.
fn product(spec: &SweepSpec) -> Vec<Assignment<'_>> {
    if spec.cells.groups.is_empty() && !spec.cells.include.is_empty() {
        return Vec::new();
    }
    let mut cells: Vec<Assignment<'_>> = vec![Vec::new()];
    for group in &spec.cells.groups {
        let steps = group.first().map_or(0, |axis| axis.values.len());
        cells = cells
            .into_iter()
            .flat_map(|cell| {
                (0..steps).map(move |step| {
                    let mut cell = cell.clone();
                    cell.extend(group.iter().map(|axis| (axis.key.as_str(), &axis.values[step])));
                    cell
                })
            })
            .collect();
    }
    cells
}

fn matches(cell: &Assignment<'_>, exclude: &[(String, Value)]) -> bool {
    exclude.iter().all(|(key, value)| cell.iter().any(|(axis, given)| axis == key && *given == value))
}

/// The place of a cell's seed in its axis; cells that do not name the axis come first.
fn replicate_rank(spec: &SweepSpec, cell: &Assignment<'_>, key: &str) -> usize {
    let Some((_, value)) = cell.iter().find(|(axis, _)| *axis == key) else { return 0 };
    let axis = spec.cells.groups.iter().flatten().find(|axis| axis.key == key);
    axis.and_then(|axis| axis.values.iter().position(|known| known == *value)).unwrap_or(0)
}

fn cell(spec: &SweepSpec, keys: &[&str], assignment: &Assignment<'_>) -> Result<Cell, Box<Problem>> {
    let mut table = spec.base.clone();
    for (key, value) in assignment {
        set(&mut table, key, (*value).clone());
    }
    let config: RunConfig = table.try_into().map_err(|error| {
        let message = format!("the cell {} cannot be read: {error}", describe(assignment));
        Box::new(Problem::without_place(message, ""))
    })?;
    let settled = serde_json::to_value(&config).unwrap_or_default();
    let axes: Vec<(String, Json)> =
        keys.iter().map(|key| (schema::short_name(key).to_owned(), lookup(&settled, key))).collect();
    let setting: Vec<String> = keys
        .iter()
        .zip(&axes)
        .filter(|(key, _)| !schema::REPLICATES.contains(key))
        .map(|(_, (axis, value))| format!("{axis}={}", axis_text(value)))
        .collect();
    Ok(Cell { axes, setting: setting.join(" "), config })
}

/// The value of a dotted key; "none" for a setting that is left out.
fn lookup(settings: &Json, key: &str) -> Json {
    key.split('.').try_fold(settings, |at, part| at.get(part)).cloned().unwrap_or_else(|| "none".into())
}

fn set(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => drop(table.insert(key.to_owned(), value)),
        Some((section, rest)) => {
            let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Some(inner) = inner.as_table_mut() {
                set(inner, rest, value);
            }
        }
    }
}

fn describe(assignment: &Assignment<'_>) -> String {
    let parts: Vec<_> = assignment.iter().map(|(key, value)| format!("{}={value}", schema::short_name(key))).collect();
    if parts.is_empty() { "of the base settings".to_owned() } else { parts.join(" ") }
}

fn duplicates(spec: &SweepSpec, cells: &[Cell]) -> Vec<Problem> {
    let texts: Vec<String> =
        cells.par_iter().map(|cell| serde_json::to_string(&cell.config).unwrap_or_default()).collect();
    let mut seen = std::collections::HashSet::with_capacity(cells.len());
    let mut problems = Vec::new();
    for (cell, text) in cells.iter().zip(&texts) {
        if !seen.insert(text) {
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
