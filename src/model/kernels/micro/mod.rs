//! The two inner loops: rows of pixels times packed weights (`gather`), and its transpose (`outer`).

mod gather;
mod outer;

pub(super) use gather::{Gather, gather};
pub(super) use outer::{Outer, SLACK, outer};

use super::isa::Isa;

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
