//! Splits: sizes, groups, refusals, files, and how alike they are on real images.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod data_support;

use std::{collections::BTreeMap, fs};

use data_support::{Folder, sandstone_tiles};
use sweepscope::{
    data::{Dataset, assign},
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
