//! "Same" convolution, ReLU and norm: the network's one building block.

use burn::{module::Param, prelude::*, tensor::FloatDType};

use super::{
    initial::Initial,
    ops::{BlockWeights, ConvOps, EPSILON, Source},
};
use crate::domain::{Norm, Precision};

/// Convolution, ReLU, norm.
#[derive(Module, Debug)]
pub struct ConvBlock<B: Backend> {
    weight: Param<Tensor<B, 4>>,
    bias: Param<Tensor<B, 1>>,
    gamma: Param<Tensor<B, 1>>,
    beta: Param<Tensor<B, 1>>,
    running_mean: Option<Param<Tensor<B, 1>>>,
    running_variance: Option<Param<Tensor<B, 1>>>,
    frozen: bool,
    half: bool,
}

/// Groups that group norm makes of `channels`: 8, or the most that divides them alike.
fn groups_of(channels: usize) -> usize {
    [8, 4, 2].into_iter().find(|groups| channels.is_multiple_of(*groups)).unwrap_or(1)
}

impl<B: ConvOps> ConvBlock<B> {
    /// A fresh block with a `side` × `side` kernel. Batch norm has running statistics; group norm needs none.
    pub fn new(initial: &mut Initial<'_, B>, norm: Norm, inputs: usize, outputs: usize, side: usize) -> Self {
        let statistics = |value| (norm == Norm::Batch).then(|| initial.statistics(outputs, value));
        let (running_mean, running_variance) = (statistics(0.0), statistics(1.0));
        Self {
            weight: initial.convolution(inputs, outputs, side),
            bias: initial.channels(outputs, 0.0),
            gamma: initial.channels(outputs, 1.0),
            beta: initial.channels(outputs, 0.0),
            running_mean,
            running_variance,
            frozen: false,
            half: false,
        }
    }

    /// Convolves with this precision from now on. The weights stay in 32 bits; they are rounded at each use.
    pub fn set_precision(&mut self, precision: Precision) {
        self.half = precision == Precision::Bf16;
    }

    /// Keeps the weights and statistics as they are from now on.
    pub fn freeze(&mut self) {
        self.frozen = true;
    }

    /// Normalises by the batch, and moves the running statistics: `momentum` is the share of the old that stays. A
    /// frozen block does as in evaluation.
    pub fn forward_train(&mut self, source: Source<B>, momentum: f64) -> Tensor<B, 4> {
        let (Some(mean), Some(variance), false) = (&self.running_mean, &self.running_variance, self.frozen) else {
            return self.forward_evaluate(source);
        };
        let output = B::block(source, self.weights());
        let moved = |old: &Param<Tensor<B, 1>>, new: Tensor<B, 1>| {
            Some(Param::initialized(old.id, old.val() * momentum + new * (1.0 - momentum)))
        };
        (self.running_mean, self.running_variance) = (moved(mean, output.mean), moved(variance, output.variance));
        output.map
    }

    /// Normalises by the running statistics, folded into the convolution; group norm by the image's own.
    pub fn forward_evaluate(&self, source: Source<B>) -> Tensor<B, 4> {
        let weights = self.weights();
        let (Some(mean), Some(variance)) = (&self.running_mean, &self.running_variance) else {
            let groups = groups_of(weights.bias.dims()[0]);
            return B::group_block(source, weights, groups);
        };
        let scale = weights.gamma / (variance.val() + EPSILON).sqrt();
        let shift = weights.beta - mean.val() * scale.clone();
        B::block_folded(source, BlockWeights { gamma: scale, beta: shift, ..weights })
    }

    fn weights(&self) -> BlockWeights<B> {
        let weights = BlockWeights {
            weight: self.weight.val(),
            bias: self.bias.val(),
            gamma: self.gamma.val(),
            beta: self.beta.val(),
        };
        let weights = if self.half { weights.rounded(FloatDType::BF16) } else { weights };
        if !self.frozen {
            return weights;
        }
        BlockWeights {
            weight: weights.weight.detach(),
            bias: weights.bias.detach(),
            gamma: weights.gamma.detach(),
            beta: weights.beta.detach(),
        }
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
    pub fn new(initial: &mut Initial<'_, B>, norm: Norm, inputs: usize, outputs: usize) -> Self {
        Self {
            first: ConvBlock::new(initial, norm, inputs, outputs, 3),
            second: ConvBlock::new(initial, norm, outputs, outputs, 3),
        }
    }

    /// Both blocks by name, in their order.
    pub fn blocks(&mut self) -> [(&'static str, &mut ConvBlock<B>); 2] {
        [("first", &mut self.first), ("second", &mut self.second)]
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
