//! The U-Net (Ronneberger et al. 2015) in the form that is in wide use in Keras code: "same" convolutions, batch
//! norm after each ReLU, nearest upsampling with a 2×2 convolution, dropout after the two deepest encoder levels.

use burn::{module::Param, prelude::*};

use super::{
    block::{ConvBlock, DoubleBlock},
    dropout::DropoutStream,
    freeze::Freeze,
    initial::Initial,
    ops::{ConvOps, Source},
};
use crate::domain::{Head, ModelConfig, Precision};

/// The network. Level 0 is the widest in space; each level below has half its side and twice its channels.
#[derive(Module, Debug)]
pub struct UNet<B: Backend> {
    encoder: Vec<DoubleBlock<B>>,
    decoder: Vec<Up<B>>,
    keras: Option<ConvBlock<B>>,
    head: Classifier<B>,
    dropout: f64,
    momentum: f64,
}

/// One step up: upsampling with a 2×2 block, then two blocks over the skipped map and it.
#[derive(Module, Debug)]
struct Up<B: Backend> {
    up: ConvBlock<B>,
    join: DoubleBlock<B>,
}

/// 1×1 convolution to logits.
#[derive(Module, Debug)]
struct Classifier<B: Backend> {
    weight: Param<Tensor<B, 4>>,
    bias: Param<Tensor<B, 1>>,
    frozen: bool,
}

/// The layers that [`Freeze`] speaks of, from the input to the logits.
pub fn layer_names(config: &ModelConfig) -> Vec<String> {
    let double = |path: String| ["first", "second"].map(|name| format!("{path}.{name}"));
    let mut names: Vec<String> = (0..config.depth).flat_map(|level| double(format!("encoder.{level}"))).collect();
    for step in 0..config.depth - 1 {
        names.push(format!("decoder.{step}.up"));
        names.extend(double(format!("decoder.{step}.join")));
    }
    names.extend((config.head == Head::Keras).then(|| "keras".into()));
    names.push("head".into());
    names
}

impl<B: ConvOps> UNet<B> {
    /// A fresh network for images with `channels` channels and `classes` classes, drawn from `seed`.
    pub fn new(config: &ModelConfig, channels: usize, classes: usize, seed: u64, device: &B::Device) -> Self {
        let initial = &mut Initial::new(seed, device);
        let norm = config.norm;
        let width = |level: usize| config.base_width << level;
        let inputs = |level: usize| if level == 0 { channels } else { width(level - 1) };
        let encoder =
            (0..config.depth).map(|level| DoubleBlock::new(initial, norm, inputs(level), width(level))).collect();
        let up = |level: usize| Up {
            up: ConvBlock::new(initial, norm, width(level + 1), width(level), 2),
            join: DoubleBlock::new(initial, norm, 2 * width(level), width(level)),
        };
        let decoder = (0..config.depth - 1).rev().map(up).collect();
        let keras = (config.head == Head::Keras).then(|| ConvBlock::new(initial, norm, width(0), classes, 3));
        let last = if keras.is_some() { classes } else { width(0) };
        let head = Classifier {
            weight: initial.convolution(last, classes, 1),
            bias: initial.channels(classes, 0.0),
            frozen: false,
        };
        Self { encoder, decoder, keras, head, dropout: config.dropout, momentum: config.bn_momentum }
    }

    /// Keeps the weights of the layers that `rule` names as they are from now on.
    pub fn freeze(&mut self, rule: &Freeze, config: &ModelConfig) {
        let names = layer_names(config);
        let frozen: Vec<&str> = names
            .iter()
            .zip(rule.frozen(&names))
            .filter(|(_, frozen)| *frozen)
            .map(|(name, _)| name.as_str())
            .collect();
        let is_frozen = |(name, _): &(String, _)| frozen.contains(&name.as_str());
        self.blocks().into_iter().filter(is_frozen).for_each(|(_, block)| block.freeze());
        self.head.frozen = frozen.contains(&"head");
    }

    /// Convolves with this precision from now on; the head stays in 32 bits.
    pub fn set_precision(&mut self, precision: Precision) {
        self.blocks().into_iter().for_each(|(_, block)| block.set_precision(precision));
    }

    /// Every block by its name among [`layer_names`].
    fn blocks(&mut self) -> Vec<(String, &mut ConvBlock<B>)> {
        let mut blocks: Vec<(String, &mut ConvBlock<B>)> = Vec::new();
        for (level, double) in self.encoder.iter_mut().enumerate() {
            blocks.extend(double.blocks().map(|(name, block)| (format!("encoder.{level}.{name}"), block)));
        }
        for (step, up) in self.decoder.iter_mut().enumerate() {
            blocks.push((format!("decoder.{step}.up"), &mut up.up));
            blocks.extend(up.join.blocks().map(|(name, block)| (format!("decoder.{step}.join.{name}"), block)));
        }
        blocks.extend(self.keras.as_mut().map(|block| ("keras".to_owned(), block)));
        blocks
    }

    /// Logits [batch, classes, height, width] of images [batch, channels, height, width] in training: batch norm by
    /// the batch, dropout on.
    pub fn forward_train(&mut self, x: Tensor<B, 4>, stream: DropoutStream) -> Tensor<B, 4> {
        let (momentum, levels) = (self.momentum, self.encoder.len());
        let mut x = B::enter(x);
        let mut skipped = Vec::new();
        for (level, blocks) in self.encoder.iter_mut().enumerate() {
            x = blocks.forward_train(Source::Map(x), momentum);
            if level + 2 >= levels {
                x = stream.apply(x, self.dropout, level);
            }
            if level + 1 < levels {
                skipped.push(x.clone());
                x = B::pool(x);
            }
        }
        for (step, skip) in self.decoder.iter_mut().zip(skipped.into_iter().rev()) {
            x = step.up.forward_train(Source::Upsampled(x), momentum);
            x = step.join.forward_train(Source::Joined(skip, x), momentum);
        }
        if let Some(block) = &mut self.keras {
            x = block.forward_train(Source::Map(x), momentum);
        }
        self.head.logits(x)
    }

    /// The network with its running statistics measured anew: the mean of those of each of `batches` of images [batch,
    /// channels, height, width], without dropout (precise batch norm, Wu & Johnson 2021).
    pub fn measured_anew(&self, batches: impl IntoIterator<Item = Tensor<B, 4>>) -> Self {
        let mut measured = Self { dropout: 0.0, ..self.clone() };
        for (seen, images) in batches.into_iter().enumerate() {
            // The share of the old that makes the running mean that of all batches so far.
            measured.momentum = seen as f64 / (seen + 1) as f64;
            measured.forward_train(images, DropoutStream { seed: 0, epoch: 0, step: 0 });
        }
        Self { dropout: self.dropout, momentum: self.momentum, ..measured }
    }

    /// Logits in evaluation: batch norm by the running statistics, no dropout.
    pub fn forward_evaluate(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = B::enter(x);
        let mut skipped = Vec::new();
        for (level, blocks) in self.encoder.iter().enumerate() {
            x = blocks.forward_evaluate(Source::Map(x));
            if level + 1 < self.encoder.len() {
                skipped.push(x.clone());
                x = B::pool(x);
            }
        }
        for (step, skip) in self.decoder.iter().zip(skipped.into_iter().rev()) {
            x = step.up.forward_evaluate(Source::Upsampled(x));
            x = step.join.forward_evaluate(Source::Joined(skip, x));
        }
        if let Some(block) = &self.keras {
            x = block.forward_evaluate(Source::Map(x));
        }
        self.head.logits(x)
    }
}

impl<B: ConvOps> Classifier<B> {
    fn logits(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        if self.frozen { B::head(x, weight.detach(), bias.detach()) } else { B::head(x, weight, bias) }
    }
}
