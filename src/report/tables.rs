//! runs.csv and metrics.csv: the sweep for one `read_csv` each.

use std::io::{self, Write};

use csv::ByteRecord;
use rayon::prelude::*;

use super::{
    aggregate::{self, Run, Sweep},
    diagnose::Finding,
    words,
};
use crate::{
    domain::{EpochRow, Metric},
    store::{StoreError, SweepDir, read_rows, write_derived},
};

/// Runs that are read before their rows are written: bounds the text in memory.
const AT_ONCE: usize = 32;

/// Reads every run and writes both tables on the way.
///
/// # Errors
/// If a table cannot be written.
pub fn read_and_write(sweep: &SweepDir, names: &[String]) -> Result<Sweep, StoreError> {
    let mut data = read_heads(sweep, names);
    let axes = data.axes.clone();
    let mut problems = std::mem::take(&mut data.problems);
    write_derived(&sweep.metrics_csv(), |file| {
        write_record(file, ["run"].into_iter().chain(axes.iter().map(String::as_str)).chain(CLASS_COLUMNS))?;
        for runs in data.runs.chunks_mut(AT_ONCE) {
            let read: Vec<_> = runs.par_iter_mut().map(|run| read_run(sweep, run, &axes)).collect();
            for (text, unread) in read {
                file.write_all(&text)?;
                problems.extend(unread);
            }
        }
        Ok(())
    })?;
    data.problems = problems;
    name_classes(&mut data);
    write_derived(&sweep.runs_csv(), |file| write_runs(&data, file))?;
    Ok(data)
}

/// Reads every run and writes nothing.
pub fn read(sweep: &SweepDir, names: &[String]) -> Sweep {
    let mut data = read_heads(sweep, names);
    let read = |run: &mut Run| aggregate::read_tables(&sweep.run(&run.name), run, &mut |_, _| ());
    let unread: Vec<_> = data.runs.par_iter_mut().map(read).collect();
    data.problems.extend(unread.into_iter().flatten());
    name_classes(&mut data);
    data
}

pub(super) fn name_classes(data: &mut Sweep) {
    for history in data.runs.iter().flat_map(|run| &run.classes) {
        if !data.classes.contains(&history.class) {
            data.classes.push(history.class.clone());
        }
    }
}

fn read_heads(sweep: &SweepDir, names: &[String]) -> Sweep {
    let mut data = Sweep { name: words::file_name(sweep.root()), ..Sweep::default() };
    data.tests = read_rows(&sweep.test_csv()).map_err(|e| data.problems.push(e.to_string())).unwrap_or_default();
    let read = |name: &String| {
        let mut problems = Vec::new();
        (aggregate::read_head(&sweep.run(name), &mut problems), problems)
    };
    let (runs, problems): (_, Vec<_>) = names.par_iter().map(read).unzip();
    data.runs = runs;
    data.problems.extend(problems.into_iter().flatten());
    describe(&mut data);
    data
}

/// Takes what all runs share from their settings.
pub(super) fn describe(data: &mut Sweep) {
    for file in data.runs.iter().filter_map(|run| run.file.as_ref()) {
        data.backgrounds.extend(file.config.data.background_name().map(str::to_owned));
        for axis in file.axes.keys().filter(|axis| !data.axes.contains(axis)).cloned().collect::<Vec<_>>() {
            data.axes.push(axis);
        }
    }
    data.backgrounds.sort();
    data.backgrounds.dedup();
    if let Some(file) = data.runs.iter().find_map(|run| run.file.as_ref()) {
        data.monitor = file.config.monitor;
    }
}

const CLASS_COLUMNS: [&str; 11] =
    ["epoch", "split", "class", "tp", "fp", "fn", "images", "dice", "iou", "precision", "recall"];

/// The run's rows of metrics.csv, and what could not be read.
fn read_run(sweep: &SweepDir, run: &mut Run, axes: &[String]) -> (Vec<u8>, Vec<String>) {
    let mut rows = ClassRows::of(run, axes);
    let problems = aggregate::read_tables(&sweep.run(&run.name), run, &mut |header, row| rows.push(header, row));
    (rows.text, problems)
}

/// The rows of classes.csv as they are, with the run and its axes in front.
struct ClassRows {
    front: Vec<u8>,
    /// Where [`CLASS_COLUMNS`] are in classes.csv.
    places: Option<[Option<usize>; CLASS_COLUMNS.len()]>,
    text: Vec<u8>,
}

impl ClassRows {
    fn of(run: &Run, axes: &[String]) -> Self {
        let mut front = Vec::new();
        push_cell(&mut front, run.name.as_bytes());
        for axis in axes {
            front.push(b',');
            push_cell(&mut front, run.axis(axis).unwrap_or_default().as_bytes());
        }
        Self { front, places: None, text: Vec::new() }
    }

    fn push(&mut self, header: &ByteRecord, row: &ByteRecord) {
        let place = |name: &str| header.iter().position(|column| column == name.as_bytes());
        let places = self.places.get_or_insert_with(|| CLASS_COLUMNS.map(place));
        self.text.extend_from_slice(&self.front);
        for place in places {
            self.text.push(b',');
            push_cell(&mut self.text, place.and_then(|place| row.get(place)).unwrap_or_default());
        }
        self.text.push(b'\n');
    }
}

/// A cell of a large table: the csv crate's writer takes half as long again as reading does.
fn push_cell(out: &mut Vec<u8>, cell: &[u8]) {
    if !cell.iter().any(|byte| b",\"\r\n".contains(byte)) {
        return out.extend_from_slice(cell);
    }
    out.push(b'"');
    for &byte in cell {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

fn write_runs(data: &Sweep, out: &mut dyn Write) -> io::Result<()> {
    let best = format!("best_{}", data.monitor);
    let columns = ["attempts", "epochs", "best_epoch", &best];
    let figures = [
        "val_dice_macro",
        "val_iou_macro",
        "val_dice_coef",
        "test_dice_macro",
        "test_iou_macro",
        "test_dice_coef",
        "failure",
        "note",
    ];
    let axes = data.axes.iter().map(String::as_str);
    write_record(out, ["run", "state"].into_iter().chain(axes).chain(columns).chain(figures))?;
    for run in &data.runs {
        write_record(out, run_cells(data, run).iter().map(String::as_str))?;
    }
    Ok(())
}

/// Writes findings.csv.
///
/// # Errors
/// If it cannot be written.
pub fn write_findings(sweep: &SweepDir, findings: &[Finding]) -> Result<(), StoreError> {
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    write_derived(&sweep.findings_csv(), |file| {
        write_record(file, ["run", "rule", "severity", "class", "evidence", "value", "threshold", "advice", "source"])?;
        for finding in findings {
            let (run, class) =
                (finding.run.as_deref().unwrap_or_default(), finding.class.as_deref().unwrap_or_default());
            let (value, threshold) = (number(finding.value), number(finding.threshold));
            let said = [&finding.evidence, &value, &threshold, &finding.advice].map(String::as_str);
            let head = [run, finding.rule.name, finding.severity.name(), class];
            write_record(file, head.into_iter().chain(said).chain([finding.source]))?;
        }
        Ok(())
    })
}

fn run_cells(data: &Sweep, run: &Run) -> Vec<String> {
    let figure = |name: &str| {
        let metric: Metric = name.parse().ok()?;
        metric.of(std::slice::from_ref(run.best_row(data.monitor, metric.split)?))
    };
    let test = |of: fn(&EpochRow) -> Option<f64>| run.test_row().and_then(of);
    let mut cells = vec![run.name.clone(), run.state.state.name().to_owned()];
    cells.extend(data.axes.iter().map(|axis| run.axis(axis).unwrap_or_default()));
    cells.push(run.state.attempts.to_string());
    cells.push(run.state.epoch.to_string());
    cells.push(run.best_epoch(data.monitor).map(|epoch| epoch.to_string()).unwrap_or_default());
    let scores = [
        run.best_score(data.monitor),
        figure("val_dice_macro"),
        figure("val_iou_macro"),
        figure("val_dice_coef"),
        test(|row| row.dice_macro),
        test(|row| row.iou_macro),
        test(|row| row.dice_coef),
    ];
    cells.extend(scores.map(|score| score.map(|value| value.to_string()).unwrap_or_default()));
    cells.push(run.state.failure.as_ref().map(ToString::to_string).unwrap_or_default());
    cells.push(run.state.note.clone().unwrap_or_default());
    cells
}

fn write_record<'a>(out: &mut dyn Write, cells: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(out);
    writer.write_record(cells)?;
    writer.flush()
}
