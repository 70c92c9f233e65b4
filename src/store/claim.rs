//! Who writes into a run's folder where several machines might: the attempt that its owner.json names, and no other.
//!
//! A cluster can run one job twice at once (a node that was thought lost lives on), and locks do not hold on every
//! shared file system. So each attempt takes the run over before it starts, and whatever publishes (a row, a rename)
//! asks first whether the run is still its own. To leave no gap between asking and publishing, an attempt that takes
//! over also removes what others prepared under temporary names, so that their renames fail, and puts a copy in the
//! place of each table that grows, so that their open files are no longer the run's.

use std::{
    fmt, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use serde::{Deserialize, Serialize};

use super::{RunDir, StoreError, atomic, current_process, lock::host};
use crate::domain::Process;

/// One start of a run on a cluster. A later one takes the run over from an earlier one, never the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Attempt {
    /// Which submission of the sweep it belongs to.
    pub generation: usize,
    /// How often the cluster has started this job anew.
    pub restart: usize,
    /// The array's job id.
    pub job: u64,
    /// Its place in the array.
    pub task: usize,
}

impl Attempt {
    /// What comes after every job of that submission, however often it is started anew, and before any of the next: the
    /// run is no job's.
    pub fn after(generation: usize) -> Self {
        Self { generation: generation + 1, restart: 0, job: 0, task: 0 }
    }
}

/// `ArrayJobId_TaskId.RestartCount`: no two attempts of a cluster share it.
impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}.{}", self.job, self.task, self.restart)
    }
}

/// The content of owner.json.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// What compares: the attempt as text.
    pub token: String,
    /// The attempt.
    pub attempt: Attempt,
    /// The machine it runs on.
    pub host: String,
    /// The process that took the run.
    pub process: Process,
}

/// What this process may write, all its life.
#[derive(Debug)]
struct Claim {
    run: RunDir,
    token: String,
}

static CLAIM: OnceLock<Claim> = OnceLock::new();

/// What became of the wish to have a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakeOver {
    /// The run is this attempt's.
    Taken,
    /// A later attempt has it.
    Later(Owner),
}

/// Takes a run over for `attempt`: from now on this process alone writes into its folder, and into that of no other run
/// that a cluster runs. The path must be absolute.
///
/// # Errors
/// If the system refuses.
pub fn take_over(run: &RunDir, attempt: Attempt) -> Result<TakeOver, StoreError> {
    let taken = shut_out(run, attempt)?;
    if taken == TakeOver::Taken {
        write_as(run, attempt.to_string());
    }
    Ok(taken)
}

/// Makes `attempt` the owner of a run, whose earlier attempts can then publish nothing more.
///
/// # Errors
/// If the system refuses.
pub fn shut_out(run: &RunDir, attempt: Attempt) -> Result<TakeOver, StoreError> {
    if let Some(owner) = owner(run)?.filter(|owner| owner.attempt > attempt) {
        return Ok(TakeOver::Later(owner));
    }
    let mine = Owner { token: attempt.to_string(), attempt, host: host(), process: current_process() };
    atomic::write_json(&run.owner(), &mine)?;
    // Of two that take over at the same moment, the one whose name is read now goes on.
    if let Some(other) = owner(run)?.filter(|owner| *owner != mine) {
        return Ok(TakeOver::Later(other));
    }
    [run.root(), &run.checkpoints()].into_iter().try_for_each(atomic::remove_temporaries)?;
    [run.epochs_csv(), run.classes_csv(), run.timing_csv()].iter().try_for_each(renew)?;
    Ok(TakeOver::Taken)
}

/// Lets this process write into the run's folder as long as owner.json names `token`. The path must be absolute.
pub fn write_as(run: &RunDir, token: String) {
    let _ = CLAIM.set(Claim { run: run.clone(), token });
}

/// The attempt that this process writes for, if it runs on a cluster.
pub fn token() -> Option<&'static str> {
    CLAIM.get().map(|claim| claim.token.as_str())
}

/// Who has a run; `None` if no attempt on a cluster has.
///
/// # Errors
/// If owner.json is there but cannot be read.
pub fn owner(run: &RunDir) -> Result<Option<Owner>, StoreError> {
    atomic::read_json(&run.owner())
}

/// Whether a cluster's job has the run, so that it may go on without a scheduler on this machine; so it is taken to be
/// where that cannot be read.
pub fn has_job(run: &RunDir) -> bool {
    owner(run).map_or(true, |owner| owner.is_some_and(|owner| owner.attempt.job > 0))
}

/// Whether what this process claims is still its own; always so where it claims nothing or `path` lies elsewhere.
///
/// # Errors
/// If another attempt has the run, or it cannot be told.
pub(super) fn check(path: &Path) -> Result<(), StoreError> {
    match CLAIM.get() {
        Some(claim) if path.starts_with(claim.run.root()) => claim.check(),
        _ => Ok(()),
    }
}

/// Part of temporary names, so that no two attempts share one even where their process ids are equal.
pub(super) fn tag() -> String {
    let pid = std::process::id();
    CLAIM.get().map_or_else(|| pid.to_string(), |claim| format!("{}.{pid}", claim.token))
}

impl Claim {
    fn check(&self) -> Result<(), StoreError> {
        let owner = owner(&self.run)?;
        if owner.as_ref().is_some_and(|owner| owner.token == self.token) {
            return Ok(());
        }
        let by = owner.map_or("nobody".to_owned(), |owner| format!("attempt {} on {}", owner.token, owner.host));
        Err(StoreError::Superseded { run: self.run.root().to_owned(), token: self.token.clone(), by })
    }
}

/// Puts an equal file in the place of `path`: who has the old one open writes into nothing.
fn renew(path: &PathBuf) -> Result<(), StoreError> {
    match fs::read(path) {
        Ok(bytes) => atomic::write_bytes(path, &bytes),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(StoreError::io("read", path)(e)),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use std::{fs::OpenOptions, io::Write};

    use super::*;
    use crate::domain::StateRecord;

    fn attempt(generation: usize, restart: usize, job: u64) -> Attempt {
        Attempt { generation, restart, job, task: 3 }
    }

    fn hand_to(run: &RunDir, attempt: Attempt) {
        let owner = Owner { token: attempt.to_string(), attempt, host: "n2".into(), process: current_process() };
        atomic::write_json(&run.owner(), &owner).unwrap();
    }

    #[test]
    fn later_submissions_come_after_earlier_ones_however_often_those_are_restarted() {
        assert!(attempt(2, 0, 10) > attempt(1, 5, 99));
        assert!(attempt(1, 1, 10) > attempt(1, 0, 10));
        assert!(Attempt::after(1) > attempt(1, 99, 99) && Attempt::after(1) < attempt(2, 0, 1));
        assert_eq!(attempt(1, 2, 10).to_string(), "10_3.2");
    }

    /// One test, since what a process claims it claims for life.
    #[test]
    fn an_attempt_that_has_lost_its_run_publishes_nothing_and_one_that_takes_over_shuts_all_others_out() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::new(folder.path());
        fs::create_dir(run.checkpoints()).unwrap();
        fs::write(run.epochs_csv(), "epoch\n1\n").unwrap();
        let prepared = run.root().join(".state.json.9_3.0.77.tmp");
        fs::write(&prepared, "what a stale attempt is about to rename").unwrap();
        let mut stale = OpenOptions::new().append(true).open(run.epochs_csv()).unwrap();
        hand_to(&run, attempt(1, 0, 9));

        assert_eq!(take_over(&run, attempt(1, 1, 9)).unwrap(), TakeOver::Taken);
        assert!(!prepared.exists());
        stale.write_all(b"2\n").unwrap();
        assert_eq!(fs::read_to_string(run.epochs_csv()).unwrap(), "epoch\n1\n");
        let state = StateRecord { epoch: 1, ..StateRecord::default() };
        run.write_state(&state).unwrap();
        super::super::append_rows(&run.timing_csv(), &[1]).unwrap();

        hand_to(&run, attempt(2, 0, 10));
        let later = take_over(&run, attempt(1, 1, 9)).unwrap();
        assert!(matches!(later, TakeOver::Later(owner) if owner.token == "10_3.0"));
        let lost = run.write_state(&StateRecord::default()).unwrap_err().to_string();
        assert!(lost.contains("attempt 10_3.0 on n2"), "{lost}");
        super::super::append_rows(&run.timing_csv(), &[2]).unwrap_err();
        let set = super::super::CheckpointSet::write(&run, 1, &[], |folder| fs::write(folder.join("model"), "m"));
        set.unwrap_err();
        assert_eq!(run.read_state().unwrap(), state);
        assert_eq!(fs::read_to_string(run.timing_csv()).unwrap(), "1\n");
        assert_eq!(fs::read_dir(run.checkpoints()).unwrap().flatten().filter(is_published).count(), 0);
        // Other folders are none of its business.
        atomic::write_text(&tempfile::tempdir().unwrap().path().join("a"), "a").unwrap();
    }

    fn is_published(entry: &fs::DirEntry) -> bool {
        !entry.file_name().to_string_lossy().starts_with('.')
    }
}
