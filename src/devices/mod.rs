//! What there is to compute on, and how it is cut into slots of one run each.

mod cpu;
mod fake;
mod inventory;
mod nvml;
mod slot;
mod visible;

pub use cpu::{pin_to, processor};
pub use inventory::{Device, DeviceError, DeviceKind, Inventory, Memory, find};
pub use slot::{Slot, packs, slots};
