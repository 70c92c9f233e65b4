//! Convolution with stride 1 and "same" padding, by im2col in tiles that fit the cache and the `gemm` crate.
//! An even kernel pads after, as Keras does: (k − 1) / 2 before, k / 2 after.
#![expect(unsafe_code, reason = "the gemm crate takes raw pointers")]

use gemm::Parallelism;
use rayon::prelude::*;

use super::Extent;

/// Bytes of an im2col tile; it should stay in the second-level cache.
const TILE_BYTES: usize = 384 * 1024;

/// Pieces of a weight gradient that are summed apart; fixed, so that the sum does not depend on threads.
const PIECES: usize = 8;

/// Convolves `x` with `weights` [out, in, k, k] and adds `bias` (empty: none). `relu` clamps at 0; `affine` then
/// scales and shifts each channel.
pub fn forward(
    x: &[f32],
    extent: Extent,
    weights: &[f32],
    side: usize,
    bias: &[f32],
    relu: bool,
    affine: Option<(&[f32], &[f32])>,
) -> Vec<f32> {
    let finish = |channel: usize, row: &mut [f32]| {
        let bias = bias.get(channel).copied().unwrap_or(0.0);
        let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
        let (scale, shift) = affine.map_or((1.0, 0.0), |(scale, shift)| (scale[channel], shift[channel]));
        row.iter_mut().for_each(|v| *v = (*v + bias).max(floor) * scale + shift);
    };
    correlate(x, extent, weights, side, (side - 1) / 2, finish)
}

/// Gradient of the input from the output's gradient `g`, whose extent is `extent`.
pub fn input_gradient(g: &[f32], extent: Extent, weights: &[f32], side: usize) -> Vec<f32> {
    let (taps, outputs) = (side * side, extent.channels);
    let inputs = weights.len() / (taps * outputs);
    let mut flipped = vec![0.0; weights.len()];
    for (input, row) in flipped.chunks_mut(outputs * taps).enumerate() {
        for (output, row) in row.chunks_mut(taps).enumerate() {
            let source = &weights[(output * inputs + input) * taps..][..taps];
            row.iter_mut().zip(source.iter().rev()).for_each(|(d, s)| *d = *s);
        }
    }
    correlate(g, extent, &flipped, side, side - 1 - (side - 1) / 2, |_, _| ())
}

/// Gradient of the weights [out, in, k, k] from the input and the output's gradient.
pub fn weight_gradient(x: &[f32], extent: Extent, g: &[f32], outputs: usize, side: usize) -> Vec<f32> {
    let depth = extent.channels * side * side;
    let tiles = Tiles::new(extent, depth);
    let total = extent.batch * tiles.count;
    let per_piece = total.div_ceil(PIECES.min(total));
    let piece = |piece: usize| {
        let mut sum = vec![0f32; outputs * depth];
        for tile in piece * per_piece..((piece + 1) * per_piece).min(total) {
            let (image, first, rows) = tiles.at(tile);
            let columns =
                im2col(&x[image * extent.image()..][..extent.image()], extent, side, (side - 1) / 2, first, rows);
            let count = rows * extent.width;
            let g = &g[image * outputs * extent.plane() + first * extent.width..];
            debug_assert!(g.len() >= (outputs - 1) * extent.plane() + count);
            // SAFETY: g holds `outputs` rows of `count` values a plane apart, columns depth × count, sum outputs × depth.
            unsafe {
                gemm::gemm(
                    outputs,
                    depth,
                    count,
                    sum.as_mut_ptr(),
                    1,
                    depth as isize,
                    true,
                    g.as_ptr(),
                    1,
                    extent.plane() as isize,
                    columns.as_ptr(),
                    count as isize,
                    1,
                    1.0,
                    1.0,
                    false,
                    false,
                    false,
                    Parallelism::None,
                );
            }
        }
        sum
    };
    let pieces: Vec<Vec<f32>> = (0..total.div_ceil(per_piece)).into_par_iter().map(piece).collect();
    let mut pieces = pieces.into_iter();
    let mut whole = pieces.next().unwrap_or_default();
    for piece in pieces {
        whole.iter_mut().zip(piece).for_each(|(a, b)| *a += b);
    }
    whole
}

/// Correlates with `before` rows and columns of zero padding; `finish` sees each output row tile once.
fn correlate(
    x: &[f32],
    extent: Extent,
    weights: &[f32],
    side: usize,
    before: usize,
    finish: impl Fn(usize, &mut [f32]) + Sync,
) -> Vec<f32> {
    let depth = extent.channels * side * side;
    let outputs = weights.len() / depth;
    let tiles = Tiles::new(extent, depth);
    let plane = extent.plane();
    let mut out = vec![0f32; extent.with_channels(outputs).len()];
    out.par_chunks_mut(outputs * plane).zip(x.par_chunks(extent.image())).for_each(|(out, x)| {
        (0..tiles.count).for_each(|tile| {
            let (_, first, rows) = tiles.at(tile);
            let columns = im2col(x, extent, side, before, first, rows);
            let count = rows * extent.width;
            let start = first * extent.width;
            // SAFETY: out holds `outputs` planes and the tile lies within each; columns is depth × count.
            unsafe {
                gemm::gemm(
                    outputs,
                    count,
                    depth,
                    out.as_mut_ptr().add(start),
                    1,
                    plane as isize,
                    false,
                    weights.as_ptr(),
                    1,
                    depth as isize,
                    columns.as_ptr(),
                    1,
                    count as isize,
                    1.0,
                    1.0,
                    false,
                    false,
                    false,
                    Parallelism::None,
                );
            }
            for (channel, plane) in out.chunks_mut(plane).enumerate() {
                finish(channel, &mut plane[start..start + count]);
            }
        });
    });
    out
}

/// How a map is cut into bands of rows.
struct Tiles {
    rows: usize,
    count: usize,
    height: usize,
}

impl Tiles {
    fn new(extent: Extent, depth: usize) -> Self {
        let rows = (TILE_BYTES / 4 / (depth * extent.width)).clamp(1, extent.height);
        Self { rows, count: extent.height.div_ceil(rows), height: extent.height }
    }

    /// Image, first row and number of rows of band `index`.
    fn at(&self, index: usize) -> (usize, usize, usize) {
        let first = index % self.count * self.rows;
        (index / self.count, first, self.rows.min(self.height - first))
    }
}

/// One row a (channel, ky, kx), one column an output pixel of rows `first .. first + rows`.
fn im2col(x: &[f32], extent: Extent, side: usize, before: usize, first: usize, rows: usize) -> Vec<f32> {
    let Extent { channels, height, width, .. } = extent;
    let count = rows * width;
    let mut columns = vec![0f32; channels * side * side * count];
    for (index, line) in columns.chunks_mut(count).enumerate() {
        let (channel, ky, kx) = (index / (side * side), index / side % side, index % side);
        let plane = &x[channel * extent.plane()..][..extent.plane()];
        // Output column c reads input column c + kx − before.
        let low = before.saturating_sub(kx).min(width);
        let high = (width + before).saturating_sub(kx).min(width).max(low);
        for (row, line) in line.chunks_mut(width).enumerate() {
            let Some(y) = (first + row + ky).checked_sub(before).filter(|&y| y < height) else { continue };
            line[low..high].copy_from_slice(&plane[y * width..][low + kx - before..high + kx - before]);
        }
    }
    columns
}
