//! Images and masks as they lie on disk, checked as a whole and turned into what the network sees.
//!
//! | part | does |
//! | --- | --- |
//! | `pairing`, `table` | finds the images and the masks of each, by name or by a CSV file |
//! | `raster` | decodes PNG, TIFF, JPEG and BMP, within limits |
//! | `picture`, `mask`, `classes` | samples to grey or RGB values, samples to class indices |
//! | `dataset` | reads everything once and reports every bad file at once |
//! | `encode` | pixels to a PNG |
//! | `split` | deals the images out to train, val and test, or to folds |
//! | `prepared`, `resize`, `normalize` | the arrays the network sees |
//! | `cache` | keeps checked data sets and their arrays for all runs |
//! | `loader` | the data of a run, through the cache where there is one |
//! | `fingerprint` | names the content, so that changed data make a new run |
//! | [`audit`] | says what is in the data, what is doubtful, and how alike the splits are |
//! | [`synth`] | writes the demo's images |

pub mod audit;
mod cache;
mod classes;
mod dataset;
mod encode;
mod error;
mod fingerprint;
mod loader;
mod mask;
mod normalize;
mod pairing;
mod picture;
mod prepared;
mod raster;
mod resize;
mod split;
pub mod synth;
mod table;

pub use cache::Cache;
pub use classes::ClassList;
pub use dataset::{Dataset, Sample};
pub use encode::encode_png;
pub use error::{Cause, DataError, DataErrors};
pub use fingerprint::{file_digest, fingerprint};
pub use loader::Loader;
pub use mask::IGNORED;
pub use pairing::{image_files, stem};
pub use picture::Rgb8;
pub use prepared::{NativeMask, Prepared, input, pages, picture};
pub use split::assign;
