//! Early end of hopeless settings: successive halving (Jamieson & Talwalkar 2016) over rungs of epochs, in which
//! groups of seeds compete, never single runs. Pure.

use std::collections::BTreeMap;

use crate::{
    domain::{Direction, EarlyEnd, Metric},
    statistics::{self, Interval},
};

/// Seeds that two settings must have in common before anything is said about them.
const SEEDS: usize = 3;

/// By seed, the best monitored figure up to a rung's epoch.
type Group = BTreeMap<String, f64>;

/// How the settings of a sweep stand at each rung.
#[derive(Clone, Debug)]
pub(super) struct Halving {
    rules: EarlyEnd,
    monitor: Metric,
    /// Validation images a training image: what the overlap of training sets is corrected by.
    val_share: f64,
    /// What each cell is called.
    names: Vec<String>,
    /// By epoch and cell.
    rungs: BTreeMap<usize, BTreeMap<usize, Group>>,
}

impl Halving {
    /// No run has arrived anywhere yet; cells are known by their place in `names`.
    pub(super) fn new(rules: EarlyEnd, monitor: Metric, val_share: f64, names: Vec<String>) -> Self {
        Self { rules, monitor, val_share, names, rungs: BTreeMap::new() }
    }

    /// Takes in the score with which a seed of `cell` arrived at the rung of `epoch`.
    pub(super) fn arrived(&mut self, epoch: usize, cell: usize, seed: &str, score: f64) {
        self.rungs.entry(epoch).or_default().entry(cell).or_default().insert(seed.to_owned(), score);
    }

    /// Why `cell` is hopeless, if it is: at the last rung that enough of its seeds have reached, it is not in the share
    /// of settings that goes on, and the interval of its paired difference to the best excludes zero.
    pub(super) fn verdict(&self, cell: usize) -> Option<String> {
        let has_enough = |group: &Group| group.len() >= SEEDS;
        let reached = |cells: &BTreeMap<usize, Group>| cells.get(&cell).is_some_and(has_enough);
        let (epoch, cells) = self.rungs.iter().rev().find(|(_, cells)| reached(cells))?;
        let mut ranking: Vec<(f64, usize)> = cells
            .iter()
            .filter(|(_, group)| has_enough(group))
            .map(|(&cell, group)| (self.worth(group), cell))
            .collect();
        ranking.sort_by(|a, b| b.0.total_cmp(&a.0));
        let place = ranking.iter().position(|&(_, other)| other == cell)?;
        let &(_, best) = ranking.first()?;
        if place < ranking.len().div_ceil(self.rules.reduction_factor) {
            return None;
        }
        let Behind { mean, interval: Interval { low, high }, seeds } =
            self.behind(&cells[&best], &cells[&cell], ranking.len() - 1)?;
        (low > 0.0).then(|| {
            format!(
                "at epoch {epoch} its best {} lay {mean:.4} behind that of {} over {seeds} seeds (interval {low:.4} to \
                 {high:.4} at {} %, corrected for overlapping training sets and {})",
                self.monitor,
                self.names[best],
                100.0 * self.rules.confidence,
                if ranking.len() == 2 { "1 comparison".into() } else { format!("{} comparisons", ranking.len() - 1) },
            )
        })
    }

    /// The mean of a group, larger is better.
    fn worth(&self, group: &Group) -> f64 {
        self.sign() * group.values().sum::<f64>() / group.len() as f64
    }

    fn sign(&self) -> f64 {
        if self.monitor.direction() == Direction::Maximize { 1.0 } else { -1.0 }
    }

    /// By how much `group` is behind `best` on the seeds that both have: Nadeau & Bengio's (2003) corrected paired t
    /// interval, Bonferroni over the settings that are held against the best. Where all seeds are behind by the same,
    /// it has no width. `None` for too few such seeds.
    fn behind(&self, best: &Group, group: &Group, comparisons: usize) -> Option<Behind> {
        let paired = best.iter().filter_map(|(seed, score)| Some(self.sign() * (score - group.get(seed)?)));
        let differences: Vec<f64> = paired.collect();
        let seeds = differences.len();
        if seeds < SEEDS {
            return None;
        }
        let level = 1.0 - (1.0 - self.rules.confidence) / comparisons.max(1) as f64;
        let interval = statistics::corrected_interval(&differences, self.val_share, level)?;
        Some(Behind { mean: statistics::mean(&differences)?, interval, seeds })
    }
}

/// A paired difference: its mean and its interval.
struct Behind {
    mean: f64,
    interval: Interval,
    seeds: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halving(scores: &[(usize, usize, [f64; 3])]) -> Halving {
        let rules = EarlyEnd { min_epochs: 4, reduction_factor: 2, confidence: 0.95 };
        let names = (0..9).map(|cell| format!("cell {cell}")).collect();
        let mut halving = Halving::new(rules, Metric::default(), 1.0 / 3.0, names);
        for (epoch, cell, seeds) in scores {
            seeds
                .iter()
                .enumerate()
                .for_each(|(seed, score)| halving.arrived(*epoch, *cell, &seed.to_string(), *score));
        }
        halving
    }

    /// Differences .4, .5, .6: mean .5, deviation .1, t(.975, 2) = 4.3027, √(1/3 + 1/3) = .8165: .5 ± .3513.
    #[test]
    fn a_setting_that_is_surely_worse_is_hopeless_and_the_words_say_by_how_much() {
        let halving = halving(&[(4, 0, [0.8, 0.8, 0.8]), (4, 1, [0.4, 0.3, 0.2])]);
        assert_eq!(halving.verdict(0), None);
        let words = halving.verdict(1).unwrap_or_default();
        assert!(words.starts_with("at epoch 4 its best val_dice_macro lay 0.5000 behind that of cell 0 over 3 seeds"));
        assert!(words.contains("(interval 0.1487 to 0.8513 at 95 %"), "{words}");
    }

    #[test]
    fn one_bad_run_or_too_few_seeds_prove_nothing() {
        // The mean is far lower, by one seed alone: -.03, 0, .7.
        assert_eq!(halving(&[(4, 0, [0.8, 0.8, 0.8]), (4, 1, [0.83, 0.8, 0.1])]).verdict(1), None);
        let mut two = halving(&[(4, 0, [0.8, 0.8, 0.8])]);
        two.arrived(4, 1, "0", 0.1);
        two.arrived(4, 1, "1", 0.1);
        assert_eq!(two.verdict(1), None);
        // A third seed that the best setting does not have cannot be paired.
        two.arrived(4, 1, "7", 0.1);
        assert_eq!(two.verdict(1), None);
        two.arrived(4, 1, "2", 0.12);
        assert!(two.verdict(1).is_some());
    }

    #[test]
    fn half_of_the_settings_go_on_however_far_they_are_behind() {
        let group = |score: f64| [score, score + 0.01, score + 0.02];
        let halving = halving(&[(4, 0, group(0.9)), (4, 1, group(0.5)), (4, 2, group(0.3)), (4, 3, group(0.1))]);
        let hopeless: Vec<bool> = (0..4).map(|cell| halving.verdict(cell).is_some()).collect();
        assert_eq!(hopeless, [false, false, true, true]);
    }

    #[test]
    fn the_last_rung_decides() {
        let late = halving(&[(4, 0, [0.8, 0.81, 0.8]), (4, 1, [0.1, 0.1, 0.1]), (8, 0, [0.8, 0.8, 0.8])]);
        assert!(late.verdict(1).is_some());
        let caught_up = halving(&[(4, 0, [0.8, 0.81, 0.8]), (4, 1, [0.1, 0.1, 0.1]), (8, 1, [0.9, 0.9, 0.9])]);
        assert_eq!(caught_up.verdict(1), None);
    }

    #[test]
    fn of_a_loss_the_lowest_is_best() {
        let mut halving = halving(&[(4, 0, [0.8, 0.8, 0.8]), (4, 1, [0.4, 0.3, 0.2])]);
        halving.monitor = Metric { figure: crate::domain::Figure::Loss, ..Metric::default() };
        assert!(halving.verdict(0).is_some() && halving.verdict(1).is_none());
    }
}
