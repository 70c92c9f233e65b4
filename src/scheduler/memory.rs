//! The devices' memory, as it is seen while workers run on them.

use std::collections::BTreeMap;

use rustix::process::{Pid, getpgid};

use crate::devices::{Inventory, Memory};

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
    /// Returns what is free on each.
    pub(super) fn look(&mut self, inventory: &Inventory, workers: &[(usize, usize, u32)]) -> Vec<(usize, u64)> {
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
        seen.into_iter().map(|(device, memory)| (device, memory.free_mib)).collect()
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
    let is_in_group = |pid: u32| {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        pid.and_then(|pid| getpgid(Some(pid)).ok()).is_some_and(|found| found.as_raw_nonzero().get() as u32 == group)
    };
    memory.processes.iter().filter(|(pid, _)| is_in_group(*pid)).map(|(_, mib)| mib).sum()
}
