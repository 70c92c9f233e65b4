//! What training minimises: the formulas, from sums over pixels, with their gradients.
//!
//! Every loss here is a function of a few sums an image and class, so its value over a whole split follows from
//! the images' sums and does not depend on batches.
//!
//! | file | does |
//! | --- | --- |
//! | `sums` | softmax, and the sums of one image |
//! | `formula` | a loss's value and derivatives from sums |
//! | `fused` | loss and gradient of a batch of logits on the host |
//! | `op` | the loss as an operation of a backend |

mod formula;
mod fused;
mod op;
mod sums;

pub use crate::data::IGNORED;
pub use formula::{Loss, Slopes};
pub use fused::loss_and_gradient;
pub use op::{LossOps, Target, stock_loss};
pub use sums::{ClassSums, ImageSums, counts, image_sums, softmax};
