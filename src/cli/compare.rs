//! `compare`: two settings on the same splits.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::json;

use super::{console, exit::Refusal, sweep::run_names};
use crate::{report::compare, store::SweepDir};

/// Arguments of `compare`.
#[derive(Args)]
#[command(after_help = "Example: sweepscope compare results/demo learning_rate=1e-2 learning_rate=1e-3")]
pub struct Arguments {
    /// Folder of the sweep's results
    results: PathBuf,
    /// The first setting: axis=value pairs joined by commas, or a run's folder name
    a: String,
    /// The second setting
    b: String,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// Prints the comparison.
pub fn main(arguments: &Arguments) -> Result<ExitCode, Refusal> {
    let sweep = SweepDir::new(&arguments.results);
    let answer = compare::compare(&sweep, &run_names(&sweep)?, &arguments.a, &arguments.b)
        .map_err(|e| Refusal::wrong(e.to_string()))?;
    if arguments.json {
        console::answer(&format!("{:#}\n", json!(answer)));
    } else {
        console::answer(&compare::lines(&answer).iter().map(|line| format!("{line}\n")).collect::<String>());
    }
    Ok(ExitCode::SUCCESS)
}
