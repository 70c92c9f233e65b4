//! `export`: a run's weights for other programs.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::Args;

use super::{
    console,
    exit::{self, Refusal},
    sweep,
};
use crate::train;

/// Arguments of `export`.
#[derive(Args)]
#[command(after_help = "\
Example: sweepscope export results/demo/runs/RUN --out unet.safetensors

The file holds the weights of the best epoch as 32-bit floats, named as src/model/weights.rs says, and what new images
need (classes, input size, scale) as its metadata. examples/twin.py reads it with PyTorch.")]
pub struct Arguments {
    /// Folder of the run: results/SWEEP/runs/RUN
    run: PathBuf,
    /// The safetensors file to write
    #[arg(long)]
    out: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    overwrite: bool,
}

/// Writes the weights of the run's best epoch.
pub fn main(arguments: &Arguments) -> Result<ExitCode, Refusal> {
    let run = sweep::run_in(&arguments.run)?;
    if arguments.out.exists() && !arguments.overwrite {
        let file = arguments.out.display();
        return Err(Refusal::wrong(format!("{file} is there already; name another file, or add --overwrite")));
    }
    let exported = train::export(&run);
    let bytes = exported.map_err(|failure| Refusal { code: exit::FAILED, text: format!("error: {failure}") })?;
    let written = fs::write(&arguments.out, bytes);
    written.map_err(|e| Refusal::wrong(format!("failed to write {}: {e}", arguments.out.display())))?;
    console::answer(&format!("weights: {}\n", arguments.out.display()));
    Ok(ExitCode::SUCCESS)
}
