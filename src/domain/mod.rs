//! Plain data that every stage shares: settings, names, records, seeds. Nothing here touches the disk.

mod config;
mod failure;
pub mod limits;
mod metric;
mod name;
pub mod palette;
mod placeholder;
mod record;
mod scale;
mod schedule;
pub mod seed;
mod severity;
mod shared;
mod slurm;
mod state;
mod words;

pub use config::*;
pub use failure::{Failure, FailureKind};
pub use metric::{Direction, Figure, Metric};
pub use name::{Canonical, RunId, axis_text, float_text};
pub use placeholder::{placeholders, substitute};
pub use record::*;
pub use scale::Scale;
pub use schedule::{AutoOr, DeviceRequest, EarlyEnd, ScheduleConfig};
pub use severity::Severity;
pub use shared::Shared;
pub use slurm::{SlurmConfig, is_time_limit, wrong_option};
pub use state::{Process, RunState, StateRecord};
pub use words::{count, duration};
