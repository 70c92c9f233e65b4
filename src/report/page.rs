//! report/index.html: one file that needs nothing but the panels beside it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use askama::Template;

use super::{
    Analysis, ReportError,
    aggregate::{Run, Sweep},
    diagnose::{self, Balance, ClassBalance, Finding, Group, Severity},
    evidence::Evidence,
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

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    name: &'a str,
    verdict: &'a [String],
    problems: &'a [String],
    monitor: String,
    findings: Vec<FindingView>,
    ranking: Vec<RankRow>,
    /// Whether some setting has runs enough for an interquartile mean.
    middles: bool,
    axes: &'a [String],
    runs: Vec<RunView>,
    charts: Vec<ChartView>,
    next: Vec<String>,
    splits: Vec<SplitView>,
    version: &'static str,
    fingerprint: String,
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

/// A run's row and its details.
struct RunView {
    name: String,
    state: &'static str,
    failure: String,
    axes: Vec<String>,
    epochs: usize,
    best_epoch: String,
    score: String,
    dice_macro: String,
    dice_coef: String,
    classes: Vec<ClassView>,
    curves: Option<String>,
    plot: String,
    panels: Vec<PanelView>,
}

/// A class at the best epoch on val.
struct ClassView {
    name: String,
    dice: String,
    interval: String,
    precision: String,
    recall: String,
    images: u32,
    pixels: u64,
}

/// A picture beside the page.
struct PanelView {
    path: String,
    caption: String,
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
    let pictures = || charts.iter().map(|(_, picture)| picture).chain(curves.iter().flatten());
    let glyphs: BTreeSet<_> = pictures().flat_map(|picture| picture.glyphs().iter().copied()).collect();
    let page = Page {
        name: &data.name,
        verdict,
        problems: &data.problems,
        monitor: words::metric(data.monitor),
        findings: findings(data, &analysis.findings),
        ranking: ranking(data, &analysis.standings),
        middles: analysis.standings.iter().any(|standing| standing.middle.is_some()),
        axes: &data.axes,
        runs: (0..data.runs.len()).map(|place| run_view(sweep, data, analysis, place, &curves[place])).collect(),
        next: next::advice(data, analysis),
        splits: splits(data, &analysis.balances),
        version: env!("CARGO_PKG_VERSION"),
        fingerprint: provenance::fingerprint(data),
        shared: provenance::shared_settings(data),
        charts: charts
            .iter()
            .map(|(name, picture)| ChartView { name, caption: picture.title().into(), svg: picture.inline() })
            .collect(),
        definitions: plot::definitions(&glyphs),
    };
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
            format!("{} of {}", group.findings.len(), words::count(data.runs.len(), "run"))
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

fn run_view(
    sweep: &SweepDir,
    data: &Sweep,
    analysis: &Analysis<'_>,
    place: usize,
    curves: &Option<Picture>,
) -> RunView {
    let run = &data.runs[place];
    let best = run.best_epoch(data.monitor);
    let val = run.best_row(data.monitor, Split::Val);
    RunView {
        name: run.name.clone(),
        state: run.state.state.name(),
        failure: run.state.failure.as_ref().map(ToString::to_string).unwrap_or_default(),
        axes: data.axes.iter().map(|axis| run.axis(axis).unwrap_or_default()).collect(),
        epochs: run.state.epoch,
        best_epoch: best.map(|epoch| epoch.to_string()).unwrap_or_default(),
        score: words::cell(run.score(data.monitor)),
        dice_macro: words::cell(val.and_then(|row| row.dice_macro)),
        dice_coef: words::cell(val.and_then(|row| row.dice_coef)),
        classes: analysis.evidence[place].as_ref().map(|evidence| class_views(data, evidence)).unwrap_or_default(),
        curves: curves.as_ref().map(Picture::inline),
        plot: format!("plots/{}.svg", url(&run.name)),
        panels: panels(sweep, run),
    }
}

fn class_views(data: &Sweep, evidence: &Evidence<'_>) -> Vec<ClassView> {
    let view = |(place, class): (usize, &String)| {
        let point = evidence.class(Split::Val, class)?.at(evidence.best)?;
        let occurs = point.images > 0;
        Some(ClassView {
            name: class.clone(),
            dice: words::cell(point.dice()),
            interval: evidence
                .class_dice
                .get(place)
                .copied()
                .flatten()
                .map(|e| words::interval(e.interval))
                .unwrap_or_default(),
            precision: words::cell(point.counts.precision().filter(|_| occurs)),
            recall: words::cell(point.counts.recall()),
            images: point.images,
            pixels: point.counts.support(),
        })
    };
    data.classes.iter().enumerate().filter_map(view).collect()
}

fn panels(sweep: &SweepDir, run: &Run) -> Vec<PanelView> {
    let Ok(entries) = fs::read_dir(sweep.run(&run.name).panels()) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".png"))
        .collect();
    // worst-…, middle-…, best-…
    let order = |name: &String| ["worst", "middle", "best"].iter().position(|kind| name.starts_with(kind)).unwrap_or(3);
    names.sort_by(|a, b| order(a).cmp(&order(b)).then(a.cmp(b)));
    let view = |name: String| PanelView {
        path: format!("../runs/{}/panels/{}", url(&run.name), url(&name)),
        caption: name.trim_end_matches(".png").to_owned(),
    };
    names.into_iter().map(view).collect()
}

/// A file name as part of an address.
fn url(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
