//! Batches of training images: shuffled and augmented by what is derived from (seed, epoch, image), made ahead in
//! a thread of their own so that no step waits for them.

use std::sync::mpsc::{Receiver, sync_channel};

use rand::seq::SliceRandom;

use super::{augment, crop, samples::Task};
use crate::{
    data::IGNORED,
    domain::{Split, seed},
    loss::Target,
};

/// Batches that are made ahead.
const AHEAD: usize = 3;

/// Some images with their masks.
#[derive(Debug)]
pub struct Batch {
    /// [batch, channels, height, width].
    pub images: Vec<f32>,
    /// The masks.
    pub target: Target,
}

/// One training sample: an image, and which of its crops.
type Draw = (usize, usize);

/// The order of the training samples in `epoch`.
pub fn order(task: &Task<'_>, epoch: usize) -> Vec<Draw> {
    let crops = |image: usize| crop::crops(task.samples.image_size(image), task.samples.size());
    let images = task.images_of(Split::Train).into_iter();
    let mut draws: Vec<Draw> = images.flat_map(|image| (0..crops(image)).map(move |crop| (image, crop))).collect();
    draws.shuffle(&mut seed::generator(task.config.train.init_seed, "order", &[epoch as u64]));
    draws
}

/// Steps of an epoch.
pub fn steps(task: &Task<'_>) -> usize {
    order(task, 1).len().div_ceil(task.config.train.batch_size)
}

/// The samples of one step, each cropped and changed as `epoch` and its number say.
fn batch(task: &Task<'_>, epoch: usize, draws: &[Draw]) -> Batch {
    let (samples, config) = (task.samples, task.config);
    let (channels, window @ [height, width]) = (samples.channels(), samples.size());
    let mut images = Vec::with_capacity(draws.len() * channels * height * width);
    let mut labels = Vec::with_capacity(draws.len() * height * width);
    for &(index, number) in draws {
        let place = [epoch as u64, index as u64, number as u64];
        let (size, image, label) = (samples.image_size(index), images.len(), labels.len());
        let mut first = [0, 0];
        if size != window {
            let random = &mut seed::generator(config.train.init_seed, "crop", &place);
            first = crop::place(random, samples.mask(index), size, window, task.classes.background);
        }
        crop::cut(samples.image(index), size, first, window, 0.0, &mut images);
        crop::cut(samples.mask(index), size, first, window, IGNORED, &mut labels);
        let (image, mask) = (&mut images[image..], &mut labels[label..]);
        augment::apply(&config.augment, config.train.init_seed, &place, image, mask, (channels, window));
    }
    Batch { images, target: Target { labels, shape: [draws.len(), height, width] } }
}

/// Calls `train` with the receiver of the epoch's batches, which another thread makes meanwhile.
pub fn with_batches<R>(task: &Task<'_>, epoch: usize, train: impl FnOnce(Receiver<Batch>) -> R) -> R {
    let order = order(task, epoch);
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(AHEAD);
        scope.spawn(move || {
            for draws in order.chunks(task.config.train.batch_size) {
                // Training that ended early drops its end; nobody wants the rest then.
                if sender.send(batch(task, epoch, draws)).is_err() {
                    break;
                }
            }
        });
        train(receiver)
    })
}
