//! The signals that end watching. The jobs are Slurm's and go on without it.

use std::{
    io,
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use tokio::signal::unix::{SignalKind, signal};

use super::SlurmError;
use crate::scheduler::Ending;

/// Hears Ctrl-C, SIGTERM and SIGHUP.
pub(super) struct Signals(Receiver<Ending>);

impl Signals {
    pub(super) fn listen() -> Result<Self, SlurmError> {
        let (sender, receiver) = channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(SlurmError::Signals)?;
        let streams = || -> io::Result<_> {
            let _inside = runtime.enter();
            Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?))
        };
        let (mut interrupt, mut terminate, mut hangup) = streams().map_err(SlurmError::Signals)?;
        thread::spawn(move || {
            let ending = runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => Ending::Interrupted,
                    _ = terminate.recv() => Ending::Stopped,
                    _ = hangup.recv() => Ending::Stopped,
                }
            });
            let _ = sender.send(ending);
        });
        Ok(Self(receiver))
    }

    /// Waits for a signal, at most so long.
    pub(super) fn wait(&self, pause: Duration) -> Option<Ending> {
        match self.0.recv_timeout(pause) {
            Ok(ending) => Some(ending),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Ending::Stopped),
        }
    }
}
