//! The rows of a run's CSV files. Counts are integers; every score is derived from them.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// What an image is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Trains.
    Train,
    /// Selects.
    Val,
    /// Is looked at once, at the end.
    Test,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        })
    }
}

/// Pixels of one class: hits, false alarms and misses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Pixels of the class that were predicted as it.
    pub tp: u64,
    /// Pixels of other classes that were predicted as it.
    pub fp: u64,
    /// Pixels of the class that were predicted as another.
    #[serde(rename = "fn")]
    pub fn_: u64,
}

impl Counts {
    /// 2·tp / (2·tp + fp + fn); `None` where the class neither occurs nor is predicted.
    pub fn dice(&self) -> Option<f64> {
        ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn_)
    }

    /// tp / (tp + fp + fn).
    pub fn iou(&self) -> Option<f64> {
        ratio(self.tp, self.tp + self.fp + self.fn_)
    }

    /// tp / (tp + fp); `None` where the class is never predicted.
    pub fn precision(&self) -> Option<f64> {
        ratio(self.tp, self.tp + self.fp)
    }

    /// tp / (tp + fn); `None` where the class never occurs.
    pub fn recall(&self) -> Option<f64> {
        ratio(self.tp, self.tp + self.fn_)
    }

    /// Pixels of the class in the truth.
    pub fn support(&self) -> u64 {
        self.tp + self.fn_
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.tp += other.tp;
        self.fp += other.fp;
        self.fn_ += other.fn_;
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// A row of epochs.csv. An undefined figure is an empty cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    /// From 1.
    pub epoch: usize,
    /// Where the figures were measured, in evaluation mode at the end of the epoch.
    pub split: Split,
    /// The training loss's formula over the split.
    pub loss: Option<f64>,
    /// Share of pixels predicted right.
    pub accuracy: Option<f64>,
    /// Soft Dice over all pixels and classes of an image, smooth 1, mean over images (Keras code in wide use).
    pub dice_coef: Option<f64>,
    /// Soft IoU likewise.
    pub iou_coef: Option<f64>,
    /// Mean Dice of the foreground classes that occur, from the split's counts.
    pub dice_macro: Option<f64>,
    /// Mean IoU likewise.
    pub iou_macro: Option<f64>,
    /// Rate of the epoch's last step.
    pub learning_rate: f64,
    /// Images of the split.
    pub images: usize,
}

/// A row of classes.csv.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassRow {
    /// From 1.
    pub epoch: usize,
    /// Where it was measured.
    pub split: Split,
    /// Name of the class.
    pub class: String,
    /// Pixels predicted right.
    pub tp: u64,
    /// Pixels predicted wrongly as the class.
    pub fp: u64,
    /// Pixels of the class that were missed.
    #[serde(rename = "fn")]
    pub fn_: u64,
    /// Images of the split in which the class occurs.
    pub images: usize,
    /// Empty for a class that no image of the split has.
    pub dice: Option<f64>,
    /// Likewise.
    pub iou: Option<f64>,
    /// Empty where the class is never predicted.
    pub precision: Option<f64>,
    /// Empty where the class never occurs.
    pub recall: Option<f64>,
}

impl ClassRow {
    /// A row from counts. Scores are undefined for a class that no image of the split has.
    pub fn new(epoch: usize, split: Split, class: &str, counts: Counts, images: usize) -> Self {
        let occurs = images > 0;
        let Counts { tp, fp, fn_ } = counts;
        Self {
            epoch,
            split,
            class: class.to_owned(),
            tp,
            fp,
            fn_,
            images,
            dice: counts.dice().filter(|_| occurs),
            iou: counts.iou().filter(|_| occurs),
            precision: counts.precision().filter(|_| occurs),
            recall: counts.recall(),
        }
    }

    /// The row's counts.
    pub fn counts(&self) -> Counts {
        Counts { tp: self.tp, fp: self.fp, fn_: self.fn_ }
    }
}

/// A row of images.csv: one class of one image, at the best and at the final epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageRow {
    /// From 1.
    pub epoch: usize,
    /// What the image is used for.
    pub split: Split,
    /// File name of the image, relative to `data.images`.
    pub image: String,
    /// Name of the class.
    pub class: String,
    /// Pixels predicted right.
    pub tp: u64,
    /// Pixels predicted wrongly as the class.
    pub fp: u64,
    /// Pixels of the class that were missed.
    #[serde(rename = "fn")]
    pub fn_: u64,
    /// Empty where the image does not have the class.
    pub dice: Option<f64>,
}

/// A row of timing.csv.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimingRow {
    /// From 1; each start of the worker is an attempt.
    pub attempt: usize,
    /// From 1.
    pub epoch: usize,
    /// Seconds of the training steps.
    pub train_seconds: f64,
    /// Seconds of the evaluation.
    pub eval_seconds: f64,
    /// Training images a second.
    pub images_per_second: f64,
    /// Largest resident memory so far, in MiB.
    pub peak_memory_mib: f64,
    /// Seconds of `train_seconds` in which a step waited for its batch; unknown of an outside trainer.
    #[serde(default)]
    pub wait_seconds: Option<f64>,
}

/// A row of split.csv.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitRow {
    /// File name of the image, relative to `data.images`.
    pub image: String,
    /// Images of one group are never split.
    pub group: String,
    /// What the image is used for.
    pub split: Split,
}

/// A row of test.csv: a run whose test images were evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestRow {
    /// How many times the test images of this sweep had been looked at then, this time included.
    pub look: usize,
    /// The setting that was evaluated, in words.
    pub setting: String,
    /// The run's folder name.
    pub run: String,
    /// The epoch of the weights.
    pub epoch: usize,
    /// Figures as in epochs.csv.
    pub dice_macro: Option<f64>,
    /// Likewise.
    pub iou_macro: Option<f64>,
    /// Likewise.
    pub dice_coef: Option<f64>,
}

/// Everything one epoch records.
#[derive(Clone, Debug, PartialEq)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: usize,
    /// One row a split.
    pub splits: Vec<EpochRow>,
    /// One row a split and class.
    pub classes: Vec<ClassRow>,
    /// One row an image and class.
    pub images: Vec<ImageRow>,
    /// How long it took.
    pub timing: TimingRow,
}

/// A row of evidence.csv: a figure of the best epoch that a diagnosis needs and no other table holds.
///
/// | `figure` | `class` | `other` | `value` |
/// | --- | --- | --- | --- |
/// | `soft_dice` | class | | Dice from probabilities, summed over the split |
/// | `confusion` | true class | predicted class | pixels |
/// | `entropy` | | | mean over pixels, as a share of ln(number of classes) |
/// | `ece` | | | expected calibration error of foreground pixels (true or predicted), 15 bins |
/// | `bin_pixels`, `bin_confidence`, `bin_accuracy` | | bin, 1 to 15 | foreground pixels whose largest probability lies in the bin; its mean; the share of them that is right |
/// | `precise_bn_dice_macro` | | | val's macro Dice with batch-norm statistics measured anew over the training batches |
/// | `resize_ceiling` | class | | Dice of the truth scaled to the input size and back |
/// | `resize_lost` | class | | share of the class's connected components of which no pixel comes back |
/// | `exchanged` | image | two classes | share of their pixels in the image that are predicted as the other of the two, where most of both are |
/// | `same_image` | image | training image | 0: every value is the same |
/// | `similar_image` | image | training image | bits of 64 in which their difference hashes differ |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidenceRow {
    /// From 1.
    pub epoch: usize,
    /// Where it was measured.
    pub split: Split,
    /// What was measured.
    pub figure: String,
    /// A class or an image, where the figure has one.
    pub class: String,
    /// The second class or image, where the figure has one.
    pub other: String,
    /// The figure.
    #[serde(serialize_with = "shortest")]
    pub value: f64,
}

/// Whole numbers without a point.
fn shortest<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    let whole = value.fract() == 0.0 && value.abs() < 1e15;
    if whole { serializer.serialize_i64(*value as i64) } else { serializer.serialize_f64(*value) }
}
