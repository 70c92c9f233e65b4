//! Progress on a terminal: a bar a running run, and one for the sweep with what is done, what failed and the time left.
//! Elsewhere a line a run.

use std::{
    collections::HashMap,
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{
    console,
    time_left::{Pace, together},
};
use crate::{
    domain::{Metric, Split, count},
    plan::{Action, Plan, PlanEntry},
    protocol::Message,
    scheduler::{Observer, Outcome, Progress as Event},
    store::SweepDir,
};

/// Watches a sweep and draws it.
pub struct Progress {
    bars: MultiProgress,
    sweep: ProgressBar,
    running: HashMap<String, Running>,
    /// What is not over yet.
    left: HashMap<String, Left>,
    pace: Pace,
    done: usize,
    failed: usize,
    drawn: bool,
    folder: SweepDir,
}

struct Running {
    bar: ProgressBar,
    loss: Option<f64>,
    dice: Option<f64>,
    epoch_since: Instant,
}

/// A run that is not over.
struct Left {
    setting: String,
    /// The figure that ranks it.
    monitor: Metric,
    epochs: u64,
    epoch: u64,
}

impl Progress {
    /// Draws to stderr if that is a terminal.
    pub fn new(plan: &Plan) -> Self {
        let drawn = std::io::stderr().is_terminal();
        let target = if drawn { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bars = MultiProgress::with_draw_target(target);
        let left = |entry: &PlanEntry| Left {
            setting: entry.planned.setting.clone(),
            monitor: entry.config.monitor,
            epochs: entry.config.train.epochs as u64,
            epoch: entry.state.checkpoint as u64,
        };
        let left: HashMap<_, _> = plan.pending().map(|entry| (entry.planned.run.clone(), left(entry))).collect();
        let sweep = bars.add(ProgressBar::new(left.values().map(|left| left.epochs).sum()));
        sweep.set_style(style("sweep {bar:20} {pos}/{len}  {wide_msg}"));
        sweep.set_position(left.values().map(|left| left.epoch).sum());
        sweep.enable_steady_tick(Duration::from_secs(1));
        let (pace, running) = (Pace::default(), HashMap::new());
        Self {
            bars,
            sweep,
            running,
            left,
            pace,
            done: plan.count(Action::Skip),
            failed: 0,
            drawn,
            folder: plan.sweep.clone(),
        }
    }

    /// "about 2 h 5 min left: 3 done, 1 failed, 2 running, 6 waiting".
    fn tell_of_sweep(&self) {
        if !self.drawn {
            return;
        }
        let seconds =
            |left: &Left| Some(self.pace.epoch(&left.setting)? * left.epochs.saturating_sub(left.epoch) as f64);
        let time = together(self.left.values().filter_map(seconds), self.running.len());
        let time = time.map_or_else(String::new, |seconds| format!("about {} left: ", console::duration(seconds)));
        let failed = if self.failed > 0 { format!(", {} failed", self.failed) } else { String::new() };
        let waiting = self.left.len().saturating_sub(self.running.len());
        let runs = format!("{} done{failed}, {} running, {waiting} waiting", self.done, self.running.len());
        self.sweep.set_message(time + &runs);
    }

    /// Takes the bars away.
    pub fn finish(&self) {
        self.sweep.finish_and_clear();
        let _ = self.bars.clear();
    }

    fn line(&self, text: &str) {
        if self.drawn {
            let _ = self.bars.println(text);
        } else {
            console::note(text);
        }
    }

    fn start(&mut self, run: &str, device: &str) {
        let (epochs, epoch) = self.left.get(run).map_or((0, 0), |left| (left.epochs, left.epoch));
        let bar = self.bars.insert_before(&self.sweep, ProgressBar::new(epochs));
        bar.set_style(style("      {bar:20} {pos}/{len}  {wide_msg}"));
        bar.set_position(epoch);
        bar.set_message(format!("{device}  {run}"));
        let running = Running { bar, loss: None, dice: None, epoch_since: Instant::now() };
        self.running.insert(run.to_owned(), running);
    }

    fn said(&mut self, run: &str, message: &Message) {
        let Some((running, left)) = self.running.get_mut(run).zip(self.left.get_mut(run)) else { return };
        match message {
            Message::Start { epoch, .. } => {
                running.bar.set_position(*epoch as u64);
                running.epoch_since = Instant::now();
            }
            Message::Step { loss, .. } => running.loss = loss.or(running.loss),
            Message::Epoch { split: Split::Val, dice_macro, loss, epoch, .. } => {
                running.dice = *dice_macro;
                running.loss = loss.or(running.loss);
                let epoch = *epoch as u64;
                if epoch > running.bar.position() {
                    let took = running.epoch_since.elapsed().as_secs_f64();
                    self.pace.add(&left.setting, took / (epoch - running.bar.position()) as f64);
                    running.epoch_since = Instant::now();
                    running.bar.set_position(epoch);
                    self.sweep.inc(epoch.saturating_sub(left.epoch));
                    left.epoch = left.epoch.max(epoch);
                }
            }
            _ => {}
        }
        let figure =
            |name: &str, value: Option<f64>| value.map_or_else(String::new, |value| format!("{name} {value:.3}  "));
        running.bar.set_message(figure("loss", running.loss) + &figure("val Dice", running.dice) + run);
    }

    /// ", best val_dice_macro 0.712 at epoch 14".
    fn best(&self, run: &str) -> String {
        let (Some(left), Ok(state)) = (self.left.get(run), self.folder.run(run).read_state()) else {
            return String::new();
        };
        let best = |score: f64| format!(", best {} {score:.3} at epoch {}", left.monitor, state.best_epoch);
        state.best_score.map_or_else(String::new, best)
    }

    fn take_away(&mut self, run: &str) {
        if let Some(running) = self.running.remove(run) {
            running.bar.finish_and_clear();
        }
    }

    fn end(&mut self, run: &str, outcome: &Outcome) {
        if let Outcome::EndedEarly(evidence) = outcome {
            self.line(&format!("hopeless  {run}: {evidence}"));
        }
        let best = self.best(run);
        if let Some(left) = self.left.remove(run) {
            match outcome {
                // A run that stops early leaves epochs that will never be trained.
                Outcome::Completed | Outcome::EndedEarly(_) => self.sweep.inc(left.epochs.saturating_sub(left.epoch)),
                Outcome::Stopped | Outcome::Failed(_) => {}
            }
        }
        self.done += usize::from(*outcome == Outcome::Completed);
        self.failed += usize::from(matches!(outcome, Outcome::Failed(_)));
        if let Some(running) = self.running.remove(run) {
            let position = running.bar.position();
            running.bar.finish_and_clear();
            match outcome {
                Outcome::Completed => {
                    self.line(&format!("completed {run} ({}{})", count(position as usize, "epoch"), best))
                }
                Outcome::Stopped => self.line(&format!("stopped   {run} after epoch {position}")),
                Outcome::Failed(failure) => self.line(&format!("failed    {run}: {failure}")),
                Outcome::EndedEarly(_) => {}
            }
        }
    }
}

impl Observer for Progress {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Started { run, device, .. } => self.start(run, device),
            Event::Said { run, message } => self.said(run, message),
            Event::Again { run, failure, seconds } => {
                self.take_away(run);
                self.line(&format!("again     {run} in {}: {failure}", console::duration(*seconds)));
            }
            Event::Waits { run } => self.take_away(run),
            Event::Ended { run, outcome } => self.end(run, outcome),
            Event::Stopping { at_once: false } => {
                self.line("stopping: each run ends after its batch; once more ends them at once");
            }
            Event::Stopping { at_once: true } => self.line("stopping at once"),
            Event::Note(text) => self.line(text),
        }
        self.tell_of_sweep();
    }
}

/// A bar's style; the templates here are constants that are known to be valid.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
