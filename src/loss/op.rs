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
    tensor::{TensorPrimitive, activation::log_softmax},
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
    let logarithms = log_softmax(logits, 1).reshape([batch, classes, pixels]);
    let probabilities = logarithms.clone().exp();
    let labels = target.labels.iter();
    let counted: Vec<f32> = labels.map(|label| if *label == IGNORED { 0.0 } else { 1.0 }).collect();
    let counted = Tensor::<B, 3>::from_data(TensorData::new(counted, [batch, 1, pixels]), &device);
    let truth = Tensor::<B, 3>::from_data(one_hot(target, classes), &device);
    let surprise = -floored(logarithms) * truth.clone();
    let surprise = if loss.gamma() > 0.0 {
        surprise * (-probabilities.clone() + 1.0).clamp_min(LEAST).powf_scalar(loss.gamma())
    } else {
        surprise
    };
    let sums = [probabilities.clone() * truth.clone(), probabilities * counted, truth, surprise];
    loss.tensor_value(sums.map(|x| x.sum_dim(2).reshape([batch, classes])))
}

/// Logarithms of probabilities no smaller than that of `LEAST`, as the CPU's, with the whole gradient: a pixel that is
/// surely wrong has the most to learn.
fn floored<B: Backend>(logarithms: Tensor<B, 3>) -> Tensor<B, 3> {
    logarithms.clone().clamp_min(LEAST.ln()).detach() + (logarithms.clone() - logarithms.detach())
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

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::{ClassWeights, LossConfig, LossKind, seed};
    use rand::RngExt;

    type A = Autodiff<Flex>;

    /// Random logits of 3 images with 4 classes, and labels of which some are ignored and class 3 never occurs.
    fn case() -> (Tensor<A, 4>, Target) {
        let mut generator = seed::generator(3, "loss", &[]);
        let logits: Vec<f32> = (0..3 * 4 * 5 * 7).map(|_| generator.random_range(-3.0..3.0)).collect();
        let pick = |n: u8| if n == 3 { IGNORED } else { n };
        let labels = (0..3 * 5 * 7).map(|_| pick(generator.random_range(0..4))).collect();
        let logits = Tensor::from_data(TensorData::new(logits, [3, 4, 5, 7]), &Default::default());
        (logits.require_grad(), Target { labels, shape: [3, 5, 7] })
    }

    #[test]
    fn every_fused_loss_and_gradient_agrees_with_stock_operations() {
        use LossKind::*;
        for kind in [Dice, DiceMacro, Ce, DiceCe, Focal, Tversky] {
            for class_weights in [vec![], vec![0.5, 2.0, 1.0, 4.0]] {
                let config =
                    LossConfig { kind, class_weights: ClassWeights::Given(class_weights), ..LossConfig::default() };
                let loss = Loss::new(&config, &[1; 4]);
                let (logits, target) = case();
                let (found, wanted) =
                    (A::loss(logits.clone(), &target, &loss), stock_loss(logits.clone(), &target, &loss));
                let (a, b) = (found.clone().into_scalar(), wanted.clone().into_scalar());
                assert!((a - b).abs() < 1e-5 * b.abs(), "{config:?}: {a} against {b}");
                let (found, wanted) = (found.backward(), wanted.backward());
                let (found, wanted) = (logits.grad(&found).unwrap(), logits.grad(&wanted).unwrap());
                let scale = wanted.clone().abs().max().into_scalar();
                let error = (found - wanted).abs().max().into_scalar() / scale;
                assert!(error < 1e-4, "{config:?}: gradient off by {error}");
            }
        }
    }

    /// p is e⁻⁶⁰ or 1 − e⁻⁶⁰: cross-entropy's slope by a logit is (p − truth) over the pixels, and focal's is all but it.
    #[test]
    fn a_pixel_that_is_surely_wrong_has_the_whole_gradient() {
        let data = TensorData::new(vec![30f32, -30.0, -30.0, 30.0], [1, 2, 1, 2]);
        let logits = Tensor::<A, 4>::from_data(data, &Default::default()).require_grad();
        let target = Target { labels: vec![1, 1], shape: [1, 1, 2] };
        for kind in [LossKind::Ce, LossKind::Focal] {
            let loss = Loss::new(&LossConfig { kind, ..LossConfig::default() }, &[1; 2]);
            for found in [A::loss(logits.clone(), &target, &loss), stock_loss(logits.clone(), &target, &loss)] {
                let value = found.clone().into_scalar();
                assert!((value + LEAST.ln() / 2.0).abs() < 1e-4, "{kind:?}: {value}");
                let gradient: Vec<f32> = logits.grad(&found.backward()).unwrap().into_data().iter().collect();
                let off = gradient.iter().zip([0.5, 0.0, -0.5, 0.0]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(off < 1e-5, "{kind:?}: {gradient:?}");
            }
        }
    }

    #[test]
    fn an_image_of_ignored_pixels_alone_changes_neither_loss_nor_gradient() {
        let (logits, mut target) = case();
        target.labels[2 * 35..].fill(IGNORED);
        let fewer = Target { labels: target.labels[..2 * 35].to_vec(), shape: [2, 5, 7] };
        let of_two = || logits.clone().narrow(0, 0, 2);
        for kind in [LossKind::Dice, LossKind::DiceMacro, LossKind::Ce] {
            let loss = Loss::new(&LossConfig { kind, ..LossConfig::default() }, &[1; 4]);
            let losses = [
                A::loss(logits.clone(), &target, &loss),
                stock_loss(logits.clone(), &target, &loss),
                A::loss(of_two(), &fewer, &loss),
                stock_loss(of_two(), &fewer, &loss),
            ];
            let values = losses.clone().map(|loss| loss.into_scalar());
            assert!(values.iter().all(|value| (value - values[0]).abs() < 1e-5), "{kind:?}: {values:?}");
            let gradients = losses.map(|loss| logits.grad(&loss.backward()).unwrap());
            let off = |g: &Tensor<Flex, 4>| (g.clone() - gradients[0].clone()).abs().max().into_scalar();
            assert!(gradients.iter().all(|g| off(g) < 1e-6), "{kind:?}");
        }
    }

    #[test]
    fn a_batch_with_nothing_to_count_has_a_finite_loss_and_no_gradient_from_surprise() {
        let (logits, mut target) = case();
        target.labels.fill(IGNORED);
        for kind in [LossKind::Ce, LossKind::Dice, LossKind::DiceCe, LossKind::Focal] {
            let loss = Loss::new(&LossConfig { kind, ..LossConfig::default() }, &[1; 4]);
            let (fused, stock) = (A::loss(logits.clone(), &target, &loss), stock_loss(logits.clone(), &target, &loss));
            let gradient = logits.grad(&stock.backward()).unwrap().abs().max().into_scalar();
            let (fused, stock) = (fused.into_scalar(), stock.into_scalar());
            assert!(fused.is_finite() && (fused - stock).abs() < 1e-6, "{kind:?}: {fused} against {stock}");
            assert!(gradient == 0.0, "{kind:?}: {gradient}");
        }
    }

    #[test]
    fn a_loss_over_a_split_does_not_depend_on_batches_and_equal_weights_change_nothing() {
        use crate::loss::{image_sums, softmax};
        let (logits, target) = case();
        let mut values: Vec<f32> = logits.clone().into_data().iter().collect();
        let images: Vec<_> = values
            .chunks_mut(4 * 35)
            .zip(target.labels.chunks(35))
            .map(|(values, labels)| {
                softmax(values, 4);
                image_sums(values, labels, 4, 0.0)
            })
            .collect();
        for kind in [LossKind::Dice, LossKind::DiceCe] {
            let loss = Loss::new(&LossConfig { kind, ..LossConfig::default() }, &[1; 4]);
            let of_batch = f64::from(A::loss(logits.clone(), &target, &loss).into_scalar());
            assert!((loss.value(&images).unwrap() - of_batch).abs() < 1e-6);
            let doubled =
                LossConfig { kind, class_weights: ClassWeights::Given(vec![2.0; 4]), ..LossConfig::default() };
            let doubled = Loss::new(&doubled, &[1; 4]).value(&images).unwrap();
            let difference = (doubled - loss.value(&images).unwrap()).abs();
            // Pooled Dice adds 1 above and below, which weights shift by a little.
            assert!(difference < if kind == LossKind::Dice { 1e-2 } else { 1e-12 });
        }
    }
}
