//! What a sweep shows: tables, statistics, findings, charts and the page that holds them.
//!
//! | module | does |
//! | --- | --- |
//! | [`aggregate`] | reads a sweep's files once |
//! | `counts` | the counts of a table, fast |
//! | [`cells`] | groups runs that differ in their seeds alone |
//! | `confusion` | which class was taken for which |
//! | [`compare`] | two settings paired by split |
//! | [`evidence`] | what the rules need of a run, prepared once |
//! | [`setting`] | a setting as people write it |
//! | [`standings`] | settings compared honestly |
//! | [`diagnose`] | the rules, from evidence to findings |
//! | [`follow`] | reads what a sweep that goes on has gained |
//! | `labels` | runs in the words of what differs between them |
//! | [`live`] | the parts of the page of such a sweep |
//! | `tables` | runs.csv and metrics.csv |
//! | [`tensorboard`] | the same as TensorBoard's event files |
//! | [`verdict`] | the result in plain words |
//! | [`plot`] | charts as SVG and PNG |
//! | `next` | what to run next |
//! | `provenance` | what the runs share |
//! | [`words`] | figures and settings as people write them |
//! | `page` | report/index.html |

pub mod aggregate;
pub mod cells;
pub mod compare;
mod confusion;
mod counts;
pub mod diagnose;
pub mod evidence;
pub mod follow;
mod labels;
pub mod live;
mod next;
mod page;
pub mod plot;
mod provenance;
pub mod setting;
pub mod standings;
mod tables;
pub mod tensorboard;
pub mod verdict;
pub mod words;

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::{
    domain::RunState,
    statistics::Component,
    store::{self, StoreError, SweepDir},
};
use aggregate::Sweep;
use diagnose::{Balance, Finding, Unjudged};
use evidence::Evidence;
use standings::Standing;

/// What `run` and `report` say at their end.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportSummary {
    /// The page.
    pub index: PathBuf,
    /// The result in plain words: the most important answer to each question first.
    pub lines: Vec<verdict::Line>,
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
/// findings.csv, report/plots/*.svg and report/index.html. The same files give the same bytes.
///
/// # Errors
/// If a file cannot be written. A run whose files cannot be read is shown without figures and named in
/// [`ReportSummary::problems`].
pub fn build(sweep: &SweepDir, runs: &[String]) -> Result<ReportSummary, ReportError> {
    let plots = sweep.report().join("plots");
    store::create_dir(&plots)?;
    let data = tables::read_and_write(sweep, runs)?;
    let analysis = Analysis::of(&data);
    tables::write_findings(sweep, &analysis.findings)?;
    let curves =
        data.runs.par_iter().map(|run| plot::learning_curves(&data, run, &plot::Svg)).collect::<Result<Vec<_>, _>>()?;
    curves.par_iter().zip(&data.runs).try_for_each(|(picture, run)| {
        let Some(picture) = picture else { return Ok(()) };
        write_plot(&plots, &run.name, picture)
    })?;
    let charts = plot::of_sweep(&data, &analysis, &plot::Svg)?;
    charts.par_iter().try_for_each(|(name, picture)| write_plot(&plots, name, picture))?;
    let lines = verdict::lines(&data, &analysis);
    let index = page::write(sweep, &data, &analysis, &lines, &charts, &curves)?;
    Ok(ReportSummary { index, lines, problems: data.problems })
}

/// Writes every chart as report/plots/*.png too; returns how many.
///
/// # Errors
/// If one cannot be drawn or written.
pub fn write_png(sweep: &SweepDir, runs: &[String]) -> Result<usize, ReportError> {
    let plots = sweep.report().join("plots");
    store::create_dir(&plots)?;
    let data = tables::read(sweep, runs);
    let write =
        |name: &str, png: &[u8]| store::write_derived(&plots.join(format!("{name}.png")), |file| file.write_all(png));
    let mut written = 0;
    for (name, png) in plot::of_sweep(&data, &Analysis::of(&data), &plot::Png)? {
        write(name, &png)?;
        written += 1;
    }
    for run in &data.runs {
        if let Some(png) = plot::learning_curves(&data, run, &plot::Png)? {
            write(&run.name, &png)?;
            written += 1;
        }
    }
    Ok(written)
}

/// Reads the runs called `runs` and returns what is wrong and what could not be judged, without writing the report:
/// what `diagnose` prints.
///
/// # Errors
/// If findings.csv cannot be written.
pub fn diagnose(sweep: &SweepDir, runs: &[String]) -> Result<(Vec<Finding>, Vec<Unjudged>), ReportError> {
    let data = tables::read(sweep, runs);
    let findings = Analysis::of(&data).findings;
    tables::write_findings(sweep, &findings)?;
    Ok((findings, diagnose::unjudged(&data)))
}

/// What is wrong alone.
///
/// # Errors
/// As [`diagnose()`].
pub fn findings(sweep: &SweepDir, runs: &[String]) -> Result<Vec<Finding>, ReportError> {
    Ok(diagnose(sweep, runs)?.0)
}

/// What is worked out from a sweep's records.
#[derive(Clone, Debug, Default)]
pub struct Analysis<'a> {
    /// Prepared figures of each run, in the sweep's order; `None` where there is no epoch.
    pub evidence: Vec<Option<Evidence<'a>>>,
    /// The settings, the best first.
    pub standings: Vec<Standing<'a>>,
    /// What each axis explains of the score; `None` where there are too few runs to tell.
    pub variance: Option<Vec<Component>>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// How each split deals out the classes.
    pub balances: Vec<Balance>,
}

impl<'a> Analysis<'a> {
    /// The names of the best setting's completed runs.
    pub fn of_best(&self) -> Vec<&'a str> {
        let runs = self.standings.first().into_iter().flat_map(|best| best.cell.runs.iter().copied());
        runs.filter(|run| run.state.state == RunState::Completed).map(|run| run.name.as_str()).collect()
    }

    /// Works everything out.
    pub fn of(sweep: &'a Sweep) -> Self {
        let evidence: Vec<_> = sweep.runs.par_iter().map(|run| Evidence::of(sweep, run)).collect();
        let standings = standings::standings(sweep);
        let variance = diagnose::variance(sweep);
        let (findings, balances) = diagnose::diagnose(sweep, &evidence, &standings, variance.as_deref());
        Self { evidence, standings, variance, findings, balances }
    }
}

/// A run's folder name ends in a hyphen and eight hex digits, so that no chart of the sweep takes its name.
fn write_plot(folder: &Path, name: &str, picture: &plot::Picture) -> Result<(), ReportError> {
    let path = folder.join(format!("{name}.svg"));
    Ok(store::write_derived(&path, |file| file.write_all(picture.standalone().as_bytes()))?)
}
