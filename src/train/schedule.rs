//! The learning rate of each step.

use crate::domain::{LrSchedule, TrainConfig};

/// The rate of `step` (from 0) of `steps` in `epoch` (from 1): linear warm-up over steps, then the schedule by
/// epochs.
pub fn learning_rate(config: &TrainConfig, epoch: usize, step: usize, steps: usize) -> f64 {
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
        }
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
        let rates: Vec<f64> = [(1, 0), (1, 4), (2, 4), (3, 0)].map(|(e, s)| learning_rate(&config, e, s, 5)).to_vec();
        assert_eq!(rates, [0.1, 0.5, 1.0, 1.0]);
    }

    #[test]
    fn schedules_have_their_known_values_half_way() {
        let half = |schedule| learning_rate(&config(schedule, 0), 6, 0, 5);
        assert_eq!(half(LrSchedule::Constant), 1.0);
        assert!((half(LrSchedule::Cosine) - 0.5).abs() < 1e-12);
        assert!((half(LrSchedule::Polynomial) - 0.5f64.powf(0.9)).abs() < 1e-12);
    }
}
