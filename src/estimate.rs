//! What a run will cost, from its settings alone: multiplications, memory, and from a measured rate the time.

use crate::domain::{Head, RunConfig};

/// What a run of these settings costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Floating-point operations of one image's forward pass; a training step takes three times as many an image.
    pub forward: f64,
    /// Bytes of a training step: weights, their gradients and moments, and the kept feature maps of a batch.
    pub memory: f64,
}

/// The cost of a run with `channels` input channels and `classes` classes.
pub fn cost(config: &RunConfig, channels: usize, classes: usize) -> Cost {
    let mut sum = Sum::default();
    let depth = config.model.depth;
    let [height, width] = config.data.input_size.0;
    let pixels = |level: usize| ((height >> level) * (width >> level)) as f64;
    let maps = |level: usize| config.model.base_width << level;
    let mut input = channels;
    for level in 0..depth {
        sum.convolution(3, input, maps(level), pixels(level));
        sum.convolution(3, maps(level), maps(level), pixels(level));
        input = maps(level);
    }
    for level in (0..depth - 1).rev() {
        sum.convolution(2, maps(level + 1), maps(level), pixels(level));
        sum.convolution(3, 2 * maps(level), maps(level), pixels(level));
        sum.convolution(3, maps(level), maps(level), pixels(level));
    }
    match config.model.head {
        Head::Plain => sum.convolution(1, maps(0), classes, pixels(0)),
        Head::Keras => {
            sum.convolution(3, maps(0), classes, pixels(0));
            sum.convolution(1, classes, classes, pixels(0));
        }
    }
    // Weights, gradients and two moments; of each feature map its convolution's and its norm's output.
    let memory = 4.0 * (4.0 * sum.weights + 2.0 * sum.activations * config.train.batch_size as f64);
    Cost { forward: 2.0 * sum.multiplications, memory }
}

/// Operations of an epoch, which trains on `train` images and evaluates them and `val` others.
pub fn epoch(cost: &Cost, train: usize, val: usize) -> f64 {
    cost.forward * (3 * train + train + val) as f64
}

#[derive(Default)]
struct Sum {
    multiplications: f64,
    weights: f64,
    activations: f64,
}

impl Sum {
    fn convolution(&mut self, kernel: usize, input: usize, output: usize, pixels: f64) {
        let weights = (kernel * kernel * input * output) as f64;
        self.weights += weights;
        self.multiplications += weights * pixels;
        self.activations += output as f64 * pixels;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::InputSize;

    /// Operations of a step as counted by hand from the layers of four networks, in 10⁹.
    #[test]
    fn a_step_costs_what_the_layers_add_up_to() {
        for (width, side, batch, channels, expected) in
            [(8, 64, 8, 1, 2.6), (16, 128, 4, 3, 20.8), (64, 128, 2, 3, 164.0), (16, 256, 9, 3, 188.0)]
        {
            let mut config = RunConfig::default();
            config.model.base_width = width;
            config.data.input_size = InputSize([side, side]);
            let step = 3.0 * batch as f64 * cost(&config, channels, 4).forward / 1e9;
            assert!((step / expected - 1.0).abs() < 0.02, "width {width}, {side} pixels: {step}, not {expected}");
        }
    }
}
