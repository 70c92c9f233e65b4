//! sweepscope sweeps the training of U-Nets for microscopy segmentation and tells the truth about the result.
//!
//! The map, in the order in which a sweep passes through it. Each stage uses only those above it, except that the
//! scheduler and the trainer meet in `protocol` alone; `tests/imports.rs` holds the code against this.
//!
//! | module | does |
//! | --- | --- |
//! | [`domain`] | plain data: settings, names, records, seeds |
//! | [`data`] | images and masks on disk, checked, split and turned into what the network sees |
//! | [`protocol`] | what a worker tells the scheduler |
//! | [`store`] | the only writer under `results/`: layout, atomic files, tables, checkpoints |

pub mod data;
pub mod domain;
pub mod loss;
pub mod metrics;
pub mod model;
pub mod protocol;
pub mod store;
pub mod train;
