//! Loss and gradient of a batch of logits in two passes over the host's memory.

use rayon::prelude::*;

use super::{
    IGNORED, ImageSums, Loss,
    sums::{floored, image_sums, softmax},
};

/// The loss of `logits` [batch, classes, pixels] against `labels` [batch, pixels], and its gradient by the logits,
/// written over them.
pub fn loss_and_gradient(loss: &Loss, logits: &mut [f32], labels: &[u8], batch: usize) -> f64 {
    let classes = loss.classes();
    let (image, pixels) = (logits.len() / batch, labels.len() / batch);
    let sums: Vec<ImageSums> = logits
        .par_chunks_mut(image)
        .zip(labels.par_chunks(pixels))
        .map(|(values, labels)| {
            softmax(values, classes);
            image_sums(values, labels, classes, loss.gamma())
        })
        .collect();
    let slopes = loss.slopes(&sums);
    let surprise: Vec<f32> = slopes.surprise.iter().map(|s| *s as f32).collect();
    let images = logits.par_chunks_mut(image).zip(labels.par_chunks(pixels));
    images.zip(slopes.hit.par_iter().zip(&slopes.all)).for_each(|((values, labels), (hit, all))| {
        let to_f32 = |slopes: &[f64]| slopes.iter().map(|s| *s as f32).collect::<Vec<_>>();
        through_softmax(values, labels, &to_f32(hit), &to_f32(all), &surprise, loss);
    });
    loss.value(&sums).unwrap_or(0.0)
}

/// From probabilities [classes, pixels] to the gradient by the logits, in place.
fn through_softmax(values: &mut [f32], labels: &[u8], hit: &[f32], all: &[f32], surprise: &[f32], loss: &Loss) {
    let pixels = labels.len();
    let mut mean = vec![0f32; pixels];
    for (class, plane) in values.chunks(pixels).enumerate() {
        for ((mean, p), label) in mean.iter_mut().zip(plane).zip(labels) {
            *mean += p * (all[class] + if usize::from(*label) == class { hit[class] } else { 0.0 });
        }
    }
    let pull: Vec<f32> = if loss.has_surprise() {
        let gamma = loss.gamma() as f32;
        let pull = |(pixel, label): (usize, &u8)| match surprise.get(usize::from(*label)) {
            Some(weight) => weight * surprise_slope(values[usize::from(*label) * pixels + pixel], gamma),
            None => 0.0,
        };
        labels.iter().enumerate().map(pull).collect()
    } else {
        vec![0.0; pixels]
    };
    for (class, plane) in values.chunks_mut(pixels).enumerate() {
        for (((p, mean), pull), label) in plane.iter_mut().zip(&mean).zip(&pull).zip(labels) {
            let own = if usize::from(*label) == class { 1.0 } else { 0.0 };
            let g = *p * (all[class] + own * hit[class] - mean) + pull * (own - *p);
            *p = if *label == IGNORED { 0.0 } else { g };
        }
    }
}

/// p times the derivative of −(1 − p)^γ ln p.
fn surprise_slope(p: f32, gamma: f32) -> f32 {
    if gamma == 0.0 {
        return -1.0;
    }
    let p = floored(p);
    let rest = floored(1.0 - p);
    gamma * rest.powf(gamma - 1.0) * p * p.ln() - rest.powf(gamma)
}
