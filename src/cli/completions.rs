//! `completions`: a script that lets a shell complete the commands and their flags.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::{console, exit::Refusal};

/// Arguments of `completions`.
#[derive(Args)]
#[command(after_help = "Example: sweepscope completions bash > ~/.local/share/bash-completion/completions/sweepscope")]
pub struct Arguments {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub fn main(arguments: &Arguments) -> Result<ExitCode, Refusal> {
    let mut script = Vec::new();
    generate(arguments.shell, &mut super::Arguments::command(), "sweepscope", &mut script);
    console::answer(&String::from_utf8_lossy(&script));
    Ok(ExitCode::SUCCESS)
}
