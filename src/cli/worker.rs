//! `worker`: one run, as the scheduler starts it. It speaks the protocol on stdout and ends on SIGTERM.

use std::{
    io::Write,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use clap::Args;

use super::{console, exit::Refusal};
use crate::{
    protocol::{EXIT_FAILED, EXIT_STOPPED, Message},
    scheduler,
    store::{RunDir, write_as},
    worker::{self, Device, Outcome},
};

/// Arguments of `worker`.
#[derive(Args)]
pub struct Arguments {
    /// Folder of the run; it holds run.toml
    run: PathBuf,
    /// Threads to train with
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// cpu, or cuda for the GPU that CUDA_VISIBLE_DEVICES leaves
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// Trains one run.
pub fn main(arguments: &Arguments) -> Result<ExitCode, Refusal> {
    scheduler::enter_worker().map_err(|failure| Refusal { code: EXIT_FAILED, text: failure.to_string() })?;
    let run = RunDir::new(&arguments.run);
    if let Ok(token) = std::env::var(scheduler::variable::OWNER) {
        write_as(&run, token);
    }
    let device = match arguments.device.as_str() {
        "cpu" => Device::Cpu,
        "cuda" => Device::Cuda,
        other => return Err(Refusal::wrong(format!("a worker trains on cpu or cuda, not on `{other}`"))),
    };
    let stop = stop_on_signals().map_err(|e| Refusal::wrong(format!("failed to listen for signals: {e}")))?;
    let mut out = std::io::stdout();
    let mut say = |message: &Message| {
        // A scheduler that is gone cannot be told; the run's files hold all that matters.
        let _ = out.write_all(message.line().as_bytes()).and_then(|()| out.flush());
        log(message);
    };
    let code = match worker::run(&run, device, arguments.threads, &stop, &mut say) {
        Ok(Outcome::Completed) => 0,
        Ok(Outcome::Stopped) => EXIT_STOPPED,
        Err(failure) => {
            say(&Message::Failed { kind: failure.kind, message: failure.message });
            EXIT_FAILED
        }
    };
    Ok(ExitCode::from(code))
}

/// What stands in worker.log, which takes this process's stderr: a line a split of each epoch.
fn log(message: &Message) {
    if let Message::Epoch { epoch, split, loss, dice_macro, .. } = message {
        let figure = |value: &Option<f64>| value.map_or_else(|| "undefined".to_owned(), |value| format!("{value:.4}"));
        let (loss, dice) = (figure(loss), figure(dice_macro));
        console::note(&format!("epoch {epoch} {split}: loss {loss}, dice_macro {dice}"));
    }
}

/// A flag that SIGTERM and SIGINT raise.
fn stop_on_signals() -> std::io::Result<Arc<AtomicBool>> {
    use tokio::signal::unix::{SignalKind, signal};
    let flag = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&flag);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut terminate, mut interrupt) = {
        let _inside = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        });
        raised.store(true, Ordering::Relaxed);
    });
    Ok(flag)
}
