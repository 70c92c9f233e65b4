//! The figures of a run's test images: those that neither trained it nor picked its epoch.

use crate::{
    data::Loader,
    domain::{ClassRow, EpochRow, Failure, FailureKind, ImageRow, Split},
    loss::Loss,
    metrics::{ImageFigures, class_rows, epoch_row, image_rows},
    store::{RunDir, RunFile, StoreError, append_rows, read_rows},
    train::{Predictor, Task, storage},
};

/// What the test images of one run give: rows for its epochs.csv, classes.csv and images.csv.
#[derive(Clone, Debug, PartialEq)]
pub struct Tested {
    /// Figures over the split.
    pub figures: EpochRow,
    /// Each class's counts and scores.
    pub classes: Vec<ClassRow>,
    /// Each image's and class's counts.
    pub images: Vec<ImageRow>,
}

impl Tested {
    /// Adds the rows to the run's tables; a table that has them already is left as it is.
    ///
    /// # Errors
    /// If a table cannot be read or written.
    pub fn record(&self, run: &RunDir) -> Result<(), StoreError> {
        if test_rows(run)?.is_none() {
            append_rows(&run.epochs_csv(), std::slice::from_ref(&self.figures))?;
        }
        if read_rows::<ClassRow>(&run.classes_csv())?.iter().all(|row| row.split != Split::Test) {
            append_rows(&run.classes_csv(), &self.classes)?;
        }
        if read_rows::<ImageRow>(&run.images_csv())?.iter().all(|row| row.split != Split::Test) {
            append_rows(&run.images_csv(), &self.images)?;
        }
        Ok(())
    }
}

/// The figures of the test images, if they were recorded.
///
/// # Errors
/// If epochs.csv cannot be read.
pub fn test_rows(run: &RunDir) -> Result<Option<EpochRow>, StoreError> {
    Ok(read_rows::<EpochRow>(&run.epochs_csv())?.into_iter().find(|row| row.split == Split::Test))
}

/// Evaluates the test images of a run with the weights that its predictions use; writes nothing.
///
/// # Errors
/// If the run has no test images or no usable checkpoint, or the images are not those that it was trained on.
pub fn test(run: &RunDir) -> Result<Tested, Failure> {
    let predictor = Predictor::open(run)?;
    let file = RunFile::read(run).map_err(storage)?;
    let (config, loader) = (&file.config, Loader::standard());
    if loader.fingerprint(&config.data, &config.split)? != file.fingerprint {
        let message = "its images or masks have changed since it was trained; put the old ones back";
        return Err(Failure::new(FailureKind::BadData, message));
    }
    let (dataset, splits) = loader.open(&config.data, &config.split)?;
    let prepared = loader.load(&dataset, &config.data, &splits)?;
    let (names, classes) = (dataset.names(), dataset.classes());
    let task = Task { config, samples: &prepared, names, splits: &splits, classes };
    let indices = task.images_of(Split::Test);
    if indices.is_empty() {
        return Err(Failure::new(FailureKind::BadConfig, "it has no test images; see split.fractions.test"));
    }
    let loss = Loss::new(&config.loss, &task.training_pixels());
    let images = predictor.evaluate(&task, &indices, &loss);
    let epoch = predictor.epoch();
    let rows: Vec<EpochRow> = read_rows(&run.epochs_csv()).map_err(storage)?;
    let rate = rows.iter().find(|row| row.epoch == epoch).map_or(config.train.learning_rate, |row| row.learning_rate);
    let of_image =
        |(&index, figures): (&usize, &ImageFigures)| image_rows(epoch, Split::Test, &names[index], figures, classes);
    Ok(Tested {
        figures: epoch_row(epoch, Split::Test, &images, classes, &loss, rate),
        classes: class_rows(epoch, Split::Test, &images, classes),
        images: indices.iter().zip(&images).flat_map(of_image).collect(),
    })
}
