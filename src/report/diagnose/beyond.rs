//! One step beyond the edge of a grid, if such a value is allowed and makes sense.

use serde_json::{Value, json};

use crate::{
    domain::{Norm, RunConfig},
    report::aggregate::Run,
    spec::schema::{self, Kind},
};

/// The value after `edge` on the side away from `inner`; `None` where there is none that `run` could be trained with.
pub fn step(run: &Run, axis: &str, edge: f64, inner: f64) -> Option<f64> {
    let path = schema::full_name(axis);
    let next = next(schema::find(path)?.kind, edge, inner)?;
    is_possible(&run.file.as_ref()?.config, path, next).then_some(next)
}

/// One step by the kind of the key: rates by their last ratio, at most threefold, whole numbers at most twofold; shares
/// and close whole numbers by their last difference.
fn next(kind: Kind, edge: f64, inner: f64) -> Option<f64> {
    const FURTHEST: f64 = 3.0;
    const TWOFOLD: f64 = 2.0;
    const SMALL: f64 = 2.0;
    let by_ratio = |most: f64| {
        let positive = edge > 0.0 && inner > 0.0;
        positive.then(|| edge * (edge / inner).clamp(1.0 / most, most))
    };
    let by_difference = edge + (edge - inner);
    let tidy = |value: f64| format!("{value:.1e}").parse::<f64>().ok();
    match kind {
        Kind::Positive | Kind::NotNegative => by_ratio(FURTHEST).and_then(tidy),
        Kind::Share(with_one) => Some(by_difference)
            .filter(|&value| value > 0.0 && (value < 1.0 || (with_one && value <= 1.0)))
            .map(|value| (value * 1e6).round() / 1e6),
        Kind::Whole(least, most) => {
            let next = if (edge - inner).abs() <= SMALL { by_difference } else { by_ratio(TWOFOLD)?.round() };
            (next != edge && next >= least as f64 && next <= most as f64).then_some(next)
        }
        Kind::Size => by_ratio(TWOFOLD).map(f64::round).filter(|&next| next != edge && next >= 1.0),
        _ => None,
    }
}

/// Whether a run with `value` at `path` is free of contradictions, and batch norm of batches of one image.
fn is_possible(config: &RunConfig, path: &str, value: f64) -> bool {
    let whole = value.fract() == 0.0 && value.abs() < 1e15;
    let value = if whole { json!(value as i64) } else { json!(value) };
    let with_value = || {
        let mut settings = serde_json::to_value(config).ok()?;
        let mut place = &mut settings;
        for part in path.split('.') {
            place = place.as_object_mut()?.entry(part).or_insert(Value::Null);
        }
        *place = value;
        serde_json::from_value::<RunConfig>(settings).ok()
    };
    with_value().is_some_and(|config| {
        let of_one = config.train.batch_size == 1 && config.model.norm == Norm::Batch;
        !of_one && config.contradictions(None).is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::RunId, store::RunFile};

    fn step_of(axis: &str, edge: f64, inner: f64) -> Option<f64> {
        let config = RunConfig::default();
        let id = RunId::of(&config, "");
        let file = RunFile { id, fingerprint: String::new(), axes: serde_json::Map::new(), scale: None, config };
        step(&Run { file: Some(file), ..Run::default() }, axis, edge, inner)
    }

    #[test]
    fn rates_go_on_by_their_ratio_at_most_threefold() {
        assert_eq!(step_of("learning_rate", 1e-2, 1e-3), Some(3e-2));
        assert_eq!(step_of("learning_rate", 1e-4, 2e-4), Some(5e-5));
    }

    #[test]
    fn what_is_not_allowed_or_makes_no_sense_is_not_proposed() {
        assert_eq!(step_of("model.dropout", 0.5, 0.25), Some(0.75));
        assert_eq!(step_of("model.dropout", 0.6, 0.1), None);
        assert_eq!(step_of("model.depth", 8.0, 5.0), None);
        assert_eq!(step_of("model.depth", 5.0, 4.0), Some(6.0));
        assert_eq!(step_of("batch_size", 2.0, 4.0), None);
        assert_eq!(step_of("batch_size", 2.0, 8.0), None, "batch norm of single images");
        assert_eq!(step_of("batch_size", 16.0, 8.0), Some(32.0));
        assert_eq!(step_of("input_size", 256.0, 128.0), Some(512.0));
        assert_eq!(step_of("input_size", 48.0, 96.0), None, "24 is no multiple of 16");
        assert_eq!(step_of("nothing", 1.0, 2.0), None);
    }
}
