//! Small transposes: between weights as stored and as the inner loops read them, and between layouts.
#![expect(unsafe_code, reason = "vector shuffles; lengths are checked at the door")]

use super::isa::Isa;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// `to[ends[j] + i] = from[starts[i] + j]` for `i` and `j` below 8.
#[inline]
pub(super) fn transpose8(isa: Isa, from: &[f32], starts: &[usize; 8], to: &mut [f32], ends: &[usize; 8]) {
    let last = |places: &[usize; 8]| places.iter().fold(0, |m, &p| m.max(p));
    assert!(last(starts) + 8 <= from.len() && last(ends) + 8 <= to.len(), "a transpose out of bounds");
    match isa {
        Isa::Portable => {
            for (i, start) in starts.iter().enumerate() {
                for (j, end) in ends.iter().enumerate() {
                    to[end + i] = from[start + j];
                }
            }
        }
        // SAFETY: eight floats from each start and each end exist; the instructions exist, since only
        // `Isa::all` names them.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 | Isa::Avx512 => unsafe { transpose8_avx2(from.as_ptr(), starts, to.as_mut_ptr(), ends) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn transpose8_avx2(from: *const f32, starts: &[usize; 8], to: *mut f32, ends: &[usize; 8]) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut r = [_mm256_setzero_ps(); 8];
        for i in 0..8 {
            r[i] = _mm256_loadu_ps(from.add(starts[i]));
        }
        // Pairs of rows, then fours, then eights.
        let (a0, a1) = (_mm256_unpacklo_ps(r[0], r[1]), _mm256_unpackhi_ps(r[0], r[1]));
        let (a2, a3) = (_mm256_unpacklo_ps(r[2], r[3]), _mm256_unpackhi_ps(r[2], r[3]));
        let (a4, a5) = (_mm256_unpacklo_ps(r[4], r[5]), _mm256_unpackhi_ps(r[4], r[5]));
        let (a6, a7) = (_mm256_unpacklo_ps(r[6], r[7]), _mm256_unpackhi_ps(r[6], r[7]));
        let (b0, b1) = (_mm256_shuffle_ps::<0x44>(a0, a2), _mm256_shuffle_ps::<0xEE>(a0, a2));
        let (b2, b3) = (_mm256_shuffle_ps::<0x44>(a1, a3), _mm256_shuffle_ps::<0xEE>(a1, a3));
        let (b4, b5) = (_mm256_shuffle_ps::<0x44>(a4, a6), _mm256_shuffle_ps::<0xEE>(a4, a6));
        let (b6, b7) = (_mm256_shuffle_ps::<0x44>(a5, a7), _mm256_shuffle_ps::<0xEE>(a5, a7));
        _mm256_storeu_ps(to.add(ends[0]), _mm256_permute2f128_ps::<0x20>(b0, b4));
        _mm256_storeu_ps(to.add(ends[1]), _mm256_permute2f128_ps::<0x20>(b1, b5));
        _mm256_storeu_ps(to.add(ends[2]), _mm256_permute2f128_ps::<0x20>(b2, b6));
        _mm256_storeu_ps(to.add(ends[3]), _mm256_permute2f128_ps::<0x20>(b3, b7));
        _mm256_storeu_ps(to.add(ends[4]), _mm256_permute2f128_ps::<0x31>(b0, b4));
        _mm256_storeu_ps(to.add(ends[5]), _mm256_permute2f128_ps::<0x31>(b1, b5));
        _mm256_storeu_ps(to.add(ends[6]), _mm256_permute2f128_ps::<0x31>(b2, b6));
        _mm256_storeu_ps(to.add(ends[7]), _mm256_permute2f128_ps::<0x31>(b3, b7));
    }
}
