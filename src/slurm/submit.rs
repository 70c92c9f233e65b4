//! Submits what waits. Sending is not idempotent, finding by name is: what may have been sent is looked for first.

use super::{
    Chunk, Share, SlurmError,
    call::{SUBMIT_LIMIT, call},
    queue::{Phase, Queue},
    script::{Site, script},
    track::Track,
    watch::Watch,
};

impl Watch<'_> {
    /// Sends what is not in the queue although it was tried, then every run that has no job.
    pub(super) fn submit(&mut self, queue: &Queue) -> Result<(), SlurmError> {
        if self.summary.halted.is_some() {
            withdraw(queue);
            return Ok(());
        }
        let has_jobs = self.entries(queue).any(|entry| entry.phase != Phase::Over);
        self.has_jobs = has_jobs;
        for chunk in std::mem::take(&mut self.unsent) {
            if !queue.keys().any(|(name, _)| *name == chunk.name) {
                self.send(chunk)?;
            }
        }
        let is_waiting = |&run: &usize| !self.tracks[run].is_over && self.tracks[run].place.is_none();
        let waiting: Vec<usize> = (0..self.tracks.len()).filter(is_waiting).collect();
        if waiting.is_empty() {
            return Ok(());
        }
        let share = |&run: &usize| Share {
            run: self.plan.jobs[run].name.clone(),
            retries: self.plan.schedule.retries.saturating_sub(self.tracks[run].losses),
        };
        let shares: Vec<Share> = waiting.iter().map(share).collect();
        self.generation += 1;
        let excluded = self.nodes.excluded();
        let chunks = Chunk::cut(&self.id, self.generation, self.most, self.plan.schedule, &excluded, &shares);
        let mut runs = waiting.into_iter();
        for chunk in chunks {
            let site = Site { sweep: self.plan.folder, program: self.plan.program };
            chunk.write(self.plan.sweep, &script(&chunk, self.plan.config, site))?;
            for (task, run) in runs.by_ref().take(chunk.runs.len()).enumerate() {
                self.tracks[run].place_at(&chunk.name, task);
            }
            self.send(chunk)?;
        }
        Ok(())
    }

    fn send(&mut self, chunk: Chunk) -> Result<(), SlurmError> {
        let path = chunk.script_path(self.plan.sweep);
        match call("sbatch", &["--parsable", &path.to_string_lossy()]) {
            Ok(answer) => {
                // On several clusters the answer is `id;cluster`.
                let job = answer.trim().split(';').next().unwrap_or_default().to_owned();
                self.say("submitted", format!("{} runs submitted as job {job} ({})", chunk.runs.len(), chunk.name));
                self.has_jobs = true;
                Ok(())
            }
            Err(SlurmError::Silent { reason, .. }) if reason.contains(SUBMIT_LIMIT) && self.is_too_large(&chunk) => {
                self.most = self.most.min(chunk.runs.len().div_ceil(2));
                let most = self.most;
                self.say("cut smaller", format!("{reason}; at most {most} runs are submitted as one job from now on"));
                self.take_back(&chunk);
                Ok(())
            }
            Err(silence @ SlurmError::Silent { .. }) => {
                self.say("not submitted", format!("{silence}; it is tried again"));
                self.unsent.push(chunk);
                Ok(())
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// Whether a limit on submitted jobs refuses a chunk for its own size, since this sweep has no others.
    fn is_too_large(&self, chunk: &Chunk) -> bool {
        chunk.runs.len() > 1 && (!self.has_jobs || chunk.runs.len() > self.most)
    }

    /// Its runs wait for another chunk.
    fn take_back(&mut self, chunk: &Chunk) {
        let is_of = |track: &&mut Track| track.place.as_ref().is_some_and(|(name, _)| *name == chunk.name);
        self.tracks.iter_mut().filter(is_of).for_each(|track| track.place = None);
    }
}

/// No more runs are to be started: those that wait are taken back. What is not heard now is said again at the next look.
fn withdraw(queue: &Queue) {
    let waiting = queue.values().filter(|entry| entry.phase == Phase::Waiting);
    let tasks: Vec<String> = waiting.map(|entry| format!("{}_{}", entry.job, entry.task)).collect();
    if !tasks.is_empty() {
        let _ = call("scancel", &tasks.iter().map(String::as_str).collect::<Vec<_>>());
    }
}
