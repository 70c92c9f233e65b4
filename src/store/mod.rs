//! The only writer under `results/`: layout, atomic files, tables, checkpoints.
//!
//! Order at each epoch: checkpoint set to a temporary folder, sync, rename; CSV rows, sync; replace state.json.
//! On resume: read state.json, cut the tables back to the checkpoint's epoch, go on. Every crash point then has
//! one meaning.

mod atomic;
mod checkpoint;
mod error;
mod layout;
mod plan_file;
mod run_file;
mod table;

pub use atomic::{create_dir, read_json, write_bytes, write_derived, write_json, write_text};
pub use checkpoint::{CheckpointSet, images_of};
pub use error::StoreError;
pub use layout::{RunDir, SweepDir};
pub use plan_file::PlannedRun;
pub use run_file::RunFile;
pub use table::{append_rows, cut_after, read_rows, write_rows};
