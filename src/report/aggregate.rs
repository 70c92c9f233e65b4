//! Reads a sweep's files once, into a compact form that everything else in the report works on.

use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use csv::ByteRecord;
use serde::de::DeserializeOwned;

use super::counts::{CountColumns, CountRow};
use crate::{
    domain::{
        Counts, EpochRow, EvidenceRow, Metric, RunState, Split, SplitRow, StateRecord, TestRow, TimingRow, axis_text,
    },
    store::{RunDir, RunFile, StoreError},
};

/// A sweep as it stands on disk.
#[derive(Clone, Debug, Default)]
pub struct Sweep {
    /// The sweep's name: its folder's.
    pub name: String,
    /// Every axis of any run, in order of first appearance.
    pub axes: Vec<String>,
    /// The figure that ranks runs.
    pub monitor: Metric,
    /// Every class of any run, in order of first appearance.
    pub classes: Vec<String>,
    /// The classes that foreground means leave out: one, unless runs that keep other classes have another.
    pub backgrounds: Vec<String>,
    /// The runs in the plan's order.
    pub runs: Vec<Run>,
    /// Every evaluation of test images, in their order.
    pub tests: Vec<TestRow>,
    /// Files that could not be read, each with the reason.
    pub problems: Vec<String>,
}

/// One run: its settings, where it stands and everything that it recorded.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Its folder's name.
    pub name: String,
    /// Settings; `None` where run.toml is missing or damaged.
    pub file: Option<RunFile>,
    /// Where it stands.
    pub state: StateRecord,
    /// The figures of each split, in the order of epochs.
    pub epochs: BTreeMap<Split, Vec<EpochRow>>,
    /// Counts of each split and class.
    pub classes: Vec<ClassHistory>,
    /// Counts of each image at the best and the final epoch.
    pub images: ImageTable,
    /// What each image is used for.
    pub split: Vec<SplitRow>,
    /// How long each epoch took.
    pub timing: Vec<TimingRow>,
    /// Figures for the diagnosis that no other table holds.
    pub evidence: Vec<EvidenceRow>,
}

/// The counts of one class in one split over the epochs.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassHistory {
    /// Where they were measured.
    pub split: Split,
    /// Name of the class.
    pub class: String,
    /// One point an epoch, in order.
    pub points: Vec<ClassPoint>,
}

/// One class in one split at one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassPoint {
    /// From 1.
    pub epoch: u32,
    /// Images of the split in which the class occurs.
    pub images: u32,
    /// Pixels.
    pub counts: Counts,
}

impl ClassPoint {
    /// Dice; `None` where no image of the split has the class.
    pub fn dice(&self) -> Option<f64> {
        self.counts.dice().filter(|_| self.images > 0)
    }
}

/// images.csv with names stored once.
#[derive(Clone, Debug, Default)]
pub struct ImageTable {
    /// Image names in order of first appearance.
    pub names: Vec<String>,
    /// Class names in order of first appearance.
    pub classes: Vec<String>,
    /// The rows.
    pub rows: Vec<ImagePoint>,
}

/// A row of images.csv.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImagePoint {
    /// From 1.
    pub epoch: u32,
    /// What the image is used for.
    pub split: Split,
    /// Index into [`ImageTable::names`].
    pub image: u32,
    /// Index into [`ImageTable::classes`].
    pub class: u32,
    /// Pixels.
    pub counts: Counts,
}

impl Sweep {
    /// Where the background is among [`Sweep::classes`].
    pub fn background_index(&self) -> Option<usize> {
        self.classes.iter().position(|class| self.is_background(class))
    }

    /// Whether foreground means leave a class out.
    pub fn is_background(&self, class: &str) -> bool {
        self.backgrounds.iter().any(|background| background == class)
    }

    /// Runs that are not over.
    pub fn open_runs(&self) -> usize {
        let is_open = |run: &&Run| !run.state.state.is_over();
        self.runs.iter().filter(is_open).count()
    }

    /// The classes that foreground means are over.
    pub fn foreground(&self) -> impl Iterator<Item = &String> {
        self.classes.iter().filter(|class| !self.is_background(class))
    }
}

impl Run {
    /// The value of `axis` as people write it.
    pub fn axis(&self, axis: &str) -> Option<String> {
        let value = self.file.as_ref()?.axes.get(axis)?;
        serde_json::to_value(value).ok().map(|value| axis_text(&value))
    }

    /// The figures of `split` at `epoch`.
    pub fn row(&self, split: Split, epoch: usize) -> Option<&EpochRow> {
        let rows = self.epochs.get(&split)?;
        rows.binary_search_by_key(&epoch, |row| row.epoch).ok().map(|place| &rows[place])
    }

    /// The rows of one split; none if it was never measured.
    pub fn rows(&self, split: Split) -> &[EpochRow] {
        self.epochs.get(&split).map_or(&[], Vec::as_slice)
    }

    /// The counts of one class in one split.
    pub fn class(&self, split: Split, class: &str) -> Option<&ClassHistory> {
        self.classes.iter().find(|history| history.split == split && history.class == class)
    }

    /// Its best epoch by `monitor`: what the trainer recorded, else the first best of the figures.
    pub fn best_epoch(&self, monitor: Metric) -> Option<usize> {
        if self.row(monitor.split, self.state.best_epoch).is_some() {
            return Some(self.state.best_epoch);
        }
        let mut best: Option<(usize, f64)> = None;
        for row in self.rows(monitor.split) {
            let Some(value) = monitor.of(std::slice::from_ref(row)) else { continue };
            if best.is_none_or(|(_, score)| monitor.direction().improves(value, score, 0.0)) {
                best = Some((row.epoch, value));
            }
        }
        best.map(|(epoch, _)| epoch)
    }

    /// The figures of the test images, where they were evaluated.
    pub fn test_row(&self) -> Option<&EpochRow> {
        self.rows(Split::Test).last()
    }

    /// The figures of `split` at the best epoch.
    pub fn best_row(&self, monitor: Metric, split: Split) -> Option<&EpochRow> {
        self.row(split, self.best_epoch(monitor)?)
    }

    /// The monitored figure at the best epoch so far, however far the run is.
    pub fn best_score(&self, monitor: Metric) -> Option<f64> {
        monitor.of(std::slice::from_ref(self.best_row(monitor, monitor.split)?))
    }

    /// What the run is worth: the monitored figure at its best epoch, once it is completed. A run that was stopped or
    /// given up may have had its best epochs before it, so nothing is concluded from it.
    pub fn score(&self, monitor: Metric) -> Option<f64> {
        self.best_score(monitor).filter(|_| self.state.state == RunState::Completed)
    }
}

impl ClassHistory {
    /// The point of `epoch`.
    pub fn at(&self, epoch: usize) -> Option<&ClassPoint> {
        let place = self.points.binary_search_by_key(&epoch, |point| point.epoch as usize).ok()?;
        Some(&self.points[place])
    }
}

/// Reads settings and state, not yet the tables. What cannot be read is added to `problems`.
pub(super) fn read_head(dir: &RunDir, problems: &mut Vec<String>) -> Run {
    let mut run = Run { name: dir.name(), ..Run::default() };
    if dir.run_toml().exists() {
        run.file = RunFile::read(dir).map_err(|e| problems.push(e.to_string())).ok();
    }
    run.state = dir.read_state().map_err(|e| problems.push(e.to_string())).unwrap_or_default();
    run
}

/// Reads the tables of a run up to the last epoch that its state names, and returns what could not be read. `copy` is
/// given the header and each row of classes.csv.
pub(super) fn read_tables(dir: &RunDir, run: &mut Run, copy: &mut Copy<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    add_epochs(dir, run, &mut whole_lines, copy, &mut problems);
    read_whole(dir, run, &mut problems);
    // What cannot be read is missing anyway.
    let lost =
        lost_rows(dir, run).into_iter().filter(|(path, _)| !problems.iter().any(|known| known.starts_with(path)));
    let lost: Vec<String> = lost.map(|(path, what)| path + &what).collect();
    problems.extend(lost);
    problems
}

/// Tables of the built-in trainer that end before the epoch that the state vouches for, and by how much: somebody else
/// cut them.
fn lost_rows(dir: &RunDir, run: &Run) -> Vec<(String, String)> {
    let last = run.state.epoch;
    let is_ours = run.file.as_ref().is_some_and(|file| file.config.trainer.is_none());
    if last == 0 || !is_ours {
        return Vec::new();
    }
    // The test images are looked at once, with the best epoch.
    let of_all_epochs = |split: Split| split != Split::Test;
    let epochs = run.epochs.iter().filter(|(split, _)| of_all_epochs(**split)).filter_map(|(_, rows)| rows.last());
    let epochs = epochs.map(|row| row.epoch).min();
    let classes = run.classes.iter().filter(|class| of_all_epochs(class.split)).filter_map(|class| class.points.last());
    let classes = classes.map(|point| point.epoch as usize).min();
    let lost = |(path, end): (PathBuf, Option<usize>)| {
        let end = end.unwrap_or(0);
        let what = format!(" ends with epoch {end} and the run with epoch {last}: rows are lost");
        (end < last).then(|| (path.display().to_string(), what))
    };
    [(dir.epochs_csv(), epochs), (dir.classes_csv(), classes)].into_iter().filter_map(lost).collect()
}

/// Takes the header and a row of a table.
pub(super) type Copy<'a> = dyn FnMut(&ByteRecord, &ByteRecord) + 'a;

/// Adds the rows of the tables that grow by an epoch at a time. `lines` gives a table's rows under its header; `copy` is
/// given those of classes.csv.
pub(super) fn add_epochs(
    dir: &RunDir,
    run: &mut Run,
    lines: &mut dyn FnMut(&Path, &mut Vec<String>) -> Vec<u8>,
    copy: &mut Copy<'_>,
    problems: &mut Vec<String>,
) {
    let last = run.state.epoch;
    let path = dir.epochs_csv();
    each_row(&path, &lines(&path, problems), problems, |row: EpochRow| {
        if row.epoch <= last {
            run.epochs.entry(row.split).or_default().push(row);
        }
    });
    let path = dir.classes_csv();
    let text = lines(&path, problems);
    let mut place = 0;
    each_count(&path, &text, problems, |header, record, row| {
        if row.epoch as usize <= last {
            add_class(&mut run.classes, &mut place, &row);
            copy(header, record);
        }
    });
    let path = dir.timing_csv();
    each_row(&path, &lines(&path, problems), problems, |row: TimingRow| {
        if row.epoch <= last {
            run.timing.push(row);
        }
    });
}

/// Reads the tables that are written at once.
pub(super) fn read_whole(dir: &RunDir, run: &mut Run, problems: &mut Vec<String>) {
    run.images = read_images(&dir.images_csv(), problems);
    (run.split, run.evidence) = (read_rows(&dir.split_csv(), problems), read_rows(&dir.evidence_csv(), problems));
}

/// Rows come in the same order each epoch, so the history after the one at `place` is nearly always the right one.
fn add_class(histories: &mut Vec<ClassHistory>, place: &mut usize, row: &CountRow<'_>) {
    let is_it = |history: &ClassHistory| history.split == row.split && history.class == row.class;
    *place += 1;
    if !histories.get(*place).is_some_and(is_it) {
        *place = histories.iter().position(is_it).unwrap_or_else(|| {
            histories.push(ClassHistory { split: row.split, class: row.class.to_owned(), points: Vec::new() });
            histories.len() - 1
        });
    }
    histories[*place].points.push(ClassPoint { epoch: row.epoch, images: row.images, counts: row.counts });
}

fn read_images(path: &Path, problems: &mut Vec<String>) -> ImageTable {
    let mut table = ImageTable::default();
    let mut places = BTreeMap::new();
    let text = whole_lines(path, problems);
    each_count(path, &text, problems, |_, _, row| {
        let image = *places.entry(row.image.to_owned()).or_insert_with(|| {
            table.names.push(row.image.to_owned());
            table.names.len() as u32 - 1
        });
        let class = table.classes.iter().position(|class| class == row.class).unwrap_or_else(|| {
            table.classes.push(row.class.to_owned());
            table.classes.len() - 1
        }) as u32;
        table.rows.push(ImagePoint { epoch: row.epoch, split: row.split, image, class, counts: row.counts });
    });
    table
}

fn read_rows<T: DeserializeOwned>(path: &Path, problems: &mut Vec<String>) -> Vec<T> {
    let mut rows = Vec::new();
    let text = whole_lines(path, problems);
    each_row(path, &text, problems, |row| rows.push(row));
    rows
}

fn each_row<T: DeserializeOwned>(path: &Path, text: &[u8], problems: &mut Vec<String>, mut take: impl FnMut(T)) {
    let mut reader = csv::Reader::from_reader(text);
    for row in reader.deserialize() {
        match row {
            Ok(row) => take(row),
            Err(e) => return problems.push(damaged(path, &e)),
        }
    }
}

/// Gives `take` the header, the record and what it says.
fn each_count(
    path: &Path,
    text: &[u8],
    problems: &mut Vec<String>,
    mut take: impl FnMut(&ByteRecord, &ByteRecord, CountRow<'_>),
) {
    let mut reader = csv::Reader::from_reader(text);
    let header = match reader.byte_headers() {
        Ok(header) => header.clone(),
        Err(e) => return problems.push(damaged(path, &e)),
    };
    let columns = CountColumns::of(&header);
    let mut record = ByteRecord::new();
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return,
            Err(e) => return problems.push(damaged(path, &e)),
        }
        match columns.row(&record) {
            Ok(row) => take(&header, &record, row),
            Err(column) => {
                let line = record.position().map_or(0, csv::Position::line);
                return problems.push(damaged(path, &format!("the {column} in line {line} cannot be read")));
            }
        }
    }
}

/// The text without a last line that a crash has torn; nothing where there is no file.
pub(super) fn whole_lines(path: &Path, problems: &mut Vec<String>) -> Vec<u8> {
    match fs::read(path) {
        Ok(mut text) => {
            text.truncate(text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1));
            text
        }
        Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
        Err(e) => {
            problems.push(format!("failed to read {}: {e}", path.display()));
            Vec::new()
        }
    }
}

pub(super) fn damaged(path: &Path, reason: &dyn std::fmt::Display) -> String {
    StoreError::Damaged { path: path.to_owned(), reason: reason.to_string() }.to_string()
}
