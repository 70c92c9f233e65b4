//! `stop`: ends a running sweep from another terminal.

use std::{path::PathBuf, process::ExitCode, thread, time::Duration};

use clap::Args;
use rustix::process::{Pid, Signal, kill_process};

use super::{console, exit::Refusal};
use crate::{
    slurm::{self, SlurmError},
    store::{Holder, SweepDir, SweepLock, is_alive},
};

/// How often Slurm is asked whether the jobs have ended.
const LOOK_AT_QUEUE: Duration = Duration::from_secs(2);

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
    let holder = SweepLock::holder(&sweep);
    if slurm::is_used(&sweep) {
        match stop_jobs(&sweep, arguments.now) {
            Ok(true) => return Ok(ExitCode::SUCCESS),
            Ok(false) => {}
            // A sweep that a cluster had once may go on on this machine.
            Err(e) if holder.as_ref().is_some_and(Holder::is_here) => console::note(&format!("{e}")),
            Err(e) => return Err(e.into()),
        }
    }
    let Some(holder) = holder else {
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

/// Cancels what Slurm has of the sweep, from any login, and waits until it has ended; whoever watches it ends by itself.
/// False: there is nothing of it in the queue.
fn stop_jobs(sweep: &SweepDir, at_once: bool) -> Result<bool, SlurmError> {
    let folder = sweep.root().display();
    let jobs = slurm::cancel(sweep, at_once)?;
    if jobs == 0 {
        return Ok(false);
    }
    console::note(&format!("cancelled {}; waiting until they have ended", console::count(jobs, "job")));
    while !slurm::standing(sweep)?.is_empty() {
        thread::sleep(LOOK_AT_QUEUE);
    }
    console::answer(&format!("stopped; `sweepscope resume {folder}` goes on\n"));
    Ok(true)
}

/// Sends a signal, and lets a process that was suspended (Ctrl-Z) go on so that it hears it.
fn send(holder: &Holder, signal: Signal) -> Result<(), Refusal> {
    let pid = holder.process.pid;
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(rustix::io::Errno::SRCH);
    let sent = [signal, Signal::CONT].into_iter().try_for_each(|signal| kill_process(process?, signal));
    match sent {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(e) => Err(Refusal::wrong(format!("failed to signal process {pid}: {e}"))),
    }
}
