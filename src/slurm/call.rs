//! Slurm's own programs: started, waited for with patience, and understood.

use std::{process::Stdio, time::Duration};

use tokio::{process::Command, time::timeout};

use super::SlurmError;

/// The longest that one of them may take. Each asks the controller several times before it gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// Part of the names of all limits on jobs that one may have submitted (QOSMaxSubmitJobPerUserLimit,
/// AssocGrpSubmitJobsLimit). A job array counts as so many jobs as it has tasks.
pub(super) const SUBMIT_LIMIT: &str = "SubmitJob";

/// What they say when the controller is away, or full, for now.
const FOR_NOW: [&str; 9] = [
    "Unable to contact slurm controller",
    "Socket timed out",
    "Connection refused",
    "Connection timed out",
    "Zero Bytes were transmitted",
    "temporarily unable",
    "Resource temporarily unavailable",
    "try again",
    SUBMIT_LIMIT,
];

/// What `program` answers.
///
/// # Errors
/// If it cannot be started, does not answer or refuses.
pub(super) fn call(program: &'static str, arguments: &[&str]) -> Result<String, SlurmError> {
    let silent = |reason: String| SlurmError::Silent { program, reason };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| silent(e.to_string()))?;
    runtime.block_on(async {
        let mut command = Command::new(program);
        // Where sweepscope itself runs in a job, its jobs must not take that job's count of restarts for theirs.
        command.args(arguments).env_remove("SLURM_RESTART_COUNT").env_remove("SWEEPSCOPE_OWNER");
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = timeout(PATIENCE, command.output())
            .await
            .map_err(|_| silent(format!("nothing was heard for {} s", PATIENCE.as_secs())))?
            .map_err(|source| SlurmError::Missing { program, source })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        // A program that was ended by a signal has refused nothing.
        let is_for_now = output.status.code().is_none() || FOR_NOW.iter().any(|words| reason.contains(words));
        Err(if is_for_now { silent(reason) } else { SlurmError::Refused { program, reason } })
    })
}

/// How many tasks a job array may have. The cluster caps their index, which counts from 0.
///
/// # Errors
/// If the cluster does not say.
pub(super) fn most_tasks() -> Result<usize, SlurmError> {
    let config = call("scontrol", &["show", "config"])?;
    read_most_tasks(&config).ok_or_else(|| SlurmError::Silent {
        program: "scontrol",
        reason: "its configuration names no MaxArraySize of 1 or more".into(),
    })
}

fn read_most_tasks(config: &str) -> Option<usize> {
    let line = config.lines().find_map(|line| line.trim().strip_prefix("MaxArraySize"))?;
    line.trim_start_matches([' ', '=']).trim().parse().ok().filter(|&most| most > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_array_is_read_from_the_configuration() {
        let config =
            "MailProg                = /bin/mail\nMaxArraySize            = 1001\nMaxBatchRequeue         = 5\n";
        assert_eq!(read_most_tasks(config), Some(1001));
        assert_eq!(read_most_tasks("MaxArraySize = 0"), None);
        assert_eq!(read_most_tasks(""), None);
    }
}
