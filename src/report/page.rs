//! report/index.html: one file that needs nothing but the panels beside it.

use std::{collections::BTreeSet, fs, path::PathBuf};

use askama::Template;

use super::{
    ReportError,
    aggregate::{Run, Sweep},
    cells::cells,
    plot::{self, Picture},
    statistics,
    verdict::{self, mean_and_spread},
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
    ranking: Vec<RankRow>,
    axes: &'a [String],
    runs: Vec<RunView>,
    charts: Vec<ChartView>,
    definitions: String,
}

/// A row of the ranking.
struct RankRow {
    place: usize,
    setting: String,
    score: String,
    sort: f64,
    runs: usize,
    dice_coef: String,
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
    panels: Vec<PanelView>,
}

/// A class at the best epoch on val.
struct ClassView {
    name: String,
    dice: String,
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
        ranking: ranking(data),
        axes: &data.axes,
        runs: data.runs.iter().zip(curves).map(|(run, curves)| run_view(sweep, data, run, curves)).collect(),
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

fn ranking(data: &Sweep) -> Vec<RankRow> {
    let cells = cells(data);
    let row = |(index, cell): (usize, &&super::cells::Cell<'_>)| {
        let scores = cell.scores(data);
        let pooled: Vec<f64> =
            cell.runs.iter().filter_map(|run| run.best_row(data.monitor, Split::Val)?.dice_coef).collect();
        RankRow {
            place: index + 1,
            setting: cell.label(data),
            score: mean_and_spread(&scores),
            sort: statistics::mean(&scores).unwrap_or_default(),
            runs: scores.len(),
            dice_coef: mean_and_spread(&pooled),
        }
    };
    verdict::ranked(data, &cells).iter().enumerate().map(row).collect()
}

fn run_view(sweep: &SweepDir, data: &Sweep, run: &Run, curves: &Option<Picture>) -> RunView {
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
        classes: best.map(|epoch| class_views(data, run, epoch)).unwrap_or_default(),
        curves: curves.as_ref().map(Picture::inline),
        panels: panels(sweep, run),
    }
}

fn class_views(data: &Sweep, run: &Run, epoch: usize) -> Vec<ClassView> {
    let view = |class: &String| {
        let point = run.class(Split::Val, class)?.at(epoch)?;
        let occurs = point.images > 0;
        Some(ClassView {
            name: class.clone(),
            dice: words::cell(point.dice()),
            precision: words::cell(point.counts.precision().filter(|_| occurs)),
            recall: words::cell(point.counts.recall()),
            images: point.images,
            pixels: point.counts.support(),
        })
    };
    data.classes.iter().filter_map(view).collect()
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
