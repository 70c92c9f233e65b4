//! Plain loops in f64 that the kernels are tested against.

use super::conv::Conv;
use super::isa::Isa;
use rand::RngExt;

use crate::domain::seed;

/// `len` values in -1..1.
pub fn random(seed: u64, len: usize) -> Vec<f32> {
    let mut rng = seed::generator(seed, "kernels", &[]);
    (0..len).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// Both sources next to each other.
pub fn concat(x: [&[f32]; 2], channels: [usize; 2]) -> Vec<f32> {
    let pixels = x[0].len() / channels[0];
    (0..pixels).flat_map(|p| (0..2).flat_map(move |s| x[s][p * channels[s]..(p + 1) * channels[s]].to_vec())).collect()
}

/// Calls `visit(output pixel, input pixel, tap)` for every pair that meets.
fn visit(c: &Conv, mut visit: impl FnMut(usize, usize, usize)) {
    let (k, p) = (c.kernel, (c.kernel - 1) / 2);
    for b in 0..c.batch {
        for y in 0..c.height {
            for x in 0..c.width {
                for i in 0..k {
                    for j in 0..k {
                        let (v, u) = ((y + i).wrapping_sub(p), (x + j).wrapping_sub(p));
                        if v < c.height && u < c.width {
                            let at = |y, x| (b * c.height + y) * c.width + x;
                            visit(at(y, x), at(v, u), i * k + j);
                        }
                    }
                }
            }
        }
    }
}

/// (forward without bias, input gradient, weight gradient)
pub fn conv(c: &Conv, x: &[f32], w: &[f32], g: &[f32]) -> [Vec<f32>; 3] {
    let (ci, co, kk) = (c.channels(), c.outputs, c.kernel * c.kernel);
    let (mut y, mut dx, mut dw) = (vec![0f64; g.len()], vec![0f64; x.len()], vec![0f64; w.len()]);
    visit(c, |to, from, tap| {
        for o in 0..co {
            for i in 0..ci {
                let at = (o * ci + i) * kk + tap;
                let (xv, wv, gv) = (f64::from(x[from * ci + i]), f64::from(w[at]), f64::from(g[to * co + o]));
                y[to * co + o] += xv * wv;
                dx[from * ci + i] += gv * wv;
                dw[at] += gv * xv;
            }
        }
    });
    [y, dx, dw].map(|v| v.into_iter().map(|v| v as f32).collect())
}

/// The largest difference, over the largest value of `b`.
pub fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(1e-6f32, |m, v| m.max(v.abs()));
    a.iter().zip(b).fold(0f32, |m, (a, b)| m.max((a - b).abs())) / largest
}

/// Shapes that no block size divides.
pub fn odd_convs() -> Vec<Conv> {
    let mut all = Vec::new();
    for isa in Isa::all() {
        for kernel in [1, 2, 3] {
            for (batch, height, width, inputs, outputs) in [
                (1, 5, 7, [1, 0], 3),
                (2, 5, 7, [3, 0], 5),
                (3, 7, 5, [5, 3], 8),
                (2, 4, 8, [8, 0], 8),
                (1, 6, 8, [8, 8], 4),
                (3, 3, 4, [17, 1], 17),
                (2, 1, 1, [40, 0], 70),
                (1, 9, 16, [16, 0], 33),
                (2, 16, 16, [96, 32], 80),
                (1, 2, 64, [4, 0], 1),
                (2, 16, 20, [48, 32], 80),
                (9, 8, 8, [64, 0], 96),
            ] {
                all.push(Conv { batch, height, width, inputs, outputs, kernel, isa });
            }
        }
    }
    all
}
