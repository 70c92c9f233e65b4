//! Milliseconds of a training step and of an evaluation step on the CPU, for one shape of the network:
//! `step WIDTH SIDE BATCH THREADS STEPS`. `benches/step.py` alternates it with PyTorch.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers")]

use std::{fs, time::Instant};

use burn::{
    backend::{Autodiff, Flex},
    module::AutodiffModule,
    prelude::*,
    tensor::Distribution,
};
use rand::RngExt;
use rayon::prelude::*;
use sweepscope::{
    domain::{InputSize, LossConfig, LossKind, RunConfig, seed},
    estimate,
    loss::{Loss, LossOps, Target, softmax},
    model::{DropoutStream, UNet, weights::floats},
    train::{Optimizer, gradients},
};

type A = Autodiff<Flex>;
const CHANNELS: usize = 1;
const CLASSES: usize = 4;
/// Steps after which a process has all the memory that it should ever need.
const SETTLED: usize = 5;

fn main() {
    let arguments: Vec<usize> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let [base_width, side, batch, threads, steps] = arguments[..] else {
        println!("step WIDTH SIDE BATCH THREADS STEPS; benches/step.py calls it");
        return;
    };
    let mut config = RunConfig::default();
    config.model.base_width = base_width;
    config.data.input_size = InputSize([side, side]);
    // As a worker does: the steps run on the pool's own threads.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| measure(&config, batch, steps));
}

fn measure(config: &RunConfig, batch: usize, steps: usize) {
    let device = Default::default();
    let side = config.data.input_size.0[0];
    let mut network = Some(UNet::<A>::new(&config.model, CHANNELS, CLASSES, 0, &device));
    let mut optimizer = Optimizer::new(&config.train);
    let loss = Loss::new(&LossConfig { kind: LossKind::DiceMacro, ..LossConfig::default() }, &[1; CLASSES]);
    let mut random = seed::generator(0, "bench", &[]);
    let images: Vec<f32> = (0..batch * CHANNELS * side * side).map(|_| random.random()).collect();
    let labels = (0..batch * side * side).map(|_| random.random_range(0..CLASSES as u8)).collect();
    let target = Target { labels, shape: [batch, side, side] };
    let images = TensorData::new(images, [batch, CHANNELS, side, side]);

    let mut resident = Vec::new();
    let train = timed(steps, |step| {
        // Nothing else may hold the weights, or the update would copy them.
        let mut model = network.take().unwrap();
        let stream = DropoutStream { seed: 0, epoch: 1, step };
        let logits = model.forward_train(Tensor::from_data(images.clone(), &device), stream);
        let value = A::loss(logits, &target, &loss);
        let _ = value.clone().into_scalar();
        let found = gradients(&model, value.backward());
        network = Some(optimizer.step::<A, _>(model, found, 1e-4));
        resident.push(memory_mib("VmRSS:"));
    });
    let peak = memory_mib("VmHWM:");
    let valid = network.unwrap().valid();
    let evaluate = timed(steps, |_| {
        let mut logits = floats(valid.forward_evaluate(Tensor::<Flex, 4>::from_data(images.clone(), &device)));
        logits.par_chunks_mut(CLASSES * side * side).for_each(|image| softmax(image, CLASSES));
    });
    let rate = product_rate();
    let forward = estimate::cost(config, CHANNELS, CLASSES).forward * batch as f64;
    let share = |operations: f64, milliseconds: f64| operations / (milliseconds / 1e3) / rate;
    let grown = resident[resident.len() - 1] - resident[SETTLED.min(resident.len() - 1)];
    println!(
        "{{\"train\": {train}, \"eval\": {evaluate}, \"peak_mib\": {peak}, \"grown_mib\": {grown}, \
         \"gflops\": {}, \"train_share\": {}, \"eval_share\": {}}}",
        rate / 1e9,
        share(3.0 * forward, train),
        share(forward, evaluate)
    );
}

/// Median of `steps` calls after a first one, in milliseconds.
fn timed(steps: usize, mut call: impl FnMut(usize)) -> f64 {
    let mut times: Vec<f64> = (0..=steps)
        .map(|step| {
            let started = Instant::now();
            call(step);
            started.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    let times = &mut times[1..];
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Floating-point operations a second of a large plain matrix product.
fn product_rate() -> f64 {
    const SIDE: usize = 1024;
    let matrix = || Tensor::<Flex, 2>::random([SIDE, SIDE], Distribution::Default, &Default::default());
    let (a, b) = (matrix(), matrix());
    let milliseconds = timed(7, |_| drop(a.clone().matmul(b.clone())));
    2.0 * (SIDE * SIDE * SIDE) as f64 / (milliseconds / 1e3)
}

/// A figure of this process's memory.
fn memory_mib(name: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
