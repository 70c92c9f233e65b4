//! Rows of pixels times packed weights, all sums of a tile in registers.
#![expect(unsafe_code, reason = "register-blocked loops over raw pointers; lengths are checked at the door")]

use super::super::isa::Isa;
#[cfg(target_arch = "x86_64")]
use super::super::simd::{Avx2, Avx512};
use super::super::simd::{Plain, Simd};
use super::{Epilogue, Segment};

/// `c[row, :] (+)= a[row, segments] * b` for many rows and one panel of columns.
pub(in super::super) struct Gather<'a> {
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

/// Runs `g` into `c`.
pub(in super::super) fn gather(isa: Isa, g: &Gather, c: &mut [f32]) {
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
#[expect(clippy::needless_range_loop, reason = "registers by number")]
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
