//! What a sweep shows: tables, statistics, findings, charts and the page that holds them.
//!
//! | module | does |
//! | --- | --- |
//! | [`aggregate`] | reads a sweep's files once |
//! | [`cells`] | groups runs that differ in their seeds alone |
//! | [`evidence`] | what the rules need of a run, prepared once |
//! | [`standings`] | settings compared honestly |
//! | `tables` | runs.csv and metrics.csv |
//! | `verdict` | the result in plain words |
//! | [`statistics`] | intervals, tests, components of variance |
//! | [`plot`] | charts as SVG and PNG |
//! | `page` | report/index.html |

pub mod aggregate;
pub mod cells;
pub mod evidence;
mod page;
pub mod plot;
pub mod standings;
pub mod statistics;
mod tables;
mod verdict;
mod words;

use std::path::PathBuf;

use rayon::prelude::*;

use crate::store::{self, StoreError, SweepDir};
use aggregate::Sweep;

/// What `run` and `report` say at their end.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportSummary {
    /// The page.
    pub index: PathBuf,
    /// The result in plain words, a sentence or two a line.
    pub lines: Vec<String>,
    /// Files that could not be read; their runs are shown without figures.
    pub problems: Vec<String>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A chart could not be drawn.
    #[error("failed to draw {chart}: {reason}")]
    Plot {
        /// Which chart.
        chart: String,
        /// What plotters says.
        reason: String,
    },
    /// The page could not be filled in.
    #[error("failed to write the page: {0}")]
    Page(#[from] askama::Error),
}

/// Reads the runs called `runs` (folder names in the plan's order) and writes runs.csv, metrics.csv,
/// report/plots/*.svg and report/index.html. The same files give the same bytes.
///
/// # Errors
/// If a file cannot be written. A run whose files cannot be read is shown without figures and named in
/// [`ReportSummary::problems`].
pub fn build(sweep: &SweepDir, runs: &[String]) -> Result<ReportSummary, ReportError> {
    let plots = sweep.report().join("plots");
    store::create_dir(&plots)?;
    let data = tables::read_and_write(sweep, runs)?;
    let curves = data.runs.par_iter().map(|run| plot::learning_curves(&data, run)).collect::<Result<Vec<_>, _>>()?;
    curves.par_iter().zip(&data.runs).try_for_each(|(picture, run)| {
        let Some(picture) = picture else { return Ok(()) };
        let path = plots.join(format!("{}.svg", run.name));
        store::write_derived(&path, |file| file.write_all(picture.standalone().as_bytes()))
    })?;
    let charts = sweep_charts(&data)?;
    for (name, picture) in &charts {
        let path = plots.join(format!("{name}.svg"));
        store::write_derived(&path, |file| file.write_all(picture.standalone().as_bytes()))?;
    }
    let lines = verdict::lines(&data);
    let index = page::write(sweep, &data, &lines, &charts, &curves)?;
    Ok(ReportSummary { index, lines, problems: data.problems })
}

/// The charts of the whole sweep with their file names. A run's folder name ends in a hyphen and eight hex digits,
/// so that these names are never a run's.
fn sweep_charts(data: &Sweep) -> Result<Vec<(&'static str, plot::Picture)>, ReportError> {
    let comparison = plot::comparison(data)?;
    Ok(comparison.into_iter().map(|picture| ("comparison", picture)).collect())
}
