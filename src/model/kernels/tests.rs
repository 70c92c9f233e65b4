//! The kernels against plain loops, on every set of instructions, and their bytes at several thread counts.
#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use super::reference::{concat, conv, difference, odd_convs, random};
use super::{Adam, BlockSaved, BlockWeights, Conv, Convolution, Isa, MaxPool, UpConv, layout};

fn dot(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn pixels(c: &Conv) -> usize {
    c.batch * c.height * c.width
}

#[test]
fn convolutions_equal_plain_loops() {
    for c in odd_convs() {
        let (a, b) = (random(1, pixels(&c) * c.inputs[0]), random(2, pixels(&c) * c.inputs[1]));
        let w = random(3, c.outputs * c.channels() * c.kernel * c.kernel);
        let (bias, g) = (random(4, c.outputs), random(5, pixels(&c) * c.outputs));
        let x = concat([&a, &b], c.inputs);
        let [mut y, dx, dw] = conv(&c, &x, &w, &g);
        for p in y.chunks_exact_mut(c.outputs) {
            p.iter_mut().zip(&bias).for_each(|(v, b)| *v = (*v + b).max(0.0));
        }
        // Winograd's transforms round a little more.
        let close = |got: &[f32], want: &[f32]| {
            let d = difference(got, want);
            assert!(d < 1e-5, "{c:?}: {d}");
        };
        close(&c.forward([&a, &b], &w, &bias, true), &y);
        let [da, db] = c.input_gradient(&w, &g);
        close(&concat([&da, &db], c.inputs), &dx);
        close(&c.weight_gradient([&a, &b], &g), &dw);
        let (scale, shift) = (random(6, c.outputs), random(7, c.outputs));
        for p in y.chunks_exact_mut(c.outputs) {
            (0..c.outputs).for_each(|o| p[o] = p[o] * scale[o] + shift[o]);
        }
        close(&c.forward_affine([&a, &b], &w, &bias, &scale, &shift), &y);
    }
}

/// Wide maps are done in parts of their channels; each part alone gives the same bytes.
#[test]
fn parts_of_a_wide_convolution_change_no_byte() {
    for isa in Isa::all() {
        let wide = Conv { batch: 2, height: 16, width: 16, inputs: [512, 0], outputs: 320, kernel: 3, isa };
        let [left, right] = [Conv { outputs: 256, ..wide }, Conv { outputs: 64, ..wide }];
        let row = 9 * wide.channels();
        let (x, w, bias) = (random(1, pixels(&wide) * 512), random(2, 320 * row), random(3, 320));
        let y = wide.forward([&x, &[]], &w, &bias, true);
        let [a, b] = [(left, 0..256), (right, 256..320)].map(|(conv, outputs)| {
            conv.forward([&x, &[]], &w[outputs.start * row..outputs.end * row], &bias[outputs], true)
        });
        assert_eq!(y, concat([&a, &b], [256, 64]), "{isa:?}");
        let (g, h) = (random(4, a.len()), random(5, b.len()));
        let both = concat([&g, &h], [256, 64]);
        let parts = [left.weight_gradient([&x, &[]], &g), right.weight_gradient([&x, &[]], &h)].concat();
        assert_eq!(wide.weight_gradient([&x, &[]], &both), parts, "{isa:?}");
        let [dx, _] = wide.input_gradient(&w, &both);
        let [da, db] = Conv { inputs: [256, 256], ..wide }.input_gradient(&w, &both);
        assert_eq!(dx, concat([&da, &db], [256, 256]), "{isa:?}");
    }
}

fn up_convs() -> Vec<UpConv> {
    let mut all = Vec::new();
    for isa in Isa::all() {
        for (batch, height, width, inputs, outputs) in
            [(1, 5, 7, 3, 5), (3, 4, 4, 16, 8), (2, 1, 1, 17, 3), (2, 3, 5, 40, 70), (1, 8, 8, 8, 1)]
        {
            all.push(UpConv { batch, height, width, inputs, outputs, isa });
        }
    }
    all
}

/// Sums blocks of 2x2 pixels (the gradient of nearest upsampling) or, `up`, repeats pixels.
fn upsample(u: &UpConv, x: &[f32]) -> Vec<f32> {
    let mut out = Vec::new();
    for b in 0..u.batch {
        for y in 0..2 * u.height {
            for c in 0..2 * u.width {
                let at = ((b * u.height + y / 2) * u.width + c / 2) * u.inputs;
                out.extend_from_slice(&x[at..at + u.inputs]);
            }
        }
    }
    out
}

#[test]
fn upsampling_convolution_equals_upsampling_then_convolution() {
    for u in up_convs() {
        let small = u.batch * u.height * u.width;
        let (x, w) = (random(1, small * u.inputs), random(2, u.outputs * u.inputs * 4));
        let (bias, g) = (vec![0.0; u.outputs], random(4, 4 * small * u.outputs));
        let plain = Conv {
            batch: u.batch,
            height: 2 * u.height,
            width: 2 * u.width,
            inputs: [u.inputs, 0],
            outputs: u.outputs,
            kernel: 2,
            isa: u.isa,
        };
        let [y, dbig, dw] = conv(&plain, &upsample(&u, &x), &w, &g);
        assert!(difference(&u.forward([&x, &[]], &w, &bias, false), &y) < 3e-6, "{u:?}");
        assert!(difference(&u.weight_gradient([&x, &[]], &g), &dw) < 3e-6, "{u:?}");
        let mut dx = vec![0.0; x.len()];
        for (i, d) in dbig.iter().enumerate() {
            let (p, c) = (i / u.inputs, i % u.inputs);
            let (row, column) = (p / (2 * u.width), p % (2 * u.width));
            dx[(row / 2 * u.width + column / 2) * u.inputs + c] += d;
        }
        let [got, _] = u.input_gradient(&w, &g);
        assert!(difference(&got, &dx) < 3e-6, "{u:?}");
        // <conv(x), g> = <x, gradient(g)>
        let (left, right) = (dot(&y, &g), dot(&x, &got));
        assert!((left - right).abs() < 1e-4 * (1.0 + left.abs()), "{u:?}");
    }
}

/// The block in f64: output, and the gradient of the convolution's output.
fn block_reference(y: &[f32], gamma: &[f32], beta: &[f32], g: &[f32], epsilon: f64) -> [Vec<f32>; 4] {
    let c = gamma.len();
    let n = (y.len() / c) as f64;
    let (mut z, mut dy) = (vec![0.0; y.len()], vec![0.0; y.len()]);
    let (mut dgamma, mut dbeta) = (vec![0.0; c], vec![0.0; c]);
    for k in 0..c {
        let each = || (k..y.len()).step_by(c);
        let mean = each().map(|i| f64::from(y[i])).sum::<f64>() / n;
        let var = each().map(|i| (f64::from(y[i]) - mean).powi(2)).sum::<f64>() / n;
        let r = 1.0 / (var + epsilon).sqrt();
        let hat = |i: usize| (f64::from(y[i]) - mean) * r;
        let (sum, product) = each().fold((0.0, 0.0), |(s, p), i| (s + f64::from(g[i]), p + f64::from(g[i]) * hat(i)));
        (dgamma[k], dbeta[k]) = (product as f32, sum as f32);
        for i in each() {
            z[i] = (hat(i) * f64::from(gamma[k]) + f64::from(beta[k])) as f32;
            let d = f64::from(gamma[k]) * r * (f64::from(g[i]) - sum / n - hat(i) * product / n);
            dy[i] = if y[i] > 0.0 { d as f32 } else { 0.0 };
        }
    }
    [z, dy, dgamma, dbeta]
}

#[test]
fn blocks_equal_convolution_relu_and_batch_norm_one_after_another() {
    for c in odd_convs().into_iter().filter(|c| c.kernel == 3) {
        let (a, b) = (random(1, pixels(&c) * c.inputs[0]), random(2, pixels(&c) * c.inputs[1]));
        let w = random(3, c.outputs * c.channels() * 9);
        let [bias, gamma, beta] = [4, 5, 6].map(|s| random(s, c.outputs));
        let g = random(7, pixels(&c) * c.outputs);
        let weights = BlockWeights { weight: &w, bias: &bias, gamma: &gamma, beta: &beta };
        let out = c.block_forward([&a, &b], weights, 1e-3);
        assert!(difference(&out.y, &c.forward([&a, &b], &w, &bias, true)) < 1e-6);
        let [z, dy, dgamma, dbeta] = block_reference(&out.y, &gamma, &beta, &g, 1e-3);
        assert!(difference(&out.z, &z) < 2e-5, "{c:?} {}", difference(&out.z, &z));
        let saved = BlockSaved { y: &out.y, mean: &out.mean, var: &out.var, gamma: &gamma, epsilon: 1e-3 };
        let got = c.block_backward([&a, &b], &w, saved, g, true);
        assert!(difference(&got.gamma, &dgamma) < 2e-5);
        assert!(difference(&got.beta, &dbeta) < 2e-5);
        let want = c.backward([&a, &b], &w, None, dy, true);
        assert!(difference(&got.conv.bias, &want.bias) < 1e-4, "{c:?}");
        assert!(difference(&got.conv.weight, &want.weight) < 2e-5, "{c:?}");
        for s in 0..2 {
            assert!(difference(&got.conv.input[s], &want.input[s]) < 2e-5, "{c:?}");
        }
    }
}

#[test]
fn variance_survives_a_large_mean() {
    let c = Conv { batch: 2, height: 32, width: 32, inputs: [1, 0], outputs: 1, kernel: 1, isa: Isa::best() };
    let x: Vec<f32> = random(1, 2048).iter().map(|v| 1000.0 + v).collect();
    let one = [1.0];
    let out = c.block_forward([&x, &[]], BlockWeights { weight: &one, bias: &[0.0], gamma: &one, beta: &[0.0] }, 0.0);
    let mean = x.iter().map(|v| f64::from(*v)).sum::<f64>() / 2048.0;
    let var = x.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / 2048.0;
    assert!((f64::from(out.var[0]) / var - 1.0).abs() < 1e-3, "{} {var}", out.var[0]);
}

#[test]
fn pooling_takes_the_first_maximum_and_returns_its_gradient_there() {
    for isa in Isa::all() {
        for (batch, height, width, channels) in [(1, 5, 7, 3), (2, 4, 6, 8), (1, 1, 3, 2), (3, 8, 8, 17)] {
            let p = MaxPool { batch, height, width, channels, isa };
            // Few distinct values, so that ties occur.
            let x: Vec<f32> = random(1, batch * height * width * channels).iter().map(|v| (v * 3.0).round()).collect();
            let y = p.forward(&x);
            let g = random(2, y.len());
            let dx = p.backward(&x, &y, &g);
            let mut want = vec![0.0; x.len()];
            for (i, (y, g)) in y.iter().zip(&g).enumerate() {
                let (c, q) = (i % channels, i / channels);
                let (h, w) = (height / 2, width / 2);
                let (b, r, s) = (q / w / h, q / w % h, q % w);
                let at = |d: usize| ((b * height + 2 * r + d / 2) * width + 2 * s + d % 2) * channels + c;
                let largest = (0..4).map(|d| x[at(d)]).fold(f32::MIN, f32::max);
                assert_eq!(*y, largest);
                let first = (0..4).find(|&d| x[at(d)] == largest).map_or(0, at);
                want[first] += g;
            }
            assert_eq!(dx, want);
        }
    }
}

#[test]
fn adam_follows_its_formula_and_decays_weights_apart_from_it() {
    for isa in Isa::all() {
        let (mut w, mut m, mut s) = (random(1, 1003), vec![0.0; 1003], vec![0.0; 1003]);
        let mut want: Vec<[f64; 3]> = w.iter().map(|w| [f64::from(*w), 0.0, 0.0]).collect();
        for step in 1..=3 {
            let g = random(10 + step as u64, 1003);
            let adam = Adam { learning_rate: 1e-2, betas: (0.9, 0.999), epsilon: 1e-7, weight_decay: 0.1, step };
            adam.update(isa, &mut w, &g, &mut m, &mut s);
            for ([w, m, s], g) in want.iter_mut().zip(&g) {
                let g = f64::from(*g);
                (*m, *s) = (0.9 * *m + 0.1 * g, 0.999 * *s + 0.001 * g * g);
                let (mean, square) = (*m / (1.0 - 0.9f64.powi(step)), *s / (1.0 - 0.999f64.powi(step)));
                *w = *w * (1.0 - 1e-3) - 1e-2 * mean / (square.sqrt() + 1e-7);
            }
        }
        let want: Vec<f32> = want.iter().map(|w| w[0] as f32).collect();
        assert!(difference(&w, &want) < 3e-6);
    }
}

#[test]
fn layouts_invert_each_other() {
    let x = random(1, 2 * 3 * 35);
    let last = layout::to_channels_last(&x, 3, 35);
    assert_eq!(last[1], x[35]);
    assert_eq!(layout::to_channels_first(&last, 3, 35), x);
}

/// Everything a training step computes.
fn all_results() -> Vec<f32> {
    let mut all = Vec::new();
    for (height, inputs, outputs) in
        [(64, [8, 8], 8), (32, [16, 0], 32), (8, [128, 0], 256), (16, [128, 64], 128), (4, [512, 0], 512)]
    {
        let c = Conv { batch: 3, height, width: height, inputs, outputs, kernel: 3, isa: Isa::best() };
        let (a, b) = (random(1, pixels(&c) * c.inputs[0]), random(2, pixels(&c) * c.inputs[1]));
        let w = random(3, c.outputs * c.channels() * 9);
        let g = random(4, pixels(&c) * c.outputs);
        let one = vec![1.0; outputs];
        let out = c.block_forward([&a, &b], BlockWeights { weight: &w, bias: &one, gamma: &one, beta: &one }, 1e-3);
        let saved = BlockSaved { y: &out.y, mean: &out.mean, var: &out.var, gamma: &one, epsilon: 1e-3 };
        let back = c.block_backward([&a, &b], &w, saved, g.clone(), true);
        all.extend([out.z, out.mean, out.var, back.conv.weight, back.conv.bias, back.gamma, back.beta].concat());
        all.extend(back.conv.input.concat());
        let u = UpConv { batch: 3, height, width: height, inputs: outputs, outputs: outputs / 2, isa: Isa::best() };
        let w = random(5, u.outputs * u.inputs * 4);
        let y = u.forward([&g, &[]], &w, &one, true);
        let back = u.backward([&g, &[]], &w, Some(&y), y.clone(), true);
        all.extend([y, back.weight, back.bias].concat());
        all.extend(back.input.concat());
    }
    all
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(all_results).iter().map(|v| v.to_bits()).collect::<Vec<_>>()
    };
    let one = on(1);
    for threads in [1, 2, 3, 4] {
        assert!(on(threads) == one, "{threads} threads");
    }
}
