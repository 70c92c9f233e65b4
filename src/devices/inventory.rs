//! The devices that a sweep may use.

use super::{cpu, fake, nvml, visible};
use crate::domain::DeviceRequest;

/// Something that runs can be put on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The name shown: `cpu`, `cuda:0`, `fake:3`.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// The product's name, where known.
    pub product: Option<String>,
    /// Its whole memory in MiB, where known.
    pub memory_mib: Option<u64>,
    /// What of that was free when it was looked at.
    pub free_mib: Option<u64>,
    /// The value of CUDA_VISIBLE_DEVICES by which a worker sees this device alone; `None`: left as it is.
    pub visible: Option<String>,
}

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// All cores and the main memory.
    Cpu,
    /// An NVIDIA GPU, or a part of one.
    Cuda,
    /// Nothing at all: the worker computes on the CPU.
    Fake,
}

impl Device {
    /// Whether the device still works, as far as the system can tell.
    ///
    /// # Errors
    /// With the reason in words if it does not.
    pub fn check(&self) -> Result<(), String> {
        match (self.kind, &self.visible) {
            (DeviceKind::Cuda, Some(visible)) => nvml::check(visible),
            _ => Ok(()),
        }
    }

    /// What is free of the device's memory now, and who uses it; `None` where that cannot be told (the CPU's is shared
    /// with all else on the machine).
    pub fn memory(&self) -> Option<Memory> {
        // Of a device whose memory is not known it is not known which one it is.
        let visible = self.memory_mib.and(self.visible.as_deref())?;
        match self.kind {
            DeviceKind::Cuda => nvml::memory(visible),
            DeviceKind::Fake => fake::memory(visible),
            DeviceKind::Cpu => None,
        }
    }

    /// The value of the built-in worker's `--device`.
    pub fn worker_argument(&self) -> &'static str {
        if self.kind == DeviceKind::Cuda { "cuda" } else { "cpu" }
    }
}

/// The memory of a device at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// What is free.
    pub free_mib: u64,
    /// Processes on the device by id, and MiB of each. The driver may name none, as it does to containers.
    pub processes: Vec<(u32, u64)>,
}

/// The devices, the cores that serve them, and remarks for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// At least one.
    pub devices: Vec<Device>,
    /// Numbers of the cores that may be used.
    pub cores: Vec<usize>,
    /// How many of them at once: this process's share of the machine.
    pub cores_at_once: usize,
    /// What was looked for and not found, in sentences.
    pub notes: Vec<String>,
}

/// Why the wanted devices cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// GPUs were asked for and are not there.
    #[error("failed to find {wanted}: {reason}; `sweepscope devices` lists what is there")]
    Missing {
        /// The devices in question.
        wanted: String,
        /// Why.
        reason: String,
    },
    /// GPUs were asked for and the trainer cannot use any.
    #[error("{wanted} cannot be used: this build trains on the CPU; build it with `--features cuda`")]
    Unusable {
        /// The devices in question.
        wanted: String,
    },
}

/// Finds what `request` asks for. `use_gpus` says whether the trainer can use GPUs at all; `auto` takes them then.
///
/// # Errors
/// If GPUs are asked for that are not there or cannot be used.
pub fn find(request: &DeviceRequest, use_gpus: bool) -> Result<Inventory, DeviceError> {
    let mut notes = Vec::new();
    let devices = match request {
        DeviceRequest::Fake(count) => (0..*count).map(fake::device).collect(),
        DeviceRequest::Cpu => vec![Device { visible: Some(String::new()), ..cpu_device() }],
        DeviceRequest::Cuda(_) if !use_gpus => return Err(DeviceError::Unusable { wanted: request.to_string() }),
        DeviceRequest::Cuda(numbers) => chosen(numbers, gpus(&mut notes))
            .map_err(|reason| DeviceError::Missing { wanted: request.to_string(), reason })?,
        DeviceRequest::Auto if use_gpus => match gpus(&mut notes) {
            Ok(gpus) if !gpus.is_empty() => gpus,
            Ok(_) => vec![cpu_device()],
            Err(reason) => {
                notes.push(format!("no GPUs: {reason}; runs go to the CPU"));
                vec![cpu_device()]
            }
        },
        DeviceRequest::Auto => vec![cpu_device()],
    };
    let (cores, cores_at_once) = cpu::cores();
    Ok(Inventory { devices, cores, cores_at_once, notes })
}

fn gpus(notes: &mut Vec<String>) -> Result<Vec<Device>, String> {
    let mut gpus = nvml::list()?;
    notes.append(&mut gpus.notes);
    let variable = |name| std::env::var(name).ok();
    let (inherited, order) = (variable("CUDA_VISIBLE_DEVICES"), variable("CUDA_DEVICE_ORDER"));
    Ok(visible::devices(&gpus, inherited.as_deref(), order.as_deref(), notes))
}

fn chosen(numbers: &[usize], gpus: Result<Vec<Device>, String>) -> Result<Vec<Device>, String> {
    let gpus = gpus?;
    let missing: Vec<String> =
        numbers.iter().filter(|&&number| number >= gpus.len()).map(|number| format!("cuda:{number}")).collect();
    if gpus.is_empty() {
        return Err("there is no GPU, or CUDA_VISIBLE_DEVICES hides them".into());
    }
    if !missing.is_empty() {
        return Err(format!("there is no {}; the last is cuda:{}", missing.join(", "), gpus.len() - 1));
    }
    let wanted = |(number, _): &(usize, Device)| numbers.is_empty() || numbers.contains(number);
    Ok(gpus.into_iter().enumerate().filter(wanted).map(|(_, device)| device).collect())
}

fn cpu_device() -> Device {
    Device {
        name: "cpu".into(),
        kind: DeviceKind::Cpu,
        product: cpu::processor(),
        memory_mib: cpu::memory_mib("MemTotal:"),
        free_mib: cpu::memory_mib("MemAvailable:"),
        visible: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_are_chosen_by_number_and_those_missing_are_named() {
        let gpus = || Ok((0..3).map(fake::device).collect());
        let names = |numbers: &[usize]| {
            chosen(numbers, gpus()).map(|devices| devices.into_iter().map(|device| device.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&[2, 0]), Ok(vec!["fake:0".into(), "fake:2".into()]));
        assert_eq!(names(&[]).map(|all| all.len()), Ok(3));
        assert_eq!(names(&[1, 3, 4]), Err("there is no cuda:3, cuda:4; the last is cuda:2".into()));
        assert!(chosen(&[], Ok(Vec::new())).is_err());
    }

    #[test]
    fn a_build_without_gpus_says_so() {
        let refusal = find(&DeviceRequest::Cuda(vec![0]), false).map_err(|e| e.to_string());
        assert!(refusal.is_err_and(|text| text.contains("--features cuda")));
    }
}
