//! Progress on a terminal: a bar a running run, and one for the sweep with the time left. Elsewhere a line a run.

use std::{collections::HashMap, io::IsTerminal, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::console;
use crate::{
    domain::Split,
    plan::Plan,
    protocol::Message,
    scheduler::{Observer, Outcome, Progress as Event},
};

/// Watches a sweep and draws it.
pub struct Progress {
    bars: MultiProgress,
    sweep: ProgressBar,
    running: HashMap<String, Running>,
    epochs: HashMap<String, u64>,
    drawn: bool,
}

struct Running {
    bar: ProgressBar,
    loss: Option<f64>,
    dice: Option<f64>,
}

impl Progress {
    /// Draws to stderr if that is a terminal.
    pub fn new(plan: &Plan) -> Self {
        let drawn = std::io::stderr().is_terminal();
        let target = if drawn { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bars = MultiProgress::with_draw_target(target);
        let epochs: HashMap<_, _> =
            plan.pending().map(|entry| (entry.planned.run.clone(), entry.config.train.epochs as u64)).collect();
        let sweep = bars.add(ProgressBar::new(epochs.values().sum()));
        sweep.set_style(style("sweep {bar:30} {pos}/{len} epochs  {elapsed} gone, {eta} left  {msg}"));
        let done = plan.pending().map(|entry| entry.state.checkpoint as u64).sum();
        sweep.set_position(done);
        sweep.reset_eta();
        sweep.enable_steady_tick(Duration::from_secs(1));
        Self { bars, sweep, running: HashMap::new(), epochs, drawn }
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
        let bar = self.bars.insert_before(&self.sweep, ProgressBar::new(self.epochs.get(run).copied().unwrap_or(0)));
        bar.set_style(style("  {prefix:60!} {bar:15} {pos}/{len}  {msg}"));
        bar.set_prefix(run.to_owned());
        bar.set_message(device.to_owned());
        self.running.insert(run.to_owned(), Running { bar, loss: None, dice: None });
    }

    fn said(&mut self, run: &str, message: &Message) {
        let Some(running) = self.running.get_mut(run) else { return };
        match message {
            Message::Start { epoch, .. } => running.bar.set_position(*epoch as u64),
            Message::Step { loss, .. } => running.loss = loss.or(running.loss),
            Message::Epoch { split: Split::Val, dice_macro, loss, .. } => {
                running.dice = *dice_macro;
                running.loss = loss.or(running.loss);
            }
            Message::Checkpoint { epoch } => {
                running.bar.set_position(*epoch as u64);
                self.sweep.inc(1);
            }
            _ => {}
        }
        let figure =
            |name: &str, value: Option<f64>| value.map_or_else(String::new, |value| format!("{name} {value:.3}  "));
        running.bar.set_message(figure("loss", running.loss) + &figure("val Dice", running.dice));
    }

    fn end(&mut self, run: &str, outcome: &Outcome) {
        if let Some(running) = self.running.remove(run) {
            let position = running.bar.position();
            if *outcome == Outcome::Completed {
                // A run that stops early leaves epochs that will never be trained.
                self.sweep.inc(self.epochs.get(run).copied().unwrap_or(0).saturating_sub(position));
            }
            running.bar.finish_and_clear();
            let dice = running.dice.map_or_else(String::new, |dice| format!(", val Dice {dice:.3}"));
            match outcome {
                Outcome::Completed => self.line(&format!("completed {run} ({position} epochs{dice})")),
                Outcome::Stopped => self.line(&format!("stopped   {run} after epoch {position}")),
                Outcome::Failed(failure) => self.line(&format!("failed    {run}: {failure}")),
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
                if let Some(running) = self.running.remove(*run) {
                    running.bar.finish_and_clear();
                }
                self.line(&format!("again     {run} in {}: {failure}", console::duration(*seconds)));
            }
            Event::Ended { run, outcome } => self.end(run, outcome),
            Event::Stopping { at_once: false } => {
                self.line("stopping: each run ends after its batch; once more ends them at once");
            }
            Event::Stopping { at_once: true } => self.line("stopping at once"),
            Event::Note(text) => self.line(text),
        }
    }
}

/// A bar's style; the templates here are constants that are known to be valid.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
