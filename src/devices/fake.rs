//! Devices that do not exist, to try the scheduler: `fake:8`. Their memory is what files say.

use std::{fs, path::PathBuf};

use super::{Device, DeviceKind, Memory};

/// Names a folder with a file `total` (MiB of each device) and a folder a device (`0`, `1`, …), in which each file is
/// named after a process and says how many MiB it uses. A file that its process leaves behind is memory that does not
/// come back. Without it, fake devices have no memory.
const MEMORY: &str = "SWEEPSCOPE_FAKE_MEMORY";

/// The device of that number.
pub(super) fn device(number: usize) -> Device {
    let memory = memory(&number.to_string());
    Device {
        name: format!("fake:{number}"),
        kind: DeviceKind::Fake,
        product: None,
        memory_mib: total(),
        free_mib: memory.map(|memory| memory.free_mib),
        visible: Some(number.to_string()),
    }
}

/// The memory of the device of that number, if it has any.
pub(super) fn memory(number: &str) -> Option<Memory> {
    let total = total()?;
    let files = fs::read_dir(folder()?.join(number)).into_iter().flatten().flatten();
    let used = files.filter_map(|file| {
        let mib = fs::read_to_string(file.path()).ok()?.trim().parse().ok()?;
        Some((file.file_name().to_str()?.parse().ok()?, mib))
    });
    let processes: Vec<(u32, u64)> = used.collect();
    let used: u64 = processes.iter().map(|(_, mib)| mib).sum();
    Some(Memory { free_mib: total.saturating_sub(used), processes })
}

fn folder() -> Option<PathBuf> {
    std::env::var_os(MEMORY).map(PathBuf::from)
}

fn total() -> Option<u64> {
    fs::read_to_string(folder()?.join("total")).ok()?.trim().parse().ok()
}
