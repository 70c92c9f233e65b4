//! Where the pixels of each true class went, from evidence.csv at the best epoch.

use super::{aggregate::Sweep, evidence::Evidence};
use crate::domain::Split;

/// For each true class the share of its val pixels that was predicted as each class, over the runs together; `None` for
/// a class that val does not have. Nothing where no run recorded it.
pub fn shares<'e>(sweep: &Sweep, runs: impl Iterator<Item = &'e Evidence<'e>>) -> Option<Vec<Vec<Option<f64>>>> {
    let place = |name: &str| sweep.classes.iter().position(|class| class == name);
    let mut pixels = vec![vec![0.0; sweep.classes.len()]; sweep.classes.len()];
    for evidence in runs {
        for (truth, predicted, count) in evidence.extra(Split::Val, "confusion") {
            if let Some((truth, predicted)) = place(truth).zip(place(predicted)) {
                pixels[truth][predicted] += count;
            }
        }
    }
    let share = |row: &Vec<f64>| {
        let total: f64 = row.iter().sum();
        row.iter().map(|count| (total > 0.0).then(|| count / total)).collect()
    };
    let rows: Vec<Vec<Option<f64>>> = pixels.iter().map(share).collect();
    rows.iter().flatten().any(Option::is_some).then_some(rows)
}
