//! sweepscope sweeps the training of U-Nets for microscopy segmentation and tells the truth about the result.
//!
//! The map, in the order in which a sweep passes through it. Each stage uses only those above it, except that the
//! scheduler and the trainer meet in `protocol` alone; `tests/imports.rs` holds the code against this.
//!
//! | module | does |
//! | --- | --- |
//! | [`domain`] | plain data: settings, names, records, seeds |
//! | [`protocol`] | what a worker tells the scheduler |
//! | [`store`] | the only writer under `results/`: layout, atomic files, tables, checkpoints |
//! | [`devices`] | what there is to compute on, cut into slots of one run each |
//! | [`scheduler`] | keeps every device busy and loses nothing |

pub mod devices;
pub mod domain;
pub mod protocol;
pub mod scheduler;
pub mod store;
