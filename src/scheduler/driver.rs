//! The driver: carries out what the core decides, and tells it what happened.

use std::{collections::BTreeMap, time::Duration};

use rustix::process::Signal;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::{
    Contest, Ending, Job, Observer, Options, Outcome, Progress, SchedulerError, Summary,
    clock::{Clock, TICK},
    core::{State, step},
    event::{Action, Event},
    memory::Watch,
    packing::Seen,
    process::signal_group,
    record, rungs,
    signals::{Signals, Wish, pause_here},
    worker::{Launch, Report, attend},
};
use crate::{
    domain::Failure,
    protocol::Message,
    store::{Entry, Journal},
};

/// Reports that may wait to be taken in; a worker that says more is held up.
const WAITING_REPORTS: usize = 64;

/// A running worker, as the driver knows it.
struct Worker {
    device: usize,
    pid: Option<u32>,
    /// Asked for before the process was there.
    pending: Option<Signal>,
    last_epoch: usize,
    /// Epochs of the rungs that it has not reached.
    rungs: Vec<usize>,
}

pub(super) struct Driver<'a> {
    jobs: &'a [Job],
    options: &'a Options,
    observer: &'a mut dyn Observer,
    journal: Journal,
    state: State,
    clock: Clock,
    workers: BTreeMap<usize, Worker>,
    reports: Sender<(usize, Report)>,
    heard: Receiver<(usize, Report)>,
    summary: Summary,
    memory: Watch,
    next_look: Duration,
    journal_failed: bool,
}

impl<'a> Driver<'a> {
    pub(super) fn new(
        jobs: &'a [Job],
        options: &'a Options,
        observer: &'a mut dyn Observer,
        journal: Journal,
        state: State,
    ) -> Self {
        let (reports, heard) = channel(WAITING_REPORTS);
        Self {
            jobs,
            options,
            observer,
            journal,
            state,
            clock: Clock::start(),
            workers: BTreeMap::new(),
            reports,
            heard,
            summary: Summary::default(),
            memory: Watch::default(),
            next_look: Duration::ZERO,
            journal_failed: false,
        }
    }

    /// Runs the jobs to the end.
    pub(super) async fn drive(mut self) -> Result<Summary, SchedulerError> {
        let mut signals = Signals::listen().map_err(SchedulerError::Signals)?;
        self.tell_time();
        while !self.state.is_over() {
            let now = self.clock.now();
            let pause = self.state.next_deadline().map_or(TICK, |at| at.saturating_sub(now).min(TICK));
            tokio::select! {
                Some((run, report)) = self.heard.recv() => {
                    self.tell_time();
                    self.take_in(run, report);
                }
                wish = signals.next() => self.obey(wish),
                () = tokio::time::sleep(pause) => self.tell_time(),
            }
        }
        self.summary.left = self.state.waiting();
        Ok(self.summary)
    }

    fn tell_time(&mut self) {
        let now = self.clock.now();
        if now >= self.next_look {
            self.next_look = now + TICK;
            self.look_at_memory();
        }
        self.tell(Event::Time(now));
    }

    fn tell(&mut self, event: Event) {
        for action in step(&mut self.state, event) {
            self.act(action);
        }
    }

    fn take_in(&mut self, run: usize, report: Report) {
        match report {
            Report::Started(pid) => {
                let Some(worker) = self.workers.get_mut(&run) else { return };
                worker.pid = Some(pid);
                if let Some(signal) = worker.pending.take() {
                    signal_group(pid, signal);
                }
            }
            Report::Said(message) => {
                let epoch = self.new_epoch(run, &message);
                self.observer.event(&Progress::Said { run: &self.jobs[run].name, message: &message });
                self.tell(Event::Sign { run, epoch });
                if epoch.is_some() {
                    self.measure(run);
                }
                if let Message::Checkpoint { epoch } = message {
                    self.tell_rungs(run, epoch);
                }
            }
            Report::Printed => self.tell(Event::Sign { run, epoch: None }),
            Report::Ended(outcome) => {
                if let Some(worker) = self.workers.remove(&run) {
                    self.memory.forget(run);
                    self.look_at_memory();
                    self.check_device(worker.device, &outcome);
                }
                let outcome = record::as_on_disk(&self.jobs[run], outcome);
                self.tell(Event::Ended { run, outcome });
            }
        }
    }

    fn new_epoch(&mut self, run: usize, message: &Message) -> Option<usize> {
        let Worker { last_epoch: last, .. } = self.workers.get_mut(&run)?;
        match message {
            Message::Start { epoch, .. } => {
                *last = *epoch;
                None
            }
            Message::Epoch { epoch, .. } | Message::Checkpoint { epoch } if *epoch > *last => {
                *last = *epoch;
                Some(*epoch)
            }
            _ => None,
        }
    }

    /// By its first epoch a run has needed all the memory that it will.
    fn measure(&mut self, run: usize) {
        self.look_at_memory();
        if let Some(mib) = self.memory.peak(run) {
            self.tell(Event::Measured { run, mib });
        }
    }

    fn look_at_memory(&mut self) {
        let workers = self.workers.iter().filter_map(|(&run, worker)| Some((run, worker.device, worker.pid?)));
        let seen = self.memory.look(&self.options.inventory, &workers.collect::<Vec<_>>());
        for (device, Seen { free_mib, others_mib }) in seen {
            self.tell(Event::Memory { device, free_mib, others_mib });
        }
    }

    fn tell_rungs(&mut self, run: usize, checkpoint: usize) {
        let Some((worker, contest)) = self.workers.get_mut(&run).zip(self.options.contest.as_ref()) else { return };
        let reached = worker.rungs.iter().take_while(|&&rung| rung <= checkpoint).count();
        for epoch in worker.rungs.drain(..reached).collect::<Vec<_>>() {
            let score = rungs::score(contest, &self.jobs[run].run, epoch);
            self.tell(Event::Rung { run, epoch, score });
        }
    }

    /// A run that failed may have done so because its device is gone.
    fn check_device(&mut self, device: usize, outcome: &Outcome) {
        if matches!(outcome, Outcome::Failed(_))
            && let Err(reason) = self.options.inventory.devices[device].check()
        {
            self.tell(Event::DeviceLost { device, reason });
        }
    }

    fn obey(&mut self, wish: Wish) {
        match wish {
            Wish::Pause => return self.pause(),
            Wish::Continue => return self.signal_all(Signal::CONT),
            Wish::Interrupt => self.summary.ending = Some(Ending::Interrupted),
            Wish::TimeUp => {
                self.summary.ending.get_or_insert(Ending::TimeUp);
            }
            Wish::Stop | Wish::StopNow => {
                self.summary.ending.get_or_insert(Ending::Stopped);
            }
        }
        if wish == Wish::TimeUp && self.state.is_stopping() {
            return;
        }
        let at_once = wish == Wish::StopNow || self.state.is_stopping();
        self.observer.event(&Progress::Stopping { at_once });
        self.note(Entry::new(if at_once { "stop at once" } else { "stop" }));
        self.tell_time();
        self.tell(if at_once { Event::StopNow } else { Event::Stop });
    }

    /// Workers have their own groups, so Ctrl-Z reaches them through here.
    fn pause(&mut self) {
        self.tell_time();
        // A worker that was just started is known once its report is taken in.
        while let Ok((run, report)) = self.heard.try_recv() {
            self.take_in(run, report);
        }
        self.signal_all(Signal::STOP);
        pause_here();
    }

    fn signal_all(&self, signal: Signal) {
        self.workers.values().filter_map(|worker| worker.pid).for_each(|pid| signal_group(pid, signal));
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Start { run, slot } => self.start(run, slot),
            Action::Terminate { run } => self.signal(run, Signal::TERM),
            Action::Kill { run } => self.signal(run, Signal::KILL),
            Action::Finish { run, outcome } => self.finish(run, outcome),
            Action::Again { run, failure, after, alone } => self.again(run, &failure, after, alone),
            Action::Wait { run } => self.wait(run),
            Action::SetAside { device, reason } => {
                let name = &self.options.inventory.devices[device].name;
                let note = format!("{name} is used no more in this sweep: {reason}");
                self.say("device set aside", note);
            }
            Action::Halt { reason, resumable } => {
                if resumable {
                    self.summary.ending.get_or_insert(Ending::Stopped);
                }
                self.summary.halted = Some(reason.clone());
                self.say("halted", reason);
            }
        }
    }

    fn start(&mut self, run: usize, slot: usize) {
        let job = &self.jobs[run];
        let slot = &self.options.slots[slot];
        let device = &self.options.inventory.devices[slot.device];
        let state = job.run.read_state().unwrap_or_default();
        let ahead = |contest: &Contest| -> Vec<usize> {
            contest.rules.rungs(job.epochs).filter(|&rung| rung > state.checkpoint).collect()
        };
        let rungs = self.options.contest.as_ref().map(ahead).unwrap_or_default();
        self.workers.insert(run, Worker { device: slot.device, pid: None, pending: None, last_epoch: 0, rungs });
        let launch = Launch {
            number: run,
            run: job.run.clone(),
            trainer: job.trainer.clone(),
            attempt: state.attempts + 1,
            resume_epoch: state.checkpoint,
            device: device.name.clone(),
            device_argument: device.worker_argument(),
            visible: device.visible.clone(),
            threads: slot.threads,
            cores: slot.cores.clone(),
        };
        let attempt = launch.attempt;
        tokio::spawn(attend(launch, self.reports.clone()));
        self.observer.event(&Progress::Started { run: &job.name, device: &device.name, attempt });
        let entry = Entry::new("started").run(&job.name).device(&device.name).detail(format!("attempt {attempt}"));
        self.note(entry);
    }

    fn signal(&mut self, run: usize, signal: Signal) {
        let Some(worker) = self.workers.get_mut(&run) else { return };
        match worker.pid {
            // A stopped process takes SIGTERM only once it is continued.
            Some(pid) => {
                signal_group(pid, signal);
                signal_group(pid, Signal::CONT);
            }
            None => worker.pending = Some(signal),
        }
    }

    fn finish(&mut self, run: usize, outcome: Outcome) {
        let job = &self.jobs[run];
        let (what, detail) = match &outcome {
            Outcome::Completed => ("completed", None),
            Outcome::Stopped => ("stopped", None),
            Outcome::EndedEarly(evidence) => ("ended early", Some(evidence.clone())),
            Outcome::Failed(failure) => ("failed", Some(failure.to_string())),
        };
        let entry = Entry::new(what).run(&job.name);
        self.note(detail.into_iter().fold(entry, Entry::detail));
        let written = record::finish(job, &outcome);
        self.observer.event(&Progress::Ended { run: &job.name, outcome: &outcome });
        match outcome {
            Outcome::Completed => self.summary.completed += 1,
            Outcome::Stopped => self.summary.stopped += 1,
            Outcome::EndedEarly(_) => self.summary.ended_early += 1,
            Outcome::Failed(failure) => self.summary.failed.push((job.name.clone(), failure)),
        }
        self.mind(written);
    }

    fn again(&mut self, run: usize, failure: &Failure, after: Duration, alone: bool) {
        let job = &self.jobs[run];
        let how = if alone { "alone on its device" } else { "again" };
        let seconds = after.as_secs_f64();
        self.note(Entry::new("retried").run(&job.name).detail(format!("{failure}; {how} in {seconds} s")));
        self.observer.event(&Progress::Again { run: &job.name, failure, seconds });
        let written = record::queue_again(job);
        self.mind(written);
    }

    fn wait(&mut self, run: usize) {
        let job = &self.jobs[run];
        self.note(Entry::new("gave way").run(&job.name));
        self.observer.event(&Progress::Waits { run: &job.name });
        let written = record::queue_again(job);
        self.mind(written);
    }

    /// A state that cannot be written does not change what happened; the user should know all the same.
    fn mind(&mut self, written: Result<(), crate::store::StoreError>) {
        if let Err(e) = written {
            self.say("state not written", e.to_string());
        }
    }

    fn say(&mut self, what: &str, text: String) {
        self.observer.event(&Progress::Note(&text));
        self.note(Entry::new(what).detail(text));
    }

    fn note(&mut self, entry: Entry) {
        if let Err(e) = self.journal.add(&entry)
            && !std::mem::replace(&mut self.journal_failed, true)
        {
            self.observer.event(&Progress::Note(&e.to_string()));
        }
    }
}
