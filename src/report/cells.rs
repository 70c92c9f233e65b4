//! Cells: the runs that share every setting and differ in their seeds alone.

use super::aggregate::{Run, Sweep};

/// One setting with its repetitions.
#[derive(Clone, Debug)]
pub struct Cell<'a> {
    /// The values of the axes that are no seeds, in the order of [`setting_axes`].
    pub setting: Vec<String>,
    /// Its runs in the plan's order.
    pub runs: Vec<&'a Run>,
}

/// Whether an axis repeats a setting instead of changing it: seeds, folds, how images are dealt.
pub fn is_replicate(axis: &str) -> bool {
    let key = axis.rsplit('.').next().unwrap_or(axis);
    key == "seed" || key.ends_with("_seed") || key == "fold" || is_split(axis)
}

/// Whether an axis deals images otherwise.
pub fn is_split(axis: &str) -> bool {
    matches!(axis, "split_seed" | "split.seed" | "split.fold" | "fold" | "split.strategy")
}

/// Where the variance of a term of the analysis belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Between settings alone.
    Setting,
    /// Between repetitions of a setting, with the split.
    Split,
    /// Between repetitions, with anything else.
    Chance,
}

/// Where a term belongs: an axis, several joined by `:` in any order, or the residual. What a setting is worth on one
/// split and not on another (setting × split) is seen between the repetitions of a setting, so it is the split's.
pub fn source(term: &str) -> Source {
    let any = |is: &dyn Fn(&str) -> bool| term.split(':').any(is);
    if term == "residual" || any(&|axis| is_replicate(axis) && !is_split(axis)) {
        Source::Chance
    } else if any(&is_split) {
        Source::Split
    } else {
        Source::Setting
    }
}

/// The axes that are settings.
pub fn setting_axes(sweep: &Sweep) -> Vec<&str> {
    sweep.axes.iter().map(String::as_str).filter(|axis| !is_replicate(axis)).collect()
}

/// Whether runs differ in an axis.
pub fn varies(sweep: &Sweep, axis: &str) -> bool {
    let mut values = sweep.runs.iter().filter(|run| run.file.is_some()).map(|run| run.axis(axis));
    let first = values.next();
    values.any(|value| Some(value) != first)
}

/// The cells in order of first appearance. A run whose settings are unknown belongs to none.
pub fn cells(sweep: &Sweep) -> Vec<Cell<'_>> {
    let axes = setting_axes(sweep);
    let mut cells: Vec<Cell<'_>> = Vec::new();
    let mut places = std::collections::BTreeMap::new();
    for run in sweep.runs.iter().filter(|run| run.file.is_some()) {
        let setting: Vec<_> = axes.iter().map(|axis| run.axis(axis).unwrap_or_default()).collect();
        let place = *places.entry(setting.clone()).or_insert_with(|| {
            cells.push(Cell { setting, runs: Vec::new() });
            cells.len() - 1
        });
        cells[place].runs.push(run);
    }
    cells
}

/// The different values of an axis over the runs, in order: numbers by size, else by first appearance.
pub fn levels(sweep: &Sweep, axis: &str) -> Vec<String> {
    let mut levels: Vec<String> = Vec::new();
    for value in sweep.runs.iter().filter_map(|run| run.axis(axis)) {
        if !levels.contains(&value) {
            levels.push(value);
        }
    }
    let numbers: Option<Vec<f64>> = levels.iter().map(|level| leading_number(level)).collect();
    if numbers.is_some() {
        levels.sort_by(|a, b| leading_number(a).unwrap_or(0.0).total_cmp(&leading_number(b).unwrap_or(0.0)));
    }
    levels
}

/// 64 for `64`, 1e-3 for `1e-3`, 64 for `64x128`.
fn leading_number(text: &str) -> Option<f64> {
    text.split('x').next()?.parse().ok()
}

impl Cell<'_> {
    /// The scores of its completed runs, in their order.
    pub fn scores(&self, sweep: &Sweep) -> Vec<f64> {
        self.runs.iter().filter_map(|run| run.score(sweep.monitor)).collect()
    }

    /// What varies of the setting, in words: `learning_rate 1e-3, batch_size 4`.
    pub fn label(&self, sweep: &Sweep) -> String {
        let parts: Vec<_> = setting_axes(sweep)
            .iter()
            .zip(&self.setting)
            .filter(|(axis, _)| varies(sweep, axis))
            .map(|(axis, value)| format!("{axis} {value}"))
            .collect();
        if parts.is_empty() { "the one setting".into() } else { parts.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_belongs_where_its_parts_do_in_either_order() {
        let known = [
            ("learning_rate", Source::Setting),
            ("learning_rate:batch_size", Source::Setting),
            ("split_seed", Source::Split),
            ("split_seed:learning_rate", Source::Split),
            ("learning_rate:split_seed", Source::Split),
            ("model.depth:split.fold", Source::Split),
            ("train.init_seed", Source::Chance),
            ("train.init_seed:split_seed", Source::Chance),
            ("split_seed:train.init_seed", Source::Chance),
            ("learning_rate:train.init_seed", Source::Chance),
            ("residual", Source::Chance),
        ];
        assert!(known.iter().all(|(term, expected)| source(term) == *expected));
    }
}
