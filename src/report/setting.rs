//! A setting as people write it: `learning_rate=1e-3,batch_size=4`, or a run's name for the setting of that run.

use super::{
    aggregate::{Run, Sweep},
    cells, standings, tables, words,
};
use crate::store::SweepDir;

/// Why a text names no setting.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// Not `axis=value` and not a run.
    #[error("`{0}` is neither a run of this sweep nor a setting; write a setting as learning_rate=1e-3,batch_size=4")]
    NotASetting(String),
    /// An axis that the sweep has not.
    #[error("`{axis}` is no axis of this sweep; its axes are {axes}")]
    UnknownAxis {
        /// What was written.
        axis: String,
        /// What there is.
        axes: String,
    },
    /// No run has these values.
    #[error("no run has {setting} and a score; {axes}")]
    NoRun {
        /// What was written.
        setting: String,
        /// The values of each axis.
        axes: String,
    },
    /// More settings than one have these values.
    #[error("{setting} names {count} settings; name one of them:\n  {}", .settings.join("\n  "))]
    Several {
        /// What was written.
        setting: String,
        /// How many.
        count: usize,
        /// Each as it may be written.
        settings: Vec<String>,
    },
    /// No run has a score yet.
    #[error("no run of this sweep has a score yet")]
    NoScore,
}

/// One setting and its runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// What varies of it, in words.
    pub setting: String,
    /// Its runs' folder names, in the plan's order.
    pub runs: Vec<String>,
}

/// The one setting that `text` names; without a text the one with the best mean.
///
/// # Errors
/// If it names none or several, or no run has a score.
pub fn choose(sweep: &SweepDir, runs: &[String], text: Option<&str>) -> Result<Chosen, SettingError> {
    let data = tables::read(sweep, runs);
    let cell = match text {
        None => standings::standings(&data).into_iter().next().ok_or(SettingError::NoScore)?.cell,
        Some(text) => named(&data, text)?,
    };
    Ok(Chosen { setting: cell.label(&data), runs: cell.runs.iter().map(|run| run.name.clone()).collect() })
}

fn named<'a>(sweep: &'a Sweep, text: &str) -> Result<cells::Cell<'a>, SettingError> {
    let wanted = selection(sweep, text)?;
    let mut found = cells::cells(sweep);
    found.retain(|cell| cell.runs.iter().any(|run| has(run, &wanted)));
    if found.len() > 1 {
        let settings = found.iter().map(|cell| cell.label(sweep).replace(", ", ",").replace(' ', "=")).collect();
        return Err(SettingError::Several { setting: text.into(), count: found.len(), settings });
    }
    found.pop().ok_or_else(|| SettingError::NoRun { setting: text.into(), axes: levels(sweep) })
}

/// Axis and value pairs.
pub fn selection(sweep: &Sweep, text: &str) -> Result<Vec<(String, String)>, SettingError> {
    if let Some(run) = sweep.runs.iter().find(|run| run.name == text) {
        let axes = cells::setting_axes(sweep).into_iter();
        return Ok(axes.filter_map(|axis| Some((axis.to_owned(), run.axis(axis)?))).collect());
    }
    text.split(',')
        .map(|part| {
            let (axis, value) = part.split_once('=').ok_or_else(|| SettingError::NotASetting(text.into()))?;
            let (axis, value) = (axis.trim(), value.trim());
            if !sweep.axes.iter().any(|known| known == axis) {
                return Err(SettingError::UnknownAxis { axis: axis.into(), axes: words::list(&sweep.axes) });
            }
            Ok((axis.to_owned(), value.to_owned()))
        })
        .collect()
}

/// Whether a run has the values of a selection.
pub fn has(run: &Run, selection: &[(String, String)]) -> bool {
    selection.iter().all(|(axis, value)| run.axis(axis).is_some_and(|found| same(&found, value)))
}

/// The values of each axis in words.
pub fn levels(sweep: &Sweep) -> String {
    let axes = cells::setting_axes(sweep);
    let levels: Vec<String> =
        axes.iter().map(|axis| format!("{axis} has {}", words::list(&cells::levels(sweep, axis)))).collect();
    levels.join("; ")
}

/// An axis as a key of the sweep file: TOML quotes one that has dots.
pub fn key(axis: &str) -> String {
    if axis.contains('.') { format!("\"{axis}\"") } else { axis.to_owned() }
}

/// Numbers by value, so that 1e-3 is 0.001; else by text.
fn same(a: &str, b: &str) -> bool {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}
