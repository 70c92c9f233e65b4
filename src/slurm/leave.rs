//! The signals that end watching. The jobs are Slurm's and go on without it.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use super::SlurmError;
use crate::scheduler::{Ending, Signals, Wish, pause_here};

/// Hears what ends a sweep on one machine too.
pub(super) struct Leave(Receiver<Ending>);

impl Leave {
    pub(super) fn listen() -> Result<Self, SlurmError> {
        let (sender, receiver) = channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(SlurmError::Signals)?;
        let mut signals = {
            let _inside = runtime.enter();
            Signals::listen().map_err(SlurmError::Signals)?
        };
        thread::spawn(move || {
            let _ = sender.send(runtime.block_on(wish_to_leave(&mut signals)));
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

async fn wish_to_leave(signals: &mut Signals) -> Ending {
    loop {
        match signals.next().await {
            Wish::Interrupt => return Ending::Interrupted,
            Wish::Stop | Wish::StopNow | Wish::TimeUp => return Ending::Stopped,
            Wish::Pause => pause_here(),
            Wish::Continue => {}
        }
    }
}
