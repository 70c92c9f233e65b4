//! What a checkpoint set holds of the trainer: `model.safetensors` (weights and running statistics by name) and
//! `optimizer.safetensors`. All other state is derived from the epoch's number.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use burn::tensor::backend::AutodiffBackend;

use super::optimizer::Optimizer;
use crate::{
    domain::{Failure, FailureKind},
    model::{ConvOps, UNet, weights},
    store::CheckpointSet,
};

const MODEL: &str = "model.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";

/// Writes the trainer's files into a set's `folder`.
///
/// # Errors
/// If the system refuses.
pub fn write<A: AutodiffBackend + ConvOps>(
    folder: &Path,
    model: &UNet<A>,
    optimizer: &Optimizer<A::InnerBackend>,
) -> io::Result<()>
where
    A::InnerBackend: ConvOps,
{
    let model = weights::collect(model).and_then(|arrays| weights::to_bytes(&arrays)).map_err(io::Error::other)?;
    fs::write(folder.join(MODEL), model)?;
    fs::write(folder.join(OPTIMIZER), weights::to_bytes(&optimizer.state()).map_err(io::Error::other)?)
}

/// The network with the set's weights.
///
/// # Errors
/// If the file cannot be read or does not fit.
pub fn read_model<B: ConvOps>(set: &CheckpointSet, fresh: UNet<B>) -> Result<UNet<B>, Failure> {
    let path = set.folder.join(MODEL);
    weights::load::<B, _>(fresh, &read(&path)?).map_err(|e| corrupt(&path, e))
}

/// The optimiser with the set's memory.
///
/// # Errors
/// If the file cannot be read or is no such memory.
pub fn read_optimizer<B: ConvOps>(
    set: &CheckpointSet,
    fresh: Optimizer<B>,
    device: &B::Device,
) -> Result<Optimizer<B>, Failure> {
    let path = set.folder.join(OPTIMIZER);
    fresh.with_state(&read(&path)?, device).ok_or_else(|| corrupt(&path, "it is no optimiser's state"))
}

/// Weights and running statistics by name.
///
/// # Errors
/// If the file cannot be read.
pub fn read_arrays(set: &CheckpointSet) -> Result<weights::Arrays, Failure> {
    read(&set.folder.join(MODEL))
}

/// Input channels and classes of the set's network.
///
/// # Errors
/// If the file cannot be read or is no network.
pub fn extent(set: &CheckpointSet) -> Result<[usize; 2], Failure> {
    let path = set.folder.join(MODEL);
    let arrays = read(&path)?;
    let side = |name: &str, axis: usize| arrays.get(name).and_then(|array| array.shape.get(axis)).copied();
    let extent = side("encoder.0.first.weight", 1).zip(side("head.bias", 0));
    extent.map(Into::into).ok_or_else(|| corrupt(&path, "it holds no U-Net"))
}

fn read(path: &PathBuf) -> Result<weights::Arrays, Failure> {
    let bytes = fs::read(path).map_err(|e| corrupt(path, e))?;
    weights::from_bytes(&bytes).map_err(|e| corrupt(path, e))
}

fn corrupt(path: &Path, reason: impl std::fmt::Display) -> Failure {
    let message = format!("{} cannot be used: {reason}; delete the run's folder to train it anew", path.display());
    Failure::new(FailureKind::CorruptCheckpoint, message)
}
