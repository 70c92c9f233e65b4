//! Masks: from one file or several to class indices.

mod coding;
mod tally;

use std::path::{Path, PathBuf};

use super::{
    error::{Cause, DataError, DataErrors, Problems},
    pairing::MaskFiles,
    raster::{self, Raster},
};

pub(super) use coding::Coding;

/// The label of a pixel that no figure counts and no loss sees.
pub const IGNORED: u8 = 255;

/// Page `page` of a mask as labels, [height, width] of its image.
///
/// # Errors
/// Every file of it that cannot be read, is of another size, holds what stands for no class or contradicts another.
pub(super) fn read(files: &MaskFiles, page: usize, size: [usize; 2], coding: &Coding) -> Result<Vec<u8>, DataErrors> {
    match (files, coding) {
        (MaskFiles::One(path), coding) => Ok(one(path, page, size, coding)?),
        (MaskFiles::Objects(paths), Coding::Objects { absent, .. }) => objects(paths, page, size, coding, *absent),
        (MaskFiles::Classes(paths), Coding::Layers { labels, fill }) => layers(paths, page, size, labels, *fill),
        // Files and coding follow from the same setting.
        _ => Ok(Vec::new()),
    }
}

fn one(path: &Path, page: usize, size: [usize; 2], coding: &Coding) -> Result<Vec<u8>, DataError> {
    let raster = read_raster(path, page, size)?;
    coding.labels(&raster).map_err(|cause| DataError::new(path, cause))
}

fn read_raster(path: &Path, page: usize, size: [usize; 2]) -> Result<Raster, DataError> {
    let fail = |cause| DataError::new(path, cause);
    if raster::is_jpeg(path) {
        return Err(fail(Cause::JpegMask));
    }
    let raster = raster::read(path, page).map_err(fail)?;
    if raster.size != size {
        return Err(fail(Cause::Size(raster.size[0], raster.size[1], size[0], size[1])));
    }
    Ok(raster)
}

/// The union of the objects' masks.
fn objects(
    paths: &[PathBuf],
    page: usize,
    size: [usize; 2],
    coding: &Coding,
    absent: u8,
) -> Result<Vec<u8>, DataErrors> {
    let mut problems = Problems::default();
    let mut labels = vec![absent; size[0] * size[1]];
    for path in paths {
        let object = problems.keep(one(path, page, size, coding)).unwrap_or_default();
        labels.iter_mut().zip(object).filter(|(_, of)| *of != absent).for_each(|(label, of)| *label = of);
    }
    problems.or(labels)
}

/// The classes' masks laid over each other; no pixel may be claimed twice.
fn layers(
    paths: &[(usize, PathBuf)],
    page: usize,
    size: [usize; 2],
    labels: &[u8],
    fill: Option<u8>,
) -> Result<Vec<u8>, DataErrors> {
    let mut problems = Problems::default();
    let mut claimed: Vec<Option<u8>> = vec![None; size[0] * size[1]];
    for (class, path) in paths {
        let strengths = read_raster(path, page, size)
            .and_then(|raster| coding::strengths(&raster).map_err(|cause| DataError::new(path, cause)));
        let Some(strengths) = problems.keep(strengths) else { continue };
        let label = labels[*class];
        let mut twice = 0;
        for (claim, strength) in claimed.iter_mut().zip(strengths) {
            if strength != 0.0 {
                twice += usize::from(claim.is_some_and(|other| other != label));
                *claim = Some(label);
            }
        }
        if twice > 0 {
            problems.add(path, Cause::Layers(format!("{twice} pixels are another class already")));
        }
    }
    let unclaimed = claimed.iter().filter(|claim| claim.is_none()).count();
    if let (1.., None, Some((_, path))) = (unclaimed, fill, paths.first()) {
        problems.add(path, Cause::Layers(format!("{unclaimed} pixels are in no class's mask")));
    }
    problems.or(claimed.into_iter().map(|claim| claim.or(fill).unwrap_or(IGNORED)).collect())
}
