//! An image to its mask: read as in training, predicted, written.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Input, encode};
use crate::{
    data::{self, ClassList},
    domain::{ClassRow, Failure, FailureKind, InputMode, Normalize, Scale, Split, SplitRow},
    metrics::labels_of,
    store::{RunDir, RunFile, StoreError, create_dir, read_rows, write_derived},
    train::{Predictor, storage},
};

/// Predicts images with the network of one run.
pub struct Segmenter {
    predictor: Predictor,
    classes: ClassList,
    /// The scale of the training images where `data.normalize` is `dataset`.
    scale: Option<Scale>,
    /// Pixels of a training image, where its run recorded them.
    native: Option<f64>,
    out: PathBuf,
    with_probabilities: bool,
}

/// A row of predictions.csv: how much of an image is predicted as a class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Area {
    /// The mask's path below the output folder.
    pub mask: String,
    /// The sample that stands for the class in the mask.
    pub value: usize,
    /// Name of the class.
    pub class: String,
    /// Pixels of it.
    pub pixels: usize,
    /// Their share of the image.
    pub share: f64,
}

impl Segmenter {
    /// The network of `run`, which writes into `out`.
    ///
    /// # Errors
    /// If the run has no usable checkpoint, or it is not known how its training images were scaled.
    pub fn open(run: &RunDir, out: &Path, with_probabilities: bool) -> Result<Self, Failure> {
        let predictor = Predictor::open(run)?;
        let classes = ClassList::of(&predictor.config().data)?;
        let scale = RunFile::read(run).map_err(storage)?.scale;
        if scale.is_none() && predictor.config().data.normalize == Normalize::Dataset {
            let message = "its run.toml does not say how the training images were scaled; train it anew";
            return Err(Failure::new(FailureKind::BadData, message));
        }
        let native = native_pixels(run);
        Ok(Self { predictor, classes, scale, native, out: out.to_owned(), with_probabilities })
    }

    /// How many times as high and wide an image of so many pixels is as the images of the run; 1 where that does not
    /// matter, as a window slides over it, or is not known.
    pub fn times_as_large(&self, pixels: usize) -> f64 {
        let is_shrunk = self.predictor.config().data.input_mode == InputMode::Resize;
        self.native.filter(|_| is_shrunk).map_or(1.0, |native| (pixels as f64 / native).sqrt())
    }

    /// The files that the results of `input` go to: mask, overlay, and probabilities where they are asked for.
    pub fn files(&self, input: &Input) -> Vec<PathBuf> {
        let endings = [".png", "_overlay.png", "_probabilities.tif"];
        let count = if self.with_probabilities { 3 } else { 2 };
        endings[..count].iter().map(|ending| self.out.join(format!("{}{ending}", input.stem))).collect()
    }

    /// Predicts `input` and writes its files, each wholly or not at all.
    ///
    /// # Errors
    /// If it cannot be read, or a file cannot be written: what, where and why.
    pub fn segment(&self, input: &Input) -> Result<Vec<Area>, String> {
        let (predictor, background) = (&self.predictor, self.classes.background);
        let (config, channels) = (&predictor.config().data, predictor.channels());
        let (image, size) =
            data::input(&input.file, input.page, channels, config, self.scale).map_err(|e| e.to_string())?;
        let seen = predictor.sees(size);
        let probabilities = predictor.probabilities(&image, seen, size);
        let labels = labels_of(&probabilities, self.classes.len(), size, size);
        let picture = data::picture(&input.file, input.page).map_err(|e| e.to_string())?;
        let failed = |e: &dyn std::fmt::Display| format!("{}: failed to encode its mask: {e}", input.file.display());
        let mut encoded = vec![
            encode::mask(&labels, size, self.classes.len(), background).map_err(|e| failed(&e))?,
            encode::overlay(&picture, &labels, background).map_err(|e| failed(&e))?,
        ];
        if self.with_probabilities {
            encoded.push(encode::probabilities(&probabilities, size, &self.classes.names).map_err(|e| failed(&e))?);
        }
        for (path, bytes) in self.files(input).iter().zip(&encoded) {
            write(path, bytes).map_err(|e| e.to_string())?;
        }
        Ok(self.areas(input, &labels))
    }

    fn areas(&self, input: &Input, labels: &[u8]) -> Vec<Area> {
        let area = |(value, class): (usize, &String)| {
            let pixels = labels.iter().filter(|label| usize::from(**label) == value).count();
            let share = pixels as f64 / labels.len() as f64;
            Area { mask: format!("{}.png", input.stem), value, class: class.clone(), pixels, share }
        };
        self.classes.names.iter().enumerate().map(area).collect()
    }
}

/// Pixels of a validation image at its own size, on average: all that its masks label.
fn native_pixels(run: &RunDir) -> Option<f64> {
    let classes: Vec<ClassRow> = read_rows(&run.classes_csv()).ok()?;
    let split: Vec<SplitRow> = read_rows(&run.split_csv()).ok()?;
    let last = classes.iter().map(|row| row.epoch).max()?;
    let of_val = classes.iter().filter(|row| row.epoch == last && row.split == Split::Val);
    let pixels: u64 = of_val.map(|row| row.tp + row.fn_).sum();
    let images = split.iter().filter(|row| row.split == Split::Val).count();
    (pixels > 0 && images > 0).then(|| pixels as f64 / images as f64)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    if let Some(folder) = path.parent() {
        create_dir(folder)?;
    }
    write_derived(path, |file| file.write_all(bytes))
}
