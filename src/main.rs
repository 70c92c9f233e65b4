//! The program: parse, call, map to an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    sweepscope::cli::main()
}
