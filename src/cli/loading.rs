//! From a sweep file to a checked plan: the way that `plan`, `run` and `resume` share.

use std::path::{Path, PathBuf};

use super::{console, exit::Refusal};
use crate::{
    data::{self, Cache, Dataset, synth},
    domain::{RunConfig, Split, SplitConfig},
    grid,
    plan::Plan,
    spec::SweepSpec,
    store::SweepDir,
};

/// A sweep file, the plan it makes, and where they came from.
pub struct Loaded {
    /// The checked sweep file.
    pub spec: SweepSpec,
    /// The cells against the disk.
    pub plan: Plan,
}

/// Where the results of a sweep go.
pub enum Place<'a> {
    /// In the folder of the sweep's name below this one.
    Below(&'a Path),
    /// Here.
    At(&'a Path),
}

/// Reads and checks the sweep file and holds its grid against the disk. Data are only fingerprinted; with a `cache`,
/// files that did not change are not even read.
pub fn load(file: &Path, overrides: &[String], place: &Place<'_>, cache: Option<&Cache>) -> Result<Loaded, Refusal> {
    let spec = SweepSpec::read(file, overrides)?;
    let cells = grid::expand(&spec)?;
    let mut warnings = spec.warnings.clone();
    warnings.0.extend(grid::idle_excludes(&spec).0);
    if !warnings.is_empty() {
        console::note(&warnings.render(true, console::color()));
    }
    let sweep = SweepDir::new(match place {
        Place::Below(results) => results.join(&spec.name),
        Place::At(folder) => folder.to_path_buf(),
    });
    let first = &cells[0].config;
    let fingerprint = match cache {
        Some(cache) => cache.fingerprint(&first.data, &first.split),
        None => data::fingerprint(&first.data, &first.split),
    };
    // Files that do not pair are one fault of several: opening finds all the others too.
    let fingerprint = fingerprint.map_err(|errors| Dataset::open(&first.data).err().unwrap_or(errors))?;
    let mut plan = Plan::new(sweep, cells, fingerprint)?;
    if spec.schedule.early_end.is_none() {
        plan.resume_ended_early();
    }
    Ok(Loaded { plan, spec })
}

/// The folder in which a sweep that asks for synthetic images does not have them yet.
pub fn missing_synthetic(file: &Path, overrides: &[String]) -> Result<Option<PathBuf>, Refusal> {
    let spec = SweepSpec::read(file, overrides)?;
    let images = spec.base.get("data").and_then(|data| data.get("images")).and_then(toml::Value::as_str);
    let missing = images.map(PathBuf::from).filter(|images| spec.synthetic && !images.exists());
    Ok(missing.and_then(|images| images.parent().map(Path::to_owned)))
}

/// Makes the synthetic images of a sweep that asks for them, where they are not there yet.
pub fn make_synthetic(file: &Path, overrides: &[String]) -> Result<(), Refusal> {
    let Some(folder) = missing_synthetic(file, overrides)? else { return Ok(()) };
    let options = synth::Options::default();
    synth::write(&folder, options)?;
    console::note(&format!("made {} in {}", console::count(options.images, "synthetic image"), folder.display()));
    Ok(())
}

/// Opens and checks every image and mask, and deals each split that a pending run needs.
pub fn check_data(plan: &Plan, cache: Option<&Cache>) -> Result<Option<Dataset>, Refusal> {
    let Some(first) = plan.pending().next() else { return Ok(None) };
    let data = &first.config.data;
    let dataset = cache.map_or_else(|| Dataset::open(data), |cache| cache.open(data))?;
    for (split, largest) in splits(plan) {
        let dealt = data::assign(&dataset, split)?;
        check_batch(split, largest, dealt.iter().filter(|split| **split == Split::Train).count())?;
    }
    Ok(Some(dataset))
}

/// Each split that pending runs need, with the largest batch that one of them takes from it.
pub fn splits(plan: &Plan) -> Vec<(&SplitConfig, usize)> {
    let mut splits: Vec<(&SplitConfig, usize)> = Vec::new();
    for RunConfig { split, train, .. } in plan.pending().map(|entry| &entry.config) {
        // Runs of one split mostly follow one another.
        match splits.iter_mut().rev().find(|(known, _)| *known == split) {
            Some((_, largest)) => *largest = (*largest).max(train.batch_size),
            None => splits.push((split, train.batch_size)),
        }
    }
    splits
}

/// A batch larger than the training split would change the setting without a word.
fn check_batch(split: &SplitConfig, largest: usize, images: usize) -> Result<(), Refusal> {
    if largest <= images {
        return Ok(());
    }
    Err(Refusal::wrong(format!(
        "batch_size {largest} is larger than the {images} training images of split seed {}; use a smaller one",
        split.seed
    )))
}
