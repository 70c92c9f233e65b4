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

/// `0.550 to 0.670`.
pub fn interval(interval: Interval) -> String {
    format!("{:.3} to {:.3}", interval.low, interval.high)
}

/// `0.610 ± 0.040`; the spread is the standard deviation.
pub fn mean_and_spread(scores: &[f64]) -> String {
    let centre = cell(mean(scores));
    deviation(scores).map_or(centre.clone(), |spread| format!("{centre} ± {spread:.3}"))
}

/// `p = 0.012`, `p < 0.001`.
pub fn chance(p: f64) -> String {
    if p < 0.001 { "p < 0.001".into() } else { format!("p = {p:.3}") }
}

/// `in any of 12 runs`, `in 3 of 12 runs`, `in the only run`, for what is not the case.
pub fn in_none_of(number: usize, of: usize) -> String {
    match (number, of) {
        (1, 1) => "in the only run".into(),
        (number, of) if number == of => format!("in any of {of} runs"),
        (number, of) => format!("in {number} of {of} runs"),
    }
}

/// The text with its first letter as a capital.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
