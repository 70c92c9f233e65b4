//! The loss as an operation of a backend: fused on the CPU, stock burn operations elsewhere.

use burn::{
    backend::{
        Autodiff, Flex,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind, unary},
        },
    },
    prelude::*,
    tensor::{TensorPrimitive, activation::softmax},
};
use burn_flex::FlexTensor;

use super::{IGNORED, Loss, loss_and_gradient, sums::LEAST};

/// The truth of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Class of each pixel [batch, height, width]; [`IGNORED`] for none.
    pub labels: Vec<u8>,
    /// Batch, height, width.
    pub shape: [usize; 3],
}

/// Backends on which a loss of logits can be computed.
pub trait LossOps: Backend {
    /// The loss [1] of logits [batch, classes, height, width].
    fn loss(logits: Tensor<Self, 4>, target: &Target, loss: &Loss) -> Tensor<Self, 1> {
        stock_loss(logits, target, loss)
    }
}

#[cfg(feature = "cuda")]
impl LossOps for Autodiff<burn::backend::Cuda> {}

#[derive(Debug)]
struct LossStep;

impl Backward<Flex, 1> for LossStep {
    type State = FlexTensor;

    fn backward(self, ops: Ops<FlexTensor, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, grads, |g| {
            let (gradient, g): (Tensor<Flex, 4>, Tensor<Flex, 1>) = (wrap(gradient), wrap(g));
            (gradient * g.reshape([1, 1, 1, 1])).into_primitive().tensor()
        });
    }
}

impl LossOps for Autodiff<Flex> {
    fn loss(logits: Tensor<Self, 4>, target: &Target, loss: &Loss) -> Tensor<Self, 1> {
        let logits = logits.into_primitive().tensor();
        let mut gradient = logits.primitive.to_contiguous();
        let value = loss_and_gradient(loss, gradient.storage_mut(), &target.labels, target.shape[0]);
        let value = FlexTensor::from_data(TensorData::from([value as f32]));
        let value = match LossStep.prepare::<NoCheckpointing>([logits.node]).compute_bound().stateful() {
            OpsKind::Tracked(step) => step.finish(gradient, value),
            OpsKind::UnTracked(step) => step.finish(value),
        };
        Tensor::from_primitive(TensorPrimitive::Float(value))
    }
}

fn wrap<const D: usize>(x: FlexTensor) -> Tensor<Flex, D> {
    Tensor::from_primitive(TensorPrimitive::Float(x))
}

/// The same formulas in stock operations, differentiated by burn.
pub fn stock_loss<B: Backend>(logits: Tensor<B, 4>, target: &Target, loss: &Loss) -> Tensor<B, 1> {
    let device = logits.device();
    let classes = loss.classes();
    let [batch, height, width] = target.shape;
    let pixels = height * width;
    let probabilities = softmax(logits, 1).reshape([batch, classes, pixels]);
    let labels = target.labels.iter();
    let counted: Vec<f32> = labels.map(|label| if *label == IGNORED { 0.0 } else { 1.0 }).collect();
    let counted = Tensor::<B, 3>::from_data(TensorData::new(counted, [batch, 1, pixels]), &device);
    let truth = Tensor::<B, 3>::from_data(one_hot(target, classes), &device);
    let surprise = -probabilities.clone().clamp_min(LEAST).log() * truth.clone();
    let surprise = if loss.gamma() > 0.0 {
        surprise * (-probabilities.clone() + 1.0).clamp_min(LEAST).powf_scalar(loss.gamma())
    } else {
        surprise
    };
    let sums = [probabilities.clone() * truth.clone(), probabilities * counted, truth, surprise];
    loss.tensor_value(sums.map(|x| x.sum_dim(2).reshape([batch, classes])))
}

fn one_hot(target: &Target, classes: usize) -> TensorData {
    let [batch, height, width] = target.shape;
    let pixels = height * width;
    let mut truth = vec![0f32; batch * classes * pixels];
    for (index, &label) in target.labels.iter().enumerate() {
        if label != IGNORED {
            truth[(index / pixels * classes + usize::from(label)) * pixels + index % pixels] = 1.0;
        }
    }
    TensorData::new(truth, [batch, classes, pixels])
}
