//! The end of a training: images.csv from the best and the final epoch, evidence.csv, and panels of three validation
//! images.

use burn::tensor::backend::AutodiffBackend;

use super::{
    Training,
    evaluate::probabilities,
    panel,
    predict::{chosen, read, set_of},
    storage,
};
use crate::{
    domain::{Failure, FailureKind, ImageRow, Split, StateRecord},
    loss::LossOps,
    metrics::labels_of,
    model::{ConvOps, UNet},
    store::{CheckpointSet, create_dir, images_of, write_bytes, write_rows},
};

impl<A> Training<'_, A>
where
    A: AutodiffBackend + ConvOps + LossOps,
    A::InnerBackend: ConvOps,
{
    /// Writes what only a finished training has.
    pub(super) fn finish(&self, state: &StateRecord) -> Result<(), Failure> {
        let last = set_of(self.run, state.checkpoint)?;
        let best = if state.best_epoch > 0 { set_of(self.run, state.best_epoch)? } else { last.clone() };
        let mut rows = images_of(&best).map_err(storage)?;
        if best.epoch != last.epoch {
            rows.extend(images_of(&last).map_err(storage)?);
        }
        write_rows(&self.run.images_csv(), &rows).map_err(storage)?;
        write_rows(&self.run.evidence_csv(), &self.evidence(best.epoch, &self.network_of(&best)?)).map_err(storage)?;
        self.write_panels(state)
    }

    /// The network of a set, as it was trained: norm of frozen layers is not measured anew.
    fn network_of(&self, set: &CheckpointSet) -> Result<UNet<A::InnerBackend>, Failure> {
        let extent = [self.task.samples.channels(), self.loss.classes()];
        self.as_trained(read(set, self.task.config, extent, self.device)?)
    }

    /// Pictures of the worst, the middle and the best validation image of the weights that predictions use.
    fn write_panels(&self, state: &StateRecord) -> Result<(), Failure> {
        let set = chosen(self.run, self.task.config, state)?;
        let ranked = self.ranked(&images_of(&set).map_err(storage)?);
        if ranked.is_empty() {
            return Ok(());
        }
        let extent = [self.task.samples.channels(), self.loss.classes()];
        let model = self.network_of(&set)?;
        create_dir(&self.run.panels()).map_err(storage)?;
        let places = [("worst", 0), ("middle", ranked.len() / 2), ("best", ranked.len() - 1)];
        for (name, place) in places {
            let index = ranked[place];
            let (truth, size) = self.task.samples.native(index);
            let (samples, image_size) = (self.task.samples, self.task.samples.image_size(index));
            let image = [(samples.image(index), image_size)];
            let found = probabilities(&model, &image, extent, samples.size(), self.device);
            let predicted = labels_of(&found.concat(), self.loss.classes(), image_size, size);
            let picture = self.task.samples.picture(index)?;
            let png = panel::png(&picture, truth, &predicted, size, self.task.classes.background)
                .map_err(|e| Failure::new(FailureKind::Storage, format!("failed to encode a panel: {e}")))?;
            let stem =
                self.task.names[index].rsplit_once('.').map_or(self.task.names[index].as_str(), |(stem, _)| stem);
            let path = self.run.panels().join(format!("{name}-{}.png", stem.replace('/', "_")));
            write_bytes(&path, &png).map_err(storage)?;
        }
        Ok(())
    }

    /// Validation images from the worst to the best by the mean Dice of the foreground classes that they have; one
    /// that has none is left out.
    fn ranked(&self, rows: &[ImageRow]) -> Vec<usize> {
        let background = self.task.classes.background.map(|index| &self.task.classes.names[index]);
        let mut scored: Vec<(f64, usize)> = Vec::new();
        for index in self.task.images_of(Split::Val) {
            let of_image = rows.iter().filter(|row| row.image == self.task.names[index]);
            let dice: Vec<f64> =
                of_image.filter(|row| Some(&row.class) != background).filter_map(|row| row.dice).collect();
            if !dice.is_empty() {
                scored.push((dice.iter().sum::<f64>() / dice.len() as f64, index));
            }
        }
        scored.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        scored.into_iter().map(|(_, index)| index).collect()
    }
}
