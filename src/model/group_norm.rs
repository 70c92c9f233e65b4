//! Group norm (Wu & He 2018) over channels-last maps on the CPU: each image's channels are normalised in groups, so
//! that nothing depends on the batch.

use rayon::prelude::*;

/// Shape of a channels-last map and its groups.
#[derive(Clone, Copy, Debug)]
pub struct Groups {
    /// Images.
    pub batch: usize,
    /// Channels.
    pub channels: usize,
    /// Groups; they divide the channels.
    pub groups: usize,
}

/// Mean and inverse deviation of each image and group [batch × groups].
pub type Moments = Vec<[f32; 2]>;

impl Groups {
    fn width(self) -> usize {
        self.channels / self.groups
    }

    /// The normalised map, scaled by `gamma` and shifted by `beta` a channel, and the moments.
    pub fn forward(self, y: &[f32], gamma: &[f32], beta: &[f32], epsilon: f32) -> (Vec<f32>, Moments) {
        let image = y.len() / self.batch;
        let mut z = vec![0f32; y.len()];
        let moments: Vec<Moments> = z
            .par_chunks_mut(image)
            .zip(y.par_chunks(image))
            .map(|(z, y)| {
                let moments = self.moments(y, epsilon);
                for (z, y) in z.chunks_mut(self.channels).zip(y.chunks(self.channels)) {
                    for (c, (z, y)) in z.iter_mut().zip(y).enumerate() {
                        let [mean, inverse] = moments[c / self.width()];
                        *z = (y - mean) * inverse * gamma[c] + beta[c];
                    }
                }
                moments
            })
            .collect();
        (z, moments.concat())
    }

    /// Turns the gradient `g` of the output into that of the input, in place; gives the gradients of gamma and beta.
    pub fn backward(self, y: &[f32], gamma: &[f32], moments: &Moments, g: &mut [f32]) -> [Vec<f32>; 2] {
        let image = y.len() / self.batch;
        let images = g.par_chunks_mut(image).zip(y.par_chunks(image)).zip(moments.par_chunks(self.groups));
        let found: Vec<[Vec<f32>; 2]> =
            images.map(|((g, y), moments)| self.image_backward(y, gamma, moments, g)).collect();
        let sum =
            |part: usize| (0..self.channels).map(|c| found.iter().map(|of_image| of_image[part][c]).sum()).collect();
        [sum(0), sum(1)]
    }

    fn moments(self, y: &[f32], epsilon: f32) -> Moments {
        let count = (y.len() / self.groups) as f64;
        let mut sums = vec![[0f64; 2]; self.groups];
        for pixel in y.chunks(self.channels) {
            for (sums, values) in sums.iter_mut().zip(pixel.chunks(self.width())) {
                for value in values {
                    sums[0] += f64::from(*value);
                    sums[1] += f64::from(*value) * f64::from(*value);
                }
            }
        }
        let moments = |[sum, squares]: [f64; 2]| {
            let mean = sum / count;
            let variance = (squares / count - mean * mean).max(0.0);
            [mean as f32, (1.0 / (variance + f64::from(epsilon)).sqrt()) as f32]
        };
        sums.into_iter().map(moments).collect()
    }

    fn image_backward(self, y: &[f32], gamma: &[f32], moments: &[[f32; 2]], g: &mut [f32]) -> [Vec<f32>; 2] {
        let normal = |c: usize, y: f32| (y - moments[c / self.width()][0]) * moments[c / self.width()][1];
        let (mut of_gamma, mut of_beta) = (vec![0f32; self.channels], vec![0f32; self.channels]);
        for (g, y) in g.chunks(self.channels).zip(y.chunks(self.channels)) {
            for c in 0..self.channels {
                of_gamma[c] += g[c] * normal(c, y[c]);
                of_beta[c] += g[c];
            }
        }
        let count = (y.len() / self.groups) as f32;
        let mean_of = |values: &[f32], group: usize| {
            let channels = group * self.width()..(group + 1) * self.width();
            channels.map(|c| values[c] * gamma[c]).sum::<f32>() / count
        };
        let means: Vec<[f32; 2]> = (0..self.groups).map(|j| [mean_of(&of_beta, j), mean_of(&of_gamma, j)]).collect();
        for (g, y) in g.chunks_mut(self.channels).zip(y.chunks(self.channels)) {
            for c in 0..self.channels {
                let [plain, slope] = means[c / self.width()];
                g[c] = moments[c / self.width()][1] * (g[c] * gamma[c] - plain - normal(c, y[c]) * slope);
            }
        }
        [of_gamma, of_beta]
    }
}
