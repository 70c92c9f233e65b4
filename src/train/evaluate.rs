//! The figures of a split in evaluation mode: no dropout, running statistics, masks at their own size.

use burn::prelude::*;
use rayon::prelude::*;

use super::{loader, samples::Task};
use crate::{
    loss::Loss,
    metrics::{ImageFigures, figures_of},
    model::{ConvOps, UNet},
};

/// Figures of the images `indices`, in their order.
pub fn evaluate<B: ConvOps>(
    model: &UNet<B>,
    task: &Task<'_>,
    indices: &[usize],
    loss: &Loss,
    device: &B::Device,
) -> Vec<ImageFigures> {
    let size = task.samples.size();
    let batches = indices.chunks(task.config.train.batch_size);
    batches
        .flat_map(|indices| {
            let mut logits = logits(model, task, indices, device);
            let images = logits.par_chunks_mut(loss.classes() * size[0] * size[1]).zip(indices);
            let figures = images.map(|(logits, &index)| {
                let (mask, mask_size) = task.samples.native(index);
                figures_of(logits, size, mask, mask_size, loss)
            });
            figures.collect::<Vec<_>>()
        })
        .collect()
}

/// Logits [images, classes, height, width] of the images `indices`.
pub fn logits<B: ConvOps>(model: &UNet<B>, task: &Task<'_>, indices: &[usize], device: &B::Device) -> Vec<f32> {
    let [height, width] = task.samples.size();
    let images = loader::plain(task, indices).images;
    let images = TensorData::new(images, [indices.len(), task.samples.channels(), height, width]);
    let logits = model.forward_evaluate(Tensor::from_data(images, device));
    logits.into_data().convert::<f32>().iter().collect()
}
