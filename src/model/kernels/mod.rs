//! Processor kernels of the U-Net, on slices of `f32`.
//!
//! Feature maps are channels last, `[batch, height, width, channels]` ([`layout`] converts); weights are
//! `[outputs, inputs, kernel, kernel]`. All results are the same bytes at any number of threads.
//! Outputs come from [`pool`]; give them back when done.
//!
//! - [`Conv`], [`UpConv`]: the convolutions; [`Convolution`] is what both can do, batch-norm blocks included.
//! - [`MaxPool`], [`Adam`].
//! - Inside: `gather` and `outer` drive the two inner loops of `micro` over bands of rows (`patch`) and packed
//!   weights (`pack`); `simd` and `isa` are the vectors and the choice among them.
#![expect(clippy::needless_range_loop, reason = "lanes and taps are named by their index in several arrays at once")]

mod adam;
mod block;
mod conv;
mod gather;
mod isa;
pub mod layout;
mod lines;
mod max_pool;
mod micro;
mod norm;
mod outer;
mod pack;
mod patch;
pub mod pool;
#[cfg(test)]
mod reference;
mod simd;
#[cfg(test)]
mod tests;
mod transpose;
mod up;
mod winograd;

pub use adam::Adam;
pub use block::{BlockGradients, BlockOutput, BlockSaved, BlockWeights, ConvGradients, Convolution, fold_norm};
pub use conv::Conv;
pub use gather::Finish;
pub use isa::Isa;
pub use max_pool::MaxPool;
pub use patch::Sources;
pub use up::UpConv;
