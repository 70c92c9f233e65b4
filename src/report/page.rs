//! report/index.html: one file that needs nothing but the panels beside it and, in a large sweep, each run's curves.

mod findings;
mod panels;
mod ranking;
mod run;

use std::{collections::BTreeSet, path::PathBuf};

use askama::Template;
use rayon::prelude::*;

use findings::FindingView;
use panels::Panels;
use ranking::Ranking;
pub(super) use run::{RunRow, RunView};

use super::{
    Analysis, ReportError,
    aggregate::{Run, Sweep},
    diagnose::{self, Balance, ClassBalance},
    evidence::Evidence,
    labels::Labels,
    next,
    plot::{self, Picture},
    provenance,
    verdict::{self, Answer, Line},
    words,
};
use crate::{
    domain::Direction,
    store::{SweepDir, write_derived},
};

/// Bytes of all runs' learning curves up to which they are in the page itself, which then needs only the panels beside
/// it. With more it would be slow to open: each run's are loaded from their own file when the run is looked at.
const INLINE: usize = 8 << 20;

#[derive(Template)]
#[template(path = "report.html", blocks = [
    "verdict", "problems", "key", "findings", "settings", "charts", "next", "runs", "splits", "provenance"
])]
pub(super) struct Page<'a> {
    name: &'a str,
    verdict: Vec<Answer>,
    problems: &'a [String],
    monitor: String,
    /// The chart that says most: the settings, or where there is one alone, its classes.
    key_chart: Option<ChartView>,
    /// The worst validation image of the best run.
    key_panel: Panels,
    /// Failures and warnings.
    findings: Vec<FindingView>,
    /// What is worth knowing no more.
    notes: Vec<FindingView>,
    unjudged: Vec<String>,
    ranking: Ranking,
    axes: Vec<&'a str>,
    /// The names of the figures beside the monitored one.
    others: Vec<&'static str>,
    pub(super) runs: Vec<RunView>,
    /// The other charts.
    charts: Vec<ChartView>,
    next: Vec<String>,
    splits: Vec<SplitView>,
    version: &'static str,
    fingerprint: String,
    machines: Vec<String>,
    shared: Vec<(String, String)>,
    definitions: String,
}

/// A class in train and val of a split, in per cent of the pixels.
struct SplitView {
    split: String,
    class: String,
    train: String,
    val: String,
    low: String,
    high: String,
}

/// A chart inlined in the page.
struct ChartView {
    name: &'static str,
    caption: String,
    svg: String,
}

impl<'a> Page<'a> {
    /// The page with its runs and machines still to be filled in.
    pub(super) fn of(
        sweep: &SweepDir,
        data: &'a Sweep,
        analysis: &Analysis<'_>,
        verdict: &[Line],
        charts: &[(&'static str, Picture)],
    ) -> Self {
        let view =
            |(name, svg): &(&'static str, Picture)| ChartView { name, caption: svg.title().into(), svg: svg.inline() };
        let key = ["ranking", "classes"].into_iter().find_map(|key| charts.iter().find(|(name, _)| *name == key));
        let is_key = |chart: &&(&'static str, Picture)| key.is_some_and(|(name, _)| chart.0 == *name);
        let (findings, notes) = findings::views(data, &analysis.findings);
        Self {
            name: &data.name,
            verdict: verdict::answers(verdict),
            problems: &data.problems,
            monitor: words::metric(data.monitor),
            key_chart: key.map(view),
            key_panel: worst_of_best(sweep, data, analysis),
            findings,
            notes,
            unjudged: diagnose::unjudged(data).iter().map(ToString::to_string).collect(),
            ranking: Ranking::of(data, &analysis.standings),
            axes: Labels::of(data).axes().to_vec(),
            others: run::others(data.monitor).map(|(name, _)| name).collect(),
            runs: Vec::new(),
            next: next::advice(data, analysis),
            splits: splits(data, &analysis.balances),
            version: env!("CARGO_PKG_VERSION"),
            fingerprint: provenance::fingerprint(data),
            machines: Vec::new(),
            shared: provenance::shared_settings(data),
            charts: charts.iter().filter(|chart| !is_key(chart)).map(view).collect(),
            definitions: definitions(charts.iter().map(|(_, picture)| picture)),
        }
    }
}

/// The worst validation image in the best run of the best setting.
fn worst_of_best(sweep: &SweepDir, data: &Sweep, analysis: &Analysis<'_>) -> Panels {
    let sign = if data.monitor.direction() == Direction::Maximize { 1.0 } else { -1.0 };
    let score = |run: &&Run| sign * run.score(data.monitor).unwrap_or(f64::NEG_INFINITY);
    let runs = analysis.standings.first().map(|best| best.cell.runs.as_slice()).unwrap_or_default();
    let Some(run) = runs.iter().copied().max_by(|a, b| score(a).total_cmp(&score(b))) else { return Panels::default() };
    let evidence = analysis.evidence.iter().flatten().find(|evidence: &&Evidence<'_>| evidence.run.name == run.name);
    Panels::of(sweep, data, run, evidence).worst()
}

/// The shapes that the pictures' text refers to.
pub(super) fn definitions<'p>(pictures: impl Iterator<Item = &'p Picture>) -> String {
    let glyphs: BTreeSet<_> = pictures.flat_map(|picture| picture.glyphs().iter().copied()).collect();
    plot::definitions(&glyphs)
}

/// Writes the page and returns its path.
///
/// # Errors
/// If it cannot be filled in or written.
pub fn write(
    sweep: &SweepDir,
    data: &Sweep,
    analysis: &Analysis<'_>,
    verdict: &[Line],
    charts: &[(&'static str, Picture)],
    curves: &[Option<Picture>],
) -> Result<PathBuf, ReportError> {
    let mut page = Page::of(sweep, data, analysis, verdict, charts);
    let labels = Labels::of(data);
    page.machines = provenance::machines(sweep, data);
    let is_inline = curves.iter().flatten().map(Picture::bytes).sum::<usize>() <= INLINE;
    let view = |place: usize| {
        let (evidence, curves) = (analysis.evidence[place].as_ref(), curves[place].as_ref());
        RunView::of(sweep, data, &labels, place, evidence, curves, is_inline)
    };
    page.runs = (0..data.runs.len()).into_par_iter().map(view).collect();
    let inlined = curves.iter().flatten().filter(|_| is_inline);
    page.definitions = definitions(charts.iter().map(|(_, picture)| picture).chain(inlined));
    let path = sweep.report().join("index.html");
    let text = page.render()?;
    write_derived(&path, |file| file.write_all(text.as_bytes()))?;
    Ok(path)
}

fn splits(data: &Sweep, balances: &[Balance]) -> Vec<SplitView> {
    let percent = |share: f64| format!("{:.2}", 100.0 * share);
    let row = |(balance, (class, share)): (&Balance, (&String, &ClassBalance))| SplitView {
        split: balance.split.clone(),
        class: class.clone(),
        train: percent(share.train),
        val: percent(share.val),
        low: percent(share.random.0),
        high: percent(share.random.1),
    };
    let all =
        balances.iter().flat_map(|balance| data.classes.iter().zip(&balance.classes).map(move |of| (balance, of)));
    all.map(row).collect()
}
