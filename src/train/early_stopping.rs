//! When training ends early and which epoch is the best: pure functions of the history, so that nothing of it needs
//! to be saved. The semantics of stopping are those of Keras's `EarlyStopping`.

use crate::domain::{Direction, EarlyStopping, Metric};

/// Epoch (from 1) and value of the best figure; ties go to the earlier epoch. `history[0]` is epoch 1; undefined
/// and not-finite figures are passed over.
pub fn best(history: &[Option<f64>], direction: Direction) -> Option<(usize, f64)> {
    let mut best: Option<(usize, f64)> = None;
    for (index, value) in history.iter().enumerate() {
        let Some(value) = value.filter(|value| value.is_finite()) else { continue };
        if best.is_none_or(|(_, so_far)| direction.improves(value, so_far, 0.0)) {
            best = Some((index + 1, value));
        }
    }
    best
}

/// Whether training ends after the last epoch of `history`: the figure has not improved by more than `min_delta`
/// on its best for `patience` epochs. Epochs before `start_epoch` and undefined figures are not watched.
pub fn stops(history: &[Option<f64>], stopping: &EarlyStopping) -> bool {
    let direction = Metric::direction(stopping.monitor);
    let mut best: Option<f64> = None;
    let mut waited = 0;
    let mut stop = false;
    for (index, value) in history.iter().enumerate() {
        let Some(value) = value.filter(|_| index + 1 >= stopping.start_epoch) else { continue };
        waited += 1;
        if best.is_none_or(|best| direction.improves(value, best, stopping.min_delta)) {
            best = Some(value);
            waited = 0;
        }
        stop = waited > 0 && waited >= stopping.patience && index > 0;
    }
    stop
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stopping(patience: usize, min_delta: f64) -> EarlyStopping {
        EarlyStopping { patience, min_delta, ..EarlyStopping::default() }
    }

    fn history(values: &[f64]) -> Vec<Option<f64>> {
        values.iter().map(|v| Some(*v)).collect()
    }

    #[test]
    fn training_ends_after_patience_epochs_without_improvement() {
        let values = history(&[0.1, 0.5, 0.4, 0.5, 0.3]);
        let ends: Vec<bool> = (1..=5).map(|n| stops(&values[..n], &stopping(3, 0.0))).collect();
        assert_eq!(ends, [false, false, false, false, true]);
    }

    #[test]
    fn a_gain_of_no_more_than_min_delta_is_none() {
        assert!(stops(&history(&[0.5, 0.55, 0.6]), &stopping(2, 0.1)));
        assert!(!stops(&history(&[0.5, 0.55, 0.65]), &stopping(2, 0.1)));
    }

    #[test]
    fn a_loss_improves_by_falling() {
        let monitor = "val_loss".parse().unwrap_or_default();
        let falling = EarlyStopping { monitor, patience: 1, ..EarlyStopping::default() };
        assert!(!stops(&history(&[0.9, 0.8]), &falling));
        assert!(stops(&history(&[0.8, 0.9]), &falling));
    }

    #[test]
    fn epochs_before_the_start_are_not_watched() {
        let late = EarlyStopping { start_epoch: 3, ..stopping(1, 0.0) };
        assert!(!stops(&history(&[0.9, 0.1, 0.2, 0.3]), &late));
        assert!(stops(&history(&[0.9, 0.1, 0.2, 0.2]), &late));
    }

    #[test]
    fn without_patience_the_first_epoch_that_does_not_improve_ends_it() {
        assert!(!stops(&history(&[0.1, 0.2]), &stopping(0, 0.0)));
        assert!(stops(&history(&[0.2, 0.2]), &stopping(0, 0.0)));
    }

    #[test]
    fn the_best_epoch_is_the_first_of_equals_and_skips_undefined_figures() {
        let values = [None, Some(0.2), Some(0.7), Some(f64::NAN), Some(0.7)];
        assert_eq!(best(&values, Direction::Maximize), Some((3, 0.7)));
        assert_eq!(best(&values, Direction::Minimize), Some((2, 0.2)));
        assert_eq!(best(&[None], Direction::Maximize), None);
    }
}
