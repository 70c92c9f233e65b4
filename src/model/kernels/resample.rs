//! 2×2 max pooling, nearest upsampling by 2 and concatenation along channels, with their gradients.
//! Heights and widths of pooled maps are even.

use rayon::prelude::*;

use super::Extent;

/// The largest of each 2×2 square.
pub fn pool(x: &[f32], extent: Extent) -> Vec<f32> {
    let (width, half) = (extent.width, extent.width / 2);
    let mut out = vec![0f32; x.len() / 4];
    out.par_chunks_mut(extent.plane() / 4).zip(x.par_chunks(extent.plane())).for_each(|(out, x)| {
        for (out, rows) in out.chunks_mut(half).zip(x.chunks(2 * width)) {
            let (top, bottom) = rows.split_at(width);
            for ((out, a), b) in out.iter_mut().zip(top.chunks_exact(2)).zip(bottom.chunks_exact(2)) {
                *out = a[0].max(a[1]).max(b[0].max(b[1]));
            }
        }
    });
    out
}

/// Gives each gradient to the first of its square that was the largest; `y` is the pooled map.
pub fn pool_gradient(x: &[f32], extent: Extent, y: &[f32], g: &[f32]) -> Vec<f32> {
    let (width, half, plane) = (extent.width, extent.width / 2, extent.plane());
    let mut out = vec![0f32; x.len()];
    out.par_chunks_mut(plane).enumerate().for_each(|(index, out)| {
        let x = &x[index * plane..][..plane];
        let pooled = index * plane / 4;
        for at in 0..plane / 4 {
            let corner = at / half * 2 * width + at % half * 2;
            let square = [corner, corner + 1, corner + width, corner + width + 1];
            let winner = square.into_iter().find(|&i| x[i] == y[pooled + at]).unwrap_or(corner);
            out[winner] = g[pooled + at];
        }
    });
    out
}

/// Each pixel four times.
pub fn upsample(x: &[f32], extent: Extent) -> Vec<f32> {
    let width = extent.width;
    let mut out = vec![0f32; x.len() * 4];
    out.par_chunks_mut(4 * extent.plane()).zip(x.par_chunks(extent.plane())).for_each(|(out, x)| {
        for (out, x) in out.chunks_mut(4 * width).zip(x.chunks(width)) {
            let (top, bottom) = out.split_at_mut(2 * width);
            top.chunks_exact_mut(2).zip(x).for_each(|(pair, x)| pair.fill(*x));
            bottom.copy_from_slice(top);
        }
    });
    out
}

/// Sum over each 2×2 square of `g`, whose extent is `extent`.
pub fn upsample_gradient(g: &[f32], extent: Extent) -> Vec<f32> {
    let (width, half) = (extent.width, extent.width / 2);
    let mut out = vec![0f32; g.len() / 4];
    out.par_chunks_mut(extent.plane() / 4).zip(g.par_chunks(extent.plane())).for_each(|(out, g)| {
        for (out, rows) in out.chunks_mut(half).zip(g.chunks(2 * width)) {
            let (top, bottom) = rows.split_at(width);
            for ((out, a), b) in out.iter_mut().zip(top.chunks_exact(2)).zip(bottom.chunks_exact(2)) {
                *out = a[0] + a[1] + b[0] + b[1];
            }
        }
    });
    out
}

/// Puts the channels of `a` before those of `b`; both extents share batch and space.
pub fn concat(a: &[f32], a_extent: Extent, b: &[f32], b_extent: Extent) -> Vec<f32> {
    let images = a.chunks(a_extent.image()).zip(b.chunks(b_extent.image()));
    images.flat_map(|(a, b)| a.iter().chain(b)).copied().collect()
}

/// Splits a gradient into those of the first `channels` and of the rest.
pub fn split(g: &[f32], extent: Extent, channels: usize) -> (Vec<f32>, Vec<f32>) {
    let first = channels * extent.plane();
    let (mut a, mut b) = (Vec::with_capacity(extent.batch * first), Vec::with_capacity(g.len() - extent.batch * first));
    for image in g.chunks(extent.image()) {
        a.extend_from_slice(&image[..first]);
        b.extend_from_slice(&image[first..]);
    }
    (a, b)
}
