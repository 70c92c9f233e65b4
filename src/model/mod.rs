//! The network: its layers, initial weights and names of weights, over operations that each backend brings.
//!
//! | file | does |
//! | --- | --- |
//! | `unet` | the U-Net |
//! | `block` | convolution + ReLU + batch norm, in training and folded for evaluation |
//! | `dropout` | masks derived from (seed, epoch, step, level) |
//! | `initial` | He-normal weights |
//! | `weights` | weights by name, to and from safetensors |
//! | `ops` | operations behind a trait: stock burn, or our own on the CPU |
//! | `cuda` | whether a GPU can be used |
//! | `kernels` | the CPU's numeric kernels over slices |

pub mod block;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod dropout;
mod initial;
pub mod kernels;
pub mod ops;
pub mod unet;
pub mod weights;

pub use dropout::DropoutStream;
pub use ops::ConvOps;
pub use unet::UNet;
