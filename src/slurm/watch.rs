//! The login side: submits what waits, looks at the queue and the disk at calm intervals, and submits again what is lost.
//!
//! It may end at any time: the jobs go on, and whoever starts it again finds them by their names.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
};

use super::{
    Chunk, SlurmError,
    call::{call, most_tasks},
    chunk::sweep_id,
    leave::Leave,
    nodes::Nodes,
    queue::{Entry, Phase, Queue, look, never_clears},
    standing::{is_stopped, unmark},
    track::{Loss, News, Track},
};
use crate::{
    domain::{Failure, RunState, ScheduleConfig, SlurmConfig, Split, StateRecord},
    protocol::Message,
    scheduler::{Ending, Job, Observer, Outcome, Progress, Summary, give_up},
    store::{self, Attempt, Journal, SweepDir, SweepLock},
};

/// What is to be run, and how.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// The sweep.
    pub sweep: &'a SweepDir,
    /// Its folder, absolute, as the nodes will find it.
    pub folder: &'a Path,
    /// The runs, in the order in which they are to be started.
    pub jobs: &'a [Job],
    /// `[schedule]` of the sweep file, the command line's flags applied.
    pub schedule: &'a ScheduleConfig,
    /// `[slurm]` of the sweep file.
    pub config: &'a SlurmConfig,
    /// This program, absolute.
    pub program: &'a Path,
}

/// Has Slurm run the jobs and returns when all are over, or when the user leaves or stops the sweep. The caller has
/// written run.toml of each job and leaves completed runs out. Jobs of an earlier start that Slurm still has are taken
/// up again.
///
/// # Errors
/// If Slurm cannot be used, refuses the jobs, or what belongs to them cannot be read or written.
pub fn watch(plan: &Plan<'_>, _lock: &SweepLock, observer: &mut dyn Observer) -> Result<Summary, SlurmError> {
    let leave = Leave::listen()?;
    let mut watch = Watch::new(plan, observer)?;
    unmark(plan.sweep)?;
    watch.adopt()?;
    loop {
        match look(&watch.names()) {
            Ok(queue) => {
                watch.hear(&queue)?;
                if watch.is_over(&queue) {
                    break;
                }
            }
            Err(missing @ SlurmError::Missing { .. }) => return Err(missing),
            Err(silence) => watch.mind(&silence),
        }
        let ending = leave.wait(plan.config.pause());
        if let Some(ending) = ending.or_else(|| is_stopped(plan.sweep).then_some(Ending::Stopped)) {
            watch.summary.ending = Some(ending);
            break;
        }
    }
    watch.summary.left = watch.tracks.iter().filter(|track| !track.is_over).count();
    Ok(watch.summary)
}

pub(super) struct Watch<'a> {
    pub(super) plan: &'a Plan<'a>,
    observer: &'a mut dyn Observer,
    journal: Journal,
    pub(super) id: String,
    pub(super) most: usize,
    pub(super) generation: usize,
    pub(super) tracks: Vec<Track>,
    pub(super) nodes: Nodes,
    /// Chunks of which it is not known whether Slurm has them.
    pub(super) unsent: Vec<Chunk>,
    /// Whether Slurm has any of this sweep.
    pub(super) has_jobs: bool,
    pub(super) summary: Summary,
    is_first: bool,
    /// Looks in a row that were not answered.
    silences: usize,
    /// Reasons to wait for ever that the user was told.
    told: BTreeSet<String>,
}

impl<'a> Watch<'a> {
    fn new(plan: &'a Plan<'a>, observer: &'a mut dyn Observer) -> Result<Self, SlurmError> {
        let epoch = |job: &Job| Ok(Track::new(job.run.read_state()?.epoch));
        Ok(Self {
            plan,
            observer,
            journal: Journal::open(plan.sweep)?,
            most: most_tasks()?,
            id: sweep_id(plan.sweep)?,
            generation: 0,
            tracks: plan.jobs.iter().map(epoch).collect::<Result<_, SlurmError>>()?,
            nodes: Nodes::new(plan.config.node_failures),
            unsent: Vec::new(),
            has_jobs: false,
            summary: Summary::default(),
            is_first: true,
            silences: 0,
            told: BTreeSet::new(),
        })
    }

    /// Finds the jobs of earlier starts. One whose run was taken from it meanwhile will do nothing.
    fn adopt(&mut self) -> Result<(), SlurmError> {
        let jobs = self.plan.jobs.iter().enumerate();
        let known = |(number, job): (usize, &'a Job)| {
            let owner = store::owner(&job.run)?.map_or(0, |owner| owner.attempt.generation);
            Ok((job.name.as_str(), (number, owner)))
        };
        let runs: HashMap<&str, (usize, usize)> = jobs.map(known).collect::<Result<_, SlurmError>>()?;
        for chunk in Chunk::all(self.plan.sweep)? {
            self.generation = self.generation.max(chunk.generation);
            for (task, share) in chunk.runs.iter().enumerate() {
                if let Some(&(run, owner)) = runs.get(share.run.as_str())
                    && owner <= chunk.generation
                {
                    self.tracks[run].place_at(&chunk.name, task);
                }
            }
        }
        Ok(())
    }

    /// The chunks in which runs are that are not over.
    fn names(&self) -> Vec<&str> {
        let places = self.tracks.iter().filter(|track| !track.is_over).filter_map(|track| track.place.as_ref());
        let names: BTreeSet<&str> = places.map(|(chunk, _)| chunk.as_str()).collect();
        names.into_iter().collect()
    }

    /// Takes in a look at the queue.
    fn hear(&mut self, queue: &Queue) -> Result<(), SlurmError> {
        if std::mem::take(&mut self.silences) > 1 {
            self.say("queue heard", "Slurm answers again".into());
        }
        if std::mem::take(&mut self.is_first) {
            self.leave_the_dead(queue);
        }
        let mut lost = Vec::new();
        for run in 0..self.tracks.len() {
            if let Some(loss) = self.look_at(run, queue) {
                lost.push((run, loss));
            }
        }
        self.blame_nodes(&lost, queue);
        for (run, loss) in lost {
            self.lose(run, loss, queue)?;
        }
        self.tell_what_never_clears(queue);
        self.submit(queue)
    }

    /// Of the jobs of earlier starts those that are over are of no interest: a new start owes each run a new one.
    fn leave_the_dead(&mut self, queue: &Queue) {
        for track in &mut self.tracks {
            let entry = track.place.as_ref().and_then(|place| queue.get(place));
            if entry.is_none_or(|entry| entry.phase == Phase::Over) {
                track.place = None;
            }
        }
        let living = self.tracks.iter().filter(|track| track.place.is_some()).count();
        if living > 0 {
            self.say("taken up", format!("{living} runs are with Slurm already"));
        }
    }

    fn look_at(&mut self, run: usize, queue: &Queue) -> Option<Loss> {
        let (track, job) = (&mut self.tracks[run], &self.plan.jobs[run]);
        let place = track.place.as_ref().filter(|_| !track.is_over)?;
        let entry = queue.get(place);
        if entry.is_none() && self.unsent.iter().any(|chunk| chunk.name == place.0) {
            return None;
        }
        let node = entry.map(|entry| entry.node.as_str()).unwrap_or_default();
        self.nodes.seen(node);
        let (before, was_seen) = (track.epoch, track.seen.is_some());
        let news = track.look(entry, || job.run.read_state().ok());
        let epoch = track.epoch;
        if epoch > before && !node.is_empty() {
            self.nodes.works(node);
        }
        if let News::Started(node) = &news {
            let attempt = job.run.read_state().map_or(1, |state| state.attempts.max(1));
            if was_seen {
                // It was queued again meanwhile.
                self.observer.event(&Progress::Waits { run: &job.name });
            }
            self.observer.event(&Progress::Started { run: &job.name, device: node, attempt });
            self.note("started", Some(run), Some(node), None);
        }
        if epoch > before {
            let (figures, classes) = (Default::default(), BTreeMap::new());
            let message = Message::Epoch { epoch, split: Split::Val, loss: None, dice_macro: None, figures, classes };
            self.observer.event(&Progress::Said { run: &job.name, message: &message });
        }
        match news {
            News::Over(state) => self.finish(run, state),
            News::Lost(loss) => return Some(loss),
            News::None | News::Started(_) => {}
        }
        None
    }

    fn finish(&mut self, run: usize, state: StateRecord) {
        let job = &self.plan.jobs[run];
        let outcome = match (state.state, state.failure) {
            (RunState::Completed, _) => Outcome::Completed,
            (RunState::Failed, Some(failure)) => Outcome::Failed(failure),
            _ => Outcome::EndedEarly(state.note.unwrap_or_default()),
        };
        self.observer.event(&Progress::Ended { run: &job.name, outcome: &outcome });
        match outcome {
            Outcome::Completed => {
                self.summary.completed += 1;
                self.note("completed", Some(run), None, None);
            }
            Outcome::Failed(failure) => {
                self.note("failed", Some(run), None, Some(failure.to_string()));
                self.summary.failed.push((job.name.clone(), failure));
            }
            Outcome::Stopped | Outcome::EndedEarly(_) => self.summary.ended_early += 1,
        }
        let most = self.plan.schedule.max_fails;
        if most > 0 && self.summary.failed.len() >= most && self.summary.halted.is_none() {
            let reason = format!("{} runs failed, as many as max_fails allows", self.summary.failed.len());
            self.summary.halted = Some(reason.clone());
            self.say("halted", reason);
        }
    }

    /// Sets nodes aside that lose one run after another, and keeps what waits from them.
    fn blame_nodes(&mut self, lost: &[(usize, Loss)], queue: &Queue) {
        let mut bad = Vec::new();
        for (run, loss) in lost.iter().filter(|(_, loss)| loss.blames_node) {
            if self.nodes.lost(&loss.node, *run) {
                bad.push((loss.node.clone(), loss.failure.clone()));
            }
        }
        if bad.is_empty() {
            return;
        }
        let list = format!("ExcNodeList={}", self.nodes.excluded().join(","));
        let waiting = self.entries(queue).filter(|entry| entry.phase == Phase::Waiting).map(|entry| entry.job);
        for job in waiting.collect::<BTreeSet<_>>() {
            if let Err(e) = call("scontrol", &["update", &format!("JobId={job}"), &list]) {
                self.say("not kept from nodes", format!("job {job} may still get a bad node: {e}"));
            }
        }
        for (node, failure) in bad {
            let limit = self.plan.config.node_failures;
            let text = format!("{node} gets no more runs: it lost {limit} one after another, the last with {failure}");
            self.say("node set aside", text);
        }
    }

    /// A run is submitted again, unless that was tried often enough. A loss on a node that is set aside is not its own.
    fn lose(&mut self, run: usize, loss: Loss, queue: &Queue) -> Result<(), SlurmError> {
        let (track, job) = (&mut self.tracks[run], &self.plan.jobs[run]);
        track.losses += usize::from(!(loss.blames_node && self.nodes.is_excluded(&loss.node)));
        let old = track.place.take().and_then(|place| queue.get(&place));
        // Slurm may be about to start it again by itself.
        if let Some(entry) = old.filter(|entry| ["NODE_FAIL", "PREEMPTED"].contains(&entry.state.as_str())) {
            let _ = call("scancel", &[&format!("{}_{}", entry.job, entry.task)]);
        }
        if track.losses > self.plan.schedule.retries {
            let Failure { kind, message } = loss.failure;
            let failure = Failure { kind, message: format!("{message} (start {})", track.losses) };
            track.is_over = true;
            store::shut_out(&job.run, Attempt::after(self.generation))?;
            give_up(job, &failure)?;
            let state = StateRecord { state: RunState::Failed, failure: Some(failure), ..StateRecord::default() };
            self.finish(run, state);
            return Ok(());
        }
        self.note("lost", Some(run), Some(&loss.node), Some(loss.failure.to_string()));
        self.observer.event(&Progress::Again { run: &job.name, failure: &loss.failure, seconds: 0.0 });
        Ok(())
    }

    fn tell_what_never_clears(&mut self, queue: &Queue) {
        let mut stuck: BTreeMap<String, (usize, u64)> = BTreeMap::new();
        for entry in self.entries(queue).filter(|entry| entry.phase == Phase::Waiting) {
            if never_clears(&entry.reason).is_some() {
                let (count, job) = stuck.entry(entry.reason.clone()).or_default();
                (*count, *job) = (*count + 1, entry.job);
            }
        }
        for (reason, (count, job)) in stuck {
            if self.told.insert(reason.clone()) {
                let help = never_clears(&reason).unwrap_or_default();
                let text =
                    format!("{count} tasks wait for {reason} (job {job}), which does not pass by itself: {help}");
                self.say("waits for ever", text);
            }
        }
    }

    /// The tasks of runs that are not over.
    pub(super) fn entries<'q>(&self, queue: &'q Queue) -> impl Iterator<Item = &'q Entry> + use<'q, '_, 'a> {
        let places = self.tracks.iter().filter(|track| !track.is_over).filter_map(|track| track.place.as_ref());
        places.filter_map(|place| queue.get(place))
    }

    /// Whether there is nothing left to watch. A sweep that was halted ends when its jobs have.
    fn is_over(&self, queue: &Queue) -> bool {
        let lives = |track: &Track| {
            let entry = track.place.as_ref().and_then(|place| queue.get(place));
            !track.is_over && entry.is_some_and(|entry| entry.phase != Phase::Over)
        };
        let is_halted = self.summary.halted.is_some();
        self.tracks.iter().all(|track| track.is_over || is_halted && !lives(track))
    }

    /// A look that is not answered says nothing about the jobs. One may happen; more are told.
    fn mind(&mut self, silence: &SlurmError) {
        self.silences += 1;
        if self.silences == 2 {
            self.say("queue silent", format!("{silence}; the jobs are not touched, and it is asked again"));
        }
    }

    pub(super) fn say(&mut self, what: &str, text: String) {
        self.observer.event(&Progress::Note(&text));
        self.note(what, None, None, Some(text));
    }

    /// The journal explains and never decides: one that cannot be written changes nothing.
    pub(super) fn note(&mut self, what: &str, run: Option<usize>, device: Option<&str>, detail: Option<String>) {
        let mut entry = store::Entry::new(what);
        if let Some(run) = run {
            entry = entry.run(&self.plan.jobs[run].name);
        }
        if let Some(device) = device.filter(|device| !device.is_empty()) {
            entry = entry.device(device);
        }
        if let Some(detail) = detail {
            entry = entry.detail(detail);
        }
        let _ = self.journal.add(&entry);
    }
}
