//! sweepscope sweeps the training of U-Nets for microscopy segmentation and tells the truth about the result.
//!
//! The map, in the order in which a sweep passes through it. Each stage uses only those above it, except that the
//! scheduler and the trainer meet in `protocol` alone; `tests/imports.rs` holds the code against this.
//!
//! | module | does |
//! | --- | --- |
//! | [`domain`] | plain data: settings, names, records, seeds |
//! | [`statistics`] | means, intervals, tests, distances, components of variance |
//! | [`spec`] | the sweep file: strict, every problem at once |
//! | [`grid`] | the sweep file's grid as a list of cells, in a stable order |
//! | [`store`] | the only writer under `results/`: layout, atomic files, tables, checkpoints |
//! | [`plan`] | the grid against what is on disk: new, going on, done |
//! | [`estimate`] | what a run will cost, from its settings alone |
//! | [`protocol`] | what a worker tells the scheduler |
//! | [`devices`] | what there is to compute on, cut into slots of one run each |
//! | [`scheduler`] | keeps every device busy and loses nothing |
//! | [`slurm`] | hands the runs to a Slurm cluster instead, and watches them there |
//! | [`data`] | images and masks on disk, checked, split and turned into what the network sees |
//! | [`model`] | the U-Net, its operations and kernels |
//! | [`loss`] | what training minimises, with gradients |
//! | [`metrics`] | figures from predictions, at the masks' own size |
//! | [`train`] | the training of one run: exact, resumable, recorded epoch by epoch |
//! | [`worker`] | one run in a process of its own |
//! | [`predict`] | masks of new images, and the one look at the test split |
//! | [`report`] | what a sweep shows: tables, findings, charts, the page |
//! | [`serve`] | the same page, live, to browsers on this machine |
//! | [`cli`] | the commands; alone touches the terminal |
//!
//! Without the feature `train` only the parts that need no burn are there.

#[cfg(feature = "train")]
pub mod cli;
pub mod data;
pub mod devices;
pub mod domain;
pub mod estimate;
pub mod grid;
#[cfg(feature = "train")]
pub mod loss;
#[cfg(feature = "train")]
pub mod metrics;
#[cfg(feature = "train")]
pub mod model;
pub mod plan;
#[cfg(feature = "train")]
pub mod predict;
pub mod protocol;
pub mod report;
pub mod scheduler;
#[cfg(feature = "train")]
pub mod serve;
pub mod slurm;
pub mod spec;
pub mod statistics;
pub mod store;
#[cfg(feature = "train")]
pub mod train;
#[cfg(feature = "train")]
pub mod worker;
