//! The settings of one run: everything that decides its result, with the defaults.
//!
//! Each field is a dotted key of the sweep file (`train.epochs`), listed with its allowed values in the sweep file's
//! schema; a test holds the two against each other.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Metric, Shared};

/// Declares an enum whose variants are written in snake_case in the sweep file.
macro_rules! choice {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_meta])* $variant,)+ }
    };
}

mod contradiction;
mod data;

pub use contradiction::Contradiction;
pub use data::*;

/// Everything that decides what a run computes. Two runs with equal settings and equal data are the same run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunConfig {
    /// The figure that ranks runs and picks the best epoch (`[sweep] monitor`).
    pub monitor: Metric,
    /// Images, masks and what their values mean.
    pub data: Shared<DataConfig>,
    /// Which image is used for what.
    pub split: SplitConfig,
    /// The network.
    pub model: ModelConfig,
    /// What training minimises.
    pub loss: LossConfig,
    /// How it is minimised.
    pub train: TrainConfig,
    /// Random changes of the training images.
    pub augment: AugmentConfig,
    /// An outside program in place of the built-in trainer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trainer: Option<Shared<TrainerConfig>>,
}

impl RunConfig {
    /// Takes one section that the grid can vary (`data`, `split`, …) over from `other`.
    pub fn take_section(&mut self, name: &str, other: &Self) {
        match name {
            "data" => self.data.clone_from(&other.data),
            "split" => self.split.clone_from(&other.split),
            "model" => self.model.clone_from(&other.model),
            "loss" => self.loss.clone_from(&other.loss),
            "train" => self.train.clone_from(&other.train),
            "augment" => self.augment.clone_from(&other.augment),
            _ => {}
        }
    }
}

/// `[trainer]`: an outside program in place of the built-in trainer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainerConfig {
    /// The program and its arguments, with placeholders such as `{learning_rate}`. No shell reads it.
    pub command: Vec<String>,
    /// The folder it is started in; the sweep file's own, unless given. Not part of a run's identity.
    pub folder: PathBuf,
}

/// `[model]`: the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// The architecture.
    pub kind: ModelKind,
    /// Levels, the bottom one included.
    pub depth: usize,
    /// Channels of the first level; each level doubles them.
    pub base_width: usize,
    /// Normalisation after each convolution.
    pub norm: Norm,
    /// Share of the old running statistics kept at each step (Keras's convention, .99 there).
    pub bn_momentum: f64,
    /// Share of activations dropped after the two deepest encoder levels.
    pub dropout: f64,
    /// What turns the last feature map into logits.
    pub head: Head,
    /// Weights to start from: a safetensors file, as `export` writes it or with PyTorch's names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pretrained: Option<PathBuf>,
    /// Layers that keep their weights: `all_but_last:N`, or names with `*` (`encoder.*`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freeze: Option<String>,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            kind: ModelKind::Unet,
            depth: 5,
            base_width: 16,
            norm: Norm::Batch,
            bn_momentum: 0.9,
            dropout: 0.5,
            head: Head::Plain,
            pretrained: None,
            freeze: None,
        }
    }
}

choice! {
    /// The architecture.
    ModelKind {
        /// U-Net (Ronneberger 2015) with batch norm and nearest-neighbour upsampling.
        #[default] Unet,
    }
}
choice! {
    /// Normalisation after each convolution.
    Norm {
        /// Batch norm.
        #[default] Batch,
        /// Group norm, 8 groups where the channels allow.
        Group,
    }
}
choice! {
    /// What turns the last feature map into logits.
    Head {
        /// A 1×1 convolution.
        #[default] Plain,
        /// A 3×3 convolution to K channels, ReLU and norm, then 1×1, as in the Keras code in wide use.
        Keras,
    }
}

/// `[loss]`: what training minimises.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossConfig {
    /// Which loss.
    pub kind: LossKind,
    /// One weight a class, in the order of the classes (empty: all 1), or `balanced`.
    pub class_weights: ClassWeights,
    /// Exponent of `focal`.
    pub focal_gamma: f64,
    /// Weight of false alarms in `tversky`.
    pub tversky_alpha: f64,
    /// Weight of misses in `tversky`.
    pub tversky_beta: f64,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self {
            kind: LossKind::DiceCe,
            class_weights: ClassWeights::Given(Vec::new()),
            focal_gamma: 2.0,
            tversky_alpha: 0.3,
            tversky_beta: 0.7,
        }
    }
}

/// How much each class counts in the loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClassWeights {
    /// By a rule, from the training split.
    Rule(WeightRule),
    /// One weight a class, in the order of the classes; empty: all 1.
    Given(Vec<f64>),
}

choice! {
    /// How weights follow from the training split.
    WeightRule {
        /// Pixels over (classes × pixels of the class); 0 for a class that the split lacks.
        #[default] Balanced,
    }
}
choice! {
    /// Which loss.
    LossKind {
        /// Macro soft Dice plus cross-entropy.
        #[default] DiceCe,
        /// Soft Dice over all pixels and classes of an image together, as the Keras code in wide use.
        Dice,
        /// One minus the mean over classes of the batch's soft Dice.
        DiceMacro,
        /// Cross-entropy.
        Ce,
        /// Focal loss (Lin 2017): cross-entropy times (1 − p)^`focal_gamma`.
        Focal,
        /// One minus the mean over classes of the batch's Tversky index (Salehi 2017).
        Tversky,
    }
}

/// `[train]`: how the loss is minimised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Passes over the training images.
    pub epochs: usize,
    /// Step size.
    pub learning_rate: f64,
    /// Images a step.
    pub batch_size: usize,
    /// Batches whose gradients are averaged over their images before a step.
    pub accumulate: usize,
    /// The update rule.
    pub optimizer: Optimizer,
    /// Pull of the weights towards 0 (Adam and SGD: L2, added to the gradient; AdamW: decoupled).
    pub weight_decay: f64,
    /// SGD's momentum.
    pub momentum: f64,
    /// Seed of initialisation, order, augmentation and dropout.
    pub init_seed: u64,
    /// Largest norm of the whole gradient; 0: not clipped.
    pub gradient_clip: f64,
    /// How the learning rate changes over epochs.
    pub lr_schedule: LrSchedule,
    /// Epochs over which the rate rises linearly from 0.
    pub warmup_epochs: usize,
    /// What `lr_schedule = "plateau"` multiplies the rate by.
    pub plateau_factor: f64,
    /// Epochs without improvement that it waits for.
    pub plateau_patience: usize,
    /// Epochs between checkpoints.
    pub checkpoint_every: usize,
    /// Epochs whose number this divides keep their checkpoint, beside the last and the best. Not part of a
    /// run's identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_epochs: Option<usize>,
    /// What convolutions compute with; weights, norms and losses are 32-bit in any case.
    pub precision: Precision,
    /// When to end before `epochs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 64,
            learning_rate: 1e-3,
            batch_size: 8,
            accumulate: 1,
            optimizer: Optimizer::Adam,
            weight_decay: 0.0,
            momentum: 0.9,
            init_seed: 0,
            gradient_clip: 0.0,
            lr_schedule: LrSchedule::Constant,
            warmup_epochs: 0,
            plateau_factor: 0.1,
            plateau_patience: 10,
            checkpoint_every: 1,
            keep_epochs: None,
            precision: Precision::F32,
            early_stopping: None,
        }
    }
}

choice! {
    /// The update rule.
    Optimizer {
        /// Adam (Kingma & Ba 2015), epsilon 1e-7 as in Keras.
        #[default] Adam,
        /// AdamW (Loshchilov & Hutter 2019).
        Adamw,
        /// Stochastic gradient descent with momentum.
        Sgd,
    }
}
choice! {
    /// What convolutions compute with.
    Precision {
        /// 32-bit floats.
        #[default] F32,
        /// bfloat16, which GPUs multiply faster: 8 bits of precision and the range of 32-bit floats. GPUs alone.
        Bf16,
    }
}
choice! {
    /// How the learning rate changes over epochs.
    LrSchedule {
        /// Not at all.
        #[default] Constant,
        /// Half a cosine down to 0.
        Cosine,
        /// (1 − epoch/epochs)^0.9, as nnU-Net.
        Polynomial,
        /// Times `plateau_factor` after `plateau_patience` epochs in which the sweep's monitor did not improve, as
        /// Keras's `ReduceLROnPlateau` without its smallest change.
        Plateau,
    }
}

/// When to end before `epochs`; the semantics are those of Keras's `EarlyStopping`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EarlyStopping {
    /// The figure that is watched; its direction is known from its name.
    pub monitor: Metric,
    /// Epochs without improvement that are waited for.
    pub patience: usize,
    /// Smallest change that counts as an improvement.
    pub min_delta: f64,
    /// Whether the run's final weights are the best epoch's.
    pub restore_best: bool,
    /// Epochs (from 1) before this one are not watched.
    pub start_epoch: usize,
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self { monitor: Metric::default(), patience: 10, min_delta: 0.0, restore_best: true, start_epoch: 1 }
    }
}

/// `[augment]`: random changes of the training images; val and test are never changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentConfig {
    /// Mirror left-right and up-down, each with probability ½.
    pub flip: bool,
    /// Turn by 0, 90, 180 or 270 degrees (square inputs alone).
    pub rotate90: bool,
    /// Largest change of brightness, in standard deviations of the image.
    pub brightness: f64,
    /// Largest relative change of contrast.
    pub contrast: f64,
    /// Largest standard deviation of added Gaussian noise, in standard deviations of the image.
    pub noise: f64,
    /// Largest turn to either side, in degrees.
    pub rotate: f64,
    /// Largest relative change of size.
    pub scale: f64,
    /// Largest elastic shift, in pixels (Simard 2003); it varies over about an eighth of the image.
    pub elastic: f64,
    /// Largest standard deviation of Gaussian blur, in pixels.
    pub blur: f64,
}
