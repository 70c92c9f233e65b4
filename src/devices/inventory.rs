//! The devices that a sweep may use.

use super::cpu;
use crate::domain::DeviceRequest;

/// Something that runs can be put on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The name shown: `cpu`, `cuda:0`, `fake:3`.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// Its whole memory in MiB, where known.
    pub memory_mib: Option<u64>,
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
    /// The value of the built-in worker's `--device`.
    pub fn worker_argument(&self) -> &'static str {
        if self.kind == DeviceKind::Cuda { "cuda" } else { "cpu" }
    }
}

/// The devices, the cores that serve them, and remarks for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// At least one.
    pub devices: Vec<Device>,
    /// Numbers of the cores that may be used.
    pub cores: Vec<usize>,
    /// What was looked for and not found, in sentences.
    pub notes: Vec<String>,
}

/// Why the wanted devices cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// GPUs were asked for by number and some are not there.
    #[error("failed to find {wanted}: {reason}; `sweepscope devices` lists what is there")]
    Missing {
        /// The devices in question.
        wanted: String,
        /// Why.
        reason: String,
    },
}

/// Finds what `request` asks for. `use_gpus` says whether the trainer can use GPUs at all; `auto` takes them then.
///
/// # Errors
/// If GPUs are asked for and are not there.
pub fn find(request: &DeviceRequest, use_gpus: bool) -> Result<Inventory, DeviceError> {
    let cores = cpu::cores();
    let devices = match request {
        DeviceRequest::Fake(count) => (0..*count).map(fake).collect(),
        DeviceRequest::Cuda(_) => {
            let reason = "this build finds no GPUs".to_owned();
            return Err(DeviceError::Missing { wanted: request.to_string(), reason });
        }
        DeviceRequest::Cpu => vec![Device { visible: Some(String::new()), ..cpu_device() }],
        DeviceRequest::Auto => vec![cpu_device()],
    };
    let _ = use_gpus;
    Ok(Inventory { devices, cores, notes: Vec::new() })
}

fn cpu_device() -> Device {
    Device { name: "cpu".into(), kind: DeviceKind::Cpu, memory_mib: cpu::available_memory_mib(), visible: None }
}

fn fake(number: usize) -> Device {
    Device {
        name: format!("fake:{number}"),
        kind: DeviceKind::Fake,
        memory_mib: None,
        visible: Some(number.to_string()),
    }
}
