//! He-normal initial weights (He et al. 2015) as Keras draws them: a normal cut off at two deviations.

use burn::{
    module::{Param, ParamId},
    prelude::*,
};
use rand::Rng;

use crate::domain::seed;

/// Standard deviation of a standard normal that is cut off at two; Keras divides by it so that the result has the
/// wanted deviation.
const CUT_DEVIATION: f64 = 0.879_625_661_034_239_8;

/// Makes a network's parameters one after the other, each from a stream of its own.
pub struct Initial<'a, B: Backend> {
    seed: u64,
    layer: u64,
    device: &'a B::Device,
}

impl<'a, B: Backend> Initial<'a, B> {
    /// Everything that follows is drawn from `seed`.
    pub fn new(seed: u64, device: &'a B::Device) -> Self {
        Self { seed, layer: 0, device }
    }

    /// Convolution weights [outputs, inputs, side, side].
    pub fn convolution(&mut self, inputs: usize, outputs: usize, side: usize) -> Param<Tensor<B, 4>> {
        let mut generator = seed::generator(self.seed, "initial weights", &[self.layer]);
        self.layer += 1;
        let deviation = (2.0 / (inputs * side * side) as f64).sqrt() / CUT_DEVIATION;
        let mut uniform = move || (generator.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        let normals = std::iter::from_fn(move || Some(normal(uniform(), uniform()))).filter(|x| x.abs() <= 2.0);
        let values = normals.take(outputs * inputs * side * side).map(|x| (x * deviation) as f32).collect();
        let data = TensorData::new::<f32, _>(values, [outputs, inputs, side, side]);
        Param::initialized(ParamId::new(), Tensor::from_data(data, self.device).require_grad())
    }

    /// A trained value a channel.
    pub fn channels(&self, count: usize, value: f32) -> Param<Tensor<B, 1>> {
        Param::initialized(ParamId::new(), Tensor::full([count], value, self.device).require_grad())
    }

    /// A value a channel that no gradient reaches.
    pub fn statistics(&self, count: usize, value: f32) -> Param<Tensor<B, 1>> {
        Param::initialized(ParamId::new(), Tensor::full([count], value, self.device))
    }
}

/// Box & Muller (1958), from two uniform numbers in [0, 1).
fn normal(a: f64, b: f64) -> f64 {
    (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}
