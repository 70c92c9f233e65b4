//! Chunks: what one job array runs. A file each, written before it is submitted, maps a task's index to its run.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};

use crate::{
    domain::ScheduleConfig,
    store::{StoreError, SweepDir, create_dir, current_process, host, read_json, write_json, write_text},
};

/// One job array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    /// The job's name, by which it is found again whatever became of the answer of sbatch. No two chunks share it.
    pub name: String,
    /// Which submission of the sweep it belongs to, from 1.
    pub generation: usize,
    /// `[schedule]` as its runs are run.
    pub schedule: ScheduleConfig,
    /// Nodes that get none of it.
    pub exclude: Vec<String>,
    /// The run of each task, from index 0.
    pub runs: Vec<Share>,
}

/// A task's run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Its name.
    pub run: String,
    /// How often it may still be started again after a failure.
    pub retries: usize,
}

impl Chunk {
    /// The file of the chunk called `name`.
    pub fn path(sweep: &SweepDir, name: &str) -> PathBuf {
        sweep.slurm().join(format!("{name}.json"))
    }

    /// The script that it is submitted with.
    pub fn script_path(&self, sweep: &SweepDir) -> PathBuf {
        sweep.slurm().join(format!("{}.sh", self.name))
    }

    /// Writes the chunk and its script, and makes the folder of its logs: without that, Slurm fails each task and
    /// leaves no word of why.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn write(&self, sweep: &SweepDir, script: &str) -> Result<(), StoreError> {
        create_dir(&logs(sweep.root()))?;
        write_json(&Self::path(sweep, &self.name), self)?;
        write_text(&self.script_path(sweep), script)
    }

    /// The chunk called `name`; `None` if there is none.
    ///
    /// # Errors
    /// If its file is there but cannot be read.
    pub fn read(sweep: &SweepDir, name: &str) -> Result<Option<Self>, StoreError> {
        read_json(&Self::path(sweep, name))
    }

    /// Every chunk of a sweep, the oldest first.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn all(sweep: &SweepDir) -> Result<Vec<Self>, StoreError> {
        let entries = fs::read_dir(sweep.slurm()).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "json"));
        let mut chunks: Vec<Self> = paths.filter_map(|path| read_json(&path).transpose()).collect::<Result<_, _>>()?;
        chunks.sort_by(|a, b| (a.generation, a.name.len(), &a.name).cmp(&(b.generation, b.name.len(), &b.name)));
        Ok(chunks)
    }

    /// Cuts `runs` into chunks of at most `most`.
    pub fn cut(
        id: &str,
        generation: usize,
        most: usize,
        schedule: &ScheduleConfig,
        exclude: &[String],
        runs: &[Share],
    ) -> Vec<Self> {
        let chunk = |(number, runs): (usize, &[Share])| Self {
            name: format!("sweepscope-{id}-{generation}-{number}"),
            generation,
            schedule: schedule.clone(),
            exclude: exclude.to_vec(),
            runs: runs.to_vec(),
        };
        runs.chunks(most.max(1)).enumerate().map(chunk).collect()
    }
}

/// Where tasks print to.
pub(super) fn logs(sweep: &Path) -> PathBuf {
    sweep.join("slurm/logs")
}

/// Eight digits that no other sweep's jobs have in their names, made when the sweep is first handed to Slurm.
///
/// # Errors
/// If they cannot be read or written.
pub(super) fn sweep_id(sweep: &SweepDir) -> Result<String, StoreError> {
    create_dir(&sweep.slurm())?;
    let path = sweep.slurm().join("id");
    match fs::read_to_string(&path) {
        Ok(id) if !id.trim().is_empty() => Ok(id.trim().to_owned()),
        Err(e) if e.kind() != ErrorKind::NotFound => Err(StoreError::Io { action: "read", path, source: e }),
        Ok(_) | Err(_) => {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let seed = format!("{} {:?} {:?}", host(), current_process(), now);
            let id =
                uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, seed.as_bytes()).simple().to_string()[..8].to_owned();
            write_text(&path, &format!("{id}\n"))?;
            Ok(id)
        }
    }
}

/// The file whose presence says that the user has stopped the sweep, so that nobody submits more of it.
pub(super) fn stop_mark(sweep: &SweepDir) -> PathBuf {
    sweep.slurm().join("stopped")
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn shares(count: usize) -> Vec<Share> {
        (0..count).map(|run| Share { run: format!("run-{run}"), retries: 2 }).collect()
    }

    #[test]
    fn no_chunk_is_larger_than_the_largest_array_and_no_run_is_left_out() {
        let chunks = Chunk::cut("1a2b3c4d", 3, 1001, &ScheduleConfig::default(), &["n2".into()], &shares(2500));
        let names: Vec<_> = chunks.iter().map(|chunk| (chunk.name.as_str(), chunk.runs.len())).collect();
        assert_eq!(
            names,
            [("sweepscope-1a2b3c4d-3-0", 1001), ("sweepscope-1a2b3c4d-3-1", 1001), ("sweepscope-1a2b3c4d-3-2", 498)]
        );
        assert_eq!(chunks[1].runs[7].run, "run-1008");
        let all: Vec<Share> = chunks.into_iter().flat_map(|chunk| chunk.runs).collect();
        assert_eq!(all, shares(2500));
    }

    #[test]
    fn chunks_are_read_back_the_oldest_first_and_the_sweeps_digits_stay() {
        let folder = tempfile::tempdir().unwrap();
        let sweep = SweepDir::new(folder.path());
        assert_eq!(Chunk::all(&sweep).unwrap(), []);
        let id = sweep_id(&sweep).unwrap();
        let mut written = Vec::new();
        for generation in [2, 10, 1] {
            for chunk in Chunk::cut(&id, generation, 1, &ScheduleConfig::default(), &[], &shares(12)) {
                chunk.write(&sweep, "#!/bin/bash\n").unwrap();
                written.push(chunk);
            }
        }
        let read: Vec<_> = Chunk::all(&sweep).unwrap();
        let generations: Vec<_> = read.iter().map(|chunk| chunk.generation).collect();
        assert_eq!(generations, [vec![1; 12], vec![2; 12], vec![10; 12]].concat());
        assert_eq!(read[12..24], written[..12]);
        assert_eq!(sweep_id(&sweep).unwrap(), id);
        assert_eq!(id.len(), 8);
    }
}
