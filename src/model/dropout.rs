//! Dropout (Srivastava et al. 2014) whose masks are derived from (seed, epoch, step, level), so that a resumed run
//! drops what an uninterrupted one would have dropped.

use burn::prelude::*;
use rand::Rng;

use crate::domain::seed;

/// Where in training a step stands.
#[derive(Clone, Copy, Debug)]
pub struct DropoutStream {
    /// The run's `init_seed`.
    pub seed: u64,
    /// From 1.
    pub epoch: usize,
    /// From 0 within the epoch.
    pub step: usize,
}

impl DropoutStream {
    /// Sets a share of `x` to 0 and scales the rest so that the mean stays. `level` names the layer.
    pub fn apply<B: Backend, const D: usize>(self, x: Tensor<B, D>, share: f64, level: usize) -> Tensor<B, D> {
        if share <= 0.0 {
            return x;
        }
        let mut bytes = vec![0u8; 2 * x.shape().num_elements()];
        let place = [self.epoch as u64, self.step as u64, level as u64];
        seed::generator(self.seed, "dropout", &place).fill_bytes(&mut bytes);
        let (threshold, kept) = ((share * 65536.0) as u32, (1.0 / (1.0 - share)) as f32);
        let value = |pair: &[u8]| if u32::from(pair[0]) | u32::from(pair[1]) << 8 < threshold { 0.0 } else { kept };
        let mask: Vec<f32> = bytes.chunks_exact(2).map(value).collect();
        let mask = Tensor::from_data(TensorData::new(mask, x.shape()), &x.device());
        x * mask
    }
}
