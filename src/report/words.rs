//! Figures, settings and counts as people write them.

use std::path::Path;

pub use crate::domain::count;
use crate::{
    domain::{Figure, Metric},
    statistics::{Interval, deviation, mean},
};

/// The last part of a path.
pub fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A figure's name for axes and sentences: `val Dice (macro)`.
pub fn metric(metric: Metric) -> String {
    format!("{} {}", metric.split, figure(metric.figure))
}

/// A figure's name without the split.
pub fn figure(figure: Figure) -> &'static str {
    match figure {
        Figure::Loss => "loss",
        Figure::Accuracy => "accuracy",
        Figure::DiceCoef => "dice_coef (pooled)",
        Figure::IouCoef => "iou_coef (pooled)",
        Figure::DiceMacro => "Dice (macro)",
        Figure::IouMacro => "IoU (macro)",
    }
}

/// Two decimals: scores differ by less only within noise. Below 0.02, where that would say too little, three.
pub fn score(value: f64) -> String {
    if value.abs() < 0.02 { format!("{value:.3}") } else { format!("{value:.2}") }
}

/// Three decimals, for tables; nothing where undefined.
pub fn cell(value: Option<f64>) -> String {
    value.map(|value| format!("{value:.3}")).unwrap_or_default()
}

/// `a`, `a and b`, `a, b and c`.
pub fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// `0.55 to 0.67`.
pub fn interval(interval: Interval) -> String {
    format!("{} to {}", score(interval.low), score(interval.high))
}

/// `0.61 ± 0.04`; the spread is the standard deviation.
pub fn mean_and_spread(scores: &[f64]) -> String {
    let centre = mean(scores).map(score).unwrap_or_default();
    deviation(scores).map_or(centre.clone(), |spread| format!("{centre} ± {}", score(spread)))
}
