//! What squeue shows. Always with a format of its own: the JSON changes from version to version.

use std::collections::HashMap;

use super::{SlurmError, call::call};

/// Array job, task, state, reason, node, time of submission, name.
const FORMAT: &str = "%F|%K|%T|%r|%N|%V|%j";

/// Where a task stands, as far as that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// It ended, however.
    Over,
    /// It will start, or start again.
    Waiting,
    /// It has a node.
    Running,
}

/// A task of a job array in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The array's job id.
    pub job: u64,
    /// Its index.
    pub task: usize,
    /// As Slurm names it.
    pub state: String,
    /// The same, as far as it matters.
    pub phase: Phase,
    /// Why it waits.
    pub reason: String,
    /// Its node; empty: none yet.
    pub node: String,
    /// When it was submitted: with the id, what tells it from another cluster's or a later job of the same id.
    pub submitted: String,
}

/// The tasks in the queue, by their chunk's name and their index.
pub(super) type Queue = HashMap<(String, usize), Entry>;

/// Looks at the jobs of these names, those that are over included, as long as Slurm remembers them.
///
/// # Errors
/// If it does not answer: that says nothing about the jobs.
pub(super) fn look(names: &[&str]) -> Result<Queue, SlurmError> {
    if names.is_empty() {
        return Ok(Queue::new());
    }
    let names = format!("--name={}", names.join(","));
    Ok(read(&call("squeue", &["-h", "-r", "-t", "all", "-o", FORMAT, &names])?))
}

/// Reads the lines of squeue. One that cannot be read, or is no task's, is passed over.
fn read(text: &str) -> Queue {
    let mut queue = Queue::new();
    for (name, entry) in text.lines().filter_map(read_line) {
        match queue.entry((name, entry.task)) {
            std::collections::hash_map::Entry::Vacant(place) => drop(place.insert(entry)),
            // One name was submitted twice: what lives comes first, then the later.
            std::collections::hash_map::Entry::Occupied(mut place) => {
                let rank = |entry: &Entry| (entry.phase != Phase::Over, entry.job, entry.submitted.clone());
                if rank(&entry) > rank(place.get()) {
                    place.insert(entry);
                }
            }
        }
    }
    queue
}

fn read_line(line: &str) -> Option<(String, Entry)> {
    let fields: Vec<&str> = line.split('|').map(str::trim).collect();
    let [job, task, state, reason, node, submitted, name] = fields.as_slice().try_into().ok()?;
    let shown = |text: &str| if matches!(text, "(null)" | "N/A" | "n/a") { String::new() } else { text.to_owned() };
    let entry = Entry {
        job: job.parse().ok()?,
        task: task.parse().ok()?,
        state: state.to_owned(),
        phase: phase(state),
        reason: shown(reason),
        node: shown(node),
        submitted: submitted.to_owned(),
    };
    Some((name.to_owned(), entry))
}

/// A state that is not known is waited for.
fn phase(state: &str) -> Phase {
    match state {
        "COMPLETED" | "CANCELLED" | "FAILED" | "TIMEOUT" | "NODE_FAIL" | "PREEMPTED" | "BOOT_FAIL" | "DEADLINE"
        | "OUT_OF_MEMORY" | "REVOKED" => Phase::Over,
        "RUNNING" | "COMPLETING" | "CONFIGURING" | "SUSPENDED" | "STOPPED" | "SIGNALING" | "STAGE_OUT" | "RESIZING" => {
            Phase::Running
        }
        _ => Phase::Waiting,
    }
}

/// Why a task that waits for this will wait for ever, and what to do about it.
pub(super) fn never_clears(reason: &str) -> Option<&'static str> {
    const NEVER: [(&str, &str); 9] = [
        ("DependencyNeverSatisfied", "the job that it waits for failed; drop the dependency from slurm.extra"),
        ("JobHeldUser", "it is held; `scontrol release` lets it go"),
        ("JobHeldAdmin", "an administrator holds it; ask them"),
        ("launch failed requeued held", "its node could not start it; `scontrol release` tries again"),
        ("BadConstraints", "no node is like that; mend slurm.constraint or slurm.gres"),
        ("PartitionTimeLimit", "the partition allows less time; lower slurm.time"),
        ("PartitionNodeLimit", "the partition allows fewer nodes; mend slurm.extra"),
        ("InvalidAccount", "mend slurm.account"),
        ("InvalidQOS", "mend the --qos of slurm.extra"),
    ];
    NEVER.iter().find(|(known, _)| reason.replace('_', " ") == *known).map(|(_, what)| *what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_task_and_lines_of_another_kind_are_passed_over() {
        let text = "\
12|0|RUNNING|None|n1|2024-05-01T10:00:00|sweepscope-1a2b3c4d-1-0
12|1|PENDING|Resources||2024-05-01T10:00:00|sweepscope-1a2b3c4d-1-0
12|2|FAILED|NonZeroExitCode|n2|2024-05-01T10:00:00|sweepscope-1a2b3c4d-1-0
12|3|DANCING|(null)|(null)|2024-05-01T10:00:00|sweepscope-1a2b3c4d-1-0
14|N/A|RUNNING|None|n1|2024-05-01T10:00:00|mine
slurm_load_jobs error: something
";
        let queue = read(text);
        let of = |task: usize| {
            let entry = &queue[&("sweepscope-1a2b3c4d-1-0".to_owned(), task)];
            (entry.job, entry.phase, entry.reason.as_str(), entry.node.as_str())
        };
        assert_eq!(queue.len(), 4);
        assert_eq!(of(0), (12, Phase::Running, "None", "n1"));
        assert_eq!(of(1), (12, Phase::Waiting, "Resources", ""));
        assert_eq!(of(2), (12, Phase::Over, "NonZeroExitCode", "n2"));
        assert_eq!(of(3), (12, Phase::Waiting, "", ""));
    }

    #[test]
    fn of_a_chunk_that_was_submitted_twice_the_living_job_counts() {
        let line = |job: u64, state: &str| format!("{job}|0|{state}|None|n1|2024-05-01T10:00:00|a\n");
        let job = |text: String| read(&text)[&("a".to_owned(), 0)].job;
        assert_eq!(job(line(12, "RUNNING") + &line(13, "CANCELLED")), 12);
        assert_eq!(job(line(12, "PENDING") + &line(13, "PENDING")), 13);
        assert_eq!(job(line(13, "FAILED") + &line(12, "FAILED")), 13);
    }

    #[test]
    fn reasons_that_pass_by_themselves_are_told_from_those_that_never_do() {
        for reason in ["Priority", "Resources", "None", "BeginTime", "QOSMaxJobsPerUserLimit", "JobArrayTaskLimit"] {
            assert_eq!(never_clears(reason), None, "{reason}");
        }
        for reason in ["JobHeldUser", "DependencyNeverSatisfied", "launch failed requeued held"] {
            assert!(never_clears(reason).is_some(), "{reason}");
        }
    }
}
