//! Figures from predictions: counts and soft sums an image, added up over a split and divided once.
//!
//! | file | does |
//! | --- | --- |
//! | `image` | counts and sums of one image, at the resolution of its own mask |
//! | `certainty` | how sure predictions are, and how sure they may be: entropy and calibration |
//! | `exchange` | images in whose masks two classes seem to be exchanged |
//! | `resize` | bilinear resizing of probabilities |
//! | `split` | the rows of epochs.csv, classes.csv and images.csv from the images' figures |

mod certainty;
mod exchange;
mod image;
mod resize;
mod split;

pub use certainty::{BINS, Bin, Certainty};
pub use exchange::{Exchange, exchanged};
pub use image::{ImageFigures, at_size, figures_at_size, figures_of, labels_of};
pub use resize::resize_bilinear;
pub use split::{class_rows, epoch_row, image_rows};
