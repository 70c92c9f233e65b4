//! Ends what a killed scheduler left behind, so that no cell runs twice at once.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::ffi::OsStrExt,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::process::variable;
use crate::{
    domain::Process,
    store::{RunDir, SweepDir, is_alive, process_of, token},
};

/// How long processes get to vanish after SIGKILL (one in an uninterruptible read may take its time).
const PATIENCE: Duration = Duration::from_secs(10);

/// Ends every process of this machine whose environment names a run of `sweep`: workers and all that they started,
/// whatever group they are in. Only for the holder of the sweep's lock. Returns those ended, and those that did not
/// vanish in time.
pub(super) fn end_leftovers(sweep: &SweepDir) -> (usize, Vec<Process>) {
    std::path::absolute(sweep.runs())
        .map_or((0, Vec::new()), |runs| end_all_in(&[runs.as_os_str().as_bytes(), b"/"].concat()))
}

/// The same for one run, whose worker has ended.
pub(super) fn end_leftovers_of(run: &RunDir) {
    if let Ok(folder) = std::path::absolute(run.root()) {
        end_all_in(&[folder.as_os_str().as_bytes(), b"\0"].concat());
    }
}

/// Ends the processes whose run's folder, followed by a zero byte, starts like this.
fn end_all_in(folder: &[u8]) -> (usize, Vec<Process>) {
    let mut ended = BTreeSet::new();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let living = processes_of(folder);
        for process in &living {
            ended.insert(process.pid);
            if let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        if living.is_empty() || Instant::now() > deadline {
            return (ended.len(), living.into_iter().filter(|process| is_alive(*process)).collect());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Of an attempt on a cluster only its own: others of the run may be on this machine too, and the cluster ends those.
fn processes_of(folder: &[u8]) -> Vec<Process> {
    let wanted = [variable::RUN_DIR.as_bytes(), b"=", folder].concat();
    let owner = token().map(|token| format!("{}={token}\0", variable::OWNER).into_bytes());
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|&pid| pid != std::process::id())
        .filter(|pid| {
            // The environment of another user's process cannot be read; nor can it be ours.
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let has = |start: &[u8]| environment.split_inclusive(|&byte| byte == 0).any(|text| text.starts_with(start));
            has(&wanted) && owner.as_ref().is_none_or(|owner| has(owner))
        })
        .filter_map(process_of)
        .collect()
}
