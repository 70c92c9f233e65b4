//! The transforms of Winograd's F(4x4, 3x3), channel by channel in vectors.
//!
//! The construction is that of Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016, with the
//! points 0, ±√½, ±√2 and infinity in place of their 0, ±1, ±2: the rounding error is half as large for the same work
//! (which points round best: Barabasz et al., "Error analysis and improving the accuracy of Winograd convolution for
//! deep neural networks", 2020). Each transform is `L x L^T`; `Line` is what `L` does to one row or column.
#![expect(unsafe_code, reason = "vectors over raw pointers; lengths are checked at the door")]

use super::isa::Isa;
use super::micro::Epilogue;
#[cfg(target_arch = "x86_64")]
use super::simd::{Avx2, Avx512};
use super::simd::{Plain, Simd};

/// The nearer point, √½.
const NEAR: f32 = std::f32::consts::FRAC_1_SQRT_2;
/// The farther point, √2.
const FAR: f32 = std::f32::consts::SQRT_2;

/// Which transform.
#[derive(Clone, Copy, Debug)]
pub(super) enum Transform {
    /// 6x6 source pixels to 6x6 products.
    Source,
    /// 3x3 weights to 6x6 products.
    Weight,
    /// 6x6 products to 4x4 output pixels.
    Output,
    /// 4x4 gradient pixels to 6x6 products: the output transform's adjoint.
    Gradient,
    /// 6x6 products to 3x3 weight gradients: the weight transform's adjoint.
    WeightGradient,
}

/// A square of values, each a stretch of channels: floats from row to row and from column to column.
#[derive(Clone, Copy)]
pub(super) struct Strides {
    pub row: usize,
    pub column: usize,
}

/// A linear map of `N` values to `M`.
trait Line<const N: usize, const M: usize> {
    unsafe fn apply<S: Simd>(x: [S::V; N]) -> [S::V; M];
}

struct Source;
struct Weight;
struct Output;
struct Gradient;
struct WeightGradient;

#[expect(unsafe_op_in_unsafe_fn, reason = "arithmetic alone, under Simd's promise")]
impl Line<6, 6> for Source {
    #[inline(always)]
    unsafe fn apply<S: Simd>(x: [S::V; 6]) -> [S::V; 6] {
        let times = |k: f32, a: S::V, b: S::V| S::fma(S::splat(k), a, b);
        let (near_even, near_odd) = (times(-2.0, x[2], x[4]), times(-2.0, x[1], x[3]));
        let (far_even, far_odd) = (times(-0.5, x[2], x[4]), times(-0.5, x[1], x[3]));
        [
            S::add(x[0], times(-2.5, x[2], x[4])),
            times(NEAR, near_odd, near_even),
            times(-NEAR, near_odd, near_even),
            times(FAR, far_odd, far_even),
            times(-FAR, far_odd, far_even),
            S::add(x[1], times(-2.5, x[3], x[5])),
        ]
    }
}

#[expect(unsafe_op_in_unsafe_fn, reason = "arithmetic alone, under Simd's promise")]
impl Line<3, 6> for Weight {
    #[inline(always)]
    unsafe fn apply<S: Simd>(x: [S::V; 3]) -> [S::V; 6] {
        let times = |k: f32, a: S::V, b: S::V| S::fma(S::splat(k), a, b);
        let near = times(-2.0 / 3.0, x[0], times(-1.0 / 3.0, x[2], S::splat(0.0)));
        let far = times(1.0 / 6.0, x[0], times(1.0 / 3.0, x[2], S::splat(0.0)));
        [
            x[0],
            times(-2.0 / 3.0 * NEAR, x[1], near),
            times(2.0 / 3.0 * NEAR, x[1], near),
            times(FAR / 6.0, x[1], far),
            times(-FAR / 6.0, x[1], far),
            x[2],
        ]
    }
}

#[expect(unsafe_op_in_unsafe_fn, reason = "arithmetic alone, under Simd's promise")]
impl Line<6, 4> for Output {
    #[inline(always)]
    unsafe fn apply<S: Simd>(x: [S::V; 6]) -> [S::V; 4] {
        let times = |k: f32, a: S::V, b: S::V| S::fma(S::splat(k), a, b);
        let (near, near_apart) = (S::add(x[1], x[2]), S::sub(x[1], x[2]));
        let (far, far_apart) = (S::add(x[3], x[4]), S::sub(x[3], x[4]));
        [
            S::add(S::add(x[0], near), far),
            times(FAR, far_apart, times(NEAR, near_apart, S::splat(0.0))),
            times(2.0, far, times(0.5, near, S::splat(0.0))),
            times(2.0 * FAR, far_apart, times(0.5 * NEAR, near_apart, x[5])),
        ]
    }
}

#[expect(unsafe_op_in_unsafe_fn, reason = "arithmetic alone, under Simd's promise")]
impl Line<4, 6> for Gradient {
    #[inline(always)]
    unsafe fn apply<S: Simd>(x: [S::V; 4]) -> [S::V; 6] {
        let times = |k: f32, a: S::V, b: S::V| S::fma(S::splat(k), a, b);
        let (near_even, near_odd) = (times(0.5, x[2], x[0]), times(0.5, x[3], x[1]));
        let (far_even, far_odd) = (times(2.0, x[2], x[0]), times(2.0, x[3], x[1]));
        [
            x[0],
            times(NEAR, near_odd, near_even),
            times(-NEAR, near_odd, near_even),
            times(FAR, far_odd, far_even),
            times(-FAR, far_odd, far_even),
            x[3],
        ]
    }
}

#[expect(unsafe_op_in_unsafe_fn, reason = "arithmetic alone, under Simd's promise")]
impl Line<6, 3> for WeightGradient {
    #[inline(always)]
    unsafe fn apply<S: Simd>(x: [S::V; 6]) -> [S::V; 3] {
        let times = |k: f32, a: S::V, b: S::V| S::fma(S::splat(k), a, b);
        let (near, near_apart) = (S::add(x[1], x[2]), S::sub(x[1], x[2]));
        let (far, far_apart) = (S::add(x[3], x[4]), S::sub(x[3], x[4]));
        [
            times(-2.0 / 3.0, near, times(1.0 / 6.0, far, x[0])),
            times(-2.0 / 3.0 * NEAR, near_apart, times(FAR / 6.0, far_apart, S::splat(0.0))),
            times(1.0 / 3.0, S::sub(far, near), x[5]),
        ]
    }
}

/// Transforms one square of `channels` values, a whole number of vectors, from `from` to `to`.
pub(super) fn transform(
    isa: Isa,
    which: Transform,
    (from, from_strides): (&[f32], Strides),
    (to, to_strides): (&mut [f32], Strides),
    channels: usize,
    epilogue: Option<&Epilogue>,
) {
    let (n, m) = match which {
        Transform::Source => (6, 6),
        Transform::Weight => (3, 6),
        Transform::Output => (6, 4),
        Transform::Gradient => (4, 6),
        Transform::WeightGradient => (6, 3),
    };
    let reach = |s: Strides, n: usize| (n - 1) * (s.row + s.column) + channels;
    assert!(channels.is_multiple_of(isa.lanes()), "channels fill whole vectors");
    assert!(reach(from_strides, n) <= from.len() && reach(to_strides, m) <= to.len(), "a transform out of bounds");
    if let Some(e) = epilogue {
        let fits = |v: &[f32]| v.len() >= channels;
        assert!(fits(e.bias) && e.affine.is_none_or(|(s, o)| fits(s) && fits(o)));
    }
    let (from, to) = ((from.as_ptr(), from_strides), (to.as_mut_ptr(), to_strides));
    // SAFETY: both squares lie in their slices, and `channels` in the epilogue's, by the assertions above;
    // the instructions exist, since only `Isa::all` names them.
    unsafe {
        match isa {
            Isa::Portable => any::<Plain>(which, from, to, channels, epilogue),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => any_avx2(which, from, to, channels, epilogue),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => any_avx512(which, from, to, channels, epilogue),
        }
    }
}

type From = (*const f32, Strides);
type To = (*mut f32, Strides);

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn any_avx2(which: Transform, from: From, to: To, channels: usize, epilogue: Option<&Epilogue>) {
    // SAFETY: the caller's promise.
    unsafe { any::<Avx2>(which, from, to, channels, epilogue) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f")]
unsafe fn any_avx512(which: Transform, from: From, to: To, channels: usize, epilogue: Option<&Epilogue>) {
    // SAFETY: the caller's promise.
    unsafe { any::<Avx512>(which, from, to, channels, epilogue) }
}

#[inline(always)]
unsafe fn any<S: Simd>(which: Transform, from: From, to: To, channels: usize, epilogue: Option<&Epilogue>) {
    // SAFETY: the caller's promise.
    unsafe {
        match which {
            Transform::Source => sandwich::<S, Source, 6, 6>(from, to, channels, epilogue),
            Transform::Weight => sandwich::<S, Weight, 3, 6>(from, to, channels, epilogue),
            Transform::Output => sandwich::<S, Output, 6, 4>(from, to, channels, epilogue),
            Transform::Gradient => sandwich::<S, Gradient, 4, 6>(from, to, channels, epilogue),
            Transform::WeightGradient => sandwich::<S, WeightGradient, 6, 3>(from, to, channels, epilogue),
        }
    }
}

/// Columns first, then rows.
#[expect(clippy::needless_range_loop, reason = "registers by number")]
#[inline(always)]
unsafe fn sandwich<S: Simd, L: Line<N, M>, const N: usize, const M: usize>(
    (from, from_strides): From,
    (to, to_strides): To,
    channels: usize,
    epilogue: Option<&Epilogue>,
) {
    // SAFETY: `transform` checked the bounds of all pointers formed here.
    unsafe {
        for c in (0..channels).step_by(S::LANES) {
            let mut middle = [[S::splat(0.0); N]; M];
            for j in 0..N {
                let mut column = [S::splat(0.0); N];
                for i in 0..N {
                    column[i] = S::load(from.add(i * from_strides.row + j * from_strides.column + c));
                }
                let done = L::apply::<S>(column);
                for i in 0..M {
                    middle[i][j] = done[i];
                }
            }
            for i in 0..M {
                let mut row = L::apply::<S>(middle[i]);
                if let Some(e) = epilogue {
                    finish::<S, M>(&mut row, e, c);
                }
                for j in 0..M {
                    S::store(to.add(i * to_strides.row + j * to_strides.column + c), row[j]);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn finish<S: Simd, const M: usize>(row: &mut [S::V; M], e: &Epilogue, c: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let bias = S::load(e.bias.as_ptr().add(c));
        for v in row.iter_mut() {
            *v = S::add(*v, bias);
            if e.relu {
                *v = S::max(*v, S::splat(0.0));
            }
        }
        if let Some((scale, shift)) = e.affine {
            let (scale, shift) = (S::load(scale.as_ptr().add(c)), S::load(shift.as_ptr().add(c)));
            for v in row {
                *v = S::fma(*v, scale, shift);
            }
        }
    }
}
