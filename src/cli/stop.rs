//! `stop`: ends a running sweep from another terminal.

use std::{path::PathBuf, process::ExitCode, thread, time::Duration};

use clap::Args;
use rustix::process::{Pid, Signal, kill_process};

use super::{console, exit::Refusal};
use crate::store::{Holder, SweepDir, SweepLock, is_alive};

/// Arguments of `stop`.
#[derive(Args)]
#[command(after_help = "Example: sweepscope stop results/demo")]
pub struct Arguments {
    /// Folder of the sweep's results
    results: PathBuf,
    /// End the runs at once; each goes on from its last checkpoint
    #[arg(long)]
    now: bool,
}

/// Asks the sweep's orchestrator to end, and waits until it has.
pub fn main(arguments: &Arguments) -> Result<ExitCode, Refusal> {
    let folder = arguments.results.display();
    let sweep = SweepDir::new(&arguments.results);
    if !sweep.root().is_dir() {
        return Err(Refusal::wrong(format!("{folder} is not there; give a folder such as results/demo")));
    }
    let Some(holder) = SweepLock::holder(&sweep) else {
        console::answer(&format!("nothing to stop: nobody runs {folder}\n"));
        return Ok(ExitCode::SUCCESS);
    };
    let pid = holder.process.pid;
    if !holder.is_here() {
        let host = &holder.host;
        return Err(Refusal::wrong(format!("{folder} is run by process {pid} on {host}; stop it there")));
    }
    send(&holder, if arguments.now { Signal::QUIT } else { Signal::TERM })?;
    if !arguments.now {
        console::note("waiting until each run has saved itself; `stop --now` ends them at once");
    }
    while is_alive(holder.process) && SweepLock::holder(&sweep).is_some_and(|now| now == holder) {
        thread::sleep(Duration::from_millis(50));
    }
    console::answer(&format!("stopped; `sweepscope resume {folder}` goes on\n"));
    Ok(ExitCode::SUCCESS)
}

fn send(holder: &Holder, signal: Signal) -> Result<(), Refusal> {
    let pid = holder.process.pid;
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let sent = process.ok_or(rustix::io::Errno::SRCH).and_then(|process| kill_process(process, signal));
    match sent {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(e) => Err(Refusal::wrong(format!("failed to signal process {pid}: {e}"))),
    }
}
