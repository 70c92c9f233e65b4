//! Writes the tables and the state of a run whose trainer is an outside program, from its messages.

use std::collections::BTreeMap;

use super::{stopwatch::Stopwatch, told_images::ToldImages};
use crate::{
    domain::{ClassRow, Counts, EpochRow, Failure, FailureKind, Process, RunConfig, RunState, Split, StateRecord},
    protocol::{Figures, Message},
    statistics::mean_of,
    store::{RunDir, RunFile, StoreError, append_rows, create_dir, cut_after, read_rows},
};

/// The records of one attempt.
pub(super) struct Recorder {
    run: RunDir,
    config: RunConfig,
    state: StateRecord,
    /// Whether state.json says what `state` says.
    shown: bool,
    epochs: Vec<EpochRow>,
    classes: Vec<ClassRow>,
    images: ToldImages,
    stopwatch: Stopwatch,
}

impl Recorder {
    /// Cuts the tables back to the last checkpoint, from which the trainer will go on.
    pub(super) fn open(run: &RunDir) -> Result<Self, Failure> {
        let mut state = run.read_state().map_err(storage)?;
        for table in [run.epochs_csv(), run.classes_csv(), run.timing_csv()] {
            cut_after(&table, state.checkpoint).map_err(storage)?;
        }
        let config = RunFile::read(run).map_err(storage)?.config;
        if state.best_epoch > state.checkpoint {
            (state.best_epoch, state.best_score) = best_so_far(run, &config).map_err(storage)?;
        }
        state.epoch = state.checkpoint;
        create_dir(&run.checkpoints()).map_err(storage)?;
        let images = ToldImages::open(run, &state).map_err(storage)?;
        let (epochs, classes, stopwatch) = (Vec::new(), Vec::new(), Stopwatch::start());
        Ok(Self { run: run.clone(), config, state, shown: true, epochs, classes, images, stopwatch })
    }

    /// The trainer was started. Written with what comes next, or by [`Recorder::show`].
    pub(super) fn started(&mut self, process: Option<Process>) {
        self.state.attempts += 1;
        self.state.state = RunState::Running;
        self.state.process = process;
        self.state.failure = None;
        self.shown = false;
    }

    /// Writes that the trainer runs, if nothing has said so yet.
    pub(super) fn show(&mut self) -> Result<(), Failure> {
        if self.shown { Ok(()) } else { self.write_state() }
    }

    /// Takes in a message.
    ///
    /// # Errors
    /// If it breaks the protocol, or results cannot be written.
    pub(super) fn hear(&mut self, message: &Message) -> Result<(), Failure> {
        match message {
            Message::Epoch { epoch, split, loss, dice_macro, figures, classes } => {
                self.enter(*epoch, "figures")?;
                self.expect_first(*epoch, *split)?;
                let summed;
                let counts = if classes.is_empty() {
                    summed = self.images.sums(*epoch, *split);
                    &summed
                } else {
                    classes
                };
                let rows = self.class_rows(*epoch, *split, counts, figures)?;
                self.epochs.push(self.epoch_row(*epoch, *split, *loss, *dice_macro, figures, &rows));
                self.classes.extend(rows);
                Ok(())
            }
            Message::Image { epoch, split, image, classes } => {
                self.enter(*epoch, "an image")?;
                self.expect_known(classes)?;
                self.images.add(*epoch, *split, image, classes);
                Ok(())
            }
            Message::Checkpoint { epoch } if *epoch < self.state.checkpoint || *epoch == 0 => {
                Err(broken(format!("a checkpoint of epoch {epoch} after one of epoch {}", self.state.checkpoint)))
            }
            Message::Checkpoint { epoch } => self.record(Some(*epoch)),
            Message::Done => {
                self.record(None)?;
                self.state.state = RunState::Completed;
                self.state.process = None;
                self.write_state()
            }
            Message::Start { .. } => {
                self.stopwatch = Stopwatch::start();
                Ok(())
            }
            Message::Step { .. } | Message::Failed { .. } => Ok(()),
        }
    }

    /// Figures of this epoch come: one that they are later than is over.
    fn enter(&mut self, epoch: usize, what: &str) -> Result<(), Failure> {
        self.expect_later(epoch, what)?;
        if self.epochs.last().is_some_and(|row| row.epoch != epoch) {
            self.record(None)?;
            self.expect_later(epoch, what)?;
        }
        self.stopwatch.figures();
        Ok(())
    }

    /// Rows first, then the state that vouches for them.
    fn record(&mut self, checkpoint: Option<usize>) -> Result<(), Failure> {
        if self.epochs.is_empty() && checkpoint.is_none() {
            return Ok(());
        }
        append_if_any(&self.run.epochs_csv(), &self.epochs)?;
        append_if_any(&self.run.classes_csv(), &self.classes)?;
        let last = self.epochs.last().map_or(0, |row| row.epoch);
        if last > 0 {
            let is_best = self.note_best(last);
            self.images.record(&self.run, last, is_best).map_err(storage)?;
            let images = self.epochs.iter().find(|row| row.split == Split::Train).map_or(0, |row| row.images);
            let timing = self.stopwatch.lap(&self.state, last, images, checkpoint.is_some());
            append_rows(&self.run.timing_csv(), &[timing]).map_err(storage)?;
        }
        self.state.epoch = self.state.epoch.max(last).max(checkpoint.unwrap_or_default());
        self.state.checkpoint = checkpoint.unwrap_or(self.state.checkpoint);
        self.epochs.clear();
        self.classes.clear();
        self.write_state()
    }

    /// Whether `epoch` is the best so far.
    fn note_best(&mut self, epoch: usize) -> bool {
        let Some(score) = self.config.monitor.of(&self.epochs) else { return false };
        let direction = self.config.monitor.direction();
        let is_best = self.state.best_score.is_none_or(|best| direction.improves(score, best, 0.0));
        if is_best {
            (self.state.best_epoch, self.state.best_score) = (epoch, Some(score));
        }
        is_best
    }

    fn expect_later(&self, epoch: usize, what: &str) -> Result<(), Failure> {
        let Self { state, epochs, .. } = self;
        let last = epochs.last().map_or(0, |row| row.epoch);
        if epoch > state.epoch && epoch >= last {
            return Ok(());
        }
        let known = state.epoch.max(last);
        Err(broken(format!(
            "{what} of epoch {epoch} after epoch {known} was recorded; epochs count up from 1, and a resumed trainer \
             goes on after SWEEPSCOPE_RESUME_EPOCH"
        )))
    }

    fn expect_first(&self, epoch: usize, split: Split) -> Result<(), Failure> {
        if self.epochs.iter().all(|row| row.split != split) {
            return Ok(());
        }
        Err(broken(format!(
            "the figures of epoch {epoch} and split {split} twice; of several processes that train together, one alone \
             may print them"
        )))
    }

    fn expect_known(&self, classes: &BTreeMap<String, Counts>) -> Result<(), Failure> {
        let names: Vec<&str> = self.config.data.classes.iter().map(|class| class.name.as_str()).collect();
        match classes.keys().find(|name| !names.contains(&name.as_str())) {
            Some(unknown) => Err(broken(format!("the class `{unknown}`, which is none of {}", names.join(", ")))),
            None => Ok(()),
        }
    }

    fn class_rows(
        &self,
        epoch: usize,
        split: Split,
        classes: &BTreeMap<String, Counts>,
        figures: &Figures,
    ) -> Result<Vec<ClassRow>, Failure> {
        self.expect_known(classes)?;
        let row = |name: &String| {
            let counts = classes.get(name)?;
            // Where the images were not told, those of the split are the most that can have the class.
            let most = || if counts.support() > 0 { figures.images.unwrap_or(1) } else { 0 };
            let images = self.images.with_class(epoch, split, name).unwrap_or_else(most);
            Some(ClassRow::new(epoch, split, name, *counts, images))
        };
        Ok(self.config.data.classes.iter().filter_map(|class| row(&class.name)).collect())
    }

    fn epoch_row(
        &self,
        epoch: usize,
        split: Split,
        loss: Option<f64>,
        dice_macro: Option<f64>,
        figures: &Figures,
        classes: &[ClassRow],
    ) -> EpochRow {
        let background = self.config.data.background_name();
        let foreground = || classes.iter().filter(|row| Some(row.class.as_str()) != background);
        EpochRow {
            epoch,
            split,
            loss,
            accuracy: figures.accuracy,
            dice_coef: figures.dice_coef,
            iou_coef: figures.iou_coef,
            dice_macro: mean_of(foreground().filter_map(|row| row.dice)).or(dice_macro),
            iou_macro: mean_of(foreground().filter_map(|row| row.iou)).or(figures.iou_macro),
            learning_rate: figures.learning_rate.unwrap_or(self.config.train.learning_rate),
            images: figures.images.or_else(|| self.images.count(epoch, split)).unwrap_or_default(),
        }
    }

    fn write_state(&mut self) -> Result<(), Failure> {
        self.shown = true;
        self.run.write_state(&self.state).map_err(storage)
    }
}

/// The best of the epochs that are recorded.
fn best_so_far(run: &RunDir, config: &RunConfig) -> Result<(usize, Option<f64>), StoreError> {
    let mut best = (0, None);
    for row in read_rows::<EpochRow>(&run.epochs_csv())? {
        let Some(score) = config.monitor.of(std::slice::from_ref(&row)) else { continue };
        if best.1.is_none_or(|known| config.monitor.direction().improves(score, known, 0.0)) {
            best = (row.epoch, Some(score));
        }
    }
    Ok(best)
}

fn append_if_any<T: serde::Serialize>(path: &std::path::Path, rows: &[T]) -> Result<(), Failure> {
    if rows.is_empty() { Ok(()) } else { append_rows(path, rows).map_err(storage) }
}

fn storage(error: StoreError) -> Failure {
    Failure::new(error.kind(), error)
}

fn broken(what: String) -> Failure {
    Failure::new(FailureKind::Protocol, format!("the trainer sent {what}"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        domain::{ClassSpec, ImageRow, RunId, TimingRow},
        protocol::Reading,
    };

    fn run_in(folder: &std::path::Path) -> RunDir {
        let run = RunDir::new(folder);
        let mut config = RunConfig::default();
        let class = |name: &str| ClassSpec { name: name.into(), value: None, color: None };
        config.data.classes = ["background", "cell"].map(class).into();
        config.data.background = Some("background".into());
        let (id, axes) = (RunId(uuid::Uuid::nil()), serde_json::Map::new());
        RunFile { id, fingerprint: String::new(), axes, scale: None, config }.write(&run).unwrap();
        run
    }

    fn hear(recorder: &mut Recorder, line: &str) -> Result<(), Failure> {
        match Message::read(line.as_bytes()) {
            Reading::Message(message) => recorder.hear(&message),
            other => Err(broken(format!("{other:?}"))),
        }
    }

    /// An epoch of two images of which one has the class, told image by image.
    fn epoch(recorder: &mut Recorder, epoch: usize, tp: u64) {
        let image = |name: &str, tp: u64, fp: u64, fn_: u64| {
            format!(
                r#"{{"event":"image","epoch":{epoch},"split":"val","image":"{name}","classes":{{"cell":{{"tp":{tp},"fp":{fp},"fn":{fn_}}}}}}}"#
            )
        };
        hear(recorder, &image("a.png", tp, 0, 8 - tp)).unwrap();
        hear(recorder, &image("b.png", 0, 2, 0)).unwrap();
        hear(recorder, &format!(r#"{{"event":"epoch","epoch":{epoch},"split":"val","loss":0.5}}"#)).unwrap();
    }

    #[test]
    fn images_that_are_told_are_summed_and_those_of_the_best_and_newest_epoch_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let run = run_in(folder.path());
        let mut recorder = Recorder::open(&run).unwrap();
        recorder.started(None);
        for (number, tp) in [(1, 4), (2, 6), (3, 5)] {
            epoch(&mut recorder, number, tp);
            hear(&mut recorder, &format!(r#"{{"event":"checkpoint","epoch":{number}}}"#)).unwrap();
        }
        let rows: Vec<ClassRow> = read_rows(&run.classes_csv()).unwrap();
        assert_eq!((rows[1].tp, rows[1].fp, rows[1].fn_, rows[1].images), (6, 2, 2, 1));
        // 2 · 6 / (2 · 6 + 2 + 2)
        assert_eq!(rows[1].dice, Some(0.75));
        let epochs: Vec<EpochRow> = read_rows(&run.epochs_csv()).unwrap();
        assert_eq!((epochs[1].dice_macro, epochs[1].images, epochs[1].loss), (Some(0.75), 2, Some(0.5)));
        let images: Vec<ImageRow> = read_rows(&run.images_csv()).unwrap();
        let kept: Vec<_> =
            images.iter().map(|row| (row.epoch, row.image.as_str(), row.tp, row.dice.is_some())).collect();
        assert_eq!(
            kept,
            [(2, "a.png", 6, true), (2, "b.png", 0, false), (3, "a.png", 5, true), (3, "b.png", 0, false)]
        );
        let timing: Vec<TimingRow> = read_rows(&run.timing_csv()).unwrap();
        assert_eq!(timing.iter().map(|row| (row.attempt, row.epoch)).collect::<Vec<_>>(), [(1, 1), (1, 2), (1, 3)]);
        assert_eq!(run.read_state().unwrap().best_epoch, 2);
    }

    #[test]
    fn an_attempt_goes_on_with_the_best_of_the_epochs_up_to_its_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let run = run_in(folder.path());
        let mut recorder = Recorder::open(&run).unwrap();
        epoch(&mut recorder, 1, 5);
        epoch(&mut recorder, 2, 4);
        hear(&mut recorder, r#"{"event":"checkpoint","epoch":2}"#).unwrap();
        epoch(&mut recorder, 3, 8);
        // The figures of epoch 3 are recorded as epoch 4 comes; then all is lost after the checkpoint.
        epoch(&mut recorder, 4, 1);
        assert_eq!(run.read_state().unwrap().best_epoch, 3);
        let mut recorder = Recorder::open(&run).unwrap();
        assert_eq!(recorder.state.best_epoch, 1);
        epoch(&mut recorder, 3, 3);
        hear(&mut recorder, r#"{"event":"done"}"#).unwrap();
        let state = run.read_state().unwrap();
        assert_eq!((state.best_epoch, state.epoch, state.state), (1, 3, RunState::Completed));
    }

    #[test]
    fn figures_of_an_epoch_and_split_are_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        let run = run_in(folder.path());
        let mut recorder = Recorder::open(&run).unwrap();
        let line = r#"{"event":"epoch","epoch":1,"split":"val","loss":0.5}"#;
        hear(&mut recorder, line).unwrap();
        hear(&mut recorder, &line.replace("val", "train")).unwrap();
        let refusal = hear(&mut recorder, line).unwrap_err();
        assert_eq!(refusal.kind, FailureKind::Protocol);
        assert!(refusal.message.contains("epoch 1 and split val twice"), "{}", refusal.message);
    }

    #[test]
    fn an_image_with_a_class_that_is_not_there_breaks_the_protocol() {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::open(&run_in(folder.path())).unwrap();
        let line = r#"{"event":"image","epoch":1,"split":"val","image":"a","classes":{"cat":{"tp":1,"fp":0,"fn":0}}}"#;
        assert_eq!(hear(&mut recorder, line).unwrap_err().kind, FailureKind::Protocol);
    }
}
