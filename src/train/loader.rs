//! Batches of training images: shuffled and augmented by what is derived from (seed, epoch, image), made ahead in
//! a thread of their own so that no step waits for them.

use std::sync::mpsc::{Receiver, sync_channel};

use rand::seq::SliceRandom;

use super::{augment, samples::Task};
use crate::{
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

/// The order of the training images in `epoch`.
pub fn order(task: &Task<'_>, epoch: usize) -> Vec<usize> {
    let mut images = task.images_of(Split::Train);
    images.shuffle(&mut seed::generator(task.config.train.init_seed, "order", &[epoch as u64]));
    images
}

/// The images `indices` as they are.
pub fn plain(task: &Task<'_>, indices: &[usize]) -> Batch {
    batch(task, indices, |_, _, _| ())
}

/// The images `indices`, each changed as `epoch` and its index say.
fn augmented(task: &Task<'_>, epoch: usize, indices: &[usize]) -> Batch {
    let (config, shape) = (task.config, (task.samples.channels(), task.samples.size()));
    batch(task, indices, |index, image, mask| {
        let place = [epoch as u64, index as u64];
        augment::apply(&config.augment, config.train.init_seed, place, image, mask, shape);
    })
}

fn batch(task: &Task<'_>, indices: &[usize], change: impl Fn(usize, &mut [f32], &mut [u8])) -> Batch {
    let [height, width] = task.samples.size();
    let mut images = Vec::with_capacity(indices.len() * task.samples.channels() * height * width);
    let mut labels = Vec::with_capacity(indices.len() * height * width);
    for &index in indices {
        let (image, label) = (images.len(), labels.len());
        images.extend_from_slice(task.samples.image(index));
        labels.extend_from_slice(task.samples.mask(index));
        change(index, &mut images[image..], &mut labels[label..]);
    }
    Batch { images, target: Target { labels, shape: [indices.len(), height, width] } }
}

/// Calls `train` with the receiver of the epoch's batches, which another thread makes meanwhile.
pub fn with_batches<R>(task: &Task<'_>, epoch: usize, train: impl FnOnce(Receiver<Batch>) -> R) -> R {
    let order = order(task, epoch);
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(AHEAD);
        scope.spawn(move || {
            for indices in order.chunks(task.config.train.batch_size) {
                // Training that ended early drops its end; nobody wants the rest then.
                if sender.send(augmented(task, epoch, indices)).is_err() {
                    break;
                }
            }
        });
        train(receiver)
    })
}
