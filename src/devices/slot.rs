//! Slots: a device's room for one run, with the cores that serve it.

use super::{Device, DeviceKind, Inventory};
use crate::domain::{AutoOr, ScheduleConfig};

/// Runs that share a GPU at most: more than that and they wait for its processors, not for memory.
const MOST_PACKED: usize = 8;

/// Room for one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Place of the device in the inventory.
    pub device: usize,
    /// Threads of the run.
    pub threads: usize,
    /// The cores it is kept on, so that runs do not fight; empty: any. Only where the slots take all cores there are: which
    /// of them others leave free is known to the system alone.
    pub cores: Vec<usize>,
}

/// Cuts the inventory into slots: the first of each device before the second of any. `jobs` limits them (`-j`; on the
/// CPU it decides); `runs` is how many there are to run, more slots than that are never made.
pub fn slots(inventory: &Inventory, config: &ScheduleConfig, jobs: Option<usize>, runs: usize) -> Vec<Slot> {
    let cores = inventory.cores_at_once.max(1);
    let limit = jobs.unwrap_or(usize::MAX).min(runs).max(1);
    let room: Vec<usize> = inventory.devices.iter().map(|device| room(device, cores, config, jobs)).collect();
    let rounds = room.iter().copied().max().unwrap_or(0).min(limit);
    let mut places = Vec::new();
    for round in 0..rounds {
        places.extend((0..room.len()).filter(|&device| round < room[device]));
    }
    places.truncate(limit);
    let threads = config.threads.or(cores / places.len().max(1)).max(1);
    let takes_all = places.len() * threads == inventory.cores.len();
    let own = |place: usize| inventory.cores.iter().copied().skip(place * threads).take(threads).collect();
    places
        .iter()
        .enumerate()
        .map(|(place, &device)| Slot { device, threads, cores: if takes_all { own(place) } else { Vec::new() } })
        .collect()
}

/// Runs that a device takes at once.
fn room(device: &Device, cores: usize, config: &ScheduleConfig, jobs: Option<usize>) -> usize {
    let auto = match (device.kind, jobs) {
        (DeviceKind::Cpu, Some(jobs)) => return jobs,
        (DeviceKind::Cpu, None) => cores / config.threads.or(threads_of_a_run(cores)),
        (DeviceKind::Cuda | DeviceKind::Fake, _) if packs(config) && device.memory_mib.is_some() => MOST_PACKED,
        (DeviceKind::Cuda | DeviceKind::Fake, _) => 1,
    };
    config.runs_per_device.unwrap_or_default().or(auto).max(1)
}

/// Whether runs share a GPU as far as its memory goes.
pub fn packs(config: &ScheduleConfig) -> bool {
    config.runs_per_device == Some(AutoOr::Auto)
}

/// Small networks gain little from many threads; many runs at once need much memory.
fn threads_of_a_run(cores: usize) -> usize {
    match cores {
        0..=4 => 1,
        5..=16 => 2,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{devices::find, domain::DeviceRequest};

    fn cut(
        request: DeviceRequest,
        cores: usize,
        config: &ScheduleConfig,
        jobs: Option<usize>,
        runs: usize,
    ) -> Vec<Slot> {
        let mut inventory = find(&request, false).unwrap_or_else(|e| unreachable!("{e}"));
        (inventory.cores, inventory.cores_at_once) = ((0..cores).collect(), cores);
        slots(&inventory, config, jobs, runs)
    }

    #[test]
    fn no_two_slots_share_a_core_where_they_take_them_all() {
        let config = ScheduleConfig::default();
        for (cores, jobs, expected) in [(2, None, 2), (8, None, 4), (32, None, 8), (8, Some(2), 2)] {
            let slots = cut(DeviceRequest::Cpu, cores, &config, jobs, 100);
            assert_eq!(slots.len(), expected);
            let mut used: Vec<_> = slots.iter().flat_map(|slot| slot.cores.clone()).collect();
            assert_eq!(used.len(), slots.iter().map(|slot| slot.threads).sum::<usize>());
            used.dedup();
            assert_eq!(used.len(), cores);
        }
    }

    #[test]
    fn slots_that_leave_cores_to_others_are_kept_on_none() {
        let is_free = |slots: &[Slot]| slots.iter().all(|slot| slot.cores.is_empty());
        assert!(is_free(&cut(DeviceRequest::Cpu, 8, &ScheduleConfig::default(), Some(3), 100)));
        let one = ScheduleConfig { threads: AutoOr::Number(1), ..ScheduleConfig::default() };
        assert!(is_free(&cut(DeviceRequest::Cpu, 8, &one, Some(1), 100)));
        let mut quota = find(&DeviceRequest::Cpu, false).unwrap_or_else(|e| unreachable!("{e}"));
        (quota.cores, quota.cores_at_once) = ((0..64).collect(), 4);
        let slots = slots(&quota, &ScheduleConfig::default(), None, 100);
        assert!(slots.len() == 4 && slots.iter().all(|slot| slot.threads == 1) && is_free(&slots));
    }

    #[test]
    fn more_runs_at_once_than_cores_are_left_to_the_system() {
        let slots = cut(DeviceRequest::Cpu, 2, &ScheduleConfig::default(), Some(5), 100);
        assert_eq!(slots.len(), 5);
        assert!(slots.iter().all(|slot| slot.threads == 1 && slot.cores.is_empty()));
    }

    #[test]
    fn every_device_gets_its_first_run_before_any_gets_a_second() {
        let config = ScheduleConfig { runs_per_device: Some(AutoOr::Number(2)), ..ScheduleConfig::default() };
        let devices = |jobs, runs| -> Vec<usize> {
            cut(DeviceRequest::Fake(3), 16, &config, jobs, runs).iter().map(|slot| slot.device).collect()
        };
        assert_eq!(devices(None, 100), [0, 1, 2, 0, 1, 2]);
        assert_eq!(devices(Some(4), 100), [0, 1, 2, 0]);
        assert_eq!(devices(None, 2), [0, 1]);
    }
}
