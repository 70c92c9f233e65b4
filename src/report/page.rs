//! report/index.html: one file that needs nothing but the panels beside it and, in a large sweep, each run's curves.

mod run;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use askama::Template;
use rayon::prelude::*;

pub(super) use run::{RunRow, RunView};

use super::{
    Analysis, ReportError,
    aggregate::{Run, Sweep},
    diagnose::{self, Balance, ClassBalance, Finding, Group, Severity},
    next,
    plot::{self, Picture},
    provenance,
    standings::Standing,
    words,
};
use crate::{
    domain::Split,
    store::{SweepDir, write_derived},
};

/// Bytes of all runs' learning curves up to which they are in the page itself, which then needs only the panels beside
/// it. With more it would be slow to open: each run's are loaded from their own file when the run is looked at.
const INLINE: usize = 8 << 20;

#[derive(Template)]
#[template(path = "report.html", blocks = [
    "verdict", "problems", "findings", "settings", "charts", "next", "runs", "splits", "provenance"
])]
pub(super) struct Page<'a> {
    name: &'a str,
    verdict: &'a [String],
    problems: &'a [String],
    monitor: String,
    findings: Vec<FindingView>,
    unjudged: Vec<String>,
    ranking: Vec<RankRow>,
    /// Whether some setting has runs enough for an interquartile mean.
    middles: bool,
    axes: &'a [String],
    pub(super) runs: Vec<RunView>,
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

/// A row of the ranking.
struct RankRow {
    place: usize,
    setting: String,
    score: String,
    sort: f64,
    runs: usize,
    dice_coef: String,
    interval: String,
    middle: String,
    behind: String,
    p: String,
    ties: bool,
}

/// What a rule found, over the runs in which it did.
struct FindingView {
    severity: &'static str,
    title: &'static str,
    source: &'static str,
    class: String,
    /// In how many runs; empty for the sweep.
    count: String,
    evidence: String,
    advice: String,
    /// The runs, each with its number in the page and its evidence.
    runs: Vec<(usize, String, String)>,
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
        data: &'a Sweep,
        analysis: &Analysis<'_>,
        verdict: &'a [String],
        charts: &[(&'static str, Picture)],
    ) -> Self {
        let view =
            |(name, svg): &(&'static str, Picture)| ChartView { name, caption: svg.title().into(), svg: svg.inline() };
        Self {
            name: &data.name,
            verdict,
            problems: &data.problems,
            monitor: words::metric(data.monitor),
            findings: findings(data, &analysis.findings),
            unjudged: diagnose::unjudged(data).iter().map(ToString::to_string).collect(),
            ranking: ranking(data, &analysis.standings),
            middles: analysis.standings.iter().any(|standing| standing.middle.is_some()),
            axes: &data.axes,
            runs: Vec::new(),
            next: next::advice(data, analysis),
            splits: splits(data, &analysis.balances),
            version: env!("CARGO_PKG_VERSION"),
            fingerprint: provenance::fingerprint(data),
            machines: Vec::new(),
            shared: provenance::shared_settings(data),
            charts: charts.iter().map(view).collect(),
            definitions: definitions(charts.iter().map(|(_, picture)| picture)),
        }
    }
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
    verdict: &[String],
    charts: &[(&'static str, Picture)],
    curves: &[Option<Picture>],
) -> Result<PathBuf, ReportError> {
    let mut page = Page::of(data, analysis, verdict, charts);
    page.machines = provenance::machines(sweep, data);
    let is_inline = curves.iter().flatten().map(Picture::bytes).sum::<usize>() <= INLINE;
    let view = |place: usize| {
        let (evidence, curves) = (analysis.evidence[place].as_ref(), curves[place].as_ref());
        RunView::of(sweep, data, place, evidence, curves, is_inline)
    };
    page.runs = (0..data.runs.len()).into_par_iter().map(view).collect();
    let inlined = curves.iter().flatten().filter(|_| is_inline);
    page.definitions = definitions(charts.iter().map(|(_, picture)| picture).chain(inlined));
    let path = sweep.report().join("index.html");
    let text = page.render()?;
    write_derived(&path, |file| file.write_all(text.as_bytes()))?;
    Ok(path)
}

fn ranking(data: &Sweep, standings: &[Standing<'_>]) -> Vec<RankRow> {
    let row = |(index, standing): (usize, &Standing<'_>)| {
        let pooled = |run: &&Run| run.best_row(data.monitor, Split::Val)?.dice_coef;
        let pooled: Vec<f64> = standing.cell.runs.iter().filter_map(pooled).collect();
        RankRow {
            place: index + 1,
            setting: standing.cell.label(data),
            score: words::mean_and_spread(&standing.scores),
            sort: standing.mean,
            runs: standing.scores.len(),
            dice_coef: words::mean_and_spread(&pooled),
            interval: standing.interval.map(words::interval).unwrap_or_default(),
            middle: standing
                .middle
                .map(|(m, i)| format!("{} ({})", words::score(m), words::interval(i)))
                .unwrap_or_default(),
            behind: standing.behind.map(|test| format!("{:.3}", test.difference)).unwrap_or_default(),
            p: standing.p.map(|p| format!("{p:.3}")).unwrap_or_default(),
            ties: standing.ties,
        }
    };
    standings.iter().enumerate().map(row).collect()
}

fn findings(data: &Sweep, findings: &[Finding]) -> Vec<FindingView> {
    let numbers: BTreeMap<&str, usize> =
        data.runs.iter().enumerate().map(|(index, run)| (run.name.as_str(), index + 1)).collect();
    let view = |group: Group<'_>| {
        let run = |finding: &&Finding| {
            let name = finding.run.clone()?;
            Some((*numbers.get(name.as_str())?, name, finding.evidence.clone()))
        };
        let count = if group.first.run.is_some() {
            format!("{} of {}", group.runs(), words::count(data.runs.len(), "run"))
        } else {
            String::new()
        };
        finding_view(group.first.severity, group.first, count, group.findings.iter().filter_map(run).collect())
    };
    diagnose::grouped(findings).into_iter().map(view).collect()
}

fn finding_view(
    severity: Severity,
    finding: &Finding,
    count: String,
    runs: Vec<(usize, String, String)>,
) -> FindingView {
    FindingView {
        severity: severity.name(),
        title: finding.rule.title,
        source: finding.rule.source,
        class: finding.class.clone().unwrap_or_default(),
        count,
        evidence: finding.evidence.clone(),
        advice: finding.advice.clone(),
        runs,
    }
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
