//! Follows a sweep that goes on: reads only what its files have gained since the last look.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, ErrorKind, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rayon::prelude::*;

use super::{
    aggregate::{self, Run, Sweep},
    tables, words,
};
use crate::{
    domain::RunState,
    store::{PlannedRun, RunDir, RunFile, StoreError, SweepDir, SweepLock, has_job, read_rows},
};

/// A sweep's records in memory, and how far its files have been read.
pub struct Follower {
    dir: SweepDir,
    data: Sweep,
    seen: Vec<Seen>,
    plan: Option<Stamp>,
    /// Of test.csv, then of the last table that the evaluation of each run that it names adds to.
    tests: Vec<Option<Stamp>>,
    unread_tests: Option<String>,
    is_running: bool,
}

/// What is new since the last look.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Other runs, other axes or another look at the test images than before.
    pub plan: bool,
    /// Places of the runs of which something changed.
    pub runs: Vec<usize>,
}

impl News {
    /// Whether there is any.
    pub fn is_some(&self) -> bool {
        self.plan || !self.runs.is_empty()
    }
}

impl Follower {
    /// Nothing is read yet.
    pub fn new(dir: SweepDir) -> Self {
        let data = Sweep { name: words::file_name(dir.root()), ..Sweep::default() };
        Self { dir, data, seen: Vec::new(), plan: None, tests: Vec::new(), unread_tests: None, is_running: false }
    }

    /// The records as of the last look.
    pub fn data(&self) -> &Sweep {
        &self.data
    }

    /// The sweep's folder.
    pub fn dir(&self) -> &SweepDir {
        &self.dir
    }

    /// Whether some process runs the sweep.
    pub fn is_running(&self) -> bool {
        self.is_running
    }

    /// Reads what is new. Files that cannot be read are named in [`Sweep::problems`].
    ///
    /// # Errors
    /// If the plan cannot be read.
    pub fn look(&mut self) -> Result<News, StoreError> {
        let plan = Stamp::of(&self.dir.plan_json());
        let mut news = News { plan: plan != self.plan, runs: Vec::new() };
        if news.plan {
            self.take_plan()?;
            self.plan = plan;
        }
        news.plan |= self.take_tests();
        let is_running = SweepLock::holder(&self.dir).is_some();
        if is_running != self.is_running {
            // Whether a run that was begun is running or was stopped depends on it.
            self.seen.iter_mut().for_each(|seen| seen.state = None);
            self.is_running = is_running;
        }
        let runs = self.data.runs.par_iter_mut().zip(&mut self.seen);
        let changed: Vec<bool> =
            runs.map(|(run, seen)| look_at(&self.dir.run(&run.name), run, seen, is_running)).collect();
        news.runs = (0..changed.len()).filter(|&place| changed[place]).collect();
        if news.is_some() {
            let axes = self.data.axes.len();
            tables::describe(&mut self.data);
            tables::name_classes(&mut self.data);
            news.plan |= self.data.axes.len() != axes;
            self.data.problems = self.seen.iter().flat_map(|seen| seen.problems.iter().cloned()).collect();
            self.data.problems.extend(self.unread_tests.clone());
        }
        Ok(news)
    }

    /// Takes what test.csv says, if it has changed or a run that it names has: an evaluation on test images adds to the
    /// tables of runs that are over, so all are to be looked at again.
    fn take_tests(&mut self) -> bool {
        if self.stamps_of_tests() == self.tests {
            return false;
        }
        self.seen.iter_mut().for_each(|seen| seen.state = None);
        let rows = read_rows(&self.dir.test_csv()).map_err(|e| e.to_string());
        self.unread_tests = rows.as_ref().err().cloned();
        self.data.tests = rows.unwrap_or_default();
        self.tests = self.stamps_of_tests();
        true
    }

    fn stamps_of_tests(&self) -> Vec<Option<Stamp>> {
        let tables = self.data.tests.iter().map(|row| self.dir.run(&row.run).images_csv());
        [self.dir.test_csv()].into_iter().chain(tables).map(|path| Stamp::of(&path)).collect()
    }

    /// Runs that the plan still names keep what was read of them.
    fn take_plan(&mut self) -> Result<(), StoreError> {
        let planned = PlannedRun::read_all(&self.dir)?.unwrap_or_default();
        let known = std::mem::take(&mut self.data.runs).into_iter().zip(std::mem::take(&mut self.seen));
        let mut known: HashMap<String, (Run, Seen)> = known.map(|both| (both.0.name.clone(), both)).collect();
        let fresh = |name| (Run { name, ..Run::default() }, Seen::default());
        let runs = planned.into_iter().map(|planned| known.remove(&planned.run).unwrap_or_else(|| fresh(planned.run)));
        (self.data.runs, self.seen) = runs.unzip();
        Ok(())
    }
}

/// How far a run's files have been read.
#[derive(Default)]
struct Seen {
    state: Option<Stamp>,
    tables: HashMap<PathBuf, Tail>,
    problems: Vec<String>,
}

/// Reads what is new of a run; `false`: nothing is. Whatever is recorded, state.json is written last.
fn look_at(dir: &RunDir, run: &mut Run, seen: &mut Seen, is_running: bool) -> bool {
    let state = Stamp::of(&dir.state_json());
    let is_new = run.file.is_none() && dir.run_toml().exists();
    if !is_new && state == seen.state {
        return false;
    }
    let mut problems = Vec::new();
    if is_new {
        run.file = RunFile::read(dir).map_err(|e| problems.push(e.to_string())).ok();
    }
    let (attempts, epoch) = (run.state.attempts, run.state.epoch);
    run.state = dir.read_state().map_err(|e| problems.push(e.to_string())).unwrap_or_default();
    if run.state.state == RunState::Running && !is_running && !has_job(dir) {
        // A worker ends with its scheduler, whatever it last wrote; one that Slurm started does not.
        run.state.state = RunState::Stopped;
    }
    let tables = [dir.epochs_csv(), dir.classes_csv(), dir.timing_csv()];
    let is_replaced = |path: &PathBuf| seen.tables.get(path).is_some_and(|tail| tail.is_replaced(path));
    if run.state.attempts != attempts || run.state.epoch < epoch || tables.iter().any(is_replaced) {
        // What was recorded after the checkpoint that a new attempt goes on from was taken back.
        seen.tables.clear();
        run.epochs.clear();
        run.classes.clear();
        run.timing.clear();
    }
    let last = run.state.epoch;
    let mut added = |path: &Path, problems: &mut Vec<String>| {
        let tail = seen.tables.entry(path.to_owned()).or_default();
        tail.rows_to(path, last).unwrap_or_else(|e| {
            problems.push(format!("failed to read {}: {e}", path.display()));
            Vec::new()
        })
    };
    aggregate::add_epochs(dir, run, &mut added, &mut |_, _| (), &mut problems);
    aggregate::read_whole(dir, run, &mut problems);
    seen.state = state;
    seen.problems = problems;
    true
}

/// Tells a file from what it was: when and how it was last changed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let changed = (metadata.mtime(), metadata.mtime_nsec());
        Some(Self { inode: metadata.ino(), bytes: metadata.len(), changed })
    }
}

/// How far a table has been read.
#[derive(Default)]
struct Tail {
    inode: u64,
    read: u64,
    header: Vec<u8>,
}

impl Tail {
    /// Whether the file is no longer the one that was read, or was cut.
    fn is_replaced(&self, path: &Path) -> bool {
        self.read > 0 && Stamp::of(path).is_none_or(|now| now.inode != self.inode || now.bytes < self.read)
    }

    /// The rows that are new, up to those of epoch `last`, under the table's header. Later ones, and a line that is
    /// still being written, are left for the next time.
    fn rows_to(&mut self, path: &Path, last: usize) -> io::Result<Vec<u8>> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(e),
        };
        self.inode = file.metadata()?.ino();
        file.seek(SeekFrom::Start(self.read))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let mut lines = text.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n")).peekable();
        if self.read == 0
            && let Some(header) = lines.next()
        {
            self.header = header.to_vec();
            self.read = header.len() as u64;
        }
        let column = cells(&self.header).position(|name| name == b"epoch").unwrap_or(0);
        let mut rows = self.header.clone();
        while let Some(line) = lines.next_if(|line| epoch_of(line, column).is_none_or(|epoch| epoch <= last)) {
            rows.extend_from_slice(line);
            self.read += line.len() as u64;
        }
        Ok(rows)
    }
}

fn cells(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

/// No cell before an epoch holds a comma.
fn epoch_of(line: &[u8], column: usize) -> Option<usize> {
    std::str::from_utf8(cells(line).nth(column)?).ok()?.parse().ok()
}
