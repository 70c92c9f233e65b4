//! Attends one worker from its start to its end: reads what it says, keeps its log, reports to the driver.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use rustix::process::Signal;
use tokio::{
    io::BufReader,
    process::{Child, ChildStdout, Command},
    sync::mpsc::Sender,
    task::spawn_blocking,
    time::{Instant, sleep, timeout_at},
};

use super::{
    Outcome, Trainer,
    evidence::{ATTEMPT_LINE, Evidence},
    leftovers::end_leftovers_of,
    lines::{Line, Lines},
    process::{LastWords, outcome, signal_group, variable},
    recorder::Recorder,
};
use crate::{
    domain::{Failure, FailureKind},
    protocol::{Message, Reading},
    store::{RunDir, process_of, token},
};

/// How long output is still read after a worker's end: what it started may hold the pipe open.
const AFTER_THE_END: Duration = Duration::from_secs(2);

/// A trainer that runs for so long is shown as running.
const SHOWN_AFTER: Duration = Duration::from_millis(100);

/// Everything needed to start a worker.
pub(super) struct Launch {
    /// The run's place among the jobs.
    pub(super) number: usize,
    pub(super) run: RunDir,
    pub(super) trainer: Trainer,
    pub(super) attempt: usize,
    pub(super) resume_epoch: usize,
    pub(super) device: String,
    pub(super) device_argument: &'static str,
    pub(super) visible: Option<String>,
    pub(super) threads: usize,
    pub(super) cores: Vec<usize>,
}

/// What the driver hears of a worker.
pub(super) enum Report {
    /// It has this process id, which is also that of its group.
    Started(u32),
    /// It said something.
    Said(Message),
    /// It printed something else: a sign of life.
    Printed,
    /// It is gone, with all that it started.
    Ended(Outcome),
}

/// Starts a worker, attends it to its end and reports.
pub(super) async fn attend(launch: Launch, reports: Sender<(usize, Report)>) {
    let number = launch.number;
    if launch.attempt > 1 {
        // Of an earlier attempt, something may have left the worker's group and live on.
        let run = launch.run.clone();
        let _ = spawn_blocking(move || end_leftovers_of(&run)).await;
    }
    let recorder = match &launch.trainer {
        Trainer::BuiltIn { .. } => Ok(None),
        Trainer::Outside { .. } => Recorder::open(&launch.run).map(Some),
    };
    let ended = match recorder.and_then(|recorder| Ok((start(&launch)?, recorder))) {
        Ok(((child, log), recorder)) => converse(launch, child, log, recorder, &reports).await,
        Err(failure) => Outcome::Failed(failure),
    };
    // The driver outlives its workers; where it does not, nobody is left to tell.
    let _ = reports.send((number, Report::Ended(ended))).await;
}

fn start(launch: &Launch) -> Result<(Child, File), Failure> {
    let path = launch.run.worker_log();
    let open = || {
        let mut log = OpenOptions::new().create(true).append(true).open(&path)?;
        let Launch { attempt, device, threads, .. } = launch;
        writeln!(log, "{ATTEMPT_LINE}attempt {attempt} on {device}, {threads} threads")?;
        let errors = log.try_clone()?;
        let folder = std::path::absolute(launch.run.root())?;
        Ok((log, errors, folder))
    };
    let (log, errors, folder) = open().map_err(|e: io::Error| cannot_write(&path, &e))?;
    let mut command = command(launch, RunDir::new(folder));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors).process_group(0);
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let failed = |e| Failure::new(FailureKind::Spawn, format!("failed to start {program}: {e}"));
    Ok((command.spawn().map_err(failed)?, log))
}

fn command(launch: &Launch, run: RunDir) -> Command {
    let mut command = program(launch, &run);
    let resume = if launch.resume_epoch == 0 { String::new() } else { launch.resume_epoch.to_string() };
    let cores: Vec<String> = launch.cores.iter().map(usize::to_string).collect();
    command
        .env(variable::RUN_DIR, run.root())
        .env(variable::CONFIG, run.run_toml())
        .env(variable::CHECKPOINT_DIR, run.checkpoints())
        .env(variable::RESUME_EPOCH, resume)
        .env(variable::ATTEMPT, launch.attempt.to_string())
        .env(variable::SCHEDULER, std::process::id().to_string())
        .env(variable::CORES, cores.join(","))
        .env(variable::THREADS, launch.threads.to_string());
    if let Some(token) = token() {
        command.env(variable::OWNER, token);
    }
    if let Some(visible) = &launch.visible {
        command.env("CUDA_VISIBLE_DEVICES", visible);
    }
    command
}

fn program(launch: &Launch, run: &RunDir) -> Command {
    match &launch.trainer {
        Trainer::BuiltIn { program } => {
            let mut command = Command::new(program);
            command.arg("worker").arg(run.root());
            command.args(["--threads", &launch.threads.to_string(), "--device", launch.device_argument]);
            command
        }
        Trainer::Outside { program, command: other, folder } => {
            let mut command = Command::new(program);
            // Python holds back what it prints to a pipe, and with it every sign of life.
            command.args(["launch", "--"]).args(other).current_dir(folder).env("PYTHONUNBUFFERED", "1");
            command
        }
    }
}

/// The conversation with a worker, and what its end means.
async fn converse(
    launch: Launch,
    mut child: Child,
    log: File,
    recorder: Option<Recorder>,
    reports: &Sender<(usize, Report)>,
) -> Outcome {
    let evidence = Evidence::now();
    let (Some(pid), Some(stdout)) = (child.id(), child.stdout.take()) else {
        return Outcome::Failed(Failure::new(FailureKind::Spawn, "the worker has no output to read"));
    };
    let _ = reports.send((launch.number, Report::Started(pid))).await;
    let path = launch.run.worker_log();
    let (number, reports, words) = (launch.number, reports.clone(), LastWords::default());
    let mut ear = Ear { number, pid, log, path: path.clone(), words, recorder, reports };
    if let Some(recorder) = &mut ear.recorder {
        recorder.started(process_of(pid));
    }
    let mut shown = Box::pin(sleep(SHOWN_AFTER));
    let mut lines = Lines::new(BufReader::new(stdout));
    let status = loop {
        tokio::select! {
            line = lines.next() => match line {
                Ok(Some(line)) => ear.hear(line).await,
                Ok(None) | Err(_) => break child.wait().await,
            },
            status = child.wait() => break status,
            () = &mut shown, if !shown.is_elapsed() => ear.record(Recorder::show).await,
        }
    };
    // What the worker started in its group must not outlive it, nor keep the pipe open.
    signal_group(pid, Signal::KILL);
    ear.hear_out(&mut lines).await;
    ear.write(Recorder::show).await;
    match status {
        Ok(status) => outcome(status, ear.words, &path, &evidence),
        Err(e) => Outcome::Failed(Failure::new(FailureKind::Spawn, format!("failed to wait for the worker: {e}"))),
    }
}

/// Takes in a worker's output.
struct Ear {
    number: usize,
    pid: u32,
    log: File,
    path: PathBuf,
    words: LastWords,
    recorder: Option<Recorder>,
    reports: Sender<(usize, Report)>,
}

impl Ear {
    async fn hear(&mut self, line: Line) {
        let reading = if line.whole { Message::read(&line.bytes) } else { Reading::Text };
        let report = match reading {
            Reading::Message(message) => {
                let heard = message.clone();
                self.record(move |recorder| recorder.hear(&heard)).await;
                self.words.hear(&message);
                Report::Said(message)
            }
            Reading::Text => {
                self.write_to_log(line.bytes);
                Report::Printed
            }
            Reading::Broken(failure) => {
                self.write_to_log(line.bytes);
                self.end_for(failure);
                Report::Printed
            }
        };
        let _ = self.reports.send((self.number, report)).await;
    }

    async fn hear_out(&mut self, lines: &mut Lines<BufReader<ChildStdout>>) {
        let deadline = Instant::now() + AFTER_THE_END;
        while let Ok(Ok(Some(line))) = timeout_at(deadline, lines.next()).await {
            self.hear(line).await;
        }
    }

    /// Writes records, unless the run's fate is settled.
    async fn record(&mut self, write: impl FnOnce(&mut Recorder) -> Result<(), Failure> + Send + 'static) {
        if !self.words.are_last() {
            self.write(write).await;
        }
    }

    /// Writes on another thread: a slow disk holds up this run alone.
    async fn write(&mut self, write: impl FnOnce(&mut Recorder) -> Result<(), Failure> + Send + 'static) {
        let Some(mut recorder) = self.recorder.take() else { return };
        let written = spawn_blocking(move || {
            let result = write(&mut recorder);
            (recorder, result)
        });
        match written.await {
            Ok((recorder, result)) => {
                self.recorder = Some(recorder);
                result.err().into_iter().for_each(|failure| self.end_for(failure));
            }
            Err(e) => self.end_for(Failure::new(FailureKind::Storage, format!("failed to write records: {e}"))),
        }
    }

    fn write_to_log(&mut self, mut line: Vec<u8>) {
        line.push(b'\n');
        if let Err(e) = self.log.write_all(&line) {
            self.end_for(cannot_write(&self.path, &e));
        }
    }

    fn end_for(&mut self, failure: Failure) {
        self.words.judge(failure);
        signal_group(self.pid, Signal::KILL);
    }
}

fn cannot_write(path: &std::path::Path, error: &io::Error) -> Failure {
    Failure::new(FailureKind::Storage, format!("failed to write {}: {error}", path.display()))
}
