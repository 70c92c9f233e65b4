//! The operations on the CPU backend, by `kernels`. Maps are [batch, channels, height, width].

use std::borrow::Cow;

use burn::{backend::Flex, prelude::*, tensor::TensorPrimitive};
use burn_flex::FlexTensor;

use super::{BlockOutput, BlockWeights, ConvOps, EPSILON, Source};
use crate::model::kernels::{Extent, conv, norm, resample};

/// The source of a block as primitives, joined or upsampled only when it is read.
#[derive(Clone, Debug)]
pub(super) enum Input {
    Map(FlexTensor),
    Joined(FlexTensor, FlexTensor),
    Upsampled(FlexTensor),
}

/// A block's parameters as primitives.
#[derive(Clone, Debug)]
pub(super) struct Weights {
    pub weight: FlexTensor,
    pub bias: FlexTensor,
    pub gamma: FlexTensor,
    pub beta: FlexTensor,
}

/// What a block in training leaves for its backward pass: the ReLU's output and its moments.
#[derive(Clone, Debug)]
pub(super) struct Saved {
    pub y: FlexTensor,
    pub mean: FlexTensor,
    pub variance: FlexTensor,
}

/// A block's gradients.
pub(super) struct Gradients {
    pub sources: Vec<FlexTensor>,
    pub weight: FlexTensor,
    pub bias: FlexTensor,
    pub gamma: FlexTensor,
    pub beta: FlexTensor,
}

impl Input {
    fn extent(&self) -> Extent {
        match self {
            Self::Map(x) => extent(x),
            Self::Joined(a, b) => extent(a).with_channels(extent(a).channels + extent(b).channels),
            Self::Upsampled(x) => {
                let small = extent(x);
                Extent { height: 2 * small.height, width: 2 * small.width, ..small }
            }
        }
    }

    fn values(&self) -> Cow<'_, [f32]> {
        match self {
            Self::Map(x) => slice(x).into(),
            Self::Joined(a, b) => resample::concat(slice(a), extent(a), slice(b), extent(b)).into(),
            Self::Upsampled(x) => resample::upsample(slice(x), extent(x)).into(),
        }
    }

    /// From the gradient of what is read to those of the sources.
    fn split(&self, g: Vec<f32>) -> Vec<FlexTensor> {
        match self {
            Self::Map(_) => vec![map(g, self.extent())],
            Self::Joined(a, b) => {
                let (ga, gb) = resample::split(&g, self.extent(), extent(a).channels);
                vec![map(ga, extent(a)), map(gb, extent(b))]
            }
            Self::Upsampled(x) => vec![map(resample::upsample_gradient(&g, self.extent()), extent(x))],
        }
    }
}

/// The block's output and what its backward pass needs.
pub(super) fn block(input: &Input, weights: &Weights) -> (FlexTensor, Saved) {
    let [outputs, _, side, _] = sides(&weights.weight);
    let x = input.values();
    let out = input.extent().with_channels(outputs);
    let y = conv::forward(&x, input.extent(), slice(&weights.weight), side, slice(&weights.bias), true, None);
    let normalized = norm::forward(&y, out, slice(&weights.gamma), slice(&weights.beta), EPSILON);
    let saved = Saved { y: map(y, out), mean: vector(normalized.mean), variance: vector(normalized.variance) };
    (map(normalized.z, out), saved)
}

/// `g` is the gradient of the block's output; it is overwritten when nothing else holds it.
pub(super) fn block_backward(
    input: &Input,
    weights: &Weights,
    saved: &Saved,
    g: FlexTensor,
    need_input: bool,
) -> Gradients {
    let [outputs, _, side, _] = sides(&weights.weight);
    let out = input.extent().with_channels(outputs);
    let mut g = contiguous(g);
    let channels = norm::backward(
        slice(&saved.y),
        out,
        slice(&weights.gamma),
        slice(&saved.mean),
        slice(&saved.variance),
        EPSILON,
        g.storage_mut::<f32>(),
    );
    let weight = conv::weight_gradient(&input.values(), input.extent(), slice(&g), outputs, side);
    let sources = if need_input {
        input.split(conv::input_gradient(slice(&g), out, slice(&weights.weight), side))
    } else {
        Vec::new()
    };
    Gradients {
        sources,
        weight: FlexTensor::from_data(TensorData::new(weight, sides(&weights.weight))),
        bias: vector(channels.bias),
        gamma: vector(channels.gamma),
        beta: vector(channels.beta),
    }
}

pub(super) fn pool(x: &FlexTensor) -> FlexTensor {
    let extent = extent(x);
    map(resample::pool(slice(x), extent), Extent { height: extent.height / 2, width: extent.width / 2, ..extent })
}

pub(super) fn pool_backward(x: &FlexTensor, y: &FlexTensor, g: FlexTensor) -> FlexTensor {
    map(resample::pool_gradient(slice(x), extent(x), slice(y), slice(&contiguous(g))), extent(x))
}

pub(super) fn head(x: &FlexTensor, weight: &FlexTensor, bias: &FlexTensor) -> FlexTensor {
    let [outputs, _, side, _] = sides(weight);
    let out = conv::forward(slice(x), extent(x), slice(weight), side, slice(bias), false, None);
    map(out, extent(x).with_channels(outputs))
}

/// Gradients of the map, the weights and the bias.
pub(super) fn head_backward(x: &FlexTensor, weight: &FlexTensor, g: FlexTensor) -> [FlexTensor; 3] {
    let [outputs, _, side, _] = sides(weight);
    let g = contiguous(g);
    let planes: Vec<f32> = slice(&g).chunks(extent(x).plane()).map(crate::model::kernels::sum).collect();
    let bias = (0..outputs).map(|c| planes.iter().skip(c).step_by(outputs).sum()).collect();
    let dw = conv::weight_gradient(slice(x), extent(x), slice(&g), outputs, side);
    let dx = conv::input_gradient(slice(&g), extent(x).with_channels(outputs), slice(weight), side);
    [map(dx, extent(x)), FlexTensor::from_data(TensorData::new(dw, sides(weight))), vector(bias)]
}

impl ConvOps for Flex {
    fn block(source: Source<Self>, weights: BlockWeights<Self>) -> BlockOutput<Self> {
        let (z, saved) = block(&input(source), &unwrap(weights));
        BlockOutput { map: wrap(z), mean: wrap(saved.mean), variance: wrap(saved.variance) }
    }

    fn block_folded(source: Source<Self>, weights: BlockWeights<Self>) -> Tensor<Self, 4> {
        let (input, weights) = (input(source), unwrap(weights));
        let [outputs, _, side, _] = sides(&weights.weight);
        let affine = Some((slice(&weights.gamma), slice(&weights.beta)));
        let extent = input.extent();
        let z =
            conv::forward(&input.values(), extent, slice(&weights.weight), side, slice(&weights.bias), true, affine);
        wrap(map(z, extent.with_channels(outputs)))
    }

    fn pool(x: Tensor<Self, 4>) -> Tensor<Self, 4> {
        wrap(pool(&primitive(x)))
    }

    fn head(x: Tensor<Self, 4>, weight: Tensor<Self, 4>, bias: Tensor<Self, 1>) -> Tensor<Self, 4> {
        wrap(head(&primitive(x), &primitive(weight), &primitive(bias)))
    }
}

fn input(source: Source<Flex>) -> Input {
    match source {
        Source::Map(x) => Input::Map(primitive(x)),
        Source::Joined(a, b) => Input::Joined(primitive(a), primitive(b)),
        Source::Upsampled(x) => Input::Upsampled(primitive(x)),
    }
}

fn unwrap(weights: BlockWeights<Flex>) -> Weights {
    Weights {
        weight: primitive(weights.weight),
        bias: primitive(weights.bias),
        gamma: primitive(weights.gamma),
        beta: primitive(weights.beta),
    }
}

fn wrap<const D: usize>(x: FlexTensor) -> Tensor<Flex, D> {
    Tensor::from_primitive(TensorPrimitive::Float(x))
}

fn primitive<const D: usize>(x: Tensor<Flex, D>) -> FlexTensor {
    contiguous(x.into_primitive().tensor())
}

/// The same values without gaps and from offset 0; no copy where that is so already.
pub(super) fn contiguous(x: FlexTensor) -> FlexTensor {
    if x.is_contiguous() && x.layout().start_offset() == 0 { x } else { x.to_contiguous() }
}

fn slice(x: &FlexTensor) -> &[f32] {
    &x.storage::<f32>()[..x.layout().num_elements()]
}

fn sides(x: &FlexTensor) -> [usize; 4] {
    let shape = x.layout().shape();
    [shape[0], shape[1], shape[2], shape[3]]
}

fn extent(x: &FlexTensor) -> Extent {
    let [batch, channels, height, width] = sides(x);
    Extent { batch, channels, height, width }
}

fn map(values: Vec<f32>, extent: Extent) -> FlexTensor {
    let Extent { batch, channels, height, width } = extent;
    FlexTensor::from_data(TensorData::new(values, [batch, channels, height, width]))
}

fn vector(values: Vec<f32>) -> FlexTensor {
    let length = values.len();
    FlexTensor::from_data(TensorData::new(values, [length]))
}
