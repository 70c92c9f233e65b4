//! evidence.csv: what the diagnosis needs beyond the tables of the epochs, measured once at the end of the run with
//! the best epoch's weights, so that no epoch pays for it.

use burn::{prelude::*, tensor::backend::AutodiffBackend};
use rayon::prelude::*;

use super::{
    Training,
    alike::alike,
    evaluate::{each, evaluate},
    loader,
};
use crate::{
    data::{
        IGNORED,
        audit::{self, Scaled},
    },
    domain::{EvidenceRow, Norm, Split},
    loss::LossOps,
    metrics::{Bin, Certainty, ImageFigures, at_size, epoch_row, exchanged, figures_at_size},
    model::{ConvOps, UNet},
};

/// The rows of one split.
struct Rows {
    epoch: usize,
    split: Split,
    rows: Vec<EvidenceRow>,
}

impl Rows {
    /// Adds a figure; one that is not defined has no row.
    fn add(&mut self, figure: &str, class: &str, other: &str, value: impl Into<Option<f64>>) {
        let (epoch, split) = (self.epoch, self.split);
        let (figure, class, other) = (figure.to_owned(), class.to_owned(), other.to_owned());
        self.rows.extend(value.into().map(|value| EvidenceRow { epoch, split, figure, class, other, value }));
    }
}

impl<A> Training<'_, A>
where
    A: AutodiffBackend + ConvOps + LossOps,
    A::InnerBackend: ConvOps,
{
    /// The rows of evidence.csv for `model`, the network after `epoch`.
    pub(super) fn evidence(&self, epoch: usize, model: &UNet<A::InnerBackend>) -> Vec<EvidenceRow> {
        let of = |split| {
            let mut rows = Rows { epoch, split, rows: Vec::new() };
            if split != Split::Test {
                self.predictions(model, &mut rows);
                self.scaling(&mut rows);
            }
            if split == Split::Val {
                self.batch_norm(model, &mut rows);
            }
            if split != Split::Train {
                self.leaks(&mut rows);
            }
            rows.rows
        };
        [Split::Train, Split::Val, Split::Test].into_iter().flat_map(of).collect()
    }

    /// Soft Dice, confusion, entropy, calibration, and images whose classes seem exchanged.
    fn predictions(&self, model: &UNet<A::InnerBackend>, rows: &mut Rows) {
        let (task, names) = (&self.task, &self.task.classes.names);
        let indices = task.images_of(rows.split);
        let look = |index: usize, probabilities: &[f32]| {
            let (mask, size) = task.samples.native(index);
            let probabilities = at_size(probabilities, task.samples.image_size(index), size);
            let certainty = Certainty::of(&probabilities, mask, task.classes.background);
            (figures_at_size(&probabilities, mask, &self.loss), certainty)
        };
        let (images, sure): (Vec<ImageFigures>, Vec<Certainty>) =
            each(model, task, &indices, self.device, look).into_iter().unzip();
        for (class, name) in names.iter().enumerate() {
            rows.add("soft_dice", name, "", soft_dice(&images, class));
        }
        for (truth, name) in names.iter().enumerate() {
            for (predicted, other) in names.iter().enumerate() {
                let cell = truth * names.len() + predicted;
                let pixels: u64 = images.iter().map(|image| image.confusion[cell]).sum();
                rows.add("confusion", name, other, pixels as f64);
            }
        }
        let mut whole = Certainty::default();
        sure.into_iter().for_each(|certainty| whole += certainty);
        rows.add("entropy", "", "", whole.mean_entropy());
        rows.add("ece", "", "", whole.calibration_error());
        for (place, bin) in whole.bins.iter().enumerate().filter(|(_, bin)| bin.pixels > 0) {
            let (&Bin { pixels, hits, confidence }, number) = (bin, (place + 1).to_string());
            rows.add("bin_pixels", "", &number, pixels as f64);
            rows.add("bin_confidence", "", &number, confidence / pixels as f64);
            rows.add("bin_accuracy", "", &number, hits as f64 / pixels as f64);
        }
        for exchange in exchanged(&images) {
            let [a, b] = exchange.classes.map(|class| &names[class]);
            rows.add("exchanged", &task.names[indices[exchange.image]], &format!("{a} and {b}"), exchange.share);
        }
    }

    /// What scaling to the network's input does to each class; where images keep their size, nothing.
    fn scaling(&self, rows: &mut Rows) {
        let (task, classes) = (&self.task, self.loss.classes());
        let indices = task.images_of(rows.split);
        let of_image = |&index: &usize| {
            let ((mask, size), seen) = (task.samples.native(index), task.samples.image_size(index));
            if size != seen {
                return audit::scaled(mask, size, seen, classes);
            }
            let mut same = vec![Scaled::default(); classes];
            mask.iter().filter(|label| **label != IGNORED).for_each(|label| same[usize::from(*label)].counts.tp += 1);
            same
        };
        let step = indices.len().div_ceil(audit::MOST).max(1);
        let scaled: Vec<_> = indices.par_iter().step_by(step).map(of_image).collect();
        let mut whole = vec![Scaled::default(); classes];
        for image in scaled {
            whole.iter_mut().zip(image).for_each(|(sum, scaled)| *sum += scaled);
        }
        for (name, scaled) in task.classes.names.iter().zip(whole) {
            rows.add("resize_ceiling", name, "", scaled.ceiling());
            rows.add("resize_lost", name, "", scaled.lost_share());
        }
    }

    /// The score with running statistics measured anew over the training batches of the epoch.
    fn batch_norm(&self, model: &UNet<A::InnerBackend>, rows: &mut Rows) {
        let task = &self.task;
        if task.config.model.norm != Norm::Batch {
            return;
        }
        let anew = loader::with_batches(task, rows.epoch, |batches| {
            let images = batches.into_iter().map(|batch| {
                let [count, height, width] = batch.target.shape;
                let shape = [count, task.samples.channels(), height, width];
                Tensor::from_data(TensorData::new(batch.images, shape), self.device)
            });
            model.measured_anew(images)
        });
        let images = evaluate(&anew, task, &task.images_of(rows.split), &self.loss, self.device);
        let row = epoch_row(rows.epoch, rows.split, &images, task.classes, &self.loss, 0.0);
        rows.add("precise_bn_dice_macro", "", "", row.dice_macro);
    }

    /// Images that are, or look like, a training image.
    fn leaks(&self, rows: &mut Rows) {
        let names = self.task.names;
        for found in alike(&self.task, rows.split) {
            let (figure, bits) = if found.same { ("same_image", 0) } else { ("similar_image", found.bits) };
            rows.add(figure, &names[found.image], &names[found.other], f64::from(bits));
        }
    }
}

/// 2·Σtp / (Σt + Σp) of a class; `None` where no image has it.
fn soft_dice(images: &[ImageFigures], class: usize) -> Option<f64> {
    let sums = images.iter().map(|image| image.sums[class]);
    let (hits, truth, all) = sums.fold((0.0, 0.0, 0.0), |(hits, truth, all), sums| {
        (hits + sums.intersection, truth + sums.truth, all + sums.truth + sums.predicted)
    });
    (truth > 0.0).then(|| 2.0 * hits / all)
}
