//! The network: its layers, initial weights and names of weights, over operations that each backend brings.
//!
//! | file | does |
//! | --- | --- |
//! | `unet` | the U-Net |
//! | `block` | convolution + ReLU + norm, in training and folded for evaluation |
//! | `dropout` | masks derived from (seed, epoch, step, level) |
//! | `group_norm` | group norm on the CPU |
//! | `freeze` | which layers keep their weights |
//! | `initial` | He-normal weights |
//! | `pretrained` | weights to start from, by our names or PyTorch's |
//! | `weights` | weights by name, to and from safetensors |
//! | `ops` | operations behind a trait: stock burn, or our own on the CPU |
//! | `cuda` | whether a GPU can be used |
//! | `kernels` | the CPU's numeric kernels over slices |

pub mod block;
#[cfg(feature = "cuda")]
mod cuda;
pub mod dropout;
mod freeze;
pub mod group_norm;
mod initial;
pub mod kernels;
pub mod ops;
pub mod pretrained;
pub mod unet;
pub mod weights;

pub use dropout::DropoutStream;
pub use freeze::Freeze;
pub use ops::ConvOps;
pub use unet::UNet;

/// Whether the network can be trained on a GPU here.
///
/// # Errors
/// In one line: what is missing.
pub fn gpu() -> Result<(), String> {
    #[cfg(feature = "cuda")]
    return cuda::check();
    #[cfg(not(feature = "cuda"))]
    Err("this sweepscope was built without GPU support; build it with `cargo build --release --features cuda`".into())
}
