//! split.csv of the runs that outside trainers are to train: which image is used for what.

use super::exit::Refusal;
use crate::{
    data::{self, Dataset},
    domain::{SplitConfig, SplitRow},
    plan::Plan,
    store::write_derived_rows,
    worker::split_rows,
};

/// Writes it for each pending run that has none yet. The built-in trainer writes its own.
pub fn write(plan: &Plan, dataset: &Dataset) -> Result<(), Refusal> {
    let mut dealt: Vec<(&SplitConfig, Vec<SplitRow>)> = Vec::new();
    for entry in plan.pending().filter(|entry| entry.config.trainer.is_some()) {
        let (split, path) = (&entry.config.split, plan.run_dir(entry).split_csv());
        if path.exists() {
            continue;
        }
        let known = dealt.iter().position(|(known, _)| *known == split);
        let place = match known {
            Some(place) => place,
            None => {
                dealt.push((split, split_rows(dataset, &data::assign(dataset, split)?)));
                dealt.len() - 1
            }
        };
        write_derived_rows(&path, &dealt[place].1)?;
    }
    Ok(())
}
