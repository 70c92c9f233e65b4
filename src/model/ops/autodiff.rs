//! The gradients of the CPU backend's operations, as burn's autodiff wants them. A step keeps what its backward
//! pass reads; burn drops it as soon as the step is done.

use burn::{
    backend::{
        Autodiff, Flex,
        autodiff::{
            NodeId,
            checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
    },
    prelude::*,
    tensor::{TensorPrimitive, ops::FloatTensor},
};
use burn_flex::FlexTensor;

use super::{BlockOutput, BlockWeights, ConvOps, Source, flex};

type Tracked = FloatTensor<Autodiff<Flex>>;

/// Backward step of a block; its N parents are the sources, then weight, bias, gamma and beta.
#[derive(Debug)]
struct BlockStep;

/// What [`BlockStep`] reads.
type BlockState = (flex::Input, flex::Weights, flex::Saved);

impl<const N: usize> Backward<Flex, N> for BlockStep {
    type State = BlockState;

    fn backward(self, ops: Ops<BlockState, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<Flex>(&ops.node);
        let (input, weights, saved) = ops.state;
        let parents = ops.parents.map(|parent| parent.map(|parent| parent.id));
        let (source_parents, parameter_parents) = parents.split_at(N - 4);
        let need_input = source_parents.iter().any(Option::is_some);
        let found = flex::block_backward(&input, &weights, &saved, g, need_input);
        register(grads, source_parents, found.sources);
        register(grads, parameter_parents, [found.weight, found.bias, found.gamma, found.beta]);
    }
}

/// Backward step of a group-norm block; parents as those of [`BlockStep`].
#[derive(Debug)]
struct GroupStep;

impl<const N: usize> Backward<Flex, N> for GroupStep {
    type State = (flex::Input, flex::Weights, flex::GroupSaved);

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<Flex>(&ops.node);
        let (input, weights, saved) = ops.state;
        let parents = ops.parents.map(|parent| parent.map(|parent| parent.id));
        let (source_parents, parameter_parents) = parents.split_at(N - 4);
        let need_input = source_parents.iter().any(Option::is_some);
        let found = flex::group_block_backward(&input, &weights, &saved, g, need_input);
        register(grads, source_parents, found.sources);
        register(grads, parameter_parents, [found.weight, found.bias, found.gamma, found.beta]);
    }
}

/// Backward step of a block in evaluation; its parents are the sources alone.
#[derive(Debug)]
struct FoldedStep;

impl<const N: usize> Backward<Flex, N> for FoldedStep {
    type State = (flex::Input, flex::Weights, FlexTensor);

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<Flex>(&ops.node);
        let (input, weights, y) = ops.state;
        let parents = ops.parents.map(|parent| parent.map(|parent| parent.id));
        register(grads, &parents, flex::folded_backward(&input, &weights, &y, g));
    }
}

#[derive(Debug)]
struct PoolStep;

impl Backward<Flex, 1> for PoolStep {
    type State = (FlexTensor, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<Flex>(&ops.node);
        let (x, y) = ops.state;
        register(grads, &ops.parents.map(|parent| parent.map(|parent| parent.id)), [flex::pool_backward(&x, &y, g)]);
    }
}

#[derive(Debug)]
struct HeadStep;

impl Backward<Flex, 3> for HeadStep {
    type State = (FlexTensor, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<Flex>(&ops.node);
        let (x, weight) = ops.state;
        register(grads, &ops.parents.map(|parent| parent.map(|parent| parent.id)), flex::head_backward(&x, &weight, g));
    }
}

/// Hands each gradient to its parent, where that one wants it.
fn register(grads: &mut Gradients, parents: &[Option<NodeId>], found: impl IntoIterator<Item = FlexTensor>) {
    for (parent, gradient) in parents.iter().zip(found) {
        if let Some(parent) = parent {
            grads.register::<Flex>(*parent, gradient);
        }
    }
}

impl ConvOps for Autodiff<Flex> {
    fn enter(x: Tensor<Self, 4>) -> Tensor<Self, 4> {
        wrap(Tracked::new(flex::enter(&values(&raw(x)))))
    }

    fn block(source: Source<Self>, weights: BlockWeights<Self>) -> BlockOutput<Self> {
        let weights = raw_weights(weights);
        let [w, b, gamma, beta] = &weights;
        match Sources::of(source) {
            Sources::One(x, input) => tracked_block([&x, w, b, gamma, beta], input),
            Sources::Two(x, y, input) => tracked_block([&x, &y, w, b, gamma, beta], input),
        }
    }

    fn group_block(source: Source<Self>, weights: BlockWeights<Self>, groups: usize) -> Tensor<Self, 4> {
        let weights = raw_weights(weights);
        let [w, b, gamma, beta] = &weights;
        match Sources::of(source) {
            Sources::One(x, input) => tracked_group_block([&x, w, b, gamma, beta], input, groups),
            Sources::Two(x, y, input) => tracked_group_block([&x, &y, w, b, gamma, beta], input, groups),
        }
    }

    fn block_folded(source: Source<Self>, weights: BlockWeights<Self>) -> Tensor<Self, 4> {
        let [weight, bias, gamma, beta] = raw_weights(weights).map(|x| values(&x));
        let weights = flex::Weights { weight, bias, gamma, beta };
        match Sources::of(source) {
            Sources::One(x, input) => tracked_folded([&x], input, weights),
            Sources::Two(x, y, input) => tracked_folded([&x, &y], input, weights),
        }
    }

    fn pool(x: Tensor<Self, 4>) -> Tensor<Self, 4> {
        let x = raw(x);
        let input = values(&x);
        let y = flex::pool(&input);
        wrap(match PoolStep.prepare::<NoCheckpointing>([x.node]).compute_bound().stateful() {
            OpsKind::Tracked(step) => step.finish((input, y.clone()), y),
            OpsKind::UnTracked(step) => step.finish(y),
        })
    }

    fn head(x: Tensor<Self, 4>, weight: Tensor<Self, 4>, bias: Tensor<Self, 1>) -> Tensor<Self, 4> {
        let (x, weight, bias) = (raw(x), raw(weight), raw(bias));
        let state = (values(&x), values(&weight));
        let y = flex::head(&state.0, &state.1, &values(&bias));
        wrap(match HeadStep.prepare::<NoCheckpointing>([x.node, weight.node, bias.node]).compute_bound().stateful() {
            OpsKind::Tracked(step) => step.finish(state, y),
            OpsKind::UnTracked(step) => step.finish(y),
        })
    }
}

/// The tensors of a source, and the same as the kernels read them.
enum Sources {
    One(Tracked, flex::Input),
    Two(Tracked, Tracked, flex::Input),
}

impl Sources {
    fn of(source: Source<Autodiff<Flex>>) -> Self {
        match source {
            Source::Map(x) => {
                let x = raw(x);
                let input = flex::Input::Map(values(&x));
                Self::One(x, input)
            }
            Source::Upsampled(x) => {
                let x = raw(x);
                let input = flex::Input::Upsampled(values(&x));
                Self::One(x, input)
            }
            Source::Joined(x, y) => {
                let (x, y) = (raw(x), raw(y));
                let input = flex::Input::Joined(values(&x), values(&y));
                Self::Two(x, y, input)
            }
        }
    }
}

fn raw_weights(weights: BlockWeights<Autodiff<Flex>>) -> [Tracked; 4] {
    [raw(weights.weight), raw(weights.bias), raw(weights.gamma), raw(weights.beta)]
}

/// The weights among a block's parents: the last four.
fn weights_of<const N: usize>(parents: [&Tracked; N]) -> flex::Weights {
    let [weight, bias, gamma, beta] = [N - 4, N - 3, N - 2, N - 1].map(|index| values(parents[index]));
    flex::Weights { weight, bias, gamma, beta }
}

fn tracked_group_block<const N: usize>(
    parents: [&Tracked; N],
    input: flex::Input,
    groups: usize,
) -> Tensor<Autodiff<Flex>, 4> {
    let weights = weights_of(parents);
    let (z, saved) = flex::group_block(&input, &weights, groups);
    let nodes = parents.map(|parent| parent.node.clone());
    wrap(match GroupStep.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish((input, weights, saved), z),
        OpsKind::UnTracked(step) => step.finish(z),
    })
}

fn tracked_folded<const N: usize>(
    parents: [&Tracked; N],
    input: flex::Input,
    weights: flex::Weights,
) -> Tensor<Autodiff<Flex>, 4> {
    let y = flex::rectified(&input, &weights);
    let z = flex::affine(&y, &weights);
    let nodes = parents.map(|parent| parent.node.clone());
    wrap(match FoldedStep.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish((input, weights, y), z),
        OpsKind::UnTracked(step) => step.finish(z),
    })
}

/// `parents` are the sources, then weight, bias, gamma and beta.
fn tracked_block<const N: usize>(parents: [&Tracked; N], input: flex::Input) -> BlockOutput<Autodiff<Flex>> {
    let weights = weights_of(parents);
    let (z, saved) = flex::block(&input, &weights);
    let (mean, variance) = (Tracked::new(saved.mean.clone()), Tracked::new(saved.variance.clone()));
    let nodes = parents.map(|parent| parent.node.clone());
    let map = match BlockStep.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish((input, weights, saved), z),
        OpsKind::UnTracked(step) => step.finish(z),
    };
    BlockOutput { map: wrap(map), mean: wrap(mean), variance: wrap(variance) }
}

fn values(x: &Tracked) -> FlexTensor {
    flex::contiguous(x.primitive.clone())
}

fn raw<const D: usize>(x: Tensor<Autodiff<Flex>, D>) -> Tracked {
    x.into_primitive().tensor()
}

fn wrap<const D: usize>(x: Tracked) -> Tensor<Autodiff<Flex>, D> {
    Tensor::from_primitive(TensorPrimitive::Float(x))
}
