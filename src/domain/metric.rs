//! The figures that can be monitored, and which way each of them is better.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{EpochRow, Split};

/// A figure of one split, written `val_dice_macro`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Metric {
    /// Where it is measured.
    pub split: Split,
    /// What is measured.
    pub figure: Figure,
}

impl Default for Metric {
    fn default() -> Self {
        Self { split: Split::Val, figure: Figure::DiceMacro }
    }
}

/// A column of epochs.csv that can be monitored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Figure {
    /// The loss.
    Loss,
    /// Share of pixels predicted right.
    Accuracy,
    /// Soft Dice over all pixels and classes of an image.
    DiceCoef,
    /// Soft IoU over all pixels and classes of an image.
    IouCoef,
    /// Mean over foreground classes of the split's Dice.
    DiceMacro,
    /// Mean over foreground classes of the split's IoU.
    IouMacro,
}

/// Which way a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Larger is better.
    Maximize,
    /// Smaller is better.
    Minimize,
}

impl Direction {
    /// Whether `a` is better than `b` by more than `margin`.
    pub fn improves(self, a: f64, b: f64, margin: f64) -> bool {
        match self {
            Self::Maximize => a > b + margin,
            Self::Minimize => a < b - margin,
        }
    }
}

const FIGURES: [(Figure, &str); 6] = [
    (Figure::Loss, "loss"),
    (Figure::Accuracy, "accuracy"),
    (Figure::DiceCoef, "dice_coef"),
    (Figure::IouCoef, "iou_coef"),
    (Figure::DiceMacro, "dice_macro"),
    (Figure::IouMacro, "iou_macro"),
];

impl Metric {
    /// Every name that a sweep file may give.
    pub fn names() -> Vec<String> {
        [Split::Val, Split::Train]
            .iter()
            .flat_map(|&split| FIGURES.iter().map(move |&(figure, _)| Self { split, figure }.to_string()))
            .collect()
    }

    /// Smaller is better for a loss, larger for everything else.
    pub fn direction(self) -> Direction {
        if self.figure == Figure::Loss { Direction::Minimize } else { Direction::Maximize }
    }

    /// This figure in an epoch's rows; `None` where it is undefined.
    pub fn of(self, rows: &[EpochRow]) -> Option<f64> {
        let row = rows.iter().find(|row| row.split == self.split)?;
        match self.figure {
            Figure::Loss => row.loss,
            Figure::Accuracy => row.accuracy,
            Figure::DiceCoef => row.dice_coef,
            Figure::IouCoef => row.iou_coef,
            Figure::DiceMacro => row.dice_macro,
            Figure::IouMacro => row.iou_macro,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = FIGURES.iter().find(|(figure, _)| *figure == self.figure).map_or("", |(_, name)| name);
        write!(f, "{}_{name}", self.split)
    }
}

impl FromStr for Metric {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || format!("`{text}` is not a figure; these are: {}", Self::names().join(", "));
        let (split, name) = text.split_once('_').ok_or_else(unknown)?;
        let split = match split {
            "train" => Split::Train,
            "val" => Split::Val,
            _ => return Err(unknown()),
        };
        let figure = FIGURES.iter().find(|(_, known)| *known == name).ok_or_else(unknown)?.0;
        Ok(Self { split, figure })
    }
}

impl TryFrom<String> for Metric {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Metric> for String {
    fn from(metric: Metric) -> Self {
        metric.to_string()
    }
}
