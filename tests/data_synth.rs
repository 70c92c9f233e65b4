//! The demo's data: the same bytes each time, shares as promised, made at once.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod data_support;

use std::fs;

use data_support::class;
use sweepscope::{
    data::{Dataset, assign, fingerprint, synth},
    domain::{DataConfig, Groups, SplitConfig, SplitStrategy},
};

fn made(folder: &std::path::Path, options: synth::Options) -> DataConfig {
    synth::write(folder, options).unwrap();
    DataConfig {
        images: folder.join("images"),
        masks: folder.join("masks"),
        classes: synth::CLASSES.map(class).to_vec(),
        background: Some("background".into()),
        groups: Some(Groups { file: folder.join("manifest.csv"), image: "image".into(), group: "group".into() }),
        ..DataConfig::default()
    }
}

#[test]
fn the_demo_has_rare_thin_fibres_and_groups_that_differ() {
    let folder = tempfile::tempdir().unwrap();
    let config = made(&folder.path().join("demo"), synth::Options::default());
    let dataset = Dataset::open(&config).unwrap();
    assert_eq!(dataset.len(), 60);
    let pixels = dataset.totals();
    let share = |class: usize| pixels[class] as f64 / pixels.iter().sum::<u64>() as f64;
    assert!((0.10..0.30).contains(&(1.0 - share(0))), "{pixels:?}");
    assert!(share(4) < 0.01 && (1..4).all(|class| share(class) > 0.015), "{pixels:?}");
    let of_group = |group: &str, class: usize| -> u64 {
        dataset.samples().iter().zip(dataset.groups()).filter(|(_, g)| *g == group).map(|(s, _)| s.pixels[class]).sum()
    };
    let groups: Vec<String> = (0..6).map(|i| format!("slide-{i}")).collect();
    for class in 1..5 {
        let all: Vec<u64> = groups.iter().map(|group| of_group(group, class)).collect();
        let (least, most) = (all.iter().min().unwrap(), all.iter().max().unwrap());
        assert!(*least > 0 && most > &(2 * least), "{class}: {all:?}");
    }
    for seed in 0..50 {
        let split = SplitConfig { strategy: SplitStrategy::Random, seed, ..SplitConfig::default() };
        assert_eq!(assign(&dataset, &split).unwrap().len(), 60);
    }
}

#[test]
fn the_same_seed_makes_the_same_files_and_another_others() {
    let folder = tempfile::tempdir().unwrap();
    let options = synth::Options { images: 4, group_size: 2, size: [40, 52], seed: 7 };
    let of =
        |name: &str, options| fingerprint(&made(&folder.path().join(name), options), &SplitConfig::default()).unwrap();
    let first = of("a", options);
    assert_eq!(first, of("b", options));
    assert_ne!(first, of("c", synth::Options { seed: 8, ..options }));
}

#[test]
fn a_folder_that_holds_something_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let error = synth::write(folder.path(), synth::Options::default()).unwrap_err();
    assert!(error.to_string().contains("is not empty"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
