//! Which runs fit together on a device: their memory is measured, that of others is derived from it. Pure.

use std::time::Duration;

use super::job::Demand;

/// Share of a device's memory that packed runs may need together, in percent; the rest is for what grows unseen.
const SHARE: u64 = 90;

/// Time that a device gets to give memory back once its last run has ended.
const SETTLING: Duration = Duration::from_secs(15);

/// What runs were measured to need at their peak.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    measured: Vec<(Demand, u64)>,
}

impl Model {
    /// A run of this demand needed so much.
    pub(super) fn learn(&mut self, demand: Demand, mib: u64) {
        match self.measured.iter_mut().find(|(known, _)| *known == demand) {
            Some((_, most)) => *most = (*most).max(mib),
            None => self.measured.push((demand, mib)),
        }
    }

    /// MiB that a run of this demand will need, rather too many than too few; `None` before any run was measured. The
    /// least that a run needed which is as large in every respect; else the most that any would need if all its memory
    /// grew as batch × pixels × width, which is more than it does: weights and the driver's own part stay.
    fn predict(&self, demand: Demand) -> Option<u64> {
        let as_large = self.measured.iter().filter(|(known, _)| known.covers(&demand)).map(|&(_, mib)| mib).min();
        let grown = self.measured.iter().map(|(known, mib)| grown(*mib, *known, demand)).max();
        as_large.or(grown)
    }
}

fn grown(mib: u64, from: Demand, to: Demand) -> u64 {
    let size = |demand: Demand| (demand.batch * demand.pixels * demand.width) as f64;
    let deeper = 2_f64.powi(to.depth.saturating_sub(from.depth) as i32);
    (mib as f64 * (size(to) / size(from)).max(1.0) * deeper).ceil() as u64
}

/// A device's memory at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// What is free.
    pub(super) free_mib: u64,
    /// What other programs have; `None`: the driver names no process.
    pub(super) others_mib: Option<u64>,
}

impl Seen {
    /// What no run of this sweep has.
    fn not_ours(self) -> u64 {
        self.free_mib + self.others_mib.unwrap_or(0)
    }
}

/// A device's memory as it was last seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// Before any run, and now; `None`: it cannot be told.
    seen: Option<(Seen, Seen)>,
    /// Since when it is idle without having given everything back.
    settling: Option<Duration>,
}

impl Memory {
    /// Takes in what is seen now, on a device that is or is not idle.
    pub(super) fn note(&mut self, seen: Seen, is_idle: bool, now: Duration) {
        self.seen.get_or_insert((seen, seen)).1 = seen;
        if is_idle {
            self.became_idle(now);
        } else {
            self.settling = None;
        }
    }

    /// The last run on the device has ended: what was seen last says whether its memory has come back.
    pub(super) fn became_idle(&mut self, now: Duration) {
        let is_back = self.seen.is_none_or(|(before, now)| now.not_ours() >= before.not_ours() / 100 * SHARE);
        self.settling = if is_back { None } else { self.settling.or(Some(now)) };
    }

    /// Whether memory of ended runs is still waited for.
    pub(super) fn is_settling(&self) -> bool {
        self.settling.is_some()
    }

    /// When it should have come back.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.settling.map(|since| since + SETTLING)
    }

    /// What to say of a device whose memory has not come back in time.
    pub(super) fn overdue(&self, now: Duration) -> Option<String> {
        let (before, now) = self.seen.filter(|_| self.deadline().is_some_and(|deadline| deadline <= now))?;
        let (before, now) = (before.not_ours(), now.not_ours());
        Some(format!("{} of {before} MiB have not come back since its last run ended", before.saturating_sub(now)))
    }

    /// Whether it can be told that other programs do not have it.
    pub(super) fn names_processes(&self) -> bool {
        self.seen.is_some_and(|(_, now)| now.others_mib.is_some())
    }

    /// Goes on with what there is now.
    pub(super) fn make_do(&mut self) {
        self.seen = self.seen.map(|(_, now)| (now, now));
        self.settling = None;
    }

    /// Whether a run fits beside those that are there, by what all of them will need and by what is free now.
    pub(super) fn has_room(&self, model: &Model, beside: &[Option<Demand>], demand: Option<Demand>) -> bool {
        let need = |demand: Option<Demand>| model.predict(demand?);
        let (Some((before, now)), Some(own)) = (self.seen, need(demand)) else { return false };
        let others = beside.iter().map(|&other| need(other)).sum::<Option<u64>>();
        others.is_some_and(|others| others + own <= before.free_mib / 100 * SHARE) && own <= now.free_mib
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(batch: usize, side: usize) -> Demand {
        Demand { batch, pixels: side * side, width: 16, depth: 5 }
    }

    fn seen(free_mib: u64) -> Seen {
        Seen { free_mib, others_mib: Some(0) }
    }

    #[test]
    fn what_is_as_large_bounds_a_run_and_what_is_smaller_is_scaled_up() {
        let mut model = Model::default();
        assert_eq!(model.predict(demand(4, 64)), None);
        model.learn(demand(4, 64), 1000);
        model.learn(demand(4, 64), 900);
        assert_eq!(model.predict(demand(4, 64)), Some(1000));
        assert_eq!(model.predict(demand(2, 64)), Some(1000));
        assert_eq!(model.predict(demand(8, 128)), Some(8000));
        model.learn(demand(16, 128), 5000);
        assert_eq!(model.predict(demand(8, 128)), Some(5000));
    }

    #[test]
    fn runs_share_a_device_only_as_far_as_its_memory_goes() {
        let (mut model, mut memory) = (Model::default(), Memory::default());
        let small = Some(demand(4, 64));
        assert!(!memory.has_room(&model, &[small], small), "nothing is known of the device");
        memory.note(seen(10_000), true, Duration::ZERO);
        assert!(!memory.has_room(&model, &[small], small), "nothing is known of the runs");
        model.learn(demand(4, 64), 3000);
        assert!(memory.has_room(&model, &[small], small) && memory.has_room(&model, &[small; 2], small));
        assert!(!memory.has_room(&model, &[small; 3], small));
        memory.note(seen(2_500), false, Duration::ZERO);
        assert!(!memory.has_room(&model, &[small], small), "another program has taken it");
    }

    #[test]
    fn memory_that_comes_back_late_is_waited_for_and_memory_that_does_not_is_told_of() {
        let seconds = Duration::from_secs;
        let mut memory = Memory::default();
        memory.note(seen(10_000), true, seconds(0));
        memory.note(seen(4_000), false, seconds(5));
        assert!(!memory.is_settling());
        memory.note(seen(4_000), true, seconds(6));
        assert_eq!(memory.deadline(), Some(seconds(21)));
        let mut late = memory.clone();
        late.note(seen(9_900), true, seconds(20));
        assert!(!late.is_settling() && late.overdue(seconds(30)).is_none());
        memory.note(seen(4_100), true, seconds(20));
        assert_eq!(memory.overdue(seconds(20)), None);
        assert_eq!(
            memory.overdue(seconds(21)).as_deref(),
            Some("5900 of 10000 MiB have not come back since its last run ended")
        );
    }
}
