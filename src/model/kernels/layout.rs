//! Between the layouts of maps: `[batch, channels, height, width]` outside, channels last inside.

use super::pool;
use rayon::prelude::*;

/// Channels first to channels last; `pixels` are those of one image.
#[must_use]
pub fn to_channels_last(x: &[f32], channels: usize, pixels: usize) -> Vec<f32> {
    transposed(x, channels, pixels)
}

/// Channels last to channels first; `pixels` are those of one image.
#[must_use]
pub fn to_channels_first(x: &[f32], channels: usize, pixels: usize) -> Vec<f32> {
    transposed(x, pixels, channels)
}

/// Transposes every `rows` by `columns` matrix.
fn transposed(x: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut out = pool::take(x.len());
    let size = (rows * columns).max(1);
    out.par_chunks_mut(size).zip(x.par_chunks(size)).for_each(|(out, x)| {
        out.par_chunks_mut(rows * 256).enumerate().for_each(|(i, out)| {
            for (j, to) in out.chunks_exact_mut(rows).enumerate() {
                for (r, to) in to.iter_mut().enumerate() {
                    *to = x[r * columns + i * 256 + j];
                }
            }
        });
    });
    out
}
