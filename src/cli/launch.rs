//! `launch`: becomes an outside trainer that ends with the scheduler and keeps to its cores.

use std::process::ExitCode;

use clap::Args;

use super::{console, exit::Refusal};
use crate::{
    protocol::{EXIT_FAILED, Message},
    scheduler::{become_trainer, enter_worker},
};

/// Arguments of `launch`.
#[derive(Args)]
pub struct Arguments {
    /// The program and its arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Becomes the program; what keeps it from that is told as any failure is.
pub fn main(arguments: &Arguments) -> Result<ExitCode, Refusal> {
    let failure = enter_worker().err().unwrap_or_else(|| become_trainer(&arguments.command));
    console::answer(&Message::Failed { kind: failure.kind, message: failure.message }.line());
    Ok(ExitCode::from(EXIT_FAILED))
}
