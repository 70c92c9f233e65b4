//! `report`: charts, tables and the page of a sweep.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::json;

use super::{console, exit::Refusal, sweep};
use crate::{report, store::SweepDir};

/// Arguments of `report`.
#[derive(Args)]
#[command(after_help = "Example: sweepscope report results/demo")]
pub struct Arguments {
    /// Folder of the sweep's results
    results: PathBuf,
    /// Write each chart as PNG too, beside the SVG
    #[arg(long)]
    png: bool,
    /// Write TensorBoard's event files too: scalars of every run and class, and the panels
    #[arg(long)]
    tensorboard: bool,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// Makes the report and says where it is.
pub fn main(arguments: &Arguments) -> Result<ExitCode, Refusal> {
    let folder = SweepDir::new(&arguments.results);
    let runs = sweep::run_names(&folder)?;
    let made = report::build(&folder, &runs)?;
    made.problems.iter().for_each(|problem| console::note(&format!("warning: {problem}")));
    if arguments.png {
        let written = report::write_png(&folder, &runs)?;
        console::note(&format!("{} in {}", console::count(written, "PNG"), folder.report().join("plots").display()));
    }
    if arguments.tensorboard {
        let events = report::tensorboard::write(&folder, &runs)?;
        console::note(&format!("event files: tensorboard --logdir {}", events.display()));
    }
    if arguments.json {
        console::answer(&format!(
            "{:#}\n",
            json!({ "page": made.index, "lines": made.lines, "problems": made.problems })
        ));
    } else {
        let lines: String = made.lines.iter().map(|line| format!("{line}\n")).collect();
        console::answer(&format!("{lines}report: {}\n", made.index.display()));
    }
    Ok(ExitCode::SUCCESS)
}
