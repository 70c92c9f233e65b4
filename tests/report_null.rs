//! Settings that do not differ: how often one is called better. And settings that do: how often that is seen.

use std::collections::BTreeMap;

use rand::{RngExt, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use sweepscope::{
    domain::{Counts, EpochRow, RunConfig, RunId, RunState, Split, SplitRow, StateRecord, seed},
    report::{
        aggregate::{Run, Sweep},
        standings::standings,
    },
    store::RunFile,
};

/// A sweep of `settings` settings on `splits` splits. A score is the split's level plus the run's own noise, plus `gain`
/// for the first setting.
fn sweep(settings: usize, splits: usize, gain: f64, random: &mut ChaCha8Rng) -> Sweep {
    let levels: Vec<f64> = (0..splits).map(|_| 0.6 + 0.03 * normal(random)).collect();
    let mut runs = Vec::new();
    for setting in 0..settings {
        for (split, level) in levels.iter().enumerate() {
            let score = level + 0.01 * normal(random) + if setting == 0 { gain } else { 0.0 };
            runs.push(run(setting, split, score));
        }
    }
    Sweep { axes: vec!["learning_rate".into(), "split_seed".into()], runs, ..Sweep::default() }
}

fn run(setting: usize, split: usize, score: f64) -> Run {
    let config = RunConfig::default();
    let axes = [("learning_rate", setting), ("split_seed", split)];
    let axes = axes.map(|(axis, value)| (axis.to_owned(), serde_json::json!(value))).into_iter().collect();
    let file = RunFile { id: RunId::of(&config, ""), fingerprint: String::new(), axes, scale: None, config };
    let row = EpochRow {
        epoch: 1,
        split: Split::Val,
        loss: None,
        accuracy: None,
        dice_coef: None,
        iou_coef: None,
        dice_macro: Some(score),
        iou_macro: None,
        learning_rate: 1e-3,
        images: 20,
    };
    let image = |place: usize| SplitRow {
        image: place.to_string(),
        group: String::new(),
        split: if place < 60 { Split::Train } else { Split::Val },
    };
    Run {
        name: format!("{setting}-{split}"),
        file: Some(file),
        epochs: BTreeMap::from([(Split::Val, vec![row])]),
        split: (0..80).map(image).collect(),
        state: StateRecord { state: RunState::Completed, ..StateRecord::default() },
        ..Run::default()
    }
}

fn normal(random: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0
}

/// How often some setting is said to be worse than the best.
fn claims(settings: usize, splits: usize, gain: f64) -> f64 {
    const REPEATS: usize = 400;
    let claimed = (0..REPEATS).filter(|&repeat| {
        let mut random = seed::generator(7, "test/null", &[settings as u64, splits as u64, repeat as u64]);
        let sweep = sweep(settings, splits, gain, &mut random);
        standings(&sweep).iter().any(|standing| !standing.ties)
    });
    claimed.count() as f64 / REPEATS as f64
}

#[test]
fn of_settings_that_do_not_differ_one_is_called_better_in_at_most_a_twentieth_of_sweeps() {
    let mut said = Vec::new();
    for settings in [2, 4, 8] {
        for splits in [3, 5, 10] {
            said.push((settings, splits, claims(settings, splits, 0.0)));
        }
    }
    assert!(said.iter().all(|(.., share)| *share <= 0.05), "{said:?}");
}

/// Counts of eight runs that differ in their initial weights alone, on the same validation images:
/// [run][image][class], class 0 the background.
type Runs = Vec<Vec<Vec<Counts>>>;

/// Runs on tiles of sandstone (X-ray microscopy) and on the synthetic images, from their images.csv.
const REAL: [(&str, &str); 2] =
    [("sandstone", include_str!("stats/sandstone-runs.csv")), ("synthetic", include_str!("stats/synthetic-runs.csv"))];

/// Reads rows of run, image, class, tp, fp, fn in their order.
fn real(text: &str) -> Runs {
    let mut runs: Runs = Vec::new();
    for line in text.lines().skip(1) {
        let cells: Vec<u64> = line.split(',').filter_map(|cell| cell.parse().ok()).collect();
        let [run, image, _, tp, fp, fn_] = cells[..] else { continue };
        runs.resize(runs.len().max(run as usize + 1), Vec::new());
        let images = &mut runs[run as usize];
        images.resize(images.len().max(image as usize + 1), Vec::new());
        images[image as usize].push(Counts { tp, fp, fn_ });
    }
    runs
}

/// A sweep of settings that are one and the same: on each split half of the images are drawn, and each setting takes
/// another of the runs.
fn null_sweep(runs: &Runs, settings: usize, splits: usize, random: &mut ChaCha8Rng) -> Sweep {
    let mut images: Vec<usize> = (0..runs[0].len()).collect();
    let mut order: Vec<usize> = (0..runs.len()).collect();
    let mut made = Vec::new();
    for split in 0..splits {
        images.shuffle(random);
        order.shuffle(random);
        for setting in 0..settings {
            let of_image = |&image: &usize| &runs[order[setting]][image];
            let drawn: Vec<&Vec<Counts>> = images[..images.len() / 2].iter().map(of_image).collect();
            made.push(run(setting, split, macro_dice(&drawn)));
        }
    }
    Sweep { axes: vec!["learning_rate".into(), "split_seed".into()], runs: made, ..Sweep::default() }
}

fn macro_dice(images: &[&Vec<Counts>]) -> f64 {
    let of_class = |class: usize| {
        let mut sum = Counts::default();
        images.iter().for_each(|image| sum += image[class]);
        sum.dice()
    };
    let dice: Vec<f64> = (1..images[0].len()).filter_map(of_class).collect();
    dice.iter().sum::<f64>() / dice.len() as f64
}

#[test]
fn of_real_runs_of_one_setting_none_is_called_better_in_more_than_a_twentieth_of_sweeps() {
    const REPEATS: usize = 200;
    let mut said = Vec::new();
    for (name, text) in REAL {
        let runs = real(text);
        assert_eq!((runs.len(), runs[0][0].len()), (8, 4));
        for (settings, splits) in [(2, 3), (2, 5), (2, 10), (4, 5), (8, 5)] {
            let claimed = (0..REPEATS).filter(|&repeat| {
                let place = [settings as u64, splits as u64, repeat as u64];
                let sweep = null_sweep(&runs, settings, splits, &mut seed::generator(7, "test/real null", &place));
                standings(&sweep).iter().any(|standing| !standing.ties)
            });
            said.push((name, settings, splits, claimed.count() as f64 / REPEATS as f64));
        }
    }
    assert!(said.iter().all(|(.., share)| *share <= 0.05), "{said:?}");
}

#[test]
fn a_setting_that_is_better_by_far_is_called_so() {
    let seen = claims(4, 5, 0.08);
    assert!(seen > 0.9, "{seen}");
}

#[test]
fn the_best_of_one_split_is_never_called_better() {
    let mut random = seed::generator(1, "test/null", &[]);
    let sweep = sweep(5, 1, 0.5, &mut random);
    let ranked = standings(&sweep);
    assert_eq!(ranked[0].cell.setting, ["0"]);
    assert!(ranked.iter().all(|standing| standing.ties && standing.p.is_none()));
    assert_eq!(ranked.len(), 5);
}
