//! `devices`: what there is to compute on, and how a sweep would use it.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::{console, exit::Refusal, run};
use crate::{
    devices::{self, Device, Inventory, Slot},
    domain::{DeviceRequest, ScheduleConfig},
    model,
};

/// Arguments of `devices`.
#[derive(Args)]
#[command(after_help = "Example: sweepscope devices --devices cuda:0,1 -j 4")]
pub struct Arguments {
    /// As `run` takes it: auto, cpu, or GPUs such as cuda:0,1
    #[arg(long, default_value = "auto")]
    devices: DeviceRequest,
    /// Runs at once
    #[arg(short, long, value_parser = run::jobs_allowed())]
    jobs: Option<usize>,
    /// Machine-readable output
    #[arg(long)]
    json: bool,
}

/// Lists devices and slots.
pub fn main(arguments: &Arguments) -> Result<ExitCode, Refusal> {
    // Outside trainers may use GPUs whatever this build can do.
    let inventory = devices::find(&arguments.devices, true)?;
    let slots = devices::slots(&inventory, &ScheduleConfig::default(), arguments.jobs, usize::MAX);
    if arguments.json {
        console::answer(&format!("{:#}\n", to_json(&inventory, &slots)));
        return Ok(ExitCode::SUCCESS);
    }
    for note in &inventory.notes {
        console::note(note);
    }
    let mut rows = vec![
        ["device", "product", "memory MiB", "free MiB", "runs at once", "threads a run"].map(String::from).to_vec(),
    ];
    rows.extend(inventory.devices.iter().enumerate().map(|(number, device)| row(number, device, &slots)));
    console::answer(&console::table(&rows, &[2, 3, 4, 5]));
    if let Err(reason) = model::gpu() {
        console::note(&format!(
            "the built-in trainer uses the CPU alone ({reason}); outside trainers may use any device"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// The devices that `request` names, for the built-in trainer or an outside one: what that can use is not known, so it
/// may use all.
pub fn find(request: &DeviceRequest, outside: bool) -> Result<Inventory, Refusal> {
    let matters = !outside && matches!(request, DeviceRequest::Auto | DeviceRequest::Cuda(_));
    match matters.then(model::gpu) {
        Some(Err(reason)) => find_without_gpus(request, &reason),
        _ => Ok(devices::find(request, true)?),
    }
}

/// Likewise where no GPU can be used for this `reason`, which is of interest where there is one or the build is for it.
fn find_without_gpus(request: &DeviceRequest, reason: &str) -> Result<Inventory, Refusal> {
    if matches!(request, DeviceRequest::Cuda(_)) {
        return Err(Refusal::wrong(format!("{request} cannot be used: {reason}")));
    }
    let mut inventory = devices::find(request, false)?;
    if cfg!(feature = "cuda") || devices::find(&DeviceRequest::Cuda(Vec::new()), true).is_ok() {
        inventory.notes.push(format!("no GPUs: {reason}; runs go to the CPU"));
    }
    Ok(inventory)
}

fn row(number: usize, device: &Device, slots: &[Slot]) -> Vec<String> {
    let number_or_dash = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
    let own: Vec<&Slot> = slots.iter().filter(|slot| slot.device == number).collect();
    vec![
        device.name.clone(),
        device.product.clone().unwrap_or("-".into()),
        number_or_dash(device.memory_mib),
        number_or_dash(device.free_mib),
        own.len().to_string(),
        own.first().map_or("-".to_owned(), |slot| slot.threads.to_string()),
    ]
}

fn to_json(inventory: &Inventory, slots: &[Slot]) -> serde_json::Value {
    let device = |(number, device): (usize, &Device)| {
        let own: Vec<_> = slots
            .iter()
            .filter(|slot| slot.device == number)
            .map(|slot| json!({ "threads": slot.threads, "cores": slot.cores }))
            .collect();
        json!({
            "device": device.name, "product": device.product, "memory_mib": device.memory_mib,
            "free_mib": device.free_mib, "visible": device.visible, "slots": own,
        })
    };
    let devices: Vec<_> = inventory.devices.iter().enumerate().map(device).collect();
    json!({ "devices": devices, "cores": inventory.cores, "cores_at_once": inventory.cores_at_once, "notes": inventory.notes, "built_with_cuda": cfg!(feature = "cuda") })
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::devices::DeviceKind;

    #[test]
    fn gpus_that_cannot_be_used_are_refused_with_the_reason_and_not_taken() {
        let reason = "CUDA's headers were not found";
        let refusal = find_without_gpus(&DeviceRequest::Cuda(vec![1]), reason).map_err(|refusal| refusal.text);
        assert!(refusal.unwrap_err().contains(reason));
        let found = find_without_gpus(&DeviceRequest::Auto, reason).map_err(|refusal| refusal.text).unwrap();
        assert!(found.devices.iter().all(|device| device.kind == DeviceKind::Cpu));
    }
}
