//! `[slurm]`: how runs are handed to a Slurm cluster. Nothing here changes what a run computes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[slurm]`: how runs are handed to a Slurm cluster. What is not given is left to the cluster's own defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SlurmConfig {
    /// `--partition`.
    pub partition: Option<String>,
    /// `--account`.
    pub account: Option<String>,
    /// `--gres`, such as `gpu:1`; Slurm sets `CUDA_VISIBLE_DEVICES` by it.
    pub gres: Option<String>,
    /// `--time`, of one job: a run that needs longer saves itself and is queued again.
    pub time: Option<String>,
    /// `--constraint`.
    pub constraint: Option<String>,
    /// Further options of sbatch, each as it would stand after `#SBATCH`.
    pub extra: Vec<String>,
    /// Runs at once.
    pub max_parallel: Option<usize>,
    /// Seconds before the time limit at which a run saves itself.
    pub warning: usize,
    /// Seconds between two looks at the queue.
    pub poll: f64,
    /// Jobs that a node may lose one after another, without an epoch recorded, before it gets no more; 0: no limit.
    pub node_failures: usize,
}

impl Default for SlurmConfig {
    fn default() -> Self {
        Self {
            partition: None,
            account: None,
            gres: None,
            time: None,
            constraint: None,
            extra: Vec::new(),
            max_parallel: None,
            warning: 180,
            poll: 15.0,
            node_failures: 3,
        }
    }
}

impl SlurmConfig {
    /// `poll` as a duration.
    pub fn pause(&self) -> Duration {
        Duration::try_from_secs_f64(self.poll).unwrap_or(Duration::from_secs(15))
    }
}

/// Options that sweepscope sets itself, and what says them in the sweep file if something does.
const TAKEN: [(&[&str], &str); 11] = [
    (&["--array", "-a"], "`slurm.max_parallel` says how many run at once"),
    (&["--job-name", "-J"], "jobs are found again by their names"),
    (&["--output", "-o"], "logs go to results/<sweep>/slurm"),
    (&["--error", "-e"], "logs go to results/<sweep>/slurm"),
    (&["--chdir", "-D"], "jobs start in the sweep's folder"),
    (&["--open-mode"], "logs are appended to"),
    (&["--signal"], "`slurm.warning` says how long before the limit"),
    (&["--requeue", "--no-requeue"], "jobs are always queued again"),
    (&["--exclude", "-x"], "`slurm.node_failures` decides it; name nodes by `slurm.constraint`"),
    (&["--wait", "-W", "--test-only"], "sweepscope watches the queue itself"),
    (&["--wrap", "--parsable"], "sweepscope writes the script itself"),
];

/// What is wrong with an option of `slurm.extra`, if something is.
pub fn wrong_option(option: &str) -> Option<String> {
    if option.contains(['\n', '\r']) || !option.starts_with('-') {
        return Some(format!("has \"{option}\"; write each option as sbatch takes it, such as \"--mem=8G\""));
    }
    let name = option.split(['=', ' ']).next().unwrap_or_default();
    // A short option may have its value right behind it.
    let is_taken = |known: &str| name == known || !name.starts_with("--") && name.starts_with(known);
    let (_, why) = TAKEN.iter().find(|(names, _)| names.iter().any(|known| is_taken(known)))?;
    Some(format!("has {name}, which sweepscope sets: {why}"))
}

/// Whether Slurm reads this as a time limit: minutes, minutes:seconds, hours:minutes:seconds, days-hours,
/// days-hours:minutes or days-hours:minutes:seconds.
pub fn is_time_limit(text: &str) -> bool {
    let (days, clock) = text.split_once('-').map_or((None, text), |(days, clock)| (Some(days), clock));
    let is_number = |part: &str| (1..=6).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    days.is_none_or(is_number) && clock.split(':').all(is_number) && clock.split(':').count() <= 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_limits_are_read_as_slurm_reads_them() {
        for text in ["30", "30:00", "12:00:00", "2-0", "2-12:30", "7-00:00:00"] {
            assert!(is_time_limit(text), "{text}");
        }
        for text in ["", "2h", "1:2:3:4", "-1", "1-", "1:", "UNLIMITED days"] {
            assert!(!is_time_limit(text), "{text}");
        }
    }

    #[test]
    fn options_that_would_break_the_executor_are_refused_and_others_pass() {
        for text in ["--mem=8G", "--cpus-per-task 4", "-n1", "--exclusive", "--export=ALL"] {
            assert_eq!(wrong_option(text), None);
        }
        for text in ["--array=0-3", "-J name", "-o%j", "--no-requeue", "mem=8G", "--mem=1\n#SBATCH -a 0-9", ""] {
            assert!(wrong_option(text).is_some(), "{text}");
        }
    }
}
