//! The script that sbatch gets: everything is said in it, so that it can be read, kept and sent by hand.

use std::path::Path;

use super::{Chunk, chunk::logs};
use crate::domain::SlurmConfig;

/// Where things lie, on all nodes alike.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// The sweep's folder, absolute.
    pub sweep: &'a Path,
    /// This program, absolute.
    pub program: &'a Path,
}

/// The script of a chunk. It becomes the task itself (`exec`), since the signal before the time limit reaches the batch
/// process alone; until the task hears that signal, it is ignored.
pub fn script(chunk: &Chunk, config: &SlurmConfig, site: Site<'_>) -> String {
    let mut text = "#!/bin/bash\n".to_owned();
    let mut option = |option: &str| text += &format!("#SBATCH {option}\n");
    let throttle = config.max_parallel.map_or_else(String::new, |most| format!("%{most}"));
    let log = logs(site.sweep).join(format!("{}-%a.log", chunk.name));
    option(&format!("--job-name={}", chunk.name));
    option(&format!("--array=0-{}{throttle}", chunk.runs.len().saturating_sub(1)));
    option(&format!("--chdir={}", for_sbatch(site.sweep)));
    option(&format!("--output={}", for_sbatch(&log)));
    option("--open-mode=append");
    option("--requeue");
    option(&format!("--signal=B:USR1@{}", config.warning));
    let given = [
        ("partition", &config.partition),
        ("account", &config.account),
        ("gres", &config.gres),
        ("time", &config.time),
        ("constraint", &config.constraint),
    ];
    for (name, value) in given.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
        option(&format!("--{name}={}", quoted(value)));
    }
    if !chunk.exclude.is_empty() {
        option(&format!("--exclude={}", chunk.exclude.join(",")));
    }
    config.extra.iter().for_each(|extra| option(extra));
    let [program, sweep] = [site.program, site.sweep].map(for_shell);
    text + &format!("trap '' USR1\nexec {program} slurm-task {sweep} {}\n", chunk.name)
}

/// A value as sbatch reads it from a script.
fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_.,:/=%+@".contains(c);
    if value.chars().all(is_plain) { value.to_owned() } else { format!("\"{}\"", value.replace('"', "\\\"")) }
}

fn for_sbatch(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

fn for_shell(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::ScheduleConfig, slurm::Share};

    fn chunk(exclude: &[&str]) -> Chunk {
        Chunk {
            name: "sweepscope-1a2b3c4d-2-0".into(),
            generation: 2,
            schedule: ScheduleConfig::default(),
            exclude: exclude.iter().map(ToString::to_string).collect(),
            runs: vec![Share { run: "a".into(), retries: 1 }, Share { run: "b".into(), retries: 1 }],
        }
    }

    #[test]
    fn a_script_says_everything_that_was_asked_for() {
        let config = SlurmConfig {
            partition: Some("gpu".into()),
            gres: Some("gpu:a100:1".into()),
            time: Some("2-00:00:00".into()),
            constraint: Some("a100&ib".into()),
            extra: vec!["--mem=16G".into()],
            max_parallel: Some(8),
            ..SlurmConfig::default()
        };
        let site = Site { sweep: Path::new("/data/my sweeps/it's"), program: Path::new("/opt/sweepscope") };
        let expected = r#"#!/bin/bash
#SBATCH --job-name=sweepscope-1a2b3c4d-2-0
#SBATCH --array=0-1%8
#SBATCH --chdir="/data/my sweeps/it's"
#SBATCH --output="/data/my sweeps/it's/slurm/logs/sweepscope-1a2b3c4d-2-0-%a.log"
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@180
#SBATCH --partition=gpu
#SBATCH --gres=gpu:a100:1
#SBATCH --time=2-00:00:00
#SBATCH --constraint="a100&ib"
#SBATCH --exclude=n2,n5
#SBATCH --mem=16G
trap '' USR1
exec '/opt/sweepscope' slurm-task '/data/my sweeps/it'\''s' sweepscope-1a2b3c4d-2-0
"#;
        assert_eq!(script(&chunk(&["n2", "n5"]), &config, site), expected);
    }

    #[test]
    fn what_was_not_asked_for_is_left_to_the_cluster() {
        let site = Site { sweep: Path::new("/r/demo"), program: Path::new("/p") };
        let text = script(&chunk(&[]), &SlurmConfig::default(), site);
        for option in ["--partition", "--gres", "--time", "--exclude", "--account", "%8"] {
            assert!(!text.contains(option), "{option}: {text}");
        }
        assert!(text.contains("--array=0-1\n") && text.contains("--chdir=/r/demo\n"), "{text}");
    }
}
