//! The devices' memory, as it is seen while workers run on them.

use std::collections::BTreeMap;

use rustix::process::{Pid, getpgid};

use super::packing::Seen;
use crate::{
    devices::{Inventory, Memory},
    store::process_of,
};

/// What was seen of each device and of each run.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Free MiB of each device when it was first looked at.
    before: BTreeMap<usize, u64>,
    /// The most MiB that each run was seen to use.
    peaks: BTreeMap<usize, u64>,
}

impl Watch {
    /// Looks at every device that tells of its memory; `workers` are runs with their device and the id of their group.
    /// Returns what is free on each, and what others have.
    pub(super) fn look(&mut self, inventory: &Inventory, workers: &[(usize, usize, u32)]) -> Vec<(usize, Seen)> {
        let seen = inventory.devices.iter().enumerate();
        let seen: Vec<(usize, Memory)> = seen.filter_map(|(number, device)| Some((number, device.memory()?))).collect();
        for (device, memory) in &seen {
            let before = *self.before.entry(*device).or_insert(memory.free_mib);
            let here: Vec<_> = workers.iter().filter(|(_, place, _)| place == device).collect();
            for &&(run, _, group) in &here {
                let named = used_by(memory, group);
                // Where no process is named, a run that has the device to itself has used what is missing.
                let missing = (here.len() == 1).then(|| before.saturating_sub(memory.free_mib));
                let used = if named > 0 { named } else { missing.unwrap_or(0) };
                let peak = self.peaks.entry(run).or_default();
                *peak = (*peak).max(used);
            }
        }
        let groups: Vec<u32> = workers.iter().map(|&(.., group)| group).collect();
        let told = |memory: &Memory| Seen { free_mib: memory.free_mib, others_mib: used_by_others(memory, &groups) };
        seen.iter().map(|(device, memory)| (*device, told(memory))).collect()
    }

    /// The most that a run was seen to use; `None`: nothing was seen.
    pub(super) fn peak(&self, run: usize) -> Option<u64> {
        self.peaks.get(&run).copied().filter(|mib| *mib > 0)
    }

    /// The run has ended: its next attempt is measured anew.
    pub(super) fn forget(&mut self, run: usize) {
        self.peaks.remove(&run);
    }
}

/// MiB of all processes in a worker's group.
fn used_by(memory: &Memory, group: u32) -> u64 {
    memory.processes.iter().filter(|(pid, _)| group_of(*pid) == Some(group)).map(|(_, mib)| mib).sum()
}

/// MiB of all living processes that are in no worker's group; `None`: none at all is named.
fn used_by_others(memory: &Memory, workers: &[u32]) -> Option<u64> {
    let is_other = |pid: u32| process_of(pid).is_some() && !group_of(pid).is_some_and(|group| workers.contains(&group));
    let others = memory.processes.iter().filter(|(pid, _)| is_other(*pid)).map(|(_, mib)| mib);
    (!memory.processes.is_empty()).then(|| others.sum())
}

fn group_of(pid: u32) -> Option<u32> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw)?;
    Some(getpgid(Some(pid)).ok()?.as_raw_nonzero().get() as u32)
}
