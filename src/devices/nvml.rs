//! NVIDIA GPUs, as the driver's management library lists them. It is looked for when it is needed; no build needs it.

use std::sync::OnceLock;

use nvml_wrapper::{Device as NvmlDevice, Nvml, enums::device::UsedGpuMemory, error::NvmlError};

use super::Memory;

const MIB: u64 = 1 << 20;

/// A GPU, or a part of one (MIG).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gpu {
    /// `GPU-…` or `MIG-…`.
    pub(super) uuid: String,
    /// The product's name.
    pub(super) name: String,
    pub(super) memory_mib: u64,
    pub(super) free_mib: u64,
}

/// What a machine has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Gpus {
    /// In the order of their PCI addresses; the parts of a divided GPU in its place.
    pub(super) parts: Vec<Gpu>,
    /// The whole GPUs in that order, as plain numbers in CUDA_VISIBLE_DEVICES count them; `None`: one that does not answer.
    pub(super) whole: Vec<Option<Whole>>,
    /// Why GPUs are left out.
    pub(super) notes: Vec<String>,
}

/// A GPU as a whole, be it divided or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    /// `GPU-…`.
    pub(super) uuid: String,
    /// The place of its first part, or of itself, among the parts.
    pub(super) first: usize,
}

/// Lists the GPUs. One that does not answer (it is lost, or not permitted) is left out with a note.
///
/// # Errors
/// With the reason in words if the library is missing or does not answer, or none of the GPUs does.
pub(super) fn list() -> Result<Gpus, String> {
    let nvml = Nvml::init().map_err(|e| match e {
        NvmlError::LibloadingError(_) => "the NVIDIA driver's management library is not there".to_owned(),
        other => format!("the NVIDIA driver's management library does not answer: {other}"),
    })?;
    let told = |e: NvmlError| format!("the NVIDIA driver's management library does not answer: {e}");
    let mut gpus = Gpus::default();
    for index in 0..nvml.device_count().map_err(told)? {
        match look_at(&nvml, index) {
            Ok((uuid, parts)) => {
                gpus.whole.push(Some(Whole { uuid, first: gpus.parts.len() }));
                gpus.parts.extend(parts);
            }
            Err(e) => {
                gpus.whole.push(None);
                gpus.notes.push(format!("GPU {index} of this machine is left out: it does not answer ({e})"));
            }
        }
    }
    if gpus.parts.is_empty() && !gpus.notes.is_empty() {
        return Err(gpus.notes.join("; "));
    }
    Ok(gpus)
}

/// The UUID of a whole GPU, and what it is divided into: itself where it is not.
fn look_at(nvml: &Nvml, index: u32) -> Result<(String, Vec<Gpu>), NvmlError> {
    let device = nvml.device_by_index(index)?;
    let parts = (0..device.mig_device_count().unwrap_or(0)).filter_map(|part| device.mig_device_by_index(part).ok());
    let mut parts = parts.map(|part| describe(&part)).collect::<Result<Vec<_>, _>>()?;
    if parts.is_empty() {
        parts.push(describe(&device)?);
    }
    Ok((device.uuid()?, parts))
}

/// Whether the GPU (or part of one) with this UUID, or this number, still answers.
///
/// # Errors
/// With the reason in words if it does not.
pub(super) fn check(visible: &str) -> Result<(), String> {
    let nvml = Nvml::init().map_err(|e| e.to_string())?;
    let device = find(&nvml, visible);
    device.and_then(|device| device.memory_info()).map(drop).map_err(|e| format!("it does not answer: {e}"))
}

/// What is free of its memory, and who uses it; `None` if it does not answer.
pub(super) fn memory(visible: &str) -> Option<Memory> {
    // Kept open: it is asked before every start.
    static NVML: OnceLock<Option<Nvml>> = OnceLock::new();
    let device = find(NVML.get_or_init(|| Nvml::init().ok()).as_ref()?, visible).ok()?;
    let used = device.running_compute_processes().unwrap_or_default().into_iter();
    let processes = used.filter_map(|process| match process.used_gpu_memory {
        UsedGpuMemory::Used(bytes) => Some((process.pid, bytes / MIB)),
        UsedGpuMemory::Unavailable => None,
    });
    Some(Memory { free_mib: device.memory_info().ok()?.free / MIB, processes: processes.collect() })
}

fn find<'a>(nvml: &'a Nvml, visible: &str) -> Result<NvmlDevice<'a>, NvmlError> {
    match visible.parse() {
        Ok(number) => nvml.device_by_index(number),
        Err(_) => nvml.device_by_uuid(visible),
    }
}

fn describe(device: &NvmlDevice<'_>) -> Result<Gpu, NvmlError> {
    let memory = device.memory_info()?;
    Ok(Gpu { uuid: device.uuid()?, name: device.name()?, memory_mib: memory.total / MIB, free_mib: memory.free / MIB })
}
