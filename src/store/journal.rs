//! journal.jsonl: what happened when. It explains and never decides, so it is not synced.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read, Seek, SeekFrom, Write},
    path::PathBuf,
    time::SystemTime,
};

use serde::{Deserialize, Serialize};

use super::{RunDir, StoreError, SweepDir};

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Milliseconds since 1970.
    pub time: u64,
    /// What happened, in a word: started, completed, failed, retried, stopped, …
    pub what: String,
    /// The run it happened to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Where it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The circumstances in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Entry {
    /// An entry about the sweep, now.
    pub fn new(what: &str) -> Self {
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |t| t.as_millis() as u64);
        Self { time, what: what.to_owned(), run: None, device: None, detail: None }
    }

    /// The same about `run`.
    pub fn run(self, run: &str) -> Self {
        Self { run: Some(run.to_owned()), ..self }
    }

    /// The same on `device`.
    pub fn device(self, device: &str) -> Self {
        Self { device: Some(device.to_owned()), ..self }
    }

    /// The same with the circumstances.
    pub fn detail(self, detail: impl ToString) -> Self {
        Self { detail: Some(detail.to_string()), ..self }
    }
}

/// The open journal of a sweep.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Opens a sweep's journal to add to it; a torn last line is ended first.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn open(sweep: &SweepDir) -> Result<Self, StoreError> {
        Self::at(sweep.journal())
    }

    /// The same of the journal that a run has for itself where it runs on a cluster: a file has one writer.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn of_run(run: &RunDir) -> Result<Self, StoreError> {
        Self::at(run.journal())
    }

    fn at(path: PathBuf) -> Result<Self, StoreError> {
        let open = || {
            let mut file = OpenOptions::new().create(true).read(true).append(true).open(&path)?;
            let mut last = [b'\n'];
            if file.seek(SeekFrom::End(-1)).is_ok() {
                file.read_exact(&mut last)?;
            }
            if last != [b'\n'] {
                file.write_all(b"\n")?;
            }
            Ok(file)
        };
        let file = open().map_err(StoreError::io("open", &path))?;
        Ok(Self { file, path })
    }

    /// Adds a line.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn add(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let path = &self.path;
        let line = serde_json::to_string(entry).map_err(|e| StoreError::damaged(path, e))? + "\n";
        self.file.write_all(line.as_bytes()).map_err(StoreError::io("append to", path))
    }

    /// Every whole line of a sweep's journal. Torn lines are passed over: they are where a machine stopped.
    ///
    /// # Errors
    /// If the journal is there but cannot be read.
    pub fn read(sweep: &SweepDir) -> Result<Vec<Entry>, StoreError> {
        let path = sweep.journal();
        match std::fs::read(&path) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).lines().flat_map(serde_json::from_str).collect()),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(StoreError::io("read", &path)(e)),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_last_line_is_passed_over_and_does_not_spoil_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let sweep = SweepDir::new(folder.path());
        assert_eq!(Journal::read(&sweep).unwrap(), []);
        let first = Entry::new("started").run("a").detail("attempt 1");
        Journal::open(&sweep).unwrap().add(&first).unwrap();
        let mut file = OpenOptions::new().append(true).open(sweep.journal()).unwrap();
        file.write_all(b"{\"time\":12,\"wha").unwrap();
        assert_eq!(Journal::read(&sweep).unwrap(), std::slice::from_ref(&first));
        let next = Entry::new("completed").run("a");
        Journal::open(&sweep).unwrap().add(&next).unwrap();
        assert_eq!(Journal::read(&sweep).unwrap(), [first, next]);
    }
}
