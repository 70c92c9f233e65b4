//! The two inner loops: rows of pixels times packed weights, and their transpose.
#![expect(unsafe_code, reason = "register-blocked loops over raw pointers; lengths are checked at the door")]

use super::isa::Isa;
#[cfg(target_arch = "x86_64")]
use super::simd::{Avx2, Avx512};
use super::simd::{Plain, Simd};

/// A stretch of contiguous floats in a pixel's window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// From the pixel's own place.
    pub offset: usize,
    /// Floats.
    pub len: usize,
}

/// What happens to a finished sum: `relu(sum + bias) * scale + shift`.
#[derive(Clone, Copy)]
pub(super) struct Epilogue<'a> {
    pub bias: &'a [f32],
    pub relu: bool,
    pub affine: Option<(&'a [f32], &'a [f32])>,
}

/// `c[row, :] (+)= a[row, segments] * b` for many rows and one panel of columns.
pub(super) struct Gather<'a> {
    pub a: &'a [f32],
    /// Where each row starts in `a`, and which row of `c` it makes.
    pub rows: &'a [(u32, u32)],
    pub segments: &'a [Segment],
    /// `[all segments' floats][vectors * lanes]`
    pub b: &'a [f32],
    pub vectors: usize,
    /// Columns that exist; those of the last vector beyond them are not stored.
    pub columns: usize,
    /// Where row 0 of `c` starts, and floats from one row to the next.
    pub c_offset: usize,
    pub c_stride: usize,
    pub accumulate: bool,
    pub epilogue: Option<Epilogue<'a>>,
}

/// The most vectors in a panel.
pub(super) fn most_vectors(isa: Isa) -> usize {
    match isa {
        Isa::Portable => 1,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => 2,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => 4,
    }
}

/// Runs `g` into `c`.
pub(super) fn gather(isa: Isa, g: &Gather, c: &mut [f32]) {
    let lanes = isa.lanes();
    let reach = g.segments.iter().map(|s| s.offset + s.len).max().unwrap_or(0);
    let depth: usize = g.segments.iter().map(|s| s.len).sum();
    let (last_a, last_c) = g.rows.iter().fold((0, 0), |(a, c), r| (a.max(r.0), c.max(r.1)));
    assert!(last_a as usize + reach <= g.a.len(), "a window reaches beyond its patch");
    assert!(last_c as usize * g.c_stride + g.c_offset + g.columns <= c.len(), "a row lies beyond the output");
    assert!(depth * g.vectors * lanes <= g.b.len(), "weights are too short");
    assert!(g.columns <= g.vectors * lanes && g.columns > (g.vectors - 1) * lanes);
    if let Some(e) = &g.epilogue {
        let n = g.vectors * lanes;
        assert!(e.bias.len() >= n && e.affine.is_none_or(|(s, o)| s.len() >= n && o.len() >= n));
    }
    // SAFETY: every row's window lies in `a`, every stored row in `c`, and the panel in `b`, by the
    // assertions above; the instructions exist, since only `Isa::all` names them.
    unsafe { gather_rows(isa, g, c.as_mut_ptr().add(g.c_offset)) }
}

unsafe fn gather_rows(isa: Isa, g: &Gather, c: *mut f32) {
    let tallest = match (isa, g.vectors) {
        (Isa::Portable, _) => 4,
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx2, 1) => 8,
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx2, _) => 6,
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx512, 4) => 6,
        #[cfg(target_arch = "x86_64")]
        (Isa::Avx512, _) => 8,
    };
    let blocks = g.rows.len().div_ceil(tallest);
    for i in 0..blocks {
        let rows = &g.rows[g.rows.len() * i / blocks..g.rows.len() * (i + 1) / blocks];
        // SAFETY: the caller's promise.
        unsafe { gather_block(isa, g, rows, c) }
    }
}

macro_rules! by_rows {
    ($kernel:ident, $vectors:literal, $g:expr, $rows:expr, $c:expr) => {
        match $rows.len() {
            1 => $kernel::<1, $vectors>($g, $rows, $c),
            2 => $kernel::<2, $vectors>($g, $rows, $c),
            3 => $kernel::<3, $vectors>($g, $rows, $c),
            4 => $kernel::<4, $vectors>($g, $rows, $c),
            5 => $kernel::<5, $vectors>($g, $rows, $c),
            6 => $kernel::<6, $vectors>($g, $rows, $c),
            7 => $kernel::<7, $vectors>($g, $rows, $c),
            _ => $kernel::<8, $vectors>($g, $rows, $c),
        }
    };
}

#[inline]
unsafe fn gather_block(isa: Isa, g: &Gather, rows: &[(u32, u32)], c: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe {
        match (isa, g.vectors) {
            (Isa::Portable, _) => by_rows!(gather_plain, 1, g, rows, c),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx2, 1) => by_rows!(gather_avx2, 1, g, rows, c),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx2, _) => by_rows!(gather_avx2, 2, g, rows, c),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx512, 1) => by_rows!(gather_avx512, 1, g, rows, c),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx512, 2) => by_rows!(gather_avx512, 2, g, rows, c),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx512, 3) => by_rows!(gather_avx512, 3, g, rows, c),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx512, _) => by_rows!(gather_avx512, 4, g, rows, c),
        }
    }
}

unsafe fn gather_plain<const R: usize, const N: usize>(g: &Gather, rows: &[(u32, u32)], c: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe { gather_tile::<Plain, R, N>(g, rows, c) }
}
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn gather_avx2<const R: usize, const N: usize>(g: &Gather, rows: &[(u32, u32)], c: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe { gather_tile::<Avx2, R, N>(g, rows, c) }
}
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f")]
unsafe fn gather_avx512<const R: usize, const N: usize>(g: &Gather, rows: &[(u32, u32)], c: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe { gather_tile::<Avx512, R, N>(g, rows, c) }
}

/// `R` rows by `N` vectors of columns, all sums in registers.
#[inline(always)]
unsafe fn gather_tile<S: Simd, const R: usize, const N: usize>(g: &Gather, rows: &[(u32, u32)], c: *mut f32) {
    debug_assert_eq!(rows.len(), R);
    // SAFETY: `gather` checked the bounds of all pointers formed here.
    unsafe {
        let mut a = [std::ptr::null::<f32>(); R];
        let mut to = [std::ptr::null_mut::<f32>(); R];
        for r in 0..R {
            a[r] = g.a.as_ptr().add(rows[r].0 as usize);
            to[r] = c.add(rows[r].1 as usize * g.c_stride);
        }
        let mut sums = [[S::splat(0.0); N]; R];
        let tail = g.columns - (N - 1) * S::LANES;
        if g.accumulate {
            for r in 0..R {
                for n in 0..N - 1 {
                    sums[r][n] = S::load(to[r].add(n * S::LANES));
                }
                sums[r][N - 1] = S::load_first(to[r].add((N - 1) * S::LANES), tail);
            }
        }
        let mut b = g.b.as_ptr();
        for s in g.segments {
            let mut from = a;
            for p in &mut from {
                *p = p.add(s.offset);
            }
            for k in 0..s.len {
                let mut weights = [S::splat(0.0); N];
                for n in 0..N {
                    weights[n] = S::load(b.add(n * S::LANES));
                }
                for r in 0..R {
                    let x = S::splat(*from[r].add(k));
                    for n in 0..N {
                        sums[r][n] = S::fma(x, weights[n], sums[r][n]);
                    }
                }
                b = b.add(N * S::LANES);
            }
        }
        if let Some(e) = &g.epilogue {
            for n in 0..N {
                let bias = S::load(e.bias.as_ptr().add(n * S::LANES));
                for row in &mut sums {
                    row[n] = S::add(row[n], bias);
                    if e.relu {
                        row[n] = S::max(row[n], S::splat(0.0));
                    }
                }
                if let Some((scale, shift)) = e.affine {
                    let scale = S::load(scale.as_ptr().add(n * S::LANES));
                    let shift = S::load(shift.as_ptr().add(n * S::LANES));
                    for row in &mut sums {
                        row[n] = S::fma(row[n], scale, shift);
                    }
                }
            }
        }
        for r in 0..R {
            for n in 0..N - 1 {
                S::store(to[r].add(n * S::LANES), sums[r][n]);
            }
            if tail == S::LANES {
                S::store(to[r].add((N - 1) * S::LANES), sums[r][N - 1]);
            } else {
                S::store_first(to[r].add((N - 1) * S::LANES), sums[r][N - 1], tail);
            }
        }
    }
}

/// `c[m, :] += sum over pixels of a[pixel, m] * b[pixel, :]`, for a range of `m` and one panel.
pub(super) struct Outer<'a> {
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
pub(super) const SLACK: usize = 24;

/// Runs `o` into `c`, which begins at the first of its rows and columns.
pub(super) fn outer(isa: Isa, o: &Outer, c: &mut [f32]) {
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
