//! `doctor`: what this machine offers to a sweep, and what is missing.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use clap::Args;
use serde_json::json;

use super::{console, exit, exit::Refusal};
use crate::{
    devices,
    domain::DeviceRequest,
    model,
    store::{SweepDir, SweepLock, write_text},
};

/// Free space below which a sweep may not end, in MiB.
const SPACE: u64 = 1024;
/// A durable write that takes longer makes short epochs slow, in milliseconds.
const SLOW_WRITE: f64 = 50.0;

/// Arguments of `doctor`.
#[derive(Args)]
#[command(after_help = "Example: sweepscope doctor --results /scratch/me/results")]
pub struct Arguments {
    /// Folder of results
    #[arg(long, default_value = "results")]
    results: PathBuf,
    /// Machine-readable output
    #[arg(long)]
    json: bool,
}

/// One thing that was looked at.
struct Finding {
    what: &'static str,
    state: State,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    Note,
    Bad,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Note => "note",
            Self::Bad => "missing",
        }
    }
}

/// Looks at everything and says what it found; exit code 1 if something is missing that every sweep needs.
pub fn main(arguments: &Arguments) -> Result<ExitCode, Refusal> {
    let mut findings = vec![processes(), cores(), memory(), gpus()];
    findings.extend(results(&arguments.results));
    if arguments.json {
        let finding = |f: &Finding| json!({ "what": f.what, "state": f.state.name(), "text": f.text });
        console::answer(&format!("{:#}\n", json!(findings.iter().map(finding).collect::<Vec<_>>())));
    } else {
        let row = |f: &Finding| vec![f.state.name().to_owned(), f.what.to_owned(), f.text.clone()];
        console::answer(&console::table(&findings.iter().map(row).collect::<Vec<_>>(), &[]));
    }
    let bad = findings.iter().any(|finding| finding.state == State::Bad);
    Ok(ExitCode::from(if bad { exit::FAILED } else { 0 }))
}

fn finding(what: &'static str, state: State, text: impl Into<String>) -> Finding {
    Finding { what, state, text: text.into() }
}

/// Workers are told apart by /proc, and end with their scheduler.
fn processes() -> Finding {
    match crate::store::process_of(std::process::id()) {
        Some(_) => finding("processes", State::Good, "workers can be told apart by id and start time"),
        None => finding("processes", State::Bad, "/proc cannot be read, so a killed sweep's workers cannot be found"),
    }
}

fn cores() -> Finding {
    let inventory = devices::find(&DeviceRequest::Cpu, false);
    let count = inventory.map_or(0, |inventory| inventory.cores_at_once);
    finding("cores", State::Good, format!("{} for this program", console::count(count, "core")))
}

fn memory() -> Finding {
    let inventory = devices::find(&DeviceRequest::Cpu, false);
    match inventory.ok().and_then(|inventory| inventory.devices.first()?.free_mib) {
        Some(free) if free < SPACE => finding("memory", State::Note, format!("only {free} MiB free")),
        Some(free) => finding("memory", State::Good, format!("{free} MiB free")),
        None => finding("memory", State::Note, "how much is free cannot be told"),
    }
}

fn gpus() -> Finding {
    match devices::find(&DeviceRequest::Cuda(Vec::new()), true) {
        Ok(inventory) => {
            let names: Vec<_> = inventory.devices.into_iter().filter_map(|device| device.product).collect();
            let names = names.join(", ");
            match model::gpu() {
                Ok(()) => finding("GPUs", State::Good, names),
                Err(reason) => {
                    finding("GPUs", State::Note, format!("{names}; the built-in trainer uses the CPU alone: {reason}"))
                }
            }
        }
        Err(e) => finding("GPUs", State::Note, e.to_string()),
    }
}

/// Tries the folder of results for real: a lock, a durable write, the space left.
fn results(folder: &Path) -> Vec<Finding> {
    let was_there = folder.exists();
    let trial = SweepDir::new(folder.join(format!(".doctor-{}", std::process::id())));
    let findings = match SweepLock::acquire(&trial) {
        Ok(lock) => vec![locks(&lock), durable_write(&trial), space(folder)],
        Err(e) => vec![finding("results", State::Bad, e.to_string())],
    };
    let _ = fs::remove_dir_all(trial.root());
    if !was_there {
        let _ = fs::remove_dir(folder);
    }
    findings
}

fn locks(lock: &SweepLock) -> Finding {
    if lock.is_certain() {
        return finding("lock", State::Good, "the system lets a sweep be run once at a time");
    }
    let text = "the file system has no locks: never start one sweep twice at the same moment; after a crash elsewhere, \
                remove its sweep.lock";
    finding("lock", State::Note, text)
}

fn durable_write(trial: &SweepDir) -> Finding {
    let started = Instant::now();
    match write_text(&trial.root().join("trial"), "trial\n") {
        Ok(()) => {
            let milliseconds = started.elapsed().as_secs_f64() * 1e3;
            let state = if milliseconds > SLOW_WRITE { State::Note } else { State::Good };
            finding("results", state, format!("can be written; a durable write takes {milliseconds:.1} ms"))
        }
        Err(e) => finding("results", State::Bad, e.to_string()),
    }
}

fn space(folder: &Path) -> Finding {
    match rustix::fs::statvfs(folder) {
        Ok(found) => {
            let free = found.f_bavail * found.f_frsize / (1 << 20);
            let state = if free < SPACE { State::Note } else { State::Good };
            finding("space", state, format!("{free} MiB free in {}", folder.display()))
        }
        Err(e) => finding("space", State::Note, format!("how much is free cannot be told: {e}")),
    }
}
