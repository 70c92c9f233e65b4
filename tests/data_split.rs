//! Splits: sizes, groups, refusals, files, and how alike they are on real images.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail and say what it saw")]

mod data_support;

use std::{collections::BTreeMap, fs, time::Instant};

use data_support::{Folder, nuclei, sandstone_tiles};
use sweepscope::{
    data::{Dataset, assign, audit},
    domain::{Fractions, Groups, Split, SplitConfig, SplitStrategy},
};

fn count(splits: &[Split]) -> [usize; 3] {
    [Split::Train, Split::Val, Split::Test].map(|split| splits.iter().filter(|&&of| of == split).count())
}

fn config(strategy: SplitStrategy, seed: u64) -> SplitConfig {
    SplitConfig { strategy, seed, ..SplitConfig::default() }
}

#[test]
fn images_of_one_group_are_never_split() {
    let Some(data) = sandstone_tiles() else { return };
    let dataset = Dataset::open(&data).unwrap();
    for seed in 0..20 {
        for strategy in [SplitStrategy::Random, SplitStrategy::Stratified] {
            let splits = assign(&dataset, &config(strategy, seed)).unwrap();
            assert_eq!(splits, assign(&dataset, &config(strategy, seed)).unwrap());
            let mut of_group = BTreeMap::new();
            for (group, split) in dataset.groups().iter().zip(&splits) {
                assert_eq!(of_group.entry(group).or_insert(split), &split, "{group}");
            }
            let [train, val, test] = count(&splits);
            assert!((160..=220).contains(&train) && val.min(test) >= 30, "{train} {val} {test}");
        }
    }
}

#[test]
fn fractions_are_met_to_the_image_where_nothing_is_grouped() {
    let folder = Folder::new();
    (0..21).for_each(|i| folder.pair(&format!("{i}"), [2, 2], |_, _| 0));
    let dataset = Dataset::open(&folder.config(&["only"])).unwrap();
    let mut settings = config(SplitStrategy::Random, 3);
    assert_eq!(count(&assign(&dataset, &settings).unwrap()), [13, 4, 4]);
    settings.fractions = Fractions { train: 0.98, val: 0.02, test: 0.0 };
    assert_eq!(count(&assign(&dataset, &settings).unwrap()), [20, 1, 0]);
    settings.fractions = Fractions { train: 0.9, val: 0.2, test: 0.0 };
    assert!(assign(&dataset, &settings).unwrap_err().to_string().contains("sum to 1"));
}

#[test]
fn a_split_that_lacks_a_class_is_refused_unless_allowed() {
    let folder = Folder::new();
    (0..10).for_each(|i| folder.pair(&format!("{i}"), [2, 2], |_, _| u8::from(i == 0)));
    let dataset = Dataset::open(&folder.config(&["common", "rare"])).unwrap();
    let mut settings = config(SplitStrategy::Stratified, 0);
    let text = assign(&dataset, &settings).unwrap_err().to_string();
    assert!(text.contains("rare, which 1 of 10 have"), "{text}");
    settings.allow_missing_class = true;
    assert_eq!(assign(&dataset, &settings).unwrap().len(), 10);
}

#[test]
fn a_file_decides_if_it_covers_every_image_and_breaks_no_group() {
    let folder = Folder::new();
    (0..4).for_each(|i| folder.pair(&format!("{i}"), [2, 2], |_, _| 0));
    let mut data = folder.config(&["only"]);
    let mut settings = config(SplitStrategy::File, 0);
    settings.file = Some(folder.path("split.csv"));
    fs::write(folder.path("split.csv"), "image,group,split\n0.png,a,train\n1.png,a,train\n2.png,b,val\n3,c,test\n")
        .unwrap();
    let dataset = Dataset::open(&data).unwrap();
    assert_eq!(assign(&dataset, &settings).unwrap(), [Split::Train, Split::Train, Split::Val, Split::Test]);
    fs::write(folder.path("groups.csv"), "image,group\n0.png,a\n1.png,a\n2.png,a\n3.png,c\n").unwrap();
    data.groups = Some(Groups { file: folder.path("groups.csv"), image: "image".into(), group: "group".into() });
    let dataset = Dataset::open(&data).unwrap();
    assert!(
        assign(&dataset, &settings).unwrap_err().to_string().contains("group a is in train and, with 2.png, in val")
    );
    fs::write(folder.path("split.csv"), "image,split\n0.png,train\n1.png,Val\n2.png,train\n").unwrap();
    let text = assign(&dataset, &settings).unwrap_err().to_string();
    assert!(text.contains("\"Val\" of 1.png") && text.contains("3.png: has no split"), "{text}");
}

#[test]
fn stratified_splits_beat_nearly_all_random_ones() {
    let mut sets: Vec<_> = sandstone_tiles().into_iter().collect();
    sets.extend(nuclei());
    for data in sets {
        let dataset = Dataset::open(&data).unwrap();
        let of = |strategy, seed| {
            let splits =
                assign(&dataset, &SplitConfig { allow_missing_class: true, ..config(strategy, seed) }).unwrap();
            (audit::divergence(&dataset, &splits), splits)
        };
        let mut random: Vec<f64> = (1000..2000).map(|seed| of(SplitStrategy::Random, seed).0).collect();
        random.sort_by(f64::total_cmp);
        let stratified: Vec<_> = (0..200).map(|seed| of(SplitStrategy::Stratified, seed)).collect();
        let worst = stratified.iter().map(|(divergence, _)| *divergence).fold(0.0, f64::max);
        let distinct: std::collections::BTreeSet<_> = stratified.into_iter().map(|(_, splits)| splits).collect();
        println!(
            "{} images: worst {worst:.2e}; random 5% {:.2e}, median {:.2e}; {} distinct",
            dataset.len(),
            random[50],
            random[500],
            distinct.len()
        );
        assert!(worst < random[50], "{worst} {}", random[50]);
        assert!(distinct.len() > 5, "{}", distinct.len());
    }
}

#[test]
fn ten_thousand_images_are_dealt_in_two_seconds() {
    let folder = Folder::new();
    (0..10_000).for_each(|i| {
        folder.pair(&format!("{i}"), [5, 5], move |x, y| u8::from(x * 5 + y < i % 26) + u8::from(y == i % 7))
    });
    let dataset = Dataset::open(&folder.config(&["a", "b", "c"])).unwrap();
    let started = Instant::now();
    let splits = assign(&dataset, &config(SplitStrategy::Stratified, 1)).unwrap();
    assert!(started.elapsed().as_secs_f64() < 2.0, "{:?}", started.elapsed());
    assert_eq!(count(&splits), [6000, 2000, 2000]);
}

#[test]
fn a_class_that_no_mask_has_is_refused_unless_that_is_accepted() {
    let folder = Folder::new();
    (0..10).for_each(|i| folder.pair(&format!("{i}"), [4, 4], |x, _| u8::from(x < 2)));
    let dataset = Dataset::open(&folder.config(&["a", "b", "gold"])).unwrap();
    let text = assign(&dataset, &config(SplitStrategy::Random, 0)).unwrap_err().to_string();
    assert!(text.contains("no mask has the class gold"), "{text}");
    let accepted = SplitConfig { allow_missing_class: true, ..config(SplitStrategy::Random, 0) };
    assert_eq!(assign(&dataset, &accepted).unwrap().len(), 10);
}

#[test]
fn each_image_validates_in_one_fold_and_the_test_images_stay() {
    let folder = Folder::new();
    (0..25).for_each(|i| folder.pair(&format!("{i:02}"), [4, 4], move |x, _| u8::from(x < i % 3 + 1)));
    let dataset = Dataset::open(&folder.config(&["a", "b"])).unwrap();
    let fold = |fold| {
        let settings = SplitConfig { folds: 4, fold, ..config(SplitStrategy::Stratified, 5) };
        assign(&dataset, &settings).unwrap()
    };
    let folds: Vec<_> = (0..4).map(fold).collect();
    for image in 0..25 {
        let uses: Vec<Split> = folds.iter().map(|splits| splits[image]).collect();
        let of = |split| uses.iter().filter(|&&of| of == split).count();
        assert!(of(Split::Test) == 4 || (of(Split::Val), of(Split::Train)) == (1, 3), "{image}: {uses:?}");
    }
    assert!(folds.iter().all(|splits| count(splits) == [15, 5, 5]));
    let beyond = SplitConfig { folds: 4, fold: 4, ..config(SplitStrategy::Random, 5) };
    assert!(assign(&dataset, &beyond).unwrap_err().to_string().contains("count from 0"));
}
