//! `data`: checks a data set, or makes a synthetic one.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};

use super::{audit, console, exit::Refusal};
use crate::data::synth;

/// The commands on data.
#[derive(Subcommand)]
pub enum Command {
    /// Check a data set and its splits
    Audit(audit::Arguments),
    /// Make noisy images with masks of four structures
    Synth(Synth),
}

/// Arguments of `data synth`.
#[derive(Args)]
#[command(after_help = "Example: sweepscope data synth my-data --images 60 --seed 1")]
pub struct Synth {
    /// Folder to fill with images/, masks/ and manifest.csv
    folder: PathBuf,
    /// How many images
    #[arg(long)]
    images: Option<usize>,
    /// Another seed makes other images
    #[arg(long)]
    seed: Option<u64>,
}

/// Runs a command on data.
pub fn main(command: &Command) -> Result<ExitCode, Refusal> {
    match command {
        Command::Audit(arguments) => audit::main(arguments),
        Command::Synth(arguments) => make(arguments),
    }
}

fn make(arguments: &Synth) -> Result<ExitCode, Refusal> {
    let mut options = synth::Options::default();
    options.images = arguments.images.unwrap_or(options.images);
    options.seed = arguments.seed.unwrap_or(options.seed);
    synth::write(&arguments.folder, options)?;
    console::answer(&format!("made {} in {}\n", console::count(options.images, "image"), arguments.folder.display()));
    Ok(ExitCode::SUCCESS)
}
