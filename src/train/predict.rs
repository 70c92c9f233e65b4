//! A finished (or stopped) run's network, for new images.

use burn::backend::Flex;

use super::{
    checkpoint,
    evaluate::{evaluate, probabilities},
    samples::Task,
    storage,
};
use crate::{
    domain::{Failure, FailureKind, InputMode, RunConfig, StateRecord},
    loss::Loss,
    metrics::{ImageFigures, labels_of, resize_bilinear},
    model::{ConvOps, UNet},
    store::{CheckpointSet, RunDir, RunFile},
};

/// The network that a run's predictions use, on the CPU.
pub struct Predictor {
    model: UNet<Flex>,
    config: RunConfig,
    channels: usize,
    classes: usize,
    epoch: usize,
}

impl Predictor {
    /// Reads the run's best checkpoint, or the last where `restore_best` is off.
    ///
    /// # Errors
    /// If the run has no checkpoint or it cannot be used.
    pub fn open(run: &RunDir) -> Result<Self, Failure> {
        let config = RunFile::read(run).map_err(storage)?.config;
        let state = run.read_state().map_err(storage)?;
        let set = chosen(run, &config, &state)?;
        let [channels, classes] = checkpoint::extent(&set)?;
        let model = read::<Flex>(&set, &config, [channels, classes], &Default::default())?;
        Ok(Self { model, config, channels, classes, epoch: set.epoch })
    }

    /// The run's settings.
    pub fn config(&self) -> &RunConfig {
        &self.config
    }

    /// Channels of an image.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The epoch whose weights these are.
    pub fn epoch(&self) -> usize {
        self.epoch
    }

    /// The size (height, width) at which an image of size `native` is shown to the network: `data.input_size`, or its
    /// own where `data.input_mode` is `crop` (a window slides over it).
    pub fn sees(&self, native: [usize; 2]) -> [usize; 2] {
        if self.config.data.input_mode == InputMode::Crop { native } else { self.config.data.input_size.0 }
    }

    /// Probabilities [classes, height, width] at the size `native` of an image [channels, height, width] that was
    /// normalised as in training and is of the size that [`Self::sees`] says.
    pub fn probabilities(&self, image: &[f32], size: [usize; 2], native: [usize; 2]) -> Vec<f32> {
        let extent = [self.channels, self.classes];
        let window = self.config.data.input_size.0;
        let found = probabilities(&self.model, &[(image, size)], extent, window, &Default::default()).concat();
        if size == native { found } else { resize_bilinear(&found, size, native) }
    }

    /// The class of each pixel, likewise.
    pub fn labels(&self, image: &[f32], size: [usize; 2], native: [usize; 2]) -> Vec<u8> {
        labels_of(&self.probabilities(image, size, native), self.classes, native, native)
    }

    /// The figures of the images `indices` of `task`, in their order.
    pub fn evaluate(&self, task: &Task<'_>, indices: &[usize], loss: &Loss) -> Vec<ImageFigures> {
        evaluate(&self.model, task, indices, loss, &Default::default())
    }
}

/// The set that predictions use: the best epoch's, or the last where the settings say that it is not restored.
pub(super) fn chosen(run: &RunDir, config: &RunConfig, state: &StateRecord) -> Result<CheckpointSet, Failure> {
    if config.trainer.is_some() {
        let message = "the run was trained by an outside program, which keeps its weights in a form of its own";
        return Err(Failure::new(FailureKind::BadConfig, message));
    }
    let restore_best = config.train.early_stopping.as_ref().is_none_or(|rule| rule.restore_best);
    set_of(run, if restore_best && state.best_epoch > 0 { state.best_epoch } else { state.checkpoint })
}

/// The set of `epoch`.
pub(super) fn set_of(run: &RunDir, epoch: usize) -> Result<CheckpointSet, Failure> {
    let message = if epoch == 0 {
        "the run has no checkpoint yet".to_owned()
    } else {
        let again = format!("sweepscope retry RESULTS {}", run.name());
        format!("the checkpoint of epoch {epoch} is missing or damaged; `{again}` and `run` make it again")
    };
    CheckpointSet::of_epoch(run, epoch).ok_or_else(|| Failure::new(FailureKind::CorruptCheckpoint, message))
}

/// The network of a set.
pub(super) fn read<B: ConvOps>(
    set: &CheckpointSet,
    config: &RunConfig,
    [channels, classes]: [usize; 2],
    device: &B::Device,
) -> Result<UNet<B>, Failure> {
    let fresh = UNet::new(&config.model, channels, classes, config.train.init_seed, device);
    checkpoint::read_model(set, fresh)
}
