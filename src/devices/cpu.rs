//! The cores that this process may use, and the machine's memory.

use std::fs;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Numbers of the cores that this process may run on (taskset, cpusets), and how many of them at once: cgroup quotas may
/// allow fewer.
pub(super) fn cores() -> (Vec<usize>, usize) {
    let share = std::thread::available_parallelism().map_or(1, usize::from);
    let cores: Vec<usize> = sched_getaffinity(None)
        .map_or_else(|_| (0..share).collect(), |set| (0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect());
    let at_once = share.min(cores.len());
    (cores, at_once)
}

/// The processor's name, as the system gives it.
pub fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name.to_owned())
}

/// A line of /proc/meminfo, in MiB: `MemTotal:`, or `MemAvailable:` (what could be had without swapping).
pub(super) fn memory_mib(line: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let value = text.lines().find_map(|other| other.strip_prefix(line))?;
    Some(value.trim().trim_end_matches(" kB").parse::<u64>().ok()? / 1024)
}

/// Keeps this process and what it starts on `cores`. Of no effect where there are none, or none that it may use.
pub fn pin_to(cores: &[usize]) {
    let mut set = CpuSet::new();
    for &core in cores.iter().filter(|&&core| core < CpuSet::MAX_CPU) {
        set.set(core);
    }
    if set.count() > 0 {
        // Pinning is a matter of speed alone: a machine that forbids it runs the sweep all the same.
        let _ = sched_setaffinity(None, &set);
    }
}
