//! The figures of a split in evaluation mode: no dropout, running statistics, masks at their own size.

use burn::prelude::*;
use rayon::prelude::*;

use super::{crop, samples::Task};
use crate::{
    loss::{Loss, softmax},
    metrics::{ImageFigures, figures_of},
    model::{ConvOps, UNet, weights::floats},
};

/// Figures of the images `indices`, in their order.
pub fn evaluate<B: ConvOps>(
    model: &UNet<B>,
    task: &Task<'_>,
    indices: &[usize],
    loss: &Loss,
    device: &B::Device,
) -> Vec<ImageFigures> {
    each(model, task, indices, device, |index, probabilities| {
        let (mask, mask_size) = task.samples.native(index);
        figures_of(probabilities, task.samples.image_size(index), mask, mask_size, loss)
    })
}

/// What `look` makes of each of the images `indices` and its probabilities [classes, height, width], in their order.
pub fn each<B: ConvOps, T: Send>(
    model: &UNet<B>,
    task: &Task<'_>,
    indices: &[usize],
    device: &B::Device,
    look: impl Fn(usize, &[f32]) -> T + Sync,
) -> Vec<T> {
    let samples = task.samples;
    let extent = [samples.channels(), task.classes.len()];
    let looked = indices.chunks(task.config.train.batch_size).flat_map(|indices| {
        let images: Vec<_> = indices.iter().map(|&i| (samples.image(i), samples.image_size(i))).collect();
        let found = probabilities(model, &images, extent, samples.size(), device);
        found.into_par_iter().zip(indices).map(|(found, &index)| look(index, &found)).collect::<Vec<_>>()
    });
    looked.collect()
}

/// Probabilities [classes, height, width] of each image [channels, height, width] at its size: the network's whole
/// view, or the weighted mean over overlapping windows where the image is of another size.
pub fn probabilities<B: ConvOps>(
    model: &UNet<B>,
    images: &[(&[f32], [usize; 2])],
    [channels, classes]: [usize; 2],
    window: [usize; 2],
    device: &B::Device,
) -> Vec<Vec<f32>> {
    let views: Vec<(usize, [usize; 2])> = images
        .iter()
        .enumerate()
        .flat_map(|(index, (_, size))| crop::windows(*size, window).into_iter().map(move |first| (index, first)))
        .collect();
    let mut sums: Vec<Sum> = images.iter().map(|(_, size)| Sum::new(*size, classes)).collect();
    for views in views.chunks(images.len()) {
        let mut values = Vec::new();
        for (index, first) in views {
            let (image, size) = images[*index];
            crop::cut(image, size, *first, window, 0.0, &mut values);
        }
        let values = TensorData::new(values, [views.len(), channels, window[0], window[1]]);
        let logits = model.forward_evaluate(Tensor::from_data(values, device));
        let mut logits = floats(logits);
        let parts = logits.par_chunks_mut(classes * window[0] * window[1]);
        parts.for_each(|logits| softmax(logits, classes));
        for (part, (index, first)) in logits.chunks(classes * window[0] * window[1]).zip(views) {
            sums[*index].add(part, *first, window);
        }
    }
    sums.into_iter().map(Sum::mean).collect()
}

/// Weighted sums of the windows of one image.
struct Sum {
    size: [usize; 2],
    values: Vec<f32>,
    weights: Vec<f32>,
}

impl Sum {
    fn new(size: [usize; 2], classes: usize) -> Self {
        let pixels = size[0] * size[1];
        Self { size, values: vec![0.0; classes * pixels], weights: vec![0.0; pixels] }
    }

    fn add(&mut self, part: &[f32], first: [usize; 2], window: [usize; 2]) {
        let [height, width] = self.size;
        if self.size == window {
            self.values.copy_from_slice(part);
            self.weights.fill(1.0);
            return;
        }
        for row in 0..window[0].min(height - first[0]) {
            for column in 0..window[1].min(width - first[1]) {
                let weight = crop::weight(row, window[0]) * crop::weight(column, window[1]);
                let at = (first[0] + row) * width + first[1] + column;
                self.weights[at] += weight;
                for (class, plane) in part.chunks(window[0] * window[1]).enumerate() {
                    self.values[class * height * width + at] += weight * plane[row * window[1] + column];
                }
            }
        }
    }

    fn mean(mut self) -> Vec<f32> {
        for plane in self.values.chunks_mut(self.weights.len()) {
            plane.iter_mut().zip(&self.weights).for_each(|(value, weight)| *value /= weight);
        }
        self.values
    }
}
