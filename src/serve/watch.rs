//! Looks at a sweep again and again while somebody watches, and works out anew what depends on what changed.

use std::{
    path::Path,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::parts::Parts;
use crate::{
    report::{
        ReportError,
        follow::{Follower, News},
        live, plot,
    },
    store::SweepDir,
};

/// Time between two looks.
pub const LOOK: Duration = Duration::from_millis(500);

/// A sweep that nobody has watched for so long is forgotten; it is read again when somebody comes.
const FORGET: Duration = Duration::from_secs(300);

/// What looks at all runs at once takes at most this share of the time, so that training keeps its processor.
const SHARE: u32 = 10;

/// A sweep with its page.
pub struct Watched {
    follower: RwLock<Follower>,
    parts: watch::Sender<Parts>,
}

impl Watched {
    /// Starts to look after the sweep in `folder` in a thread of its own, which ends with the program.
    pub fn start(folder: &Path) -> Arc<Self> {
        let follower = RwLock::new(Follower::new(SweepDir::new(folder)));
        let watched = Arc::new(Self { follower, parts: watch::channel(Parts::default()).0 });
        let looked_after = Arc::clone(&watched);
        thread::spawn(move || looked_after.look_after());
        watched
    }

    /// The page's parts, now and as they change.
    pub fn parts(&self) -> watch::Receiver<Parts> {
        self.parts.subscribe()
    }

    /// What was read of the sweep.
    pub fn follower(&self) -> RwLockReadGuard<'_, Follower> {
        // A thread that panicked while it read left records that the next look mends.
        self.follower.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn follower_to_change(&self) -> RwLockWriteGuard<'_, Follower> {
        self.follower.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn look_after(&self) {
        let (mut last_watched, mut pace) = (Instant::now(), Pace::default());
        loop {
            if self.parts.receiver_count() > 0 {
                last_watched = Instant::now();
                if let Err(e) = self.look(&mut pace) {
                    self.publish([("verdict".into(), format!("<li>{}</li>", plot::escape(&e.to_string())))]);
                }
            } else if last_watched.elapsed() > FORGET && pace.has_looked {
                let mut follower = self.follower_to_change();
                *follower = Follower::new(follower.dir().clone());
                pace = Pace::default();
            }
            thread::sleep(LOOK);
        }
    }

    fn look(&self, pace: &mut Pace) -> Result<(), ReportError> {
        let (was_running, news, is_running) = {
            let mut follower = self.follower_to_change();
            let was_running = follower.is_running();
            (was_running, follower.look()?, follower.is_running())
        };
        let follower = self.follower();
        let data = follower.data();
        if news.is_some() || is_running != was_running || !pace.has_looked {
            let axes = live::axes(data);
            let is_new_table = news.plan || axes != pace.axes;
            self.publish_runs(&follower, &news, is_new_table)?;
            pace.axes = axes;
            pace.is_behind = true;
            pace.has_looked = true;
        }
        if pace.is_due() {
            let started = Instant::now();
            self.publish(live::of_all_runs(follower.dir(), data)?);
            pace.done(started.elapsed());
        }
        Ok(())
    }

    fn publish_runs(&self, follower: &Follower, news: &News, is_new_table: bool) -> Result<(), ReportError> {
        let data = follower.data();
        let mut parts = vec![live::now(data, follower.is_running())?];
        if is_new_table {
            self.parts.send_modify(|parts| parts.remove(&["row-", "summary-"]));
            parts.push(live::runs(follower.dir(), data)?);
        }
        parts.extend(live::rows(data, &news.runs)?);
        self.publish(parts);
        Ok(())
    }

    fn publish(&self, new: impl IntoIterator<Item = live::Part>) {
        self.parts.send_modify(|parts| new.into_iter().for_each(|part| parts.set(part)));
    }
}

/// When what looks at all runs at once is to be worked out again.
#[derive(Default)]
struct Pace {
    has_looked: bool,
    is_behind: bool,
    /// The columns of the table of runs as it was last published.
    axes: Vec<String>,
    not_before: Option<Instant>,
}

impl Pace {
    fn is_due(&self) -> bool {
        self.is_behind && self.not_before.is_none_or(|time| Instant::now() >= time)
    }

    fn done(&mut self, took: Duration) {
        self.is_behind = false;
        self.not_before = Some(Instant::now() + took * SHARE);
    }
}
