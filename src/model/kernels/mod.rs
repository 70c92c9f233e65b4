//! Processor kernels of the U-Net, on slices of `f32`, without any framework.
//!
//! Feature maps are channels last, `[batch, height, width, channels]`; weights are
//! `[outputs, inputs, kernel, kernel]`. [`layout`] converts maps at the network's two ends. Results are the same
//! bytes at any number of threads: work is cut by shape alone and sums are added in a fixed order.
//!
//! For users:
//! - [`Conv`] and [`UpConv`] (upsampling by 2 merged with a 2x2 convolution) are shapes; [`Convolution`] is what
//!   both can do: forward, evaluation with batch norm folded in, the training block, and their backward steps.
//! - [`MaxPool`], [`Adam`], and [`pool`], where every returned buffer comes from and may go back to.
//!
//! Inside:
//! - `gather` (forward, input gradient) and `outer` (weight gradient) drive the two inner loops of `micro` over
//!   bands of rows (`patch`) and packed weights (`pack`, `transpose`).
//! - `winograd` does 3x3 convolutions of whole vectors of channels with a quarter of the products (`lines`).
//! - `norm` has batch norm's passes. `isa` and `simd` are the choice of instructions and the vectors.

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
