//! The only writer under `results/`: layout, atomic files, tables, checkpoints.
//!
//! Order at each epoch: checkpoint set to a temporary folder, sync, rename; CSV rows, sync; replace state.json.
//! On resume: read state.json, cut the tables back to the checkpoint's epoch, go on. Every crash point then has
//! one meaning.

mod atomic;
mod checkpoint;
mod claim;
mod error;
mod journal;
mod layout;
mod lock;
mod plan_file;
mod process;
mod run_file;
mod table;

pub use atomic::{
    create_dir, read_json, remove, remove_temporaries, write_bytes, write_derived, write_json, write_text,
};
pub use checkpoint::{CheckpointSet, images_of};
pub use claim::{Attempt, Owner, TakeOver, has_job, owner, shut_out, take_over, token, write_as};
pub use error::StoreError;
pub use journal::{Entry, Journal};
pub use layout::{RunDir, SweepDir};
pub use lock::{Holder, LockError, SweepLock, host};
pub use plan_file::PlannedRun;
pub use process::{current_process, is_alive, peak_memory_mib, process_of};
pub use run_file::RunFile;
pub use table::{append_rows, cut_after, cut_split, read_rows, write_derived_rows, write_rows};
