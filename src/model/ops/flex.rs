//! The operations on the CPU backend, by `kernels`. Maps are channels last: [batch, height, width, channels].

use burn::{backend::Flex, prelude::*, tensor::TensorPrimitive};
use burn_flex::FlexTensor;

use super::{AdamStep, BlockOutput, BlockWeights, ConvOps, EPSILON, Source, pooled};
use crate::model::group_norm::{self, Groups};
use crate::model::kernels::{self, BlockSaved, Conv, Convolution, Isa, MaxPool, Sources, UpConv, layout};

/// The source of a block as primitives.
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

/// The shape of a convolution that reads an [`Input`].
enum Kernel {
    Plain(Conv),
    Up(UpConv),
}

impl Input {
    fn kernel(&self, weight: &FlexTensor) -> Kernel {
        let [outputs, _, kernel, _] = sides(weight);
        let isa = Isa::best();
        match self {
            Self::Upsampled(x) => {
                let [batch, height, width, inputs] = sides(x);
                Kernel::Up(UpConv { batch, height, width, inputs, outputs, isa })
            }
            Self::Map(x) => Kernel::Plain(conv(x, 0, outputs, kernel)),
            Self::Joined(a, b) => Kernel::Plain(conv(a, sides(b)[3], outputs, kernel)),
        }
    }

    fn sources(&self) -> Sources<'_> {
        match self {
            Self::Map(x) | Self::Upsampled(x) => [slice(x), &[]],
            Self::Joined(a, b) => [slice(a), slice(b)],
        }
    }

    /// Extent of the block's output.
    fn extent(&self, outputs: usize) -> [usize; 4] {
        match self {
            Self::Map(x) | Self::Joined(x, _) => {
                let [batch, height, width, _] = sides(x);
                [batch, height, width, outputs]
            }
            Self::Upsampled(x) => {
                let [batch, height, width, _] = sides(x);
                [batch, 2 * height, 2 * width, outputs]
            }
        }
    }

    /// The sources' gradients as tensors.
    fn tensors(&self, gradients: [Vec<f32>; 2]) -> Vec<FlexTensor> {
        let shapes = match self {
            Self::Map(x) | Self::Upsampled(x) => vec![sides(x)],
            Self::Joined(a, b) => vec![sides(a), sides(b)],
        };
        gradients.into_iter().zip(shapes).map(|(g, shape)| pooled::tensor(g, shape)).collect()
    }
}

/// A convolution over `x` and a second map with `more` channels.
fn conv(x: &FlexTensor, more: usize, outputs: usize, kernel: usize) -> Conv {
    let [batch, height, width, channels] = sides(x);
    Conv { batch, height, width, inputs: [channels, more], outputs, kernel, isa: Isa::best() }
}

/// The block's output and what its backward pass needs.
pub(super) fn block(input: &Input, weights: &Weights) -> (FlexTensor, Saved) {
    let parameters = kernels::BlockWeights {
        weight: slice(&weights.weight),
        bias: slice(&weights.bias),
        gamma: slice(&weights.gamma),
        beta: slice(&weights.beta),
    };
    let output = match input.kernel(&weights.weight) {
        Kernel::Plain(conv) => conv.block_forward(input.sources(), parameters, EPSILON),
        Kernel::Up(conv) => conv.block_forward(input.sources(), parameters, EPSILON),
    };
    let extent = input.extent(output.mean.len());
    let saved = Saved { y: pooled::tensor(output.y, extent), mean: vector(output.mean), variance: vector(output.var) };
    (pooled::tensor(output.z, extent), saved)
}

/// `g` is the gradient of the block's output; its memory is used up when nothing else holds it.
pub(super) fn block_backward(
    input: &Input,
    weights: &Weights,
    saved: &Saved,
    g: FlexTensor,
    need_input: bool,
) -> Gradients {
    let kept = BlockSaved {
        y: slice(&saved.y),
        mean: slice(&saved.mean),
        var: slice(&saved.variance),
        gamma: slice(&weights.gamma),
        epsilon: EPSILON,
    };
    let (sources, weight, g) = (input.sources(), slice(&weights.weight), pooled::values(contiguous(g)));
    let found = match input.kernel(&weights.weight) {
        Kernel::Plain(conv) => conv.block_backward(sources, weight, kept, g, need_input),
        Kernel::Up(conv) => conv.block_backward(sources, weight, kept, g, need_input),
    };
    let sources = if need_input { input.tensors(found.conv.input) } else { Vec::new() };
    Gradients {
        sources,
        weight: pooled::tensor(found.conv.weight, sides(&weights.weight)),
        bias: vector(found.conv.bias),
        gamma: vector(found.gamma),
        beta: vector(found.beta),
    }
}

/// What a group-norm block leaves for its backward pass.
#[derive(Clone, Debug)]
pub(super) struct GroupSaved {
    y: FlexTensor,
    moments: group_norm::Moments,
    groups: Groups,
}

/// The block's output and what its backward pass needs.
pub(super) fn group_block(input: &Input, weights: &Weights, groups: usize) -> (FlexTensor, GroupSaved) {
    let y = rectified(input, weights);
    let [batch, _, _, channels] = sides(&y);
    let groups = Groups { batch, channels, groups };
    let (z, moments) = groups.forward(slice(&y), slice(&weights.gamma), slice(&weights.beta), EPSILON);
    (pooled::tensor(z, sides(&y)), GroupSaved { y, moments, groups })
}

/// ReLU of the convolution.
pub(super) fn rectified(input: &Input, weights: &Weights) -> FlexTensor {
    let (weight, bias) = (slice(&weights.weight), slice(&weights.bias));
    let y = match input.kernel(&weights.weight) {
        Kernel::Plain(conv) => conv.forward(input.sources(), weight, bias, true),
        Kernel::Up(conv) => conv.forward(input.sources(), weight, bias, true),
    };
    pooled::tensor(y, input.extent(bias.len()))
}

pub(super) fn group_block_backward(
    input: &Input,
    weights: &Weights,
    saved: &GroupSaved,
    g: FlexTensor,
    need_input: bool,
) -> Gradients {
    let mut g = pooled::values(contiguous(g));
    let [gamma, beta] = saved.groups.backward(slice(&saved.y), slice(&weights.gamma), &saved.moments, &mut g);
    let found = rectified_backward(input, &weights.weight, &saved.y, g, need_input);
    let sources = if need_input { input.tensors(found.input) } else { Vec::new() };
    Gradients {
        sources,
        weight: pooled::tensor(found.weight, sides(&weights.weight)),
        bias: vector(found.bias),
        gamma: vector(gamma),
        beta: vector(beta),
    }
}

/// Gradients of [`rectified`], whose output was `y`.
fn rectified_backward(
    input: &Input,
    weight: &FlexTensor,
    y: &FlexTensor,
    g: Vec<f32>,
    need_input: bool,
) -> kernels::ConvGradients {
    let (sources, values) = (input.sources(), slice(weight));
    match input.kernel(weight) {
        Kernel::Plain(conv) => conv.backward(sources, values, Some(slice(y)), g, need_input),
        Kernel::Up(conv) => conv.backward(sources, values, Some(slice(y)), g, need_input),
    }
}

/// Scale and shift of each channel.
pub(super) fn affine(y: &FlexTensor, weights: &Weights) -> FlexTensor {
    let (scale, shift) = (slice(&weights.gamma), slice(&weights.beta));
    let channels = scale.iter().zip(shift);
    let z = slice(y).iter().zip(channels.cycle()).map(|(y, (scale, shift))| y * scale + shift).collect();
    pooled::tensor(z, sides(y))
}

/// Gradients of the sources of a block in evaluation, whose ReLU gave `y`.
pub(super) fn folded_backward(input: &Input, weights: &Weights, y: &FlexTensor, g: FlexTensor) -> Vec<FlexTensor> {
    let (mut g, scale) = (pooled::values(contiguous(g)), slice(&weights.gamma));
    for pixel in g.chunks_mut(scale.len()) {
        pixel.iter_mut().zip(scale).for_each(|(g, scale)| *g *= scale);
    }
    input.tensors(rectified_backward(input, &weights.weight, y, g, true).input)
}

pub(super) fn enter(x: &FlexTensor) -> FlexTensor {
    let [batch, channels, height, width] = sides(x);
    pooled::tensor(layout::to_channels_last(slice(x), channels, height * width), [batch, height, width, channels])
}

pub(super) fn pool(x: &FlexTensor) -> FlexTensor {
    let [batch, height, width, channels] = sides(x);
    pooled::tensor(max_pool(x).forward(slice(x)), [batch, height / 2, width / 2, channels])
}

pub(super) fn pool_backward(x: &FlexTensor, y: &FlexTensor, g: FlexTensor) -> FlexTensor {
    pooled::tensor(max_pool(x).backward(slice(x), slice(y), slice(&contiguous(g))), sides(x))
}

fn max_pool(x: &FlexTensor) -> MaxPool {
    let [batch, height, width, channels] = sides(x);
    MaxPool { batch, height, width, channels, isa: Isa::best() }
}

/// Logits [batch, classes, height, width].
pub(super) fn head(x: &FlexTensor, weight: &FlexTensor, bias: &FlexTensor) -> FlexTensor {
    let [classes, _, kernel, _] = sides(weight);
    let [batch, height, width, _] = sides(x);
    let logits = conv(x, 0, classes, kernel).forward([slice(x), &[]], slice(weight), slice(bias), false);
    let first = layout::to_channels_first(&logits, classes, height * width);
    kernels::pool::give(logits);
    pooled::tensor(first, [batch, classes, height, width])
}

/// Gradients of the map, the weights and the bias.
pub(super) fn head_backward(x: &FlexTensor, weight: &FlexTensor, g: FlexTensor) -> [FlexTensor; 3] {
    let [classes, _, kernel, _] = sides(weight);
    let [_, height, width, _] = sides(x);
    let g = layout::to_channels_last(slice(&contiguous(g)), classes, height * width);
    let found = conv(x, 0, classes, kernel).backward([slice(x), &[]], slice(weight), None, g, true);
    let [dx, _] = found.input;
    [pooled::tensor(dx, sides(x)), pooled::tensor(found.weight, sides(weight)), vector(found.bias)]
}

impl ConvOps for Flex {
    fn enter(x: Tensor<Self, 4>) -> Tensor<Self, 4> {
        wrap(enter(&primitive(x)))
    }

    fn block(source: Source<Self>, weights: BlockWeights<Self>) -> BlockOutput<Self> {
        let (z, saved) = block(&input(source), &unwrap(weights));
        BlockOutput { map: wrap(z), mean: wrap(saved.mean), variance: wrap(saved.variance) }
    }

    fn group_block(source: Source<Self>, weights: BlockWeights<Self>, groups: usize) -> Tensor<Self, 4> {
        wrap(group_block(&input(source), &unwrap(weights), groups).0)
    }

    fn block_folded(source: Source<Self>, weights: BlockWeights<Self>) -> Tensor<Self, 4> {
        let (input, weights) = (input(source), unwrap(weights));
        let (weight, bias) = (slice(&weights.weight), slice(&weights.bias));
        let (scale, shift) = (slice(&weights.gamma), slice(&weights.beta));
        let z = match input.kernel(&weights.weight) {
            Kernel::Plain(conv) => conv.forward_affine(input.sources(), weight, bias, scale, shift),
            Kernel::Up(conv) => conv.forward_affine(input.sources(), weight, bias, scale, shift),
        };
        wrap(pooled::tensor(z, input.extent(bias.len())))
    }

    fn pool(x: Tensor<Self, 4>) -> Tensor<Self, 4> {
        wrap(pool(&primitive(x)))
    }

    fn head(x: Tensor<Self, 4>, weight: Tensor<Self, 4>, bias: Tensor<Self, 1>) -> Tensor<Self, 4> {
        wrap(head(&primitive(x), &primitive(weight), &primitive(bias)))
    }

    fn adam(
        step: AdamStep,
        value: Tensor<Self, 1>,
        g: Tensor<Self, 1>,
        moments: [Tensor<Self, 1>; 2],
    ) -> (Tensor<Self, 1>, [Tensor<Self, 1>; 2]) {
        let adam = kernels::Adam {
            learning_rate: step.rate as f32,
            betas: (step.betas[0] as f32, step.betas[1] as f32),
            epsilon: step.epsilon as f32,
            weight_decay: step.weight_decay as f32,
            step: i32::try_from(step.step).unwrap_or(i32::MAX),
        };
        let (mut value, g, [mut first, mut second]) = (primitive(value), primitive(g), moments.map(primitive));
        adam.update(Isa::best(), value.storage_mut(), slice(&g), first.storage_mut(), second.storage_mut());
        (wrap(value), [wrap(first), wrap(second)])
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

fn vector(values: Vec<f32>) -> FlexTensor {
    let length = values.len();
    FlexTensor::from_data(TensorData::new(values, [length]))
}
