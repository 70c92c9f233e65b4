//! The small version of the seed question tells its story: a fine pooled score, a bad macro score, jumping curves, and
//! what a stratified split changes, in the first lines.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

mod common;

use common::{call, expect_code, said};
use sweepscope::{
    domain::{EpochRow, Split},
    store::{RunDir, read_rows},
};

#[test]
fn the_first_lines_say_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let sweep = concat!(env!("CARGO_MANIFEST_DIR"), "/sweeps/seed-question-small.toml");
    let [images, masks] = ["images", "masks"].map(|part| format!("data.{part}={}/data/{part}", folder.display()));
    // Half of it, so that the test takes seconds.
    let less = ["grid.learning_rate=1e-2", "grid.split_seed=0,1", "train.epochs=16"];
    let output = call(folder, &[&["run", sweep, &images, &masks], less.as_slice()].concat());
    expect_code(&output, 0);
    let text = said(&output);
    for part in
        ["The pooled score hides a class", "fibre is not", "The validation curves jump in", "Stratified, train and val"]
    {
        assert!(text.contains(part), "no \"{part}\" in\n{text}");
    }
    let runs = std::fs::read_dir(folder.join("results/seed-question-small/runs")).unwrap();
    for run in runs.map(|entry| RunDir::new(entry.unwrap().path())) {
        let best = run.read_state().unwrap().best_epoch;
        let rows: Vec<EpochRow> = read_rows(&run.epochs_csv()).unwrap();
        let row = rows.iter().find(|row| row.epoch == best && row.split == Split::Val).unwrap();
        let (pooled, macro_dice) = (row.dice_coef.unwrap(), row.dice_macro.unwrap());
        assert!(pooled >= 0.85 && macro_dice <= pooled - 0.2, "{pooled} and {macro_dice}");
    }
}
