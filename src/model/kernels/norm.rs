//! Batch norm over batch and space (Ioffe & Szegedy 2015), biased variance; backward also goes through the ReLU
//! that came before it, in the same passes.

use rayon::prelude::*;

use super::{Extent, sum};

/// Output, mean and biased variance of each channel.
pub struct Normalized {
    /// The normalised map.
    pub z: Vec<f32>,
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Biased variance of each channel.
    pub variance: Vec<f32>,
}

/// Gradients of the per-channel parameters of a block.
pub struct ChannelGradients {
    /// Of the convolution's bias.
    pub bias: Vec<f32>,
    /// Of the scale.
    pub gamma: Vec<f32>,
    /// Of the shift.
    pub beta: Vec<f32>,
}

/// Normalises each channel of `y` over batch and space, then scales by `gamma` and shifts by `beta`.
pub fn forward(y: &[f32], extent: Extent, gamma: &[f32], beta: &[f32], epsilon: f32) -> Normalized {
    let (mean, variance): (Vec<f32>, Vec<f32>) =
        (0..extent.channels).into_par_iter().map(|c| moments(y, extent, c)).unzip();
    let mut z = vec![0f32; y.len()];
    let planes = z.par_chunks_mut(extent.plane()).zip(y.par_chunks(extent.plane()));
    planes.enumerate().for_each(|(index, (z, y))| {
        let c = index % extent.channels;
        let scale = gamma[c] / (variance[c] + epsilon).sqrt();
        let shift = beta[c] - mean[c] * scale;
        z.iter_mut().zip(y).for_each(|(z, y)| *z = y * scale + shift);
    });
    Normalized { z, mean, variance }
}

/// From the gradient of the output to the gradient before the ReLU, in place; `y` is the ReLU's output.
pub fn backward(
    y: &[f32],
    extent: Extent,
    gamma: &[f32],
    mean: &[f32],
    variance: &[f32],
    epsilon: f32,
    g: &mut [f32],
) -> ChannelGradients {
    let count = (extent.batch * extent.plane()) as f32;
    let sums: Vec<[f32; 2]> =
        (0..extent.channels).into_par_iter().map(|c| gradient_sums(y, g, extent, c, mean[c])).collect();
    let inverse = |c: usize| 1.0 / (variance[c] + epsilon).sqrt();
    let bias: Vec<f32> = g
        .par_chunks_mut(extent.plane())
        .zip(y.par_chunks(extent.plane()))
        .enumerate()
        .map(|(index, (g, y))| {
            let c = index % extent.channels;
            let [sum_g, sum_gx] = sums[c];
            let inverse = inverse(c);
            let (scale, mean_g, slope) = (gamma[c] * inverse, sum_g / count, inverse * inverse * sum_gx / count);
            for (g, &y) in g.iter_mut().zip(y) {
                let before = scale * (*g - mean_g - (y - mean[c]) * slope);
                *g = if y > 0.0 { before } else { 0.0 };
            }
            sum(g)
        })
        .collect();
    ChannelGradients {
        bias: (0..extent.channels).map(|c| bias.iter().skip(c).step_by(extent.channels).sum()).collect(),
        gamma: sums.iter().enumerate().map(|(c, [_, sum_gx])| sum_gx * inverse(c)).collect(),
        beta: sums.iter().map(|[sum_g, _]| *sum_g).collect(),
    }
}

fn planes_of(values: &[f32], extent: Extent, channel: usize) -> impl Iterator<Item = &[f32]> {
    values.chunks(extent.plane()).skip(channel).step_by(extent.channels)
}

fn moments(y: &[f32], extent: Extent, channel: usize) -> (f32, f32) {
    let count = (extent.batch * extent.plane()) as f32;
    let mean = planes_of(y, extent, channel).map(sum).sum::<f32>() / count;
    let mut variance = 0.0;
    for plane in planes_of(y, extent, channel) {
        let mut lanes = [0f32; 16];
        for chunk in plane.chunks(16) {
            for (lane, value) in lanes.iter_mut().zip(chunk) {
                *lane += (value - mean) * (value - mean);
            }
        }
        variance += lanes.iter().sum::<f32>();
    }
    (mean, variance / count)
}

/// Sums of g and of g·(y − mean).
fn gradient_sums(y: &[f32], g: &[f32], extent: Extent, channel: usize, mean: f32) -> [f32; 2] {
    let mut sums = [0f32; 2];
    for (y, g) in planes_of(y, extent, channel).zip(planes_of(g, extent, channel)) {
        let (mut plain, mut weighted) = ([0f32; 16], [0f32; 16]);
        for (y, g) in y.chunks(16).zip(g.chunks(16)) {
            for (lane, (y, g)) in y.iter().zip(g).enumerate() {
                plain[lane] += g;
                weighted[lane] += g * (y - mean);
            }
        }
        sums[0] += plain.iter().sum::<f32>();
        sums[1] += weighted.iter().sum::<f32>();
    }
    sums
}
