//! The signals that a sweep listens to.

use std::{fs, io};

use rustix::process::{Signal, getpid, kill_process};
use tokio::signal::unix::{SignalKind, signal};

/// What the user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM, or the terminal was closed.
    Stop,
    /// SIGUSR1: the cluster's time limit is near.
    TimeUp,
    /// SIGQUIT: at once.
    StopNow,
    /// Ctrl-Z.
    Pause,
    /// SIGCONT: `fg`, `bg`.
    Continue,
}

/// Every wish, but for SIGHUP and SIGTSTP where they were ignored when the program started (as nohup does with the
/// first). Those that end a sweep are always heard: `stop --now` must work on a sweep that a script put in the
/// background, whose shell had it ignore SIGINT and SIGQUIT.
pub struct Signals {
    streams: Vec<(Wish, tokio::signal::unix::Signal)>,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn listen() -> io::Result<Self> {
        let ignored = ignored_signals();
        let wishes = [
            (Wish::Interrupt, Signal::INT),
            (Wish::Stop, Signal::TERM),
            (Wish::Stop, Signal::HUP),
            (Wish::TimeUp, Signal::USR1),
            (Wish::StopNow, Signal::QUIT),
            (Wish::Pause, Signal::TSTP),
            (Wish::Continue, Signal::CONT),
        ];
        let is_ignored = |number: Signal| ignored & (1 << (number.as_raw() - 1)) != 0;
        let heard = wishes
            .into_iter()
            .filter(|&(_, number)| !([Signal::HUP, Signal::TSTP].contains(&number) && is_ignored(number)));
        let listen = |(wish, number): (Wish, Signal)| Ok((wish, signal(SignalKind::from_raw(number.as_raw()))?));
        Ok(Self { streams: heard.map(listen).collect::<io::Result<_>>()? })
    }

    /// The next wish. Can be dropped while it waits, nothing is lost.
    pub async fn next(&mut self) -> Wish {
        std::future::poll_fn(|context| {
            for (wish, stream) in &mut self.streams {
                if stream.poll_recv(context).is_ready() {
                    return std::task::Poll::Ready(*wish);
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}

/// Stops this process until it is continued. A thread may still go on for an instant.
pub fn pause_here() {
    let _ = kill_process(getpid(), Signal::STOP);
}

/// A bit for each signal that is ignored: SigIgn in /proc/self/status.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or_default();
    u64::from_str_radix(mask.trim(), 16).unwrap_or_default()
}
