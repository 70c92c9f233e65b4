//! Workers as processes: how they are started and ended, and what their end means.

use std::{
    os::unix::process::{CommandExt, ExitStatusExt},
    path::Path,
    process::{Command, ExitStatus},
};

use rustix::process::{Pid, Signal, getppid, kill_process_group, set_parent_process_death_signal};

use super::{Outcome, evidence::Evidence};
use crate::{
    devices::pin_to,
    domain::{Failure, FailureKind},
    protocol::{EXIT_STOPPED, Message},
};

/// Names of the environment variables by which a worker learns what to do.
pub mod variable {
    /// The run's folder.
    pub const RUN_DIR: &str = "SWEEPSCOPE_RUN_DIR";
    /// The path of run.toml.
    pub const CONFIG: &str = "SWEEPSCOPE_CONFIG";
    /// Where checkpoints go.
    pub const CHECKPOINT_DIR: &str = "SWEEPSCOPE_CHECKPOINT_DIR";
    /// The last epoch recorded; empty: none.
    pub const RESUME_EPOCH: &str = "SWEEPSCOPE_RESUME_EPOCH";
    /// From 1.
    pub const ATTEMPT: &str = "SWEEPSCOPE_ATTEMPT";
    /// The attempt on a cluster that the worker writes for; not set elsewhere.
    pub const OWNER: &str = "SWEEPSCOPE_OWNER";
    /// Process id of the scheduler; the worker ends with it.
    pub const SCHEDULER: &str = "SWEEPSCOPE_SCHEDULER";
    /// Numbers of the cores that the worker is kept on, with commas; empty: any.
    pub const CORES: &str = "SWEEPSCOPE_CORES";
    /// Threads that the worker should use.
    pub const THREADS: &str = "SWEEPSCOPE_THREADS";
}

/// What a process that the scheduler started must do first: it ends when the scheduler does, however that ends, and
/// keeps to its cores. Of no effect in a process that was started otherwise.
///
/// # Errors
/// If the scheduler is gone already; the process should end at once.
pub fn enter_worker() -> Result<(), Failure> {
    if let Ok(cores) = std::env::var(variable::CORES) {
        pin_to(&cores.split(',').flat_map(str::parse).collect::<Vec<_>>());
    }
    let Some(scheduler) = std::env::var(variable::SCHEDULER).ok().and_then(|pid| pid.parse().ok()) else {
        return Ok(());
    };
    let gone = |reason: String| Failure::new(FailureKind::Signal, reason);
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|e| gone(format!("failed to watch the scheduler: {e}")))?;
    if getppid().map(Pid::as_raw_nonzero).map(i32::from) == Some(scheduler) {
        Ok(())
    } else {
        Err(gone("the scheduler ended before its worker started".to_owned()))
    }
}

/// Turns this process, which the scheduler started, into `command`. Returns only if that fails.
pub fn become_trainer(command: &[String]) -> Failure {
    let Some((program, arguments)) = command.split_first() else {
        return Failure::new(FailureKind::Spawn, "there is no command to start");
    };
    let error =
        Command::new(program).args(arguments).env_remove(variable::SCHEDULER).env_remove(variable::CORES).exec();
    Failure::new(FailureKind::Spawn, format!("failed to start {program}: {error}; trainer.command names it"))
}

/// Sends a signal to a worker and all that it started in its group. It may be gone already.
pub(super) fn signal_group(pid: u32, signal: Signal) {
    if let Some(group) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, signal);
    }
}

/// What a worker said that matters for what its end means.
#[derive(Clone, Debug, Default)]
pub(super) struct LastWords {
    done: bool,
    failure: Option<Failure>,
}

impl LastWords {
    /// Takes note of a message.
    pub(super) fn hear(&mut self, message: &Message) {
        match message {
            Message::Done if self.failure.is_none() => self.done = true,
            Message::Failed { kind, message } => self.failure = Some(Failure::new(*kind, message)),
            _ => {}
        }
    }

    /// Whether nothing that is said from now on changes the outcome.
    pub(super) fn are_last(&self) -> bool {
        self.done || self.failure.is_some()
    }

    /// Takes note that the scheduler itself ended the worker, for this reason.
    pub(super) fn judge(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }
}

/// What the end of a worker means.
pub(super) fn outcome(status: ExitStatus, words: LastWords, log: &Path, before: &Evidence) -> Outcome {
    if words.done {
        return Outcome::Completed;
    }
    if let Some(failure) = words.failure {
        return Outcome::Failed(failure);
    }
    if status.code() == Some(i32::from(EXIT_STOPPED)) {
        return Outcome::Stopped;
    }
    let tail = super::evidence::last_words(log);
    let last_line = tail.lines().rev().find(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned());
    let quoted = last_line.map_or(String::new(), |line| format!("; its last words: {line}"));
    let (kind, what) = match (status.code(), status.signal()) {
        (Some(0), _) => (FailureKind::Protocol, "ended with exit code 0 without saying that it was done".to_owned()),
        (Some(code), _) => (FailureKind::ExitCode, format!("ended with exit code {code}")),
        (None, Some(9)) if before.kernel_has_killed_since() => {
            (FailureKind::OutOfMemory, "was ended by the kernel because the machine's memory ran out".to_owned())
        }
        (None, signal) => (FailureKind::Signal, format!("was ended by {}", signal_name(signal.unwrap_or(0)))),
    };
    let kind = if kind != FailureKind::Protocol && super::evidence::tells_of_memory(&tail) {
        FailureKind::OutOfMemory
    } else {
        kind
    };
    Outcome::Failed(Failure::new(kind, format!("the worker {what}{quoted}")))
}

fn signal_name(number: i32) -> String {
    const NAMES: [(i32, &str); 9] = [
        (1, "SIGHUP"),
        (2, "SIGINT"),
        (4, "SIGILL"),
        (6, "SIGABRT"),
        (7, "SIGBUS"),
        (8, "SIGFPE"),
        (9, "SIGKILL"),
        (11, "SIGSEGV"),
        (15, "SIGTERM"),
    ];
    let name = NAMES.iter().find(|(known, _)| *known == number).map(|(_, name)| format!(" ({name})"));
    format!("signal {number}{}", name.unwrap_or_default())
}
