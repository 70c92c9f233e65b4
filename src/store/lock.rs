//! One orchestrator a sweep: an advisory lock on sweep.lock, whose content names the holder.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime},
};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::{StoreError, SweepDir, create_dir, current_process, is_alive};
use crate::domain::Process;

/// Longest time that asking for the holder may take.
const ASKING: Duration = Duration::from_millis(100);

/// Held while a sweep runs. It ends with the process, however that ends.
#[derive(Debug)]
pub struct SweepLock {
    _file: File,
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
        let mut file = open(&path)?;
        match take(&file) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(held(sweep)),
            // A file system without locks: the content alone must do.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOLCK) if living_holder(sweep).is_none() => {}
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOLCK) => return Err(held(sweep)),
            Err(e) => return Err(StoreError::io("lock", &path)(e.into()).into()),
        }
        let holder = Holder { process: current_process(), host: host(), since: now() };
        write(&mut file, &holder).map_err(StoreError::io("write", &path))?;
        Ok(Self { _file: file })
    }

    /// Who runs the sweep now; `None` if nobody does.
    pub fn holder(sweep: &SweepDir) -> Option<Holder> {
        let file = File::open(sweep.lock()).ok()?;
        let free = flock(&file, FlockOperation::NonBlockingLockShared).is_ok();
        if free { None } else { living_holder(sweep) }
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
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => thread::sleep(ASKING / 10),
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

fn held(sweep: &SweepDir) -> LockError {
    LockError::Held { sweep: sweep.root().to_owned(), holder: living_holder(sweep) }
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
