//! Which slot is whose: the part of the core that knows devices.

use std::{collections::BTreeSet, time::Duration};

use super::{
    job::Demand,
    packing::{Memory, Model, Seen},
};

/// Cells that fail in a row on a device before it is set aside, while others are left.
const STREAK: usize = 3;

/// The same for the last device: to be wrong about it would end the sweep.
const STREAK_OF_THE_LAST: usize = 6;

/// A device, as the core sees it.
#[derive(Clone, Debug, Default)]
pub(super) struct DeviceSpec {
    /// Its name.
    pub(super) name: String,
    /// Its whole memory in MiB, where known.
    pub(super) memory_mib: Option<u64>,
    /// Whether it may break while the machine goes on (a GPU may, the CPU does not).
    pub(super) can_break: bool,
}

#[derive(Clone, Debug)]
struct Device {
    spec: DeviceSpec,
    /// Whether it gets no runs, or no more of them.
    set_aside: bool,
    /// The run that has it for itself.
    reserved: Option<usize>,
    /// Cells that failed on it since a run last got somewhere on it.
    streak: Vec<usize>,
    memory: Memory,
}

#[derive(Clone, Debug)]
struct Slot {
    device: usize,
    occupant: Option<usize>,
    /// What the occupant's memory grows with.
    demand: Option<Demand>,
}

/// All slots and devices.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    slots: Vec<Slot>,
    devices: Vec<Device>,
    /// What runs need, where they are packed by that.
    model: Option<Model>,
}

impl Pool {
    /// A pool of free slots, each given by its device; a device without one is none of those that are left. `packs`: a
    /// device takes only as many runs as its memory does.
    pub(super) fn new(devices: Vec<DeviceSpec>, slots: &[usize], packs: bool) -> Self {
        let fresh = |(number, spec)| Device {
            spec,
            set_aside: !slots.contains(&number),
            reserved: None,
            streak: Vec::new(),
            memory: Memory::default(),
        };
        Self {
            slots: slots.iter().map(|&device| Slot { device, occupant: None, demand: None }).collect(),
            devices: devices.into_iter().enumerate().map(fresh).collect(),
            model: packs.then(Model::default),
        }
    }

    /// A free slot for `run`, on another device than `avoid` if there is a choice.
    pub(super) fn take(&mut self, run: usize, demand: Option<Demand>, avoid: Option<usize>) -> Option<usize> {
        let free = |slot: &Slot| {
            let device = &self.devices[slot.device];
            slot.occupant.is_none()
                && !device.set_aside
                && device.reserved.is_none()
                && !device.memory.is_settling()
                && self.has_room(slot.device, demand)
        };
        let mut places = (0..self.slots.len()).filter(|&place| free(&self.slots[place]));
        let first = places.next()?;
        let place = if Some(self.slots[first].device) == avoid {
            places.find(|&place| Some(self.slots[place].device) != avoid).unwrap_or(first)
        } else {
            first
        };
        self.slots[place].occupant = Some(run);
        self.slots[place].demand = demand;
        Some(place)
    }

    /// A wholly free device for `run` alone, among those with the most memory.
    pub(super) fn take_alone(&mut self, run: usize, demand: Option<Demand>) -> Option<usize> {
        let living = self.devices.iter().filter(|device| !device.set_aside);
        let most = living.map(|device| device.spec.memory_mib).max()?;
        let place = (0..self.slots.len()).find(|&place| {
            let number = self.slots[place].device;
            let device = &self.devices[number];
            let takes_runs = !device.set_aside && !device.memory.is_settling();
            takes_runs && device.spec.memory_mib == most && self.occupants(number).next().is_none()
        })?;
        let slot = &mut self.slots[place];
        (slot.occupant, slot.demand) = (Some(run), demand);
        self.devices[slot.device].reserved = Some(run);
        Some(place)
    }

    /// Frees a slot; returns its device. One that is idle now should give all memory back.
    pub(super) fn release(&mut self, place: usize, now: Duration) -> usize {
        let slot = &mut self.slots[place];
        let device = &mut self.devices[slot.device];
        if device.reserved == slot.occupant {
            device.reserved = None;
        }
        slot.occupant = None;
        let number = slot.device;
        if self.occupants(number).next().is_none() {
            self.devices[number].memory.became_idle(now);
        }
        number
    }

    /// Whether a run fits beside those that are on the device. The first one always does.
    fn has_room(&self, device: usize, demand: Option<Demand>) -> bool {
        let beside: Vec<Option<Demand>> = self
            .slots
            .iter()
            .filter(|slot| slot.device == device && slot.occupant.is_some())
            .map(|slot| slot.demand)
            .collect();
        let Some(model) = self.model.as_ref().filter(|_| !beside.is_empty()) else { return true };
        self.devices[device].memory.has_room(model, &beside, demand)
    }

    /// The run in this slot needed so much memory at its peak.
    pub(super) fn measured(&mut self, place: usize, mib: u64) {
        if let Some((model, demand)) = self.model.as_mut().zip(self.slots[place].demand) {
            model.learn(demand, mib);
        }
    }

    /// A device's memory is like this now.
    pub(super) fn note_memory(&mut self, device: usize, seen: Seen, now: Duration) {
        let is_idle = self.occupants(device).next().is_none();
        if let Some(device) = self.devices.get_mut(device) {
            device.memory.note(seen, is_idle, now);
        }
    }

    /// When a device will have had time enough to give its memory back.
    pub(super) fn next_settled(&self) -> Option<Duration> {
        let waited_for = self.devices.iter().filter(|device| !device.set_aside);
        waited_for.filter_map(|device| device.memory.deadline()).min()
    }

    /// Sets aside the devices that have not given their memory back in time, and says why. Not where others may have
    /// taken it, nor the last one: less memory is better than none.
    pub(super) fn unsettled(&mut self, now: Duration) -> Vec<(usize, String)> {
        let mut left = self.left();
        let late = self.devices.iter_mut().enumerate().filter(|(_, device)| !device.set_aside);
        late.filter_map(|(number, device)| {
            let reason = device.memory.overdue(now)?;
            if left == 1 || !device.memory.names_processes() {
                device.memory.make_do();
                return None;
            }
            left -= 1;
            device.set_aside = true;
            Some((number, reason))
        })
        .collect()
    }

    /// A run got somewhere in this slot: its device works.
    pub(super) fn praise(&mut self, place: usize) {
        self.devices[self.slots[place].device].streak.clear();
    }

    /// A run of `cell` failed on `device` in a way that may be the device's fault. Returns the reason if it is now
    /// set aside.
    pub(super) fn blame(&mut self, device: usize, cell: usize) -> Option<String> {
        let last = self.left() == 1;
        let Device { spec, set_aside, streak, .. } = &mut self.devices[device];
        if !streak.contains(&cell) {
            streak.push(cell);
        }
        let limit = if last { STREAK_OF_THE_LAST } else { STREAK };
        if *set_aside || !spec.can_break || streak.len() < limit {
            return None;
        }
        *set_aside = true;
        Some(format!("runs of {} different settings failed on it in a row", streak.len()))
    }

    /// Uses `device` no more; false if it was set aside already or is not there.
    pub(super) fn set_aside(&mut self, device: usize) -> bool {
        self.devices.get_mut(device).is_some_and(|device| !std::mem::replace(&mut device.set_aside, true))
    }

    /// How many devices have slots, those set aside included.
    pub(super) fn devices(&self) -> usize {
        self.slots.iter().map(|slot| slot.device).collect::<BTreeSet<_>>().len()
    }

    /// Whether no device is left.
    pub(super) fn is_empty(&self) -> bool {
        self.left() == 0
    }

    fn left(&self) -> usize {
        self.devices.iter().filter(|device| !device.set_aside).count()
    }

    /// The name of a device.
    pub(super) fn name(&self, device: usize) -> &str {
        &self.devices[device].spec.name
    }

    fn occupants(&self, device: usize) -> impl Iterator<Item = usize> {
        self.slots.iter().filter(move |slot| slot.device == device).filter_map(|slot| slot.occupant)
    }

    /// Who is where, for the invariants.
    #[cfg(test)]
    pub(super) fn occupied(&self) -> Vec<(usize, usize)> {
        self.slots.iter().enumerate().filter_map(|(place, slot)| Some((place, slot.occupant?))).collect()
    }

    /// Whether a run that has a device for itself shares it, for the invariants.
    #[cfg(test)]
    pub(super) fn some_reservation_is_broken(&self) -> bool {
        (0..self.devices.len()).any(|number| {
            self.devices[number].reserved.is_some_and(|run| self.occupants(number).collect::<Vec<_>>() != [run])
        })
    }

    /// Whether a slot's device was set aside, for the invariants.
    #[cfg(test)]
    pub(super) fn is_set_aside(&self, place: usize) -> bool {
        self.devices[self.slots[place].device].set_aside
    }
}
