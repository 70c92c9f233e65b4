//! The commands: a file each. Only here does the program read its arguments and touch the terminal.

mod audit;
mod audit_page;
mod compare;
mod completions;
mod console;
mod cost;
mod data;
mod devices;
mod diagnose;
mod doctor;
mod executor;
mod exit;
mod export;
mod jobs;
mod launch;
mod loading;
mod logs;
mod plan;
mod predict;
mod progress;
mod report;
mod resume;
mod retry;
mod run;
mod serve;
mod shares;
mod signals;
mod slurm_task;
mod splits;
mod status;
mod stop;
mod sweep;
mod test;
mod time_left;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::Refusal;

/// Sweeps the training of U-Nets for microscopy segmentation and tells the truth about the result.
#[derive(Parser)]
#[command(name = "sweepscope", version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  sweepscope run sweeps/demo.toml
  sweepscope plan my.toml grid.learning_rate=1e-3,1e-4
  sweepscope report results/demo

Exit codes: 0 all runs completed; 1 some run failed; 2 the sweep file, the data or the command line is wrong;
75 stopped, run again to go on; 130 after Ctrl-C once everything is saved.";

#[derive(Subcommand)]
enum Command {
    /// Show what `run` would do; changes nothing on disk
    Plan(plan::Arguments),
    /// Run what is not done yet; the same command again goes on where it stopped
    Run(run::Arguments),
    /// As `run`, from the results folder alone
    Resume(resume::Arguments),
    /// Show where each run of a sweep stands
    Status(status::Arguments),
    /// End a running sweep; each run saves itself first
    Stop(stop::Arguments),
    /// Queue failed runs again
    Retry(retry::Arguments),
    /// Show what a run's worker said
    Logs(logs::Arguments),
    /// Make charts, tables and the report page
    Report(report::Arguments),
    /// Show sweeps in the browser as they go on
    Serve(serve::Arguments),
    /// Say what is wrong with a sweep or a run, and what to do
    Diagnose(diagnose::Arguments),
    /// Hold two settings against each other on the same splits
    Compare(compare::Arguments),
    /// Write a run's weights as safetensors, for PyTorch and others
    Export(export::Arguments),
    /// Evaluate the chosen setting on the test images, once
    Test(test::Arguments),
    /// Make masks of new images with a run's network
    Predict(predict::Arguments),
    /// Check images and masks, or make a synthetic set
    #[command(subcommand)]
    Data(data::Command),
    /// Show what there is to compute on
    Devices(devices::Arguments),
    /// Check what this machine offers and what is missing
    Doctor(doctor::Arguments),
    /// Print a script that completes the commands in a shell
    Completions(completions::Arguments),
    /// One run, started by the scheduler
    #[command(hide = true)]
    Worker(worker::Arguments),
    /// One run on a node, started by Slurm
    #[command(hide = true)]
    SlurmTask(slurm_task::Arguments),
    /// An outside trainer, started by the scheduler
    #[command(hide = true)]
    Launch(launch::Arguments),
}

/// Runs the command that the arguments name and returns its exit code.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Command::Plan(arguments) => plan::main(&arguments),
        Command::Run(arguments) => run::main(&arguments),
        Command::Resume(arguments) => resume::main(&arguments),
        Command::Status(arguments) => status::main(&arguments),
        Command::Stop(arguments) => stop::main(&arguments),
        Command::Retry(arguments) => retry::main(&arguments),
        Command::Logs(arguments) => logs::main(&arguments),
        Command::Report(arguments) => report::main(&arguments),
        Command::Serve(arguments) => serve::main(&arguments),
        Command::Diagnose(arguments) => diagnose::main(&arguments),
        Command::Compare(arguments) => compare::main(&arguments),
        Command::Export(arguments) => export::main(&arguments),
        Command::Test(arguments) => test::main(&arguments),
        Command::Predict(arguments) => predict::main(&arguments),
        Command::Data(command) => data::main(&command),
        Command::Devices(arguments) => devices::main(&arguments),
        Command::Doctor(arguments) => doctor::main(&arguments),
        Command::Completions(arguments) => completions::main(&arguments),
        Command::Worker(arguments) => worker::main(&arguments),
        Command::SlurmTask(arguments) => slurm_task::main(&arguments),
        Command::Launch(arguments) => launch::main(&arguments),
    };
    done.unwrap_or_else(Refusal::report)
}
