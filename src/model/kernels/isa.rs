//! Which vector instructions the processor has, and how code is compiled for each.
#![expect(unsafe_code, reason = "functions compiled for instructions that were detected at run time")]

use std::sync::OnceLock;

/// A set of vector instructions. Every kernel exists once for each. Values come from [`Isa::best`] and [`Isa::all`]
/// alone, which is what makes the kernels' unsafe code sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// Plain Rust, as the compiler vectorises it for any processor.
    Portable,
    /// Eight lanes and fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Sixteen lanes, 32 registers.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    /// The widest set that this processor has.
    #[must_use]
    pub fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| Self::all().pop().unwrap_or(Self::Portable))
    }

    /// Every set that this processor has, narrowest first.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut found = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                found.push(Self::Avx2);
                if is_x86_feature_detected!("avx512f") {
                    found.push(Self::Avx512);
                }
            }
        }
        found
    }

    /// Floats in one vector.
    pub(super) fn lanes(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => 16,
            _ => 8,
        }
    }

    /// Calls `body`, an `#[inline(always)]` function, compiled for this set.
    #[inline]
    pub(super) fn call<A, R>(self, body: impl Fn(A) -> R, arguments: A) -> R {
        match self {
            Self::Portable => body(arguments),
            // SAFETY: `all` found these instructions before the value was made.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { call_avx2(body, arguments) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { call_avx512(body, arguments) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn call_avx2<A, R>(body: impl Fn(A) -> R, arguments: A) -> R {
    body(arguments)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f")]
fn call_avx512<A, R>(body: impl Fn(A) -> R, arguments: A) -> R {
    body(arguments)
}
