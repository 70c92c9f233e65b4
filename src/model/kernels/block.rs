//! Convolution, bias, ReLU and batch norm as one step of training or evaluation.

use super::gather::Finish;
use super::isa::Isa;
use super::norm::{self, Moments, Normed};
use super::patch::Sources;
use super::pool;

/// What a block needs of a convolution: [`Conv`](super::Conv) or [`UpConv`](super::UpConv).
pub trait Convolution: Copy + Sync {
    /// The instructions to use.
    fn isa(&self) -> Isa;
    /// Output channels.
    fn outputs(&self) -> usize;
    /// The output map, and what `each` says of every band of it, in order.
    #[doc(hidden)]
    fn product<T: Send>(
        &self,
        x: Sources,
        weight: &[f32],
        finish: Finish,
        each: impl Fn(&mut [f32]) -> T + Sync,
    ) -> (Vec<f32>, Vec<T>);
    /// The gradients of both sources (empty for the second where it has no channels).
    #[must_use]
    fn input_gradient(&self, weight: &[f32], gradient: &[f32]) -> [Vec<f32>; 2];
    /// The gradient of the weights, in their layout.
    #[must_use]
    fn weight_gradient(&self, x: Sources, gradient: &[f32]) -> Vec<f32>;

    /// `conv(x) + bias`, with ReLU where asked.
    #[must_use]
    fn forward(&self, x: Sources, weight: &[f32], bias: &[f32], relu: bool) -> Vec<f32> {
        self.product(x, weight, Finish { bias: Some(bias), relu, affine: None }, |_| ()).0
    }

    /// Evaluation with batch norm folded in: `relu(conv(x) + bias) * scale + shift`.
    #[must_use]
    fn forward_affine(&self, x: Sources, weight: &[f32], bias: &[f32], scale: &[f32], shift: &[f32]) -> Vec<f32> {
        self.product(x, weight, Finish { bias: Some(bias), relu: true, affine: Some((scale, shift)) }, |_| ()).0
    }

    /// Gradients of [`Convolution::forward`]; `gradient` is used up. `y` is the output where it had a ReLU.
    #[must_use]
    fn backward(
        &self,
        x: Sources,
        weight: &[f32],
        y: Option<&[f32]>,
        mut gradient: Vec<f32>,
        need_input: bool,
    ) -> ConvGradients {
        let bias = match y {
            Some(y) => norm::relu_backward(self.isa(), y, &mut gradient, self.outputs()),
            None => norm::channel_sums(self.isa(), &gradient, self.outputs()),
        };
        self.products_backward(x, weight, gradient, bias, need_input)
    }

    /// Training: the block's output and what its backward step needs.
    #[must_use]
    fn block_forward(&self, x: Sources, w: BlockWeights, epsilon: f32) -> BlockOutput {
        let (isa, channels) = (self.isa(), self.outputs());
        let finish = Finish { bias: Some(w.bias), relu: true, affine: None };
        let (y, parts) = self.product(x, w.weight, finish, |band| Moments::of(isa, band, channels));
        let (mean, var) = Moments::merge(&parts, channels);
        let (scale, shift) = fold_norm(w.gamma, w.beta, &mean, &var, epsilon);
        let z = norm::affine(isa, &y, &scale, &shift);
        BlockOutput { z, y, mean, var }
    }

    /// Gradients of [`Convolution::block_forward`]; `gradient` is used up.
    #[must_use]
    fn block_backward(
        &self,
        x: Sources,
        weight: &[f32],
        saved: BlockSaved,
        mut gradient: Vec<f32>,
        need_input: bool,
    ) -> BlockGradients {
        let BlockSaved { y, mean, var, gamma, epsilon } = saved;
        let n = norm::backward(self.isa(), Normed { y, mean, var, gamma, epsilon }, &mut gradient);
        let conv = self.products_backward(x, weight, gradient, n.bias, need_input);
        BlockGradients { conv, gamma: n.gamma, beta: n.beta }
    }

    #[doc(hidden)]
    fn products_backward(
        &self,
        x: Sources,
        weight: &[f32],
        gradient: Vec<f32>,
        bias: Vec<f32>,
        need_input: bool,
    ) -> ConvGradients {
        let input = if need_input { self.input_gradient(weight, &gradient) } else { [Vec::new(), Vec::new()] };
        let weight = self.weight_gradient(x, &gradient);
        pool::give(gradient);
        ConvGradients { input, weight, bias }
    }
}

/// A block's weights.
#[derive(Clone, Copy, Debug)]
pub struct BlockWeights<'a> {
    /// `[outputs, inputs, kernel, kernel]`
    pub weight: &'a [f32],
    /// `[outputs]`
    pub bias: &'a [f32],
    /// Batch norm's scale, `[outputs]`.
    pub gamma: &'a [f32],
    /// Batch norm's shift, `[outputs]`.
    pub beta: &'a [f32],
}

/// A block's output in training.
#[derive(Clone, Debug)]
pub struct BlockOutput {
    /// The block's output.
    pub z: Vec<f32>,
    /// The ReLU's output, for the backward step.
    pub y: Vec<f32>,
    /// Mean of `y` per channel.
    pub mean: Vec<f32>,
    /// Biased variance of `y` per channel.
    pub var: Vec<f32>,
}

/// What the backward step takes from the forward step.
#[derive(Clone, Copy, Debug)]
pub struct BlockSaved<'a> {
    /// The ReLU's output.
    pub y: &'a [f32],
    /// Mean of `y` per channel.
    pub mean: &'a [f32],
    /// Biased variance of `y` per channel.
    pub var: &'a [f32],
    /// Batch norm's scale.
    pub gamma: &'a [f32],
    /// As in the forward step.
    pub epsilon: f32,
}

/// Gradients of a convolution with bias.
#[derive(Clone, Debug)]
pub struct ConvGradients {
    /// Of both sources; empty where not asked for.
    pub input: [Vec<f32>; 2],
    /// In the weights' layout.
    pub weight: Vec<f32>,
    /// Per output channel.
    pub bias: Vec<f32>,
}

/// Gradients of a block.
#[derive(Clone, Debug)]
pub struct BlockGradients {
    /// Of the convolution.
    pub conv: ConvGradients,
    /// Of batch norm's scale.
    pub gamma: Vec<f32>,
    /// Of batch norm's shift.
    pub beta: Vec<f32>,
}

/// Batch norm as (scale, shift) per channel.
#[must_use]
pub fn fold_norm(gamma: &[f32], beta: &[f32], mean: &[f32], var: &[f32], epsilon: f32) -> (Vec<f32>, Vec<f32>) {
    let scale: Vec<f32> = gamma.iter().zip(var).map(|(g, v)| g / (v + epsilon).sqrt()).collect();
    let shift = (0..beta.len()).map(|c| beta[c] - mean[c] * scale[c]).collect();
    (scale, shift)
}
