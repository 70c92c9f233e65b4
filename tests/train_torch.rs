//! Layers, losses, gradients, scores and whole training steps against PyTorch (`tests/torch/reference.py`).
//! Skipped with a line where no Python with torch and safetensors is found; SWEEPSCOPE_PYTHON names one.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test may end at the first surprise")]

use std::{fs, path::Path, process::Command};

use burn::{
    backend::{Autodiff, Flex},
    module::AutodiffModule,
    prelude::*,
};
use rand::RngExt;
use sweepscope::{
    domain::{ClassWeights, Head, LossConfig, LossKind, ModelConfig, Optimizer as Rule, TrainConfig, seed},
    loss::{Loss, LossOps, Target, softmax},
    metrics::{ImageFigures, figures_of},
    model::{
        ConvOps, DropoutStream, UNet,
        ops::{BlockWeights, Source},
        weights::{self, Array, Arrays},
    },
    train::{Optimizer, gradients},
};

type A = Autodiff<Flex>;

/// A Python that has what the reference needs.
fn python() -> Option<String> {
    let named = std::env::var("SWEEPSCOPE_PYTHON").unwrap_or_else(|_| "python3".into());
    let works = Command::new(&named).args(["-c", "import torch, safetensors, numpy"]).output();
    if works.is_ok_and(|output| output.status.success()) {
        return Some(named);
    }
    eprintln!("skipped: {named} has no torch, numpy and safetensors (set SWEEPSCOPE_PYTHON)");
    None
}

/// What the reference makes of `input`; `None` where it cannot run.
fn reference(mode: &str, input: &Arrays, options: &[String]) -> Option<Arrays> {
    let python = python()?;
    let folder = tempfile::tempdir().unwrap();
    let (read, write) = (folder.path().join("in.safetensors"), folder.path().join("out.safetensors"));
    fs::write(&read, weights::to_bytes(input).unwrap()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torch/reference.py");
    let output = Command::new(python).arg(script).arg(mode).args([&read, &write]).args(options).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(weights::from_bytes(&fs::read(write).unwrap()).unwrap())
}

/// Values derived from `name`, from −1 to 1.
fn random(name: &str, shape: &[usize]) -> Array {
    let mut generator = seed::generator(11, name, &[]);
    let values = (0..shape.iter().product()).map(|_| generator.random_range(-1.0..1.0)).collect();
    Array { shape: shape.to_vec(), values }
}

fn leaf<const D: usize>(array: &Array) -> Tensor<A, D> {
    let data = TensorData::new(array.values.clone(), array.shape.clone());
    Tensor::<A, D>::from_data(data, &Default::default()).require_grad()
}

fn array<const D: usize>(x: Tensor<Flex, D>) -> Array {
    let data = x.into_data();
    Array { shape: data.shape.to_vec(), values: data.iter().collect() }
}

/// Holds the largest difference against `tolerance` of the largest value.
#[track_caller]
fn close(what: &str, found: &Array, expected: &Array, tolerance: f32) {
    assert_eq!(found.shape, expected.shape, "{what}");
    let scale = expected.values.iter().fold(1e-6f32, |m, v| m.max(v.abs()));
    let error = found.values.iter().zip(&expected.values).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
    assert!(error <= tolerance * scale, "{what}: off by {error} of {scale}");
}

fn last(x: Tensor<A, 4>) -> Tensor<A, 4> {
    x.permute([0, 2, 3, 1])
}

fn first(x: Tensor<A, 4>) -> Tensor<A, 4> {
    x.permute([0, 3, 1, 2])
}

/// Output and gradients of an operation over the arrays of `input` against the reference's.
fn compare(
    mode: &str,
    options: &[String],
    input: &Arrays,
    operation: impl Fn(&dyn Fn(&str) -> Tensor<A, 4>) -> Tensor<A, 4>,
) {
    let Some(expected) = reference(mode, input, options) else { return };
    let leaves: std::collections::BTreeMap<&str, Tensor<A, 4>> = input
        .iter()
        .filter(|(name, _)| *name != "pull")
        .map(|(name, array)| {
            let mut shape = [1; 4];
            shape[..array.shape.len()].copy_from_slice(&array.shape);
            (name.as_str(), leaf(&Array { shape: shape.to_vec(), values: array.values.clone() }))
        })
        .collect();
    let y = operation(&|name| leaves[name].clone());
    close(&format!("{mode} {options:?} output"), &array(y.clone().inner()), &expected["y"], 2e-5);
    let found = (y * leaf::<4>(&input["pull"]).detach()).sum().backward();
    for (name, leaf) in leaves {
        let mut gradient = array(leaf.grad(&found).unwrap());
        gradient.shape.clone_from(&input[name].shape);
        close(&format!("{mode} {options:?} gradient of {name}"), &gradient, &expected[&format!("grad.{name}")], 1e-4);
    }
}

fn inputs(shapes: &[(&str, &[usize])]) -> Arrays {
    shapes.iter().map(|(name, shape)| ((*name).to_owned(), random(name, shape))).collect()
}

#[test]
fn blocks_agree_with_pytorch() {
    for (kind, side, skip, inner) in [("map", 3, 0, 5), ("joined", 3, 4, 5), ("upsampled", 2, 0, 6), ("map", 3, 0, 96)]
    {
        let (height, width) = if kind == "upsampled" { (12, 20) } else { (6, 10) };
        let x = [2, inner, 6, 10];
        let skipped = [2, 4, 6, 10];
        let weight = [8, inner + skip, side, side];
        let pull = [2, 8, height, width];
        let mut shapes: Vec<(&str, &[usize])> =
            vec![("x", &x), ("weight", &weight), ("bias", &[8]), ("gamma", &[8]), ("beta", &[8]), ("pull", &pull)];
        if skip > 0 {
            shapes.push(("skip", &skipped));
        }
        compare("block", &[format!("kind={kind}")], &inputs(&shapes), |leaf| {
            let source = match kind {
                "joined" => Source::Joined(last(leaf("x")), last(leaf("skip"))),
                "upsampled" => Source::Upsampled(last(leaf("x"))),
                _ => Source::Map(last(leaf("x"))),
            };
            let vector = |name: &str| leaf(name).reshape([8]);
            let weights = BlockWeights {
                weight: leaf("weight"),
                bias: vector("bias"),
                gamma: vector("gamma"),
                beta: vector("beta"),
            };
            first(A::block(source, weights).map)
        });
    }
}

#[test]
fn pooling_and_the_head_agree_with_pytorch() {
    let pooled = inputs(&[("x", &[2, 5, 8, 6]), ("pull", &[2, 5, 4, 3])]);
    compare("pool", &[], &pooled, |leaf| first(A::pool(last(leaf("x")))));
    let head = inputs(&[("x", &[2, 7, 8, 6]), ("weight", &[3, 7, 1, 1]), ("bias", &[3]), ("pull", &[2, 3, 8, 6])]);
    compare("head", &[], &head, |leaf| A::head(last(leaf("x")), leaf("weight"), leaf("bias").reshape([3])));
}

/// Labels 0 to 3 of which class 3 never occurs and some are ignored.
fn labels(shape: [usize; 3]) -> Target {
    let mut generator = seed::generator(1, "labels", &[]);
    let pick = |n: u8| if n == 3 { 255 } else { n };
    Target { labels: (0..shape.iter().product()).map(|_| pick(generator.random_range(0..4))).collect(), shape }
}

fn label_array(target: &Target) -> Array {
    Array { shape: target.shape.to_vec(), values: target.labels.iter().map(|label| f32::from(*label)).collect() }
}

#[test]
fn every_loss_and_its_gradient_agree_with_pytorch() {
    for (kind, name) in [
        (LossKind::Dice, "dice"),
        (LossKind::DiceMacro, "dice_macro"),
        (LossKind::Ce, "ce"),
        (LossKind::DiceCe, "dice_ce"),
        (LossKind::Focal, "focal"),
        (LossKind::Tversky, "tversky"),
    ] {
        let target = labels([3, 9, 14]);
        let class_weights = [0.5, 2.0, 1.0, 3.0];
        let weights = Array { shape: vec![4], values: class_weights.map(|w| w as f32).to_vec() };
        let mut input = inputs(&[("logits", &[3, 4, 9, 14])]);
        input.insert("labels".into(), label_array(&target));
        input.insert("class_weights".into(), weights);
        let Some(expected) = reference("loss", &input, &[format!("kind={name}")]) else { return };
        let config =
            LossConfig { kind, class_weights: ClassWeights::Given(class_weights.to_vec()), ..LossConfig::default() };
        let logits = leaf::<4>(&input["logits"]);
        let value = A::loss(logits.clone(), &target, &Loss::new(&config, &[1; 4]));
        close(name, &array(value.clone().inner()), &expected["y"], 1e-5);
        let gradient = array(logits.grad(&value.backward()).unwrap());
        close(&format!("{name} gradient"), &gradient, &expected["grad.logits"], 1e-4);
    }
}

#[test]
fn scores_agree_with_a_numpy_transcription_of_the_keras_code() {
    let mut target = labels([3, 9, 14]);
    target.labels.iter_mut().filter(|label| **label == 255).for_each(|label| *label = 3);
    let mut input = inputs(&[("logits", &[3, 4, 9, 14])]);
    input.insert("labels".into(), label_array(&target));
    let Some(expected) = reference("scores", &input, &[]) else { return };
    let loss = Loss::new(&LossConfig::default(), &[1; 4]);
    let mut logits = input["logits"].values.clone();
    let images = logits.chunks_mut(4 * 9 * 14).zip(target.labels.chunks(9 * 14));
    let figures: Vec<_> = images
        .map(|(logits, mask)| {
            softmax(logits, 4);
            figures_of(logits, [9, 14], mask, [9, 14], &loss)
        })
        .collect();
    let mean = |score: fn(&ImageFigures) -> Option<f64>| figures.iter().filter_map(score).sum::<f64>() / 3.0;
    let found = [mean(ImageFigures::dice_coef), mean(ImageFigures::iou_coef)];
    close(
        "dice_coef, iou_coef",
        &Array { shape: vec![2], values: found.map(|v| v as f32).to_vec() },
        &expected["scores"],
        1e-6,
    );
}

/// A network, with images and labels, for both sides.
fn beginning(model: &ModelConfig) -> (UNet<A>, Arrays) {
    let network = UNet::<A>::new(model, 1, 4, 3, &Default::default());
    let mut input = weights::collect(&network).unwrap();
    input.insert("images".into(), random("images", &[4, 1, 32, 32]));
    input.insert("labels".into(), label_array(&labels([4, 32, 32])));
    (network, input)
}

/// The largest relative difference between losses of the same steps.
fn parting(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs() / b.abs()).fold(0.0, f32::max)
}

/// Holds logits, gradients, the losses of ten steps (to `tolerance`) and the evaluated network; gives the losses.
fn whole_network(
    model: &ModelConfig,
    train: &TrainConfig,
    kind: LossKind,
    options: &[String],
    tolerance: f32,
) -> Option<Vec<f32>> {
    let device = Default::default();
    let (mut network, input) = beginning(model);
    let (target, images) = (labels([4, 32, 32]), &input["images"]);
    let expected = reference("unet", &input, options)?;
    let loss = Loss::new(&LossConfig { kind, ..LossConfig::default() }, &[1; 4]);
    let mut optimizer = Optimizer::new(train);
    let data = || TensorData::new(images.values.clone(), images.shape.clone());
    let mut losses = Vec::new();
    for step in 0..10 {
        let stream = DropoutStream { seed: 0, epoch: 1, step };
        let logits = network.forward_train(Tensor::from_data(data(), &device), stream);
        let value = A::loss(logits.clone(), &target, &loss);
        losses.push(value.clone().into_scalar());
        let found = gradients(&network, value.backward());
        if step == 0 {
            close("logits", &array(logits.inner()), &expected["logits"], 1e-4);
            for (name, gradient) in &found {
                let values = Tensor::<Flex, 1>::from_primitive(burn::tensor::TensorPrimitive::Float(gradient.clone()));
                let shape = expected[&format!("grad.{name}")].shape.clone();
                let gradient = Array { shape, values: values.into_data().iter().collect() };
                close(&format!("gradient of {name}"), &gradient, &expected[&format!("grad.{name}")], 2e-3);
            }
        }
        network = optimizer.step::<A, _>(network, found, train.learning_rate);
    }
    let wanted = &expected["losses"].values;
    assert!(parting(&losses, wanted) < tolerance, "{options:?}: {losses:?} against {wanted:?}");
    let evaluated = network.valid().forward_evaluate(Tensor::from_data(data(), &device));
    close("evaluated", &array(evaluated), &expected["evaluated"], 100.0 * tolerance);
    Some(losses)
}

fn options(kind: &str, optimizer: &str, rate: &str) -> Vec<String> {
    vec![format!("kind={kind}"), format!("optimizer={optimizer}"), format!("rate={rate}")]
}

fn rate(optimizer: Rule, learning_rate: f64) -> TrainConfig {
    TrainConfig { optimizer, learning_rate, ..TrainConfig::default() }
}

#[test]
fn ten_steps_of_the_whole_network_agree_with_pytorch() {
    let base = ModelConfig { depth: 4, base_width: 8, dropout: 0.0, ..ModelConfig::default() };
    whole_network(&base, &rate(Rule::Adam, 1e-4), LossKind::DiceCe, &options("dice_ce", "adam", "1e-4"), 1e-4);
    let keras = ModelConfig { head: Head::Keras, ..base.clone() };
    whole_network(&keras, &rate(Rule::Adam, 1e-4), LossKind::Dice, &options("dice", "adam", "1e-4"), 1e-4);
    let decayed = TrainConfig { weight_decay: 0.01, ..rate(Rule::Adamw, 1e-4) };
    whole_network(&base, &decayed, LossKind::DiceMacro, &options("dice_macro", "adamw", "1e-4"), 1e-4);
    let mut clipped = options("ce", "sgd", "1e-3");
    clipped.push("clip=0.5".into());
    let sgd = TrainConfig { weight_decay: 0.01, gradient_clip: 0.5, ..rate(Rule::Sgd, 1e-3) };
    whole_network(&base, &sgd, LossKind::Ce, &clipped, 1e-4);
}

/// Adam divides each gradient by its own size, so that the rounding of gradients near zero moves weights as far as
/// true gradients do. At higher rates no two orders of summing agree to 1e-4 for ten steps: PyTorch in single and in
/// double precision do not either. Ours must be as close to double precision as PyTorch's single precision can be.
#[test]
fn at_a_high_rate_rounding_parts_us_from_double_precision_as_it_parts_pytorch() {
    let base = ModelConfig { depth: 4, base_width: 8, dropout: 0.0, ..ModelConfig::default() };
    let mut options = options("dice_ce", "adam", "1e-3");
    let Some(ours) = whole_network(&base, &rate(Rule::Adam, 1e-3), LossKind::DiceCe, &options, 5e-3) else { return };
    let (_, input) = beginning(&base);
    let Some(single) = reference("unet", &input, &options) else { return };
    options.push("double=1".into());
    let Some(double) = reference("unet", &input, &options) else { return };
    let (single, double) = (&single["losses"].values, &double["losses"].values);
    let of = |losses: &[f32]| [parting(&losses[..4], &double[..4]), parting(losses, double)];
    let ([ours_early, ours], [theirs_early, theirs]) = (of(&ours), of(single));
    eprintln!("parted from double precision: ours {ours_early:e}, then {ours:e}; PyTorch {theirs_early:e}, {theirs:e}");
    assert!(ours_early < 2e-5 && theirs_early < 2e-5);
    assert!(ours < 5e-3 && theirs < 5e-3);
}
