//! Batch norm: statistics, and the passes of its forward and backward step.

use super::isa::Isa;
use super::pool;
use rayon::prelude::*;

/// Floats in one task of a pass over a map, about.
const TASK: usize = 1 << 15;

/// Channel values repeated until a whole number of vectors is filled, and not too few of them.
fn period(channels: usize) -> usize {
    let mut repeats = 1;
    while !(channels * repeats).is_multiple_of(16) {
        repeats *= 2;
    }
    channels * repeats * 64usize.div_ceil(channels * repeats)
}

fn repeated(values: &[f32]) -> Vec<f32> {
    values.iter().copied().cycle().take(period(values.len())).collect()
}

/// Folds repeats of channels into one value each.
fn folded(values: &[f32], channels: usize) -> Vec<f32> {
    let mut out = vec![0.0; channels];
    for pixel in values.chunks_exact(channels) {
        out.iter_mut().zip(pixel).for_each(|(o, v)| *o += v);
    }
    out
}

/// The length of tasks: whole periods.
fn task(channels: usize) -> usize {
    let period = period(channels);
    period * TASK.div_ceil(period)
}

/// Count, mean and sum of squared differences per channel, of a part of a map.
pub(super) struct Moments {
    count: usize,
    mean: Vec<f32>,
    squares: Vec<f32>,
}

impl Moments {
    /// Of `part`, whose last dimension is `channels`.
    pub fn of(isa: Isa, part: &[f32], channels: usize) -> Self {
        let count = part.len() / channels;
        let mut sums = vec![0.0; period(channels)];
        isa.call(add_all, (&mut sums[..], part));
        let mut mean = folded(&sums, channels);
        mean.iter_mut().for_each(|m| *m /= count as f32);
        sums.fill(0.0);
        isa.call(add_squares, (&mut sums[..], part, &repeated(&mean)[..]));
        Self { count, mean, squares: folded(&sums, channels) }
    }

    /// Mean and biased variance of all parts together (Chan, Golub and LeVeque, 1979).
    pub fn merge(parts: &[Self], channels: usize) -> (Vec<f32>, Vec<f32>) {
        (0..channels)
            .map(|c| {
                let (mut count, mut mean, mut squares) = (0f64, 0f64, 0f64);
                for p in parts {
                    let (n, m) = (p.count as f64, f64::from(p.mean[c]));
                    let (total, apart) = (count + n, m - mean);
                    mean += apart * n / total;
                    squares += f64::from(p.squares[c]) + apart * apart * count * n / total;
                    count = total;
                }
                (mean as f32, (squares / count) as f32)
            })
            .unzip()
    }
}

#[inline(always)]
fn add_all((sums, part): (&mut [f32], &[f32])) {
    for chunk in part.chunks(sums.len()) {
        for (s, v) in sums.iter_mut().zip(chunk) {
            *s += v;
        }
    }
}

#[inline(always)]
fn add_squares((sums, part, mean): (&mut [f32], &[f32], &[f32])) {
    for chunk in part.chunks(sums.len()) {
        for ((s, v), m) in sums.iter_mut().zip(chunk).zip(mean) {
            let apart = v - m;
            *s += apart * apart;
        }
    }
}

/// `y * scale + shift` per channel.
pub(super) fn affine(isa: Isa, y: &[f32], scale: &[f32], shift: &[f32]) -> Vec<f32> {
    let mut z = pool::take(y.len());
    let task = task(scale.len());
    let (scale, shift) = (repeated(scale), repeated(shift));
    z.par_chunks_mut(task).zip(y.par_chunks(task)).for_each(|(z, y)| {
        isa.call(affine_part, (z, y, &scale[..], &shift[..]));
    });
    z
}

#[inline(always)]
fn affine_part((z, y, scale, shift): (&mut [f32], &[f32], &[f32], &[f32])) {
    for (z, y) in z.chunks_mut(scale.len()).zip(y.chunks(scale.len())) {
        for (((z, y), s), o) in z.iter_mut().zip(y).zip(scale).zip(shift) {
            *z = y * s + o;
        }
    }
}

/// Gradients of batch norm's own weights, and of the bias before the ReLU.
pub(super) struct NormGradients {
    pub gamma: Vec<f32>,
    pub beta: Vec<f32>,
    pub bias: Vec<f32>,
}

/// The statistics that a forward step left.
#[derive(Clone, Copy)]
pub(super) struct Normed<'a> {
    /// The ReLU's output.
    pub y: &'a [f32],
    pub mean: &'a [f32],
    pub var: &'a [f32],
    pub gamma: &'a [f32],
    pub epsilon: f32,
}

/// Turns the gradient of batch norm's output into that of the convolution's, in place.
///
/// With `d = y - mean`, `r = 1 / sqrt(var + epsilon)` and means over all pixels:
/// `dy = gamma r (g - mean(g) - d r^2 mean(g d))`, and zero where the ReLU was (Ioffe and Szegedy, 2015).
pub(super) fn backward(isa: Isa, n: Normed, gradient: &mut [f32]) -> NormGradients {
    let channels = n.mean.len();
    let count = (n.y.len() / channels) as f32;
    let task = task(channels);
    let mean = repeated(n.mean);
    let parts = n.y.par_chunks(task).zip(gradient.par_chunks(task)).map(|(y, g)| {
        let mut sums = [vec![0.0; mean.len()], vec![0.0; mean.len()]];
        let [plain, product] = &mut sums;
        isa.call(add_products, (&mut plain[..], &mut product[..], y, g, &mean[..]));
        sums.map(|s| folded(&s, channels))
    });
    let [beta, product] = total(parts.collect(), channels);
    let inverse: Vec<f32> = n.var.iter().map(|v| 1.0 / (v + n.epsilon).sqrt()).collect();
    // dy = g * a + y * b + c
    let a: Vec<f32> = (0..channels).map(|c| n.gamma[c] * inverse[c]).collect();
    let b: Vec<f32> = (0..channels).map(|c| -a[c] * inverse[c] * inverse[c] * product[c] / count).collect();
    let c: Vec<f32> = (0..channels).map(|c| -a[c] * beta[c] / count).collect();
    let (a, b, c) = (repeated(&a), repeated(&b), repeated(&c));
    let parts = n.y.par_chunks(task).zip(gradient.par_chunks_mut(task)).map(|(y, g)| {
        let mut sums = vec![0.0; mean.len()];
        isa.call(apply, (&mut sums[..], y, g, [&a[..], &b[..], &c[..], &mean[..]]));
        [folded(&sums, channels)]
    });
    let [bias] = total(parts.collect(), channels);
    let gamma = product.iter().zip(&inverse).map(|(p, r)| p * r).collect();
    NormGradients { gamma, beta, bias }
}

fn total<const N: usize>(parts: Vec<[Vec<f32>; N]>, channels: usize) -> [Vec<f32>; N] {
    std::array::from_fn(|i| {
        let mut sums = vec![0f64; channels];
        for part in &parts {
            sums.iter_mut().zip(&part[i]).for_each(|(s, v)| *s += f64::from(*v));
        }
        sums.into_iter().map(|s| s as f32).collect()
    })
}

type Products<'a> = (&'a mut [f32], &'a mut [f32], &'a [f32], &'a [f32], &'a [f32]);

#[inline(always)]
fn add_products((plain, product, y, g, mean): Products) {
    for (y, g) in y.chunks(mean.len()).zip(g.chunks(mean.len())) {
        for ((((s, p), y), g), m) in plain.iter_mut().zip(product.iter_mut()).zip(y).zip(g).zip(mean) {
            *s += g;
            *p += g * (y - m);
        }
    }
}

type Apply<'a> = (&'a mut [f32], &'a [f32], &'a mut [f32], [&'a [f32]; 4]);

#[inline(always)]
fn apply((sums, y, g, [a, b, c, mean]): Apply) {
    let len = sums.len();
    let (a, b, c, mean) = (&a[..len], &b[..len], &c[..len], &mean[..len]);
    for (y, g) in y.chunks(len).zip(g.chunks_mut(len)) {
        for i in 0..y.len().min(g.len()).min(len) {
            let v = g[i] * a[i] + (y[i] - mean[i]) * b[i] + c[i];
            let v = if y[i] > 0.0 { v } else { 0.0 };
            g[i] = v;
            sums[i] += v;
        }
    }
}

/// Zeroes the gradient where the ReLU's output is zero, and sums it per channel: the bias's gradient.
pub(super) fn relu_backward(isa: Isa, y: &[f32], gradient: &mut [f32], channels: usize) -> Vec<f32> {
    let task = task(channels);
    let parts = y.par_chunks(task).zip(gradient.par_chunks_mut(task)).map(|(y, g)| {
        let mut sums = vec![0.0; period(channels)];
        isa.call(mask, (&mut sums[..], y, g));
        [folded(&sums, channels)]
    });
    let [bias] = total(parts.collect(), channels);
    bias
}

#[inline(always)]
fn mask((sums, y, g): (&mut [f32], &[f32], &mut [f32])) {
    let len = sums.len();
    for (y, g) in y.chunks(len).zip(g.chunks_mut(len)) {
        for ((s, y), g) in sums.iter_mut().zip(y).zip(g) {
            *g = if *y > 0.0 { *g } else { 0.0 };
            *s += *g;
        }
    }
}

/// The sum over all pixels, per channel.
pub(super) fn channel_sums(isa: Isa, map: &[f32], channels: usize) -> Vec<f32> {
    let parts = map.par_chunks(task(channels)).map(|part| {
        let mut sums = vec![0.0; period(channels)];
        isa.call(add_all, (&mut sums[..], part));
        [folded(&sums, channels)]
    });
    let [sums] = total(parts.collect(), channels);
    sums
}
