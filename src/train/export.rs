//! A run's network as a safetensors file for other programs.

use serde_json::json;

use super::{checkpoint, predict::chosen, storage};
use crate::{
    data::ClassList,
    domain::{Failure, FailureKind},
    model::weights,
    store::{RunDir, RunFile},
};

/// The weights that a run's predictions use, named as [`weights`] says. The metadata `sweepscope` is a JSON object of
/// what new images need: `classes` (in the order of the logits), `input_size`, `input_mode`, `normalize` as in the
/// sweep file, and `scale` (`shift` and `spread`; null unless all images share one).
///
/// # Errors
/// If the run has no checkpoint or it cannot be read.
pub fn export(run: &RunDir) -> Result<Vec<u8>, Failure> {
    let file = RunFile::read(run).map_err(storage)?;
    let set = chosen(run, &file.config, &run.read_state().map_err(storage)?)?;
    let arrays = checkpoint::read_arrays(&set)?;
    let data = &file.config.data;
    let classes = ClassList::of(data)?.names;
    let about = json!({
        "classes": classes, "input_size": data.input_size.0, "input_mode": data.input_mode,
        "normalize": data.normalize, "scale": file.scale,
    });
    weights::to_bytes_about(&arrays, about.to_string()).map_err(|e| Failure::new(FailureKind::Storage, e))
}
