//! The operations that a network is made of, behind one trait, so that the CPU backend can bring its own.
//!
//! A feature map between [`ConvOps::enter`] and [`ConvOps::head`] is the backend's own affair: its axes may lie in
//! any order, and only the batch comes first for certain. Provided methods compose stock burn operations, which
//! every backend differentiates by itself; the CPU backend (`flex`) calls `kernels` and knows their gradients
//! (`autodiff`). Those kernels know 32-bit floats alone; half precision is for the stock operations.

mod autodiff;
mod flex;
mod pooled;
pub mod stock;
#[cfg(test)]
mod tests;

use burn::{prelude::*, tensor::FloatDType};

/// What a convolution block reads.
#[derive(Clone, Debug)]
pub enum Source<B: Backend> {
    /// A map as it is.
    Map(Tensor<B, 4>),
    /// Two maps, joined along channels.
    Joined(Tensor<B, 4>, Tensor<B, 4>),
    /// A map, each pixel doubled in height and width.
    Upsampled(Tensor<B, 4>),
}

/// The parameters of a block of "same" convolution, ReLU and batch norm.
#[derive(Clone, Debug)]
pub struct BlockWeights<B: Backend> {
    /// Convolution weights [out, in, k, k]; the convolution computes in their type of float.
    pub weight: Tensor<B, 4>,
    /// Convolution bias [out].
    pub bias: Tensor<B, 1>,
    /// Scale after normalisation [out]; when folded, the whole scale.
    pub gamma: Tensor<B, 1>,
    /// Shift after normalisation [out]; when folded, the whole shift.
    pub beta: Tensor<B, 1>,
}

impl<B: Backend> BlockWeights<B> {
    /// The convolution's weights in another type of float; gradients come back in the old one.
    pub fn rounded(self, dtype: FloatDType) -> Self {
        Self { weight: self.weight.cast(dtype), ..self }
    }
}

/// What a block in training gives.
#[derive(Clone, Debug)]
pub struct BlockOutput<B: Backend> {
    /// The normalised map.
    pub map: Tensor<B, 4>,
    /// Mean of each channel over batch and space [out]; no gradient flows through it.
    pub mean: Tensor<B, 1>,
    /// Biased variance likewise.
    pub variance: Tensor<B, 1>,
}

/// Added to a variance before its root is taken (PyTorch's default).
pub const EPSILON: f32 = 1e-5;

/// One update by Adam or AdamW.
#[derive(Clone, Copy, Debug)]
pub struct AdamStep {
    /// Step size.
    pub rate: f64,
    /// Decays of the mean gradient and of the mean squared gradient.
    pub betas: [f64; 2],
    /// Added to the root of the mean squared gradient.
    pub epsilon: f64,
    /// Decoupled: each step shrinks the values by `rate` times this.
    pub weight_decay: f64,
    /// Updates made, this one included.
    pub step: u64,
}

/// Operations of the network; implement it without a body to use a backend's stock ones.
pub trait ConvOps: Backend {
    /// From [batch, channels, height, width] to a feature map; no gradient flows back.
    fn enter(x: Tensor<Self, 4>) -> Tensor<Self, 4> {
        x
    }

    /// Batch norm (statistics of the batch) of the ReLU of a "same" convolution.
    fn block(source: Source<Self>, weights: BlockWeights<Self>) -> BlockOutput<Self> {
        stock::block(source, weights)
    }

    /// ReLU of a "same" convolution, times `gamma`, plus `beta`: the block in evaluation. Gradients flow to the source
    /// alone.
    fn block_folded(source: Source<Self>, weights: BlockWeights<Self>) -> Tensor<Self, 4> {
        stock::block_folded(source, weights)
    }

    /// Group norm of the ReLU of a "same" convolution, in training and in evaluation.
    fn group_block(source: Source<Self>, weights: BlockWeights<Self>, groups: usize) -> Tensor<Self, 4> {
        stock::group_block(source, weights, groups)
    }

    /// The largest of each 2×2 square.
    fn pool(x: Tensor<Self, 4>) -> Tensor<Self, 4> {
        stock::pool(x)
    }

    /// 1×1 convolution of a feature map to logits [batch, classes, height, width].
    fn head(x: Tensor<Self, 4>, weight: Tensor<Self, 4>, bias: Tensor<Self, 1>) -> Tensor<Self, 4> {
        stock::head(x, weight, bias)
    }

    /// Flat values after an update by gradient `g`, and the moved moments (first, second).
    fn adam(
        step: AdamStep,
        value: Tensor<Self, 1>,
        g: Tensor<Self, 1>,
        moments: [Tensor<Self, 1>; 2],
    ) -> (Tensor<Self, 1>, [Tensor<Self, 1>; 2]) {
        stock::adam(step, value, g, moments)
    }
}

#[cfg(feature = "cuda")]
impl ConvOps for burn::backend::Cuda {}
#[cfg(feature = "cuda")]
impl ConvOps for burn::backend::Autodiff<burn::backend::Cuda> {}
