//! `compare`: settings are found however they are written, paired on the same splits, and refused with a reason.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

#[path = "support/sweep.rs"]
mod sweep;

use sweep::Fake;
use sweepscope::{
    report::compare::{self, CompareError, Comparison},
    store::SweepDir,
};

fn compared(a: &str, b: &str) -> Result<Comparison, CompareError> {
    let folder = tempfile::tempdir().unwrap();
    let sweep = SweepDir::new(folder.path().join("made-up"));
    let runs = Fake { epochs: 8, split_seeds: 4, ..Fake::default() }.write(sweep.root());
    compare::compare(&sweep, &runs, a, b)
}

#[test]
fn a_large_effect_is_seen_on_every_split_and_with_its_sign() {
    let forth = compared("learning_rate=1e-3", "learning_rate=0.0001").unwrap();
    assert_eq!((forth.pairs, forth.splits, forth.superiority), (8, 4, 1.0));
    assert!(forth.p.unwrap() < 0.05 && forth.interval.unwrap()[0] > 0.0);
    assert!(forth.verdict.starts_with("learning_rate=1e-3 is better"), "{}", forth.verdict);
    assert!((forth.mean_a - forth.mean_b - forth.difference).abs() < 1e-12);
    let back = compared("learning_rate=1e-4", "learning_rate=0.001").unwrap();
    assert_eq!((back.difference, back.superiority), (-forth.difference, 0.0));
    assert!(back.verdict.starts_with("learning_rate=0.001 is better"), "{}", back.verdict);
}

#[test]
fn a_setting_against_itself_is_not_told_apart() {
    let same = compared("batch_size=4", "batch_size=4").unwrap();
    assert_eq!((same.difference, same.superiority, same.p), (0.0, 0.5, Some(1.0)));
    assert!(same.verdict.starts_with("They cannot be told apart"), "{}", same.verdict);
}

#[test]
fn what_is_no_setting_is_refused_with_what_there_is() {
    let text = |a: &str| compared(a, "batch_size=4").unwrap_err().to_string();
    assert!(text("lr=1").contains("its axes are learning_rate, batch_size, input_size and split_seed"));
    assert!(text("learning_rate=1").contains("learning_rate has 1e-4 and 1e-3"), "{}", text("learning_rate=1"));
    assert!(text("fast").contains("neither a run"));
}

#[test]
fn settings_that_name_other_axes_are_refused_and_lose_no_run() {
    let text = compared("learning_rate=1e-3", "learning_rate=1e-4,batch_size=4").unwrap_err().to_string();
    assert!(text.starts_with("learning_rate=1e-3 stands for several runs"), "{text}");
    assert!(compared("learning_rate=1e-3,batch_size=9", "learning_rate=1e-4,batch_size=4").is_ok());
}

/// The advice on the page of a sweep in which some seeds of the worse setting have not begun.
#[test]
fn a_sweep_under_way_says_which_settings_are_behind_already() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = SweepDir::new(folder.path().join("made-up"));
    let fake = Fake { epochs: 8, split_seeds: 6, batch_sizes: vec![4], rate_effect: 0.3, ..Fake::default() };
    let runs = fake.write(sweep.root());
    let late = runs.iter().find(|run| run.contains("1e-4") && run.contains("split_seed=5")).unwrap();
    let (run, file) = (sweep.run(late), sweep.run(late).run_toml());
    let settings = std::fs::read(&file).unwrap();
    std::fs::remove_dir_all(run.root()).unwrap();
    std::fs::create_dir_all(run.root()).unwrap();
    std::fs::write(file, settings).unwrap();
    let made = sweepscope::report::build(&sweep, &runs).unwrap();
    let open = "1 of 12 runs is still to be done and left out; what is said here may change.";
    assert!(made.lines.iter().any(|line| line.text == open), "{:?}", made.lines);
    let page = std::fs::read_to_string(made.index).unwrap();
    let advice = "One setting is behind the best already";
    let excludes = "[[exclude]]\nlearning_rate = 0.0001\nsplit_seed = 5";
    assert!(page.contains(advice) && page.contains(excludes), "{page}");
}
