//! Sums over pixels of window times gradient, all sums of a tile in registers.
#![expect(unsafe_code, reason = "register-blocked loops over raw pointers; lengths are checked at the door")]

use super::super::isa::Isa;
#[cfg(target_arch = "x86_64")]
use super::super::simd::{Avx2, Avx512};
use super::super::simd::{Plain, Simd};

/// `c[m, :] += sum over pixels of a[pixel, m] * b[pixel, :]`, for a range of `m` and one panel.
pub(in super::super) struct Outer<'a> {
    pub a: &'a [f32],
    /// Where each row of pixels starts in `a`.
    pub rows: &'a [u32],
    /// Pixels in a row, and floats from one to the next.
    pub width: usize,
    pub step: usize,
    /// `[rows * width][vectors * lanes]`
    pub b: &'a [f32],
    pub vectors: usize,
    /// The range of `m`: `depth` floats from `offset` after each pixel's place.
    pub offset: usize,
    pub depth: usize,
    /// Floats from one row of `c` to the next.
    pub c_stride: usize,
}

/// Floats that may be read beyond the last window in [`Outer::a`].
pub(in super::super) const SLACK: usize = 24;

/// Runs `o` into `c`, which begins at the first of its rows and columns.
pub(in super::super) fn outer(isa: Isa, o: &Outer, c: &mut [f32]) {
    let columns = o.vectors * isa.lanes();
    let last = o.rows.iter().max().map_or(0, |&r| r as usize);
    let reach = o.offset + o.depth + SLACK;
    assert!(o.width > 0 && o.depth > 0);
    assert!(last + (o.width - 1) * o.step + reach <= o.a.len(), "a window reaches beyond its patch");
    assert!(o.rows.len() * o.width * columns <= o.b.len(), "gradients are too short");
    assert!((o.depth - 1) * o.c_stride + columns <= c.len(), "a row lies beyond the output");
    let tallest = match (isa, o.vectors) {
        (Isa::Portable, _) => 4,
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx2, 1) => 12,
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx2, _) => 6,
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx512, 1) => 24,
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx512, 2) => 12,
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx512, 3) => 8,
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx512, _) => 6,
    };
    let mut m = 0;
    while m < o.depth {
        let left = o.depth - m;
        let height = [4, 6, 8, 12, 24].into_iter().find(|&h| h >= left).map_or(tallest, |h| h.min(tallest));
        let valid = height.min(left);
        // SAFETY: the assertions above cover every window, the slack included, and `valid` rows of `c`;
        // the instructions exist, since only `Isa::all` names them.
        unsafe { outer_block(isa, o, height, m, valid, c.as_mut_ptr().add(m * o.c_stride)) }
        m += valid;
    }
}

#[inline]
unsafe fn outer_block(isa: Isa, o: &Outer, height: usize, m: usize, valid: usize, c: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe {
        match (isa, o.vectors, height) {
            (Isa::Portable, ..) => outer_plain::<4, 1>(o, m, valid, c),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx2, 1, 4) => outer_avx2::<4, 1>(o, m, valid, c),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx2, 1, 6) => outer_avx2::<6, 1>(o, m, valid, c),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx2, 1, 8) => outer_avx2::<8, 1>(o, m, valid, c),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx2, 1, _) => outer_avx2::<12, 1>(o, m, valid, c),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx2, _, 4) => outer_avx2::<4, 2>(o, m, valid, c),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx2, _, _) => outer_avx2::<6, 2>(o, m, valid, c),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx512, 1, 4) => outer_avx512::<4, 1>(o, m, valid, c),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx512, 1, 6) => outer_avx512::<6, 1>(o, m, valid, c),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx512, 1, 8) => outer_avx512::<8, 1>(o, m, valid, c),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx512, 1, 12) => outer_avx512::<12, 1>(o, m, valid, c),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx512, 1, _) => outer_avx512::<24, 1>(o, m, valid, c),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx512, 2, 4) => outer_avx512::<4, 2>(o, m, valid, c),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx512, 2, 6) => outer_avx512::<6, 2>(o, m, valid, c),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx512, 2, 8) => outer_avx512::<8, 2>(o, m, valid, c),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx512, 2, _) => outer_avx512::<12, 2>(o, m, valid, c),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx512, 3, 4) => outer_avx512::<4, 3>(o, m, valid, c),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx512, 3, 6) => outer_avx512::<6, 3>(o, m, valid, c),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx512, 3, _) => outer_avx512::<8, 3>(o, m, valid, c),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx512, _, 4) => outer_avx512::<4, 4>(o, m, valid, c),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx512, _, _) => outer_avx512::<6, 4>(o, m, valid, c),
        }
    }
}

unsafe fn outer_plain<const R: usize, const N: usize>(o: &Outer, m: usize, valid: usize, c: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe { outer_tile::<Plain, R, N>(o, m, valid, c) }
}
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn outer_avx2<const R: usize, const N: usize>(o: &Outer, m: usize, valid: usize, c: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe { outer_tile::<Avx2, R, N>(o, m, valid, c) }
}
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f")]
unsafe fn outer_avx512<const R: usize, const N: usize>(o: &Outer, m: usize, valid: usize, c: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe { outer_tile::<Avx512, R, N>(o, m, valid, c) }
}

/// `R` rows of `c` by `N` vectors, all sums in registers.
#[expect(clippy::needless_range_loop, reason = "registers by number")]
#[inline(always)]
unsafe fn outer_tile<S: Simd, const R: usize, const N: usize>(o: &Outer, m: usize, valid: usize, c: *mut f32) {
    // SAFETY: `outer` checked the bounds of all pointers formed here.
    unsafe {
        let mut sums = [[S::splat(0.0); N]; R];
        let mut b = o.b.as_ptr();
        for &row in o.rows {
            let mut a = o.a.as_ptr().add(row as usize + o.offset + m);
            for _ in 0..o.width {
                let mut right = [S::splat(0.0); N];
                for n in 0..N {
                    right[n] = S::load(b.add(n * S::LANES));
                }
                for r in 0..R {
                    let x = S::splat(*a.add(r));
                    for n in 0..N {
                        sums[r][n] = S::fma(x, right[n], sums[r][n]);
                    }
                }
                a = a.wrapping_add(o.step);
                b = b.add(N * S::LANES);
            }
        }
        for r in 0..R {
            if r < valid {
                for n in 0..N {
                    let to = c.add(r * o.c_stride + n * S::LANES);
                    S::store(to, S::add(S::load(to), sums[r][n]));
                }
            }
        }
    }
}
