//! The operations composed of stock burn ones: slow on the CPU, right on every backend. The other implementations
//! are held against these in tests.

use burn::{
    prelude::*,
    tensor::{
        FloatDType,
        activation::relu,
        module::{conv2d, interpolate, max_pool2d},
        ops::{ConvOptions, InterpolateMode, InterpolateOptions, PadMode},
    },
};

use super::{AdamStep, BlockOutput, BlockWeights, EPSILON, Source};

/// See [`super::ConvOps::block`].
pub fn block<B: Backend>(source: Source<B>, weights: BlockWeights<B>) -> BlockOutput<B> {
    let y = rectified(source, weights.weight, weights.bias);
    let channels = y.dims()[1];
    let mean = channel_means(y.clone());
    let centred = y - mean.clone();
    let variance = channel_means(centred.clone() * centred.clone());
    let scale = weights.gamma.reshape([1, channels, 1, 1]) / (variance.clone() + EPSILON).sqrt();
    let map = centred * scale + weights.beta.reshape([1, channels, 1, 1]);
    BlockOutput { map, mean: mean.reshape([channels]).detach(), variance: variance.reshape([channels]).detach() }
}

/// See [`super::ConvOps::block_folded`].
pub fn block_folded<B: Backend>(source: Source<B>, weights: BlockWeights<B>) -> Tensor<B, 4> {
    let y = rectified(source, weights.weight, weights.bias);
    let channels = y.dims()[1];
    y * weights.gamma.reshape([1, channels, 1, 1]) + weights.beta.reshape([1, channels, 1, 1])
}

/// See [`super::ConvOps::group_block`].
pub fn group_block<B: Backend>(source: Source<B>, weights: BlockWeights<B>, groups: usize) -> Tensor<B, 4> {
    let y = rectified(source, weights.weight, weights.bias);
    let shape @ [batch, channels, height, width] = y.dims();
    let y = y.reshape([batch, groups, channels / groups * height * width]);
    let centred = y.clone() - y.mean_dim(2);
    let variance = (centred.clone() * centred.clone()).mean_dim(2);
    let normal = (centred / (variance + EPSILON).sqrt()).reshape(shape);
    normal * weights.gamma.reshape([1, channels, 1, 1]) + weights.beta.reshape([1, channels, 1, 1])
}

/// See [`super::ConvOps::pool`].
pub fn pool<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    max_pool2d(x, [2, 2], [2, 2], [0, 0], [1, 1], false)
}

/// See [`super::ConvOps::head`].
pub fn head<B: Backend>(x: Tensor<B, 4>, weight: Tensor<B, 4>, bias: Tensor<B, 1>) -> Tensor<B, 4> {
    convolve(x, weight, bias)
}

/// See [`super::ConvOps::adam`].
pub fn adam<B: Backend>(
    step: AdamStep,
    value: Tensor<B, 1>,
    g: Tensor<B, 1>,
    [first, second]: [Tensor<B, 1>; 2],
) -> (Tensor<B, 1>, [Tensor<B, 1>; 2]) {
    let [decay, square_decay] = step.betas;
    let first = first * decay + g.clone() * (1.0 - decay);
    let second = second * square_decay + g.clone() * g * (1.0 - square_decay);
    let corrected = |decay: f64| 1.0 - decay.powf(step.step as f64);
    let root = (second.clone() / corrected(square_decay)).sqrt() + step.epsilon;
    let kept = value * (1.0 - step.rate * step.weight_decay);
    (kept - first.clone() / root * (step.rate / corrected(decay)), [first, second])
}

/// ReLU of the convolution, in 32-bit floats.
fn rectified<B: Backend>(source: Source<B>, weight: Tensor<B, 4>, bias: Tensor<B, 1>) -> Tensor<B, 4> {
    relu(convolve(read(source), weight, bias).cast(FloatDType::F32))
}

fn read<B: Backend>(source: Source<B>) -> Tensor<B, 4> {
    match source {
        Source::Map(x) => x,
        Source::Joined(a, b) => Tensor::cat(vec![a, b], 1),
        Source::Upsampled(x) => {
            let [_, _, height, width] = x.dims();
            interpolate(x, [2 * height, 2 * width], InterpolateOptions::new(InterpolateMode::Nearest))
        }
    }
}

/// "Same" convolution in the type of the weights.
fn convolve<B: Backend>(x: Tensor<B, 4>, weight: Tensor<B, 4>, bias: Tensor<B, 1>) -> Tensor<B, 4> {
    let (side, dtype) = (weight.dims()[2], weight.dtype());
    let (before, after) = ((side - 1) / 2, side / 2);
    // Burn fills an uneven border with 32-bit zeros whatever the map's type, so that comes before the rounding.
    let (x, inside) =
        if before == after { (x, before) } else { (x.pad((before, after, before, after), PadMode::Constant(0.0)), 0) };
    let options = ConvOptions::new([1, 1], [inside, inside], [1, 1], 1);
    conv2d(x.cast(dtype), weight, Some(bias.cast(dtype)), options)
}

/// Means over batch and space [1, channels, 1, 1].
fn channel_means<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    let channels = x.dims()[1];
    x.swap_dims(0, 1).flatten::<2>(1, 3).mean_dim(1).reshape([1, channels, 1, 1])
}
