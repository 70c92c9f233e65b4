//! 2x2 max pooling of stride 2; an odd last row or column is left out.

use super::isa::Isa;
use super::pool;
use rayon::prelude::*;

/// The source map's shape.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool {
    /// Images.
    pub batch: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels.
    pub channels: usize,
    /// The instructions to use.
    pub isa: Isa,
}

impl MaxPool {
    /// The map of maxima, `[batch, height / 2, width / 2, channels]`.
    #[must_use]
    pub fn forward(&self, x: &[f32]) -> Vec<f32> {
        let (h, w) = (self.height / 2, self.width / 2);
        let (line, to_line) = (self.width * self.channels, w * self.channels);
        let mut out = pool::take(self.batch * h * to_line);
        if out.is_empty() {
            return out;
        }
        out.par_chunks_mut(to_line).enumerate().with_min_len(8).for_each(|(row, to)| {
            let first = (row / h * self.height + row % h * 2) * line;
            let (upper, lower) = x[first..first + 2 * line].split_at(line);
            self.isa.call(maxima, (to, upper, lower, self.channels));
        });
        out
    }

    /// The source's gradient: each goes to the first pixel, in reading order, that was the maximum.
    #[must_use]
    pub fn backward(&self, x: &[f32], y: &[f32], gradient: &[f32]) -> Vec<f32> {
        let (h, w) = (self.height / 2, self.width / 2);
        let (line, from_line) = (self.width * self.channels, w * self.channels);
        let mut out = pool::take(self.batch * self.height * line);
        out.par_chunks_mut(self.height * line).enumerate().for_each(|(image, out)| {
            out.par_chunks_mut(2 * line).enumerate().with_min_len(8).for_each(|(pair, to)| {
                if pair == h {
                    to.fill(0.0);
                    return;
                }
                let from = (image * h + pair) * from_line;
                let first = (image * self.height + 2 * pair) * line;
                let (y, g) = (&y[from..from + from_line], &gradient[from..from + from_line]);
                self.isa.call(spread, (to, &x[first..first + 2 * line], y, g, self.channels));
            });
        });
        out
    }
}

/// The loops below with the usual numbers of channels known, so that they unroll.
macro_rules! with_channels {
    ($c:expr, $loops:ident($($argument:expr),*)) => {
        match $c {
            8 => $loops($($argument,)* 8),
            16 => $loops($($argument,)* 16),
            32 => $loops($($argument,)* 32),
            64 => $loops($($argument,)* 64),
            c => $loops($($argument,)* c),
        }
    };
}

#[inline(always)]
fn maxima((to, upper, lower, c): (&mut [f32], &[f32], &[f32], usize)) {
    with_channels!(c, maxima_of(to, upper, lower));
}

#[inline(always)]
fn maxima_of(to: &mut [f32], upper: &[f32], lower: &[f32], c: usize) {
    let sources = upper.chunks_exact(2 * c).zip(lower.chunks_exact(2 * c));
    for (to, (u, l)) in to.chunks_exact_mut(c).zip(sources) {
        let (u, l) = (u.split_at(c), l.split_at(c));
        for (i, to) in to.iter_mut().enumerate() {
            *to = larger(larger(u.0[i], u.1[i]), larger(l.0[i], l.1[i]));
        }
    }
}

#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a >= b { a } else { b }
}

type Spread<'a> = (&'a mut [f32], &'a [f32], &'a [f32], &'a [f32], usize);

#[inline(always)]
fn spread((to, x, y, g, c): Spread) {
    with_channels!(c, spread_of(to, x, y, g));
}

#[inline(always)]
fn spread_of(to: &mut [f32], x: &[f32], y: &[f32], g: &[f32], c: usize) {
    let line = to.len() / 2;
    let (to_u, to_l) = to.split_at_mut(line);
    let (x_u, x_l) = x.split_at(line);
    let pixels = y.len() / c;
    to_u[pixels * 2 * c..].fill(0.0);
    to_l[pixels * 2 * c..].fill(0.0);
    for p in 0..pixels {
        let (y, g) = (&y[p * c..(p + 1) * c], &g[p * c..(p + 1) * c]);
        let here = p * 2 * c..(p + 1) * 2 * c;
        let (a, b) = to_u[here.clone()].split_at_mut(c);
        let (d, e) = to_l[here.clone()].split_at_mut(c);
        let (xa, xb) = x_u[here.clone()].split_at(c);
        let (xd, xe) = x_l[here].split_at(c);
        for i in 0..c {
            let (ia, ib, id) = (xa[i] == y[i], xb[i] == y[i], xd[i] == y[i]);
            a[i] = if ia { g[i] } else { 0.0 };
            b[i] = if ib & !ia { g[i] } else { 0.0 };
            d[i] = if id & !ia & !ib { g[i] } else { 0.0 };
            e[i] = if (xe[i] == y[i]) & !ia & !ib & !id { g[i] } else { 0.0 };
        }
    }
}
