//! Signals once all runs are over: they end or pause this process, as they do where nobody listens.

use std::{io, process::exit, thread};

use super::exit::{INTERRUPTED, STOPPED};
use crate::scheduler::{Signals, Wish, pause_here};

/// Lets each signal do that from now on. The system does not act on a signal any more that was listened to once, so a
/// thread does. Nothing is lost: the runs are recorded, and a report can be made again.
pub fn end_this_process() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals::listen()?
    };
    thread::spawn(move || runtime.block_on(obey(&mut signals)));
    Ok(())
}

async fn obey(signals: &mut Signals) {
    loop {
        match signals.next().await {
            Wish::Interrupt => exit(i32::from(INTERRUPTED)),
            Wish::Stop | Wish::StopNow | Wish::TimeUp => exit(i32::from(STOPPED)),
            Wish::Pause => pause_here(),
            Wish::Continue => {}
        }
    }
}
