//! Which slot is whose: the part of the core that knows devices.

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
    set_aside: bool,
    /// The run that has it for itself.
    reserved: Option<usize>,
    /// Cells that failed on it since a run last got somewhere on it.
    streak: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Slot {
    device: usize,
    occupant: Option<usize>,
}

/// All slots and devices.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    slots: Vec<Slot>,
    devices: Vec<Device>,
}

impl Pool {
    /// A pool of free slots, each given by its device.
    pub(super) fn new(devices: Vec<DeviceSpec>, slots: &[usize]) -> Self {
        let fresh = |spec| Device { spec, set_aside: false, reserved: None, streak: Vec::new() };
        Self {
            slots: slots.iter().map(|&device| Slot { device, occupant: None }).collect(),
            devices: devices.into_iter().map(fresh).collect(),
        }
    }

    /// A free slot for `run`, on another device than `avoid` if there is a choice.
    pub(super) fn take(&mut self, run: usize, avoid: Option<usize>) -> Option<usize> {
        let free = |slot: &Slot| {
            let device = &self.devices[slot.device];
            slot.occupant.is_none() && !device.set_aside && device.reserved.is_none()
        };
        let mut places = (0..self.slots.len()).filter(|&place| free(&self.slots[place]));
        let first = places.next()?;
        let place = if Some(self.slots[first].device) == avoid {
            places.find(|&place| Some(self.slots[place].device) != avoid).unwrap_or(first)
        } else {
            first
        };
        self.slots[place].occupant = Some(run);
        Some(place)
    }

    /// A wholly free device for `run` alone, among those with the most memory.
    pub(super) fn take_alone(&mut self, run: usize) -> Option<usize> {
        let living = self.devices.iter().filter(|device| !device.set_aside);
        let most = living.map(|device| device.spec.memory_mib).max()?;
        let place = (0..self.slots.len()).find(|&place| {
            let number = self.slots[place].device;
            let device = &self.devices[number];
            !device.set_aside && device.spec.memory_mib == most && self.occupants(number).next().is_none()
        })?;
        self.devices[self.slots[place].device].reserved = Some(run);
        self.slots[place].occupant = Some(run);
        Some(place)
    }

    /// Frees a slot; returns its device.
    pub(super) fn release(&mut self, place: usize) -> usize {
        let slot = &mut self.slots[place];
        let device = &mut self.devices[slot.device];
        if device.reserved == slot.occupant {
            device.reserved = None;
        }
        slot.occupant = None;
        slot.device
    }

    /// A run got somewhere in this slot: its device works.
    pub(super) fn praise(&mut self, place: usize) {
        self.devices[self.slots[place].device].streak.clear();
    }

    /// A run of `cell` failed on `device` in a way that may be the device's fault. Returns the reason if it is now
    /// set aside.
    pub(super) fn blame(&mut self, device: usize, cell: usize) -> Option<String> {
        let last = self.devices.iter().filter(|device| !device.set_aside).count() == 1;
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

    /// How many devices there are, those set aside included.
    pub(super) fn devices(&self) -> usize {
        self.devices.len()
    }

    /// Whether no device is left.
    pub(super) fn is_empty(&self) -> bool {
        self.devices.iter().all(|device| device.set_aside)
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
