//! What a trained run is used for: masks of new images, and the one look at the test split.
//!
//! | file | does |
//! | --- | --- |
//! | `inputs` | the images that were named, page by page |
//! | `segment` | an image to its mask, overlay and probabilities |
//! | `encode` | the files of these |
//! | `held_out` | the figures of a run's test images |

mod encode;
mod held_out;
mod inputs;
mod segment;

pub use held_out::{Tested, test, test_rows};
pub use inputs::{Input, inputs};
pub use segment::{Area, Segmenter};
