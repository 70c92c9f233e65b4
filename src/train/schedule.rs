//! The learning rate of each step.

use crate::domain::{Direction, LrSchedule, TrainConfig};

/// The rate of `step` (from 0) of `steps` in `epoch` (from 1): linear warm-up over steps, then the schedule by
/// epochs. `reductions` is how often the plateau schedule has lowered the rate before this epoch.
pub fn learning_rate(config: &TrainConfig, epoch: usize, step: usize, steps: usize, reductions: usize) -> f64 {
    let warmup = config.warmup_epochs;
    if epoch <= warmup {
        let done = (epoch - 1) * steps + step + 1;
        return config.learning_rate * done as f64 / (warmup * steps) as f64;
    }
    let progress = (epoch - 1 - warmup) as f64 / (config.epochs.saturating_sub(warmup)).max(1) as f64;
    config.learning_rate
        * match config.lr_schedule {
            LrSchedule::Constant => 1.0,
            LrSchedule::Cosine => (1.0 + (std::f64::consts::PI * progress).cos()) / 2.0,
            LrSchedule::Polynomial => (1.0 - progress).powf(0.9),
            LrSchedule::Plateau => config.plateau_factor.powf(reductions as f64),
        }
}

/// How often the figure did not improve for `patience` epochs in a row, each time counted anew, as in Keras's
/// `ReduceLROnPlateau`; a pure function of the history, so that nothing of it needs to be saved.
pub fn reductions(history: &[Option<f64>], direction: Direction, patience: usize) -> usize {
    let (mut best, mut waited, mut count): (Option<f64>, usize, usize) = (None, 0, 0);
    for value in history.iter().flatten() {
        if best.is_none_or(|best| direction.improves(*value, best, 0.0)) {
            best = Some(*value);
            waited = 0;
            continue;
        }
        waited += 1;
        if waited >= patience {
            waited = 0;
            count += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(lr_schedule: LrSchedule, warmup_epochs: usize) -> TrainConfig {
        TrainConfig { lr_schedule, warmup_epochs, epochs: 10, learning_rate: 1.0, ..TrainConfig::default() }
    }

    #[test]
    fn warm_up_rises_linearly_over_steps_and_then_the_schedule_begins() {
        let config = config(LrSchedule::Cosine, 2);
        let rates: Vec<f64> =
            [(1, 0), (1, 4), (2, 4), (3, 0)].map(|(e, s)| learning_rate(&config, e, s, 5, 0)).to_vec();
        assert_eq!(rates, [0.1, 0.5, 1.0, 1.0]);
    }

    #[test]
    fn schedules_have_their_known_values_half_way() {
        let half = |schedule| learning_rate(&config(schedule, 0), 6, 0, 5, 0);
        assert_eq!(half(LrSchedule::Constant), 1.0);
        assert!((half(LrSchedule::Cosine) - 0.5).abs() < 1e-12);
        assert!((half(LrSchedule::Polynomial) - 0.5f64.powf(0.9)).abs() < 1e-12);
    }

    #[test]
    fn the_rate_falls_after_each_plateau() {
        let history = [0.5, 0.4, 0.5, 0.6, 0.6, 0.6, 0.5, 0.5].map(Some);
        let counts: Vec<usize> = (1..=8).map(|n| reductions(&history[..n], Direction::Maximize, 2)).collect();
        assert_eq!(counts, [0, 0, 1, 1, 1, 2, 2, 3]);
        let rate = learning_rate(&config(LrSchedule::Plateau, 0), 9, 0, 5, 3);
        assert!((rate - 1e-3).abs() < 1e-12);
    }
}
