//! The page of a sweep that goes on: the report's own parts, each by the id of the element that it fills.

use askama::Template;

use super::{
    Analysis, ReportError,
    aggregate::{Run, Sweep},
    evidence::Evidence,
    labels::Labels,
    page::{Page, RunRow, RunView, definitions},
    plot, verdict, words,
};
use crate::{
    domain::{RunState, Split, duration},
    store::SweepDir,
};

/// The id of an element and what it holds.
pub type Part = (String, String);

/// The page with nothing in it yet.
#[derive(Template)]
#[template(path = "live.html")]
struct Shell<'a> {
    name: &'a str,
}

/// What is going on at this moment.
#[derive(Template)]
#[template(path = "live_now.html")]
struct Now<'a> {
    /// How many runs are in each state that some run is in.
    states: Vec<(&'static str, usize)>,
    runs: String,
    /// Some run is not done, and no process is at it.
    is_idle: bool,
    monitor: String,
    running: Vec<Running<'a>>,
}

/// A run that is being trained.
struct Running<'a> {
    number: usize,
    name: &'a str,
    epoch: usize,
    epochs: usize,
    score: String,
    left: String,
    sparks: [Spark; 2],
}

/// A curve the size of a word.
struct Spark {
    title: &'static str,
    path: String,
}

#[derive(Template)]
#[template(path = "report_row.html")]
struct Row<'a> {
    row: &'a RunRow,
}

#[derive(Template)]
#[template(path = "report_summary.html")]
struct Summary<'a> {
    row: &'a RunRow,
    monitor: &'a str,
}

#[derive(Template)]
#[template(path = "live_details.html")]
struct Details<'a> {
    definitions: String,
    row: &'a RunRow,
    run: &'a RunView,
}

/// The page of the sweep called `name`, to be filled with parts.
///
/// # Errors
/// If it cannot be filled in.
pub fn shell(name: &str) -> Result<String, ReportError> {
    Ok(Shell { name }.render()?)
}

/// The parts that look at all runs at once, worked out anew.
///
/// # Errors
/// If a chart cannot be drawn or a part not be filled in.
pub fn of_all_runs(sweep: &SweepDir, data: &Sweep) -> Result<Vec<Part>, ReportError> {
    let analysis = Analysis::of(data);
    let verdict = verdict::lines(data, &analysis);
    let charts = plot::of_sweep(data, &analysis, &plot::Svg)?;
    let page = Page::of(sweep, data, &analysis, &verdict, &charts);
    let parts = [
        ("definitions", definitions(charts.iter().map(|(_, picture)| picture))),
        ("verdict", page.as_verdict().render()?),
        ("problems", page.as_problems().render()?),
        ("key", page.as_key().render()?),
        ("findings", page.as_findings().render()?),
        ("settings", page.as_settings().render()?),
        ("charts", page.as_charts().render()?),
        ("next", page.as_next().render()?),
        ("splits", page.as_splits().render()?),
        ("provenance", page.as_provenance().render()?),
    ];
    Ok(parts.map(|(id, html)| (id.to_owned(), html)).into())
}

/// The table of runs with a place for each run's details.
///
/// # Errors
/// If it cannot be filled in.
pub fn runs(sweep: &SweepDir, data: &Sweep) -> Result<Part, ReportError> {
    let (nothing, labels) = (Analysis::default(), Labels::of(data));
    let mut page = Page::of(sweep, data, &nothing, &[], &[]);
    page.runs = (0..data.runs.len()).map(|place| RunView::brief(data, &labels, place)).collect();
    Ok(("runs".into(), page.as_runs().render()?))
}

/// The columns of the table of runs that depend on what has been read.
pub fn axes(data: &Sweep) -> Vec<String> {
    Labels::of(data).axes().iter().map(ToString::to_string).collect()
}

/// The rows and the headings of the runs at `places`.
///
/// # Errors
/// If they cannot be filled in.
pub fn rows(data: &Sweep, places: &[usize]) -> Result<Vec<Part>, ReportError> {
    let (labels, monitor) = (Labels::of(data), words::metric(data.monitor));
    let mut parts = Vec::new();
    for &place in places {
        let row = RunRow::of(data, &labels, place);
        let summary = Summary { row: &row, monitor: &monitor }.render()?;
        parts.push((format!("row-{}", row.number), Row { row: &row }.render()?));
        parts.push((format!("summary-{}", row.number), summary));
    }
    Ok(parts)
}

/// Everything below the heading of the run at `place`.
///
/// # Errors
/// If its curves cannot be drawn or it cannot be filled in.
pub fn details(sweep: &SweepDir, data: &Sweep, place: usize) -> Result<String, ReportError> {
    let run = &data.runs[place];
    let evidence = Evidence::of(data, run);
    let curves = plot::learning_curves(data, run, &plot::Svg)?;
    let view = RunView::of(sweep, data, &Labels::of(data), place, evidence.as_ref(), curves.as_ref(), true);
    Ok(Details { definitions: definitions(curves.iter()), row: &view.row, run: &view }.render()?)
}

/// How many runs are in which state, and those that are being trained.
///
/// # Errors
/// If it cannot be filled in.
pub fn now(data: &Sweep, is_running: bool) -> Result<Part, ReportError> {
    let states = [
        RunState::Completed,
        RunState::Running,
        RunState::EndedEarly,
        RunState::Failed,
        RunState::Stopped,
        RunState::New,
    ];
    let count = |state| data.runs.iter().filter(|run| run.state.state == state).count();
    let states = states.map(|state| (state.name(), count(state)));
    let running = data.runs.iter().enumerate().filter(|(_, run)| run.state.state == RunState::Running);
    let now = Now {
        states: states.into_iter().filter(|(_, count)| *count > 0).collect(),
        runs: words::count(data.runs.len(), "run"),
        is_idle: !is_running && count(RunState::Running) == 0 && count(RunState::New) + count(RunState::Stopped) > 0,
        monitor: words::metric(data.monitor),
        running: running.map(|(place, run)| going_on(data, place, run)).collect(),
    };
    Ok(("now".into(), now.render()?))
}

fn going_on<'a>(data: &Sweep, place: usize, run: &'a Run) -> Running<'a> {
    let epochs = run.file.as_ref().map_or(run.state.epoch, |file| file.config.train.epochs);
    let curve = |of: fn(&crate::domain::EpochRow) -> Option<f64>| -> Vec<(usize, f64)> {
        run.rows(Split::Val).iter().filter_map(|row| Some((row.epoch, of(row)?))).collect()
    };
    let score = data.monitor.of(run.rows(data.monitor.split).last().map(std::slice::from_ref).unwrap_or_default());
    Running {
        number: place + 1,
        name: &run.name,
        epoch: run.state.epoch,
        epochs,
        score: words::cell(score),
        left: seconds_left(run, epochs).map(duration).unwrap_or_default(),
        sparks: [
            Spark { title: "val loss", path: spark(&curve(|row| row.loss), epochs, None) },
            Spark { title: "val Dice (macro)", path: spark(&curve(|row| row.dice_macro), epochs, Some(1.0)) },
        ],
    }
}

/// From the mean of its last epochs.
fn seconds_left(run: &Run, epochs: usize) -> Option<f64> {
    const LAST: usize = 5;
    let last = &run.timing[run.timing.len().saturating_sub(LAST)..];
    let seconds: f64 = last.iter().map(|row| row.train_seconds + row.eval_seconds).sum();
    (!last.is_empty()).then(|| seconds / last.len() as f64 * epochs.saturating_sub(run.state.epoch) as f64)
}

/// Path data of a curve in a box of 120 by 30 as wide as all epochs and as high as `top`, or its own highest value.
fn spark(curve: &[(usize, f64)], epochs: usize, top: Option<f64>) -> String {
    let top = top.unwrap_or_else(|| curve.iter().map(|point| point.1).fold(f64::MIN_POSITIVE, f64::max));
    let point = |(epoch, value): &(usize, f64)| {
        let x = 120.0 * *epoch as f64 / epochs.max(1) as f64;
        format!("{x:.1} {:.1}", 29.0 - 28.0 * (value / top).clamp(0.0, 1.0))
    };
    let points: Vec<String> = curve.iter().map(point).collect();
    if points.is_empty() { String::new() } else { format!("M{}", points.join("L")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spark_spans_the_epochs_planned_and_stays_in_its_box() {
        assert_eq!(spark(&[], 4, None), "");
        assert_eq!(spark(&[(1, 0.5), (2, 1.0), (4, 0.0)], 4, Some(1.0)), "M30.0 15.0L60.0 1.0L120.0 29.0");
        assert_eq!(spark(&[(1, 3.0), (2, 6.0)], 2, None), "M60.0 15.0L120.0 1.0");
    }
}
