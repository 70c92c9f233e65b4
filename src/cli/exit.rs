//! Exit codes, and how errors of the stages become one.

use std::process::ExitCode;

use super::console;
use crate::{
    data::{DataErrors, synth::SynthError},
    devices::DeviceError,
    report::ReportError,
    scheduler::SchedulerError,
    slurm::SlurmError,
    spec::Problems,
    store::{LockError, StoreError},
};

/// Some run failed.
pub const FAILED: u8 = 1;
/// The sweep file, the data or the command line is wrong.
pub const WRONG: u8 = 2;
/// Stopped; `run` again goes on.
pub const STOPPED: u8 = 75;
/// Interrupted by Ctrl-C, everything saved.
pub const INTERRUPTED: u8 = 130;

/// Why a command could not do its work.
#[derive(Debug)]
pub struct Refusal {
    /// The exit code.
    pub code: u8,
    /// For stderr.
    pub text: String,
}

impl Refusal {
    /// The sweep file, the data or the command line is wrong.
    pub fn wrong(text: impl Into<String>) -> Self {
        Self { code: WRONG, text: format!("error: {}", text.into()) }
    }

    /// Prints the reason and returns the code.
    pub fn report(self) -> ExitCode {
        console::note(self.text.trim_end());
        ExitCode::from(self.code)
    }
}

impl From<Problems> for Refusal {
    fn from(problems: Problems) -> Self {
        let count = console::count(problems.0.len(), "problem");
        let text =
            format!("{}\nerror: {count} in the sweep; nothing was written", problems.render(false, console::color()));
        Self { code: WRONG, text }
    }
}

impl From<DataErrors> for Refusal {
    fn from(errors: DataErrors) -> Self {
        Self { code: WRONG, text: format!("error: {errors}") }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        if error.is_no_place() {
            return Self::wrong(format!("{error}; name another folder by --results"));
        }
        let code = if error.is_storage() { STOPPED } else { FAILED };
        Self { code, text: format!("error: {error}") }
    }
}

impl From<ReportError> for Refusal {
    fn from(error: ReportError) -> Self {
        Self { code: FAILED, text: format!("error: {error}") }
    }
}

impl From<SchedulerError> for Refusal {
    fn from(error: SchedulerError) -> Self {
        Self { code: STOPPED, text: format!("error: {error}") }
    }
}

impl From<SlurmError> for Refusal {
    fn from(error: SlurmError) -> Self {
        let code = match error {
            SlurmError::Missing { .. } | SlurmError::Refused { .. } | SlurmError::NotATask { .. } => WRONG,
            SlurmError::Astray { .. } | SlurmError::NoRun { .. } => FAILED,
            _ => STOPPED,
        };
        Self { code, text: format!("error: {error}") }
    }
}

impl From<LockError> for Refusal {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Store(error) => error.into(),
            LockError::Held { .. } | LockError::Unknown { .. } => {
                Self { code: STOPPED, text: format!("error: {error}") }
            }
        }
    }
}

impl From<DeviceError> for Refusal {
    fn from(error: DeviceError) -> Self {
        Self { code: WRONG, text: format!("error: {error}") }
    }
}

impl From<SynthError> for Refusal {
    fn from(error: SynthError) -> Self {
        Self { code: WRONG, text: format!("error: {error}") }
    }
}
