//! Who a process is: its id and when it started, so that a later one with the same id is not taken for it; and the
//! memory it took.

use std::fs;

use crate::domain::Process;

/// This process.
pub fn current_process() -> Process {
    let pid = std::process::id();
    Process { pid, start_time: start_time(pid).unwrap_or_default() }
}

/// The process that now has `pid`, if there is one that still runs (not a zombie).
pub fn process_of(pid: u32) -> Option<Process> {
    start_time(pid).map(|start_time| Process { pid, start_time })
}

/// Whether this very process still runs.
pub fn is_alive(process: Process) -> bool {
    start_time(process.pid) == Some(process.start_time)
}

/// Largest resident memory of a process so far, in MiB; 0 where the system does not say.
pub fn peak_memory_mib(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.map_or(0.0, |kib| (kib / 1024.0 * 10.0).round() / 10.0)
}

/// Field 22 of /proc/PID/stat. The second field may hold spaces and parentheses, so fields count from its end.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.nth(18)?.parse().ok() }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_alive_until_it_ends_and_another_start_time_is_another_process() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let process = process_of(child.id()).unwrap();
        assert!(is_alive(process));
        assert!(!is_alive(Process { start_time: process.start_time + 1, ..process }));
        assert!(process.start_time >= current_process().start_time);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!is_alive(process));
    }
}
