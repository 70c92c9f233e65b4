//! One orchestrator a sweep: an advisory lock on sweep.lock, whose content names the holder. Where the file system has
//! no locks, the content alone must do.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime},
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use serde::{Deserialize, Serialize};

use super::{StoreError, SweepDir, create_dir, current_process, is_alive};
use crate::domain::Process;

/// Longest time that asking for the holder may take.
const ASKING: Duration = Duration::from_millis(100);

/// Held while a sweep runs. It ends with the process, however that ends.
#[derive(Debug)]
pub struct SweepLock {
    file: File,
    is_certain: bool,
}

/// Who holds a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The orchestrator.
    pub process: Process,
    /// The machine it runs on.
    pub host: String,
    /// When it took the sweep, in seconds since 1970.
    pub since: u64,
}

/// Why a sweep could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another orchestrator has it.
    #[error(
        "{sweep} is being run by {}; wait for it, watch it with `sweepscope status {sweep} --watch` or end it with \
         `sweepscope stop {sweep}`",
        describe(.holder.as_ref()), sweep = .sweep.display()
    )]
    Held {
        /// The sweep's folder.
        sweep: PathBuf,
        /// Who, if it has said so yet.
        holder: Option<Holder>,
    },
    /// The lock file names a process elsewhere, and the file system does not say whether it lives.
    #[error(
        "{sweep} was taken by {}, and its file system has no locks by which to tell whether that still runs; if it does \
         not, remove {lock}",
        describe(Some(.holder)), sweep = .sweep.display(), lock = .lock.display()
    )]
    Unknown {
        /// The sweep's folder.
        sweep: PathBuf,
        /// The lock file.
        lock: PathBuf,
        /// Whom it names.
        holder: Holder,
    },
    /// The lock file cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SweepLock {
    /// Takes the sweep for this process. What a dead holder left is replaced.
    ///
    /// # Errors
    /// If another process has it, or the lock file cannot be written.
    pub fn acquire(sweep: &SweepDir) -> Result<Self, LockError> {
        create_dir(sweep.root())?;
        let path = sweep.lock();
        let file = open(&path)?;
        let mut lock = Self { is_certain: judge(take(&file), sweep)?, file };
        let holder = Holder { process: current_process(), host: host(), since: now() };
        write(&mut lock.file, &holder).map_err(StoreError::io("write", &path))?;
        Ok(lock)
    }

    /// Whether the system itself keeps others out; else two that start at the same moment may both have the sweep.
    pub fn is_certain(&self) -> bool {
        self.is_certain
    }

    /// Who runs the sweep now; `None` if nobody does.
    pub fn holder(sweep: &SweepDir) -> Option<Holder> {
        let file = File::open(sweep.lock()).ok()?;
        let free = flock(&file, FlockOperation::NonBlockingLockShared).is_ok();
        if free { None } else { living_holder(sweep) }
    }
}

impl Drop for SweepLock {
    /// Where there are no locks, other machines would take this process to live for ever.
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
    }
}

impl Holder {
    /// Whether it runs on this machine, so that it can be sent a signal.
    pub fn is_here(&self) -> bool {
        self.host == host()
    }

    /// For how long it has had the sweep.
    pub fn held_for(&self) -> Duration {
        Duration::from_secs(now().saturating_sub(self.since))
    }
}

/// Those who ask for the holder have the lock for an instant; they are waited for.
fn take(file: &File) -> rustix::io::Result<()> {
    let deadline = Instant::now() + ASKING;
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => thread::sleep(ASKING / 10),
            taken => return taken,
        }
    }
}

fn open(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new()
        .create(true)
        .read(true)
        .write(true)
        .truncate(false)
        .open(path)
        .map_err(StoreError::io("open", path))
}

/// In place: a new file under the same name would be another lock.
fn write(file: &mut File, holder: &Holder) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all((serde_json::to_string(holder)? + "\n").as_bytes())
}

/// Whether the sweep was surely taken, by what the system answered; where it knows no locks, the lock file decides.
fn judge(taken: rustix::io::Result<()>, sweep: &SweepDir) -> Result<bool, LockError> {
    let (folder, lock) = (sweep.root().to_owned(), sweep.lock());
    match taken {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Err(LockError::Held { sweep: folder, holder: living_holder(sweep) }),
        Err(Errno::OPNOTSUPP | Errno::NOLCK | Errno::NOSYS) => match living_holder(sweep) {
            None => Ok(false),
            Some(holder) if holder.is_here() => Err(LockError::Held { sweep: folder, holder: Some(holder) }),
            Some(holder) => Err(LockError::Unknown { sweep: folder, lock, holder }),
        },
        Err(e) => Err(StoreError::io("lock", &lock)(e.into()).into()),
    }
}

/// What the lock file says, unless that process is known to be gone.
fn living_holder(sweep: &SweepDir) -> Option<Holder> {
    let mut text = String::new();
    File::open(sweep.lock()).ok()?.read_to_string(&mut text).ok()?;
    let holder: Holder = serde_json::from_str(&text).ok()?;
    (!holder.is_here() || is_alive(holder.process)).then_some(holder)
}

fn describe(holder: Option<&Holder>) -> String {
    holder.map_or("another process".to_owned(), |holder| {
        let Holder { process: Process { pid, start_time }, host, .. } = holder;
        let minutes = holder.held_for().as_secs() / 60;
        format!("process {pid} (start time {start_time}) on {host} for {minutes} min")
    })
}

/// This machine's name.
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_second_orchestrator_is_refused_and_told_who_has_the_sweep() {
        let folder = tempfile::tempdir().unwrap();
        let sweep = SweepDir::new(folder.path().join("new"));
        let lock = SweepLock::acquire(&sweep).unwrap();
        let refusal = SweepLock::acquire(&sweep).unwrap_err().to_string();
        let me = current_process();
        assert!(refusal.contains(&format!("process {} (start time {})", me.pid, me.start_time)), "{refusal}");
        assert_eq!(SweepLock::holder(&sweep).unwrap().process, me);
        drop(lock);
        assert_eq!(SweepLock::holder(&sweep), None);
        SweepLock::acquire(&sweep).unwrap();
    }

    #[test]
    fn without_locks_the_file_decides_and_what_it_says_ends_with_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let sweep = SweepDir::new(folder.path());
        let lock = SweepLock::acquire(&sweep).unwrap();
        for none in [Errno::NOSYS, Errno::OPNOTSUPP, Errno::NOLCK] {
            assert!(matches!(judge(Err(none), &sweep), Err(LockError::Held { .. })));
        }
        drop(lock);
        assert!(!judge(Err(Errno::NOSYS), &sweep).unwrap());
        let elsewhere = Holder { process: current_process(), host: "login2".into(), since: 0 };
        std::fs::write(sweep.lock(), serde_json::to_string(&elsewhere).unwrap()).unwrap();
        let refusal = judge(Err(Errno::NOSYS), &sweep).unwrap_err().to_string();
        assert!(refusal.contains("on login2") && refusal.contains("sweep.lock"), "{refusal}");
    }

    #[test]
    fn what_a_dead_holder_left_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let sweep = SweepDir::new(folder.path());
        let dead = Holder { process: Process { pid: 1, start_time: u64::MAX }, host: host(), since: 0 };
        std::fs::write(sweep.lock(), serde_json::to_string(&dead).unwrap()).unwrap();
        assert_eq!(SweepLock::holder(&sweep), None);
        let _lock = SweepLock::acquire(&sweep).unwrap();
        assert_eq!(SweepLock::holder(&sweep).unwrap().process, current_process());
    }
}
