//! Milliseconds of a training step and of an evaluation step on the CPU, for one shape of the network:
//! `step WIDTH SIDE BATCH CHANNELS THREADS STEPS`. `benches/step.py` alternates it with PyTorch.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers")]

use std::{fs, time::Instant};

use burn::{
    backend::{Autodiff, Flex},
    module::AutodiffModule,
    prelude::*,
};
use rand::RngExt;
use sweepscope::{
    domain::{LossConfig, LossKind, ModelConfig, TrainConfig, seed},
    loss::{Loss, LossOps, Target},
    model::{DropoutStream, UNet},
    train::{Optimizer, gradients},
};

type A = Autodiff<Flex>;
const CLASSES: usize = 4;

fn main() {
    let arguments: Vec<usize> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let [base_width, side, batch, channels, threads, steps] = arguments[..] else {
        println!("step WIDTH SIDE BATCH CHANNELS THREADS STEPS; benches/step.py calls it");
        return;
    };
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().unwrap();
    let device = Default::default();
    let config = ModelConfig { base_width, ..ModelConfig::default() };
    let mut model = UNet::<A>::new(&config, channels, CLASSES, 0, &device);
    let mut optimizer = Optimizer::new(&TrainConfig::default());
    let loss = Loss::new(&LossConfig { kind: LossKind::DiceMacro, ..LossConfig::default() }, &[1; CLASSES]);
    let mut random = seed::generator(0, "bench", &[]);
    let images: Vec<f32> = (0..batch * channels * side * side).map(|_| random.random()).collect();
    let labels = (0..batch * side * side).map(|_| random.random_range(0..CLASSES as u8)).collect();
    let target = Target { labels, shape: [batch, side, side] };
    let images = TensorData::new(images, [batch, channels, side, side]);

    let mut train = Vec::new();
    for step in 0..=steps {
        let started = Instant::now();
        let stream = DropoutStream { seed: 0, epoch: 1, step };
        let logits = model.forward_train(Tensor::from_data(images.clone(), &device), stream);
        let value = A::loss(logits, &target, &loss);
        let _ = value.clone().into_scalar();
        let found = gradients(&model, value.backward());
        model = optimizer.step::<A, _>(model, found, 1e-4);
        train.push(started.elapsed().as_secs_f64() * 1e3);
    }
    let peak = peak_mib();
    let valid = model.valid();
    let mut evaluate = Vec::new();
    for _ in 0..=steps {
        let started = Instant::now();
        let logits = valid.forward_evaluate(Tensor::<Flex, 4>::from_data(images.clone(), &device));
        let _ = burn::tensor::activation::softmax(logits, 1).sum().into_scalar();
        evaluate.push(started.elapsed().as_secs_f64() * 1e3);
    }
    println!(
        "{{\"train\": {}, \"eval\": {}, \"peak_mib\": {peak}}}",
        median(&mut train[1..]),
        median(&mut evaluate[1..])
    );
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
