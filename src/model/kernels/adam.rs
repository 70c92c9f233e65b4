//! The Adam update (Kingma and Ba, 2015), with decoupled weight decay (Loshchilov and Hutter, 2019), in one pass.

use super::isa::Isa;
use rayon::prelude::*;

/// Settings of one update.
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    /// Learning rate.
    pub learning_rate: f32,
    /// Decay of the mean gradient, and of the mean squared gradient.
    pub betas: (f32, f32),
    /// Added to the root of the mean squared gradient.
    pub epsilon: f32,
    /// Decoupled: each step shrinks weights by `learning_rate * weight_decay`. 0 is plain Adam.
    pub weight_decay: f32,
    /// Updates made, this one included.
    pub step: i32,
}

/// Tasks of this many floats.
const TASK: usize = 1 << 15;

impl Adam {
    /// Updates weights and both moments in place.
    pub fn update(&self, isa: Isa, weights: &mut [f32], gradient: &[f32], mean: &mut [f32], square: &mut [f32]) {
        let (b1, b2) = (f64::from(self.betas.0), f64::from(self.betas.1));
        let rate = f64::from(self.learning_rate) / (1.0 - b1.powi(self.step));
        let constants = [
            self.betas.0,
            self.betas.1,
            rate as f32,
            (1.0 / (1.0 - b2.powi(self.step)).sqrt()) as f32,
            self.epsilon,
            1.0 - self.learning_rate * self.weight_decay,
        ];
        weights
            .par_chunks_mut(TASK)
            .zip(gradient.par_chunks(TASK))
            .zip(mean.par_chunks_mut(TASK).zip(square.par_chunks_mut(TASK)))
            .for_each(|((w, g), (m, s))| isa.call(update, (w, g, m, s, constants)));
    }
}

type Part<'a> = (&'a mut [f32], &'a [f32], &'a mut [f32], &'a mut [f32], [f32; 6]);

#[inline(always)]
fn update((w, g, m, s, [b1, b2, rate, correction, epsilon, keep]): Part) {
    for (((w, g), m), s) in w.iter_mut().zip(g).zip(m).zip(s) {
        *m = b1 * *m + (1.0 - b1) * g;
        *s = b2 * *s + (1.0 - b2) * g * g;
        *w = *w * keep - rate * *m / (s.sqrt() * correction + epsilon);
    }
}
