//! From a sweep file to a checked plan: the way that `plan`, `run` and `resume` share.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::{Path, PathBuf},
};

use super::{console, exit::Refusal};
use crate::{
    data::{self, Cache, Dataset, synth},
    domain::{RunConfig, Split, SplitConfig},
    grid::{self, Cell},
    model::Freeze,
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
    let weights = weights(&cells)?;
    // Files that do not pair are one fault of several: opening finds all the others too.
    let fingerprint = fingerprint.map_err(|errors| Dataset::open(&first.data).err().unwrap_or(errors))?;
    let plan = Plan::new(sweep, cells, fingerprint, &weights)?;
    let mut loaded = Loaded { plan, spec };
    loaded.take_up_ended_early();
    Ok(loaded)
}

impl Loaded {
    /// Reads again where each run stands: until this process has the sweep's lock, another may run it.
    pub fn read_states(&mut self) -> Result<(), Refusal> {
        self.plan.read_states()?;
        self.take_up_ended_early();
        Ok(())
    }

    fn take_up_ended_early(&mut self) {
        if self.spec.schedule.early_end.is_none() {
            self.plan.resume_ended_early();
        }
    }
}

/// A digest of each file that `model.pretrained` names: other weights make another run.
fn weights(cells: &[Cell]) -> Result<HashMap<PathBuf, String>, Refusal> {
    let files: HashSet<&PathBuf> = cells.iter().filter_map(|cell| cell.config.model.pretrained.as_ref()).collect();
    files.into_iter().map(|file| Ok((file.clone(), data::file_digest(file)?))).collect()
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

/// The images of a sweep, and how they were dealt.
pub struct CheckedData<'a> {
    /// Every image with its mask.
    pub dataset: Dataset,
    /// Each split that pending runs need, with its images of train and of val.
    sizes: Vec<(&'a SplitConfig, [usize; 2])>,
}

impl CheckedData<'_> {
    /// Images of train and of val. A split that only runs which are done have is taken to be as large as another.
    pub fn sizes(&self, split: &SplitConfig) -> [usize; 2] {
        let known = self.sizes.iter().find(|(known, _)| *known == split).or(self.sizes.first());
        known.map_or([0; 2], |(_, sizes)| *sizes)
    }

    /// Validation images for each training image, in the split where they are most.
    pub fn val_share(&self) -> f64 {
        let share = |&(_, [train, val]): &(_, [usize; 2])| val as f64 / train.max(1) as f64;
        self.sizes.iter().map(share).fold(0.0, f64::max)
    }
}

/// Opens and checks every image and mask, and deals each split that a pending run needs.
pub fn check_data<'a>(plan: &'a Plan, cache: Option<&Cache>) -> Result<Option<CheckedData<'a>>, Refusal> {
    let Some(first) = plan.pending().next() else { return Ok(None) };
    let data = &first.config.data;
    let dataset = cache.map_or_else(|| Dataset::open(data), |cache| cache.open(data))?;
    let mut problems: BTreeSet<String> =
        plan.pending().filter_map(|entry| Freeze::new(&entry.config.model).err()).collect();
    let (mut sizes, mut deals) = (Vec::new(), Vec::<(Vec<Split>, Vec<&SplitConfig>)>::new());
    for (split, largest) in splits(plan) {
        let dealt = data::assign(&dataset, split)?;
        let images = |of: Split| dealt.iter().filter(|split| **split == of).count();
        problems.extend(too_large_a_batch(split, largest, images(Split::Train)));
        sizes.push((split, [images(Split::Train), images(Split::Val)]));
        match deals.iter_mut().find(|(known, _)| *known == dealt) {
            Some((_, same)) => same.push(split),
            None => deals.push((dealt, vec![split])),
        }
    }
    if !problems.is_empty() {
        return Err(Refusal::wrong(Vec::from_iter(problems).join("\nerror: ")));
    }
    deals.iter().filter(|(_, same)| same.len() > 1).for_each(|(_, same)| warn_of_the_same(same));
    Ok(Some(CheckedData { dataset, sizes }))
}

/// Says which splits are one and the same.
fn warn_of_the_same(splits: &[&SplitConfig]) {
    let name = |split: &&SplitConfig| match split.folds {
        0 => format!("seed {}", split.seed),
        _ => format!("seed {} fold {}", split.seed, split.fold),
    };
    let names: Vec<String> = splits.iter().map(name).collect();
    console::note(&format!(
        "warning: {} splits are one and the same ({}): they repeat nothing, and what is compared over them looks surer \
         than it is",
        splits.len(),
        names.join(", ")
    ));
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
fn too_large_a_batch(split: &SplitConfig, largest: usize, images: usize) -> Option<String> {
    (largest > images).then(|| {
        let seed = split.seed;
        format!(
            "batch_size {largest} is larger than the {images} training images of split seed {seed}; use a smaller one"
        )
    })
}
