//! Figures from predictions: counts and soft sums an image, added up over a split and divided once.
//!
//! | file | does |
//! | --- | --- |
//! | `image` | counts and sums of one image, at the resolution of its own mask |
//! | `resize` | bilinear resizing of probabilities |
//! | `split` | the rows of epochs.csv, classes.csv and images.csv from the images' figures |

mod image;
mod resize;
mod split;

pub use image::{ImageFigures, figures_of, labels_of};
pub use resize::resize_bilinear;
pub use split::{class_rows, epoch_row, image_rows};
