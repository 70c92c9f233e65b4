//! `devices`: what there is to compute on, and how a sweep would use it.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::{console, exit::Refusal, run};
use crate::{
    devices::{self, Device, Inventory, Slot},
    domain::{DeviceRequest, ScheduleConfig},
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
    if !cfg!(feature = "cuda") {
        console::note("the built-in trainer of this build uses the CPU alone; outside trainers may use any device");
    }
    Ok(ExitCode::SUCCESS)
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
