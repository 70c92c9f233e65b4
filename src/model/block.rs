//! "Same" convolution, ReLU and batch norm: the network's one building block.

use burn::{module::Param, prelude::*};

use super::{
    initial::Initial,
    ops::{BlockWeights, ConvOps, EPSILON, Source},
};

/// Convolution, ReLU, batch norm.
#[derive(Module, Debug)]
pub struct ConvBlock<B: Backend> {
    weight: Param<Tensor<B, 4>>,
    bias: Param<Tensor<B, 1>>,
    gamma: Param<Tensor<B, 1>>,
    beta: Param<Tensor<B, 1>>,
    running_mean: Param<Tensor<B, 1>>,
    running_variance: Param<Tensor<B, 1>>,
}

impl<B: ConvOps> ConvBlock<B> {
    /// A fresh block with a `side` × `side` kernel.
    pub fn new(initial: &mut Initial<'_, B>, inputs: usize, outputs: usize, side: usize) -> Self {
        Self {
            weight: initial.convolution(inputs, outputs, side),
            bias: initial.channels(outputs, 0.0),
            gamma: initial.channels(outputs, 1.0),
            beta: initial.channels(outputs, 0.0),
            running_mean: initial.statistics(outputs, 0.0),
            running_variance: initial.statistics(outputs, 1.0),
        }
    }

    /// Normalises by the batch, and moves the running statistics: `momentum` is the share of the old that stays.
    pub fn forward_train(&mut self, source: Source<B>, momentum: f64) -> Tensor<B, 4> {
        let weights = BlockWeights {
            weight: self.weight.val(),
            bias: self.bias.val(),
            gamma: self.gamma.val(),
            beta: self.beta.val(),
        };
        let output = B::block(source, weights);
        let moved = |old: &Param<Tensor<B, 1>>, new: Tensor<B, 1>| {
            Param::initialized(old.id, old.val() * momentum + new * (1.0 - momentum))
        };
        self.running_mean = moved(&self.running_mean, output.mean);
        self.running_variance = moved(&self.running_variance, output.variance);
        output.map
    }

    /// Normalises by the running statistics, folded into the convolution.
    pub fn forward_evaluate(&self, source: Source<B>) -> Tensor<B, 4> {
        let scale = self.gamma.val() / (self.running_variance.val() + EPSILON).sqrt();
        let shift = self.beta.val() - self.running_mean.val() * scale.clone();
        let weights = BlockWeights { weight: self.weight.val(), bias: self.bias.val(), gamma: scale, beta: shift };
        B::block_folded(source, weights)
    }
}

/// Two 3×3 blocks, one after the other.
#[derive(Module, Debug)]
pub struct DoubleBlock<B: Backend> {
    first: ConvBlock<B>,
    second: ConvBlock<B>,
}

impl<B: ConvOps> DoubleBlock<B> {
    /// Fresh blocks.
    pub fn new(initial: &mut Initial<'_, B>, inputs: usize, outputs: usize) -> Self {
        Self {
            first: ConvBlock::new(initial, inputs, outputs, 3),
            second: ConvBlock::new(initial, outputs, outputs, 3),
        }
    }

    /// See [`ConvBlock::forward_train`].
    pub fn forward_train(&mut self, source: Source<B>, momentum: f64) -> Tensor<B, 4> {
        let x = self.first.forward_train(source, momentum);
        self.second.forward_train(Source::Map(x), momentum)
    }

    /// See [`ConvBlock::forward_evaluate`].
    pub fn forward_evaluate(&self, source: Source<B>) -> Tensor<B, 4> {
        self.second.forward_evaluate(Source::Map(self.first.forward_evaluate(source)))
    }
}
