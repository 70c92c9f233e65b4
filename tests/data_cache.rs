//! The cache: eight workers decode each image once, a warm start is quick, and a changed file is seen.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail and say what it saw")]

mod data_support;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use data_support::{Folder, sandstone_tiles};
use sweepscope::{
    data::{Cache, Dataset, Prepared, fingerprint},
    domain::{DataConfig, InputMode, InputSize, Normalize, Split, SplitConfig},
};

const LIMIT: u64 = 1 << 30;

fn made() -> Folder {
    let folder = Folder::new();
    (0..24).for_each(|i| folder.pair(&format!("{i:02}"), [30, 20 + i], move |x, y| u8::from(x + y > i)));
    folder
}

fn splits(images: usize) -> Vec<Split> {
    (0..images).map(|i| if i % 3 == 0 { Split::Val } else { Split::Train }).collect()
}

fn load(cache: &Cache, config: &DataConfig) -> Prepared {
    let dataset = cache.open(config).unwrap();
    cache.load(&dataset, config, &splits(dataset.len())).unwrap()
}

fn assert_same(a: &Prepared, b: &Prepared) {
    assert_eq!((a.len(), a.channels(), a.size()), (b.len(), b.channels(), b.size()));
    for i in 0..a.len() {
        assert_eq!((a.image(i), a.mask(i), a.native(i)), (b.image(i), b.mask(i), b.native(i)), "{i}");
    }
}

#[test]
fn cached_arrays_are_those_that_decoding_gives() {
    let folder = made();
    let cache = Cache::new(folder.path("cache"), LIMIT);
    for normalize in [Normalize::Image, Normalize::Dataset, Normalize::Percentile] {
        let config = DataConfig { normalize, input_size: InputSize([16, 30]), ..folder.config(&["a", "b"]) };
        let dataset = Dataset::open(&config).unwrap();
        let fresh = Prepared::load(&dataset, &config, &splits(24)).unwrap();
        let cold = load(&cache, &config);
        let warm = load(&cache, &config);
        assert_eq!((fresh.decoded(), cold.decoded(), warm.decoded()), (24, 24, 0));
        assert_same(&fresh, &cold);
        assert_same(&fresh, &warm);
    }
}

/// Their arrays have no one size, so that those of the resized images must not be taken for them.
#[test]
fn images_that_keep_their_size_are_decoded_anew() {
    let folder = made();
    let cache = Cache::new(folder.path("cache"), LIMIT);
    let resized = DataConfig { input_size: InputSize([16, 30]), ..folder.config(&["a", "b"]) };
    assert_eq!(load(&cache, &resized).image_size(1), [16, 30]);
    let whole = load(&cache, &DataConfig { input_mode: InputMode::Crop, ..resized });
    assert_eq!((whole.decoded(), whole.image_size(1), whole.image_size(2)), (24, [30, 21], [30, 22]));
}

#[test]
fn a_changed_file_is_decoded_anew_and_its_fingerprint_changes() {
    let folder = made();
    let cache = Cache::new(folder.path("cache"), LIMIT);
    let config = folder.config(&["a", "b"]);
    let split = SplitConfig::default();
    load(&cache, &config);
    let before = cache.fingerprint(&config, &split).unwrap();
    assert_eq!(before, fingerprint(&config, &split).unwrap());
    folder.pair("07", [30, 27], |_, _| 1);
    assert_eq!(load(&cache, &config).decoded(), 24);
    assert_eq!(cache.open(&config).unwrap().pixels(7), [0, 30 * 27]);
    let after = cache.fingerprint(&config, &split).unwrap();
    assert_ne!(before, after);
    assert_eq!(after, fingerprint(&config, &split).unwrap());
    fs::write(folder.path("images/09.png"), "no image").unwrap();
    assert!(cache.open(&config).unwrap_err().to_string().contains("09.png"));
}

#[test]
fn a_cache_that_is_damaged_removed_or_not_writable_does_no_harm() {
    let folder = made();
    let cache = Cache::new(folder.path("cache"), LIMIT);
    let config = folder.config(&["a", "b"]);
    let first = load(&cache, &config);
    for entry in fs::read_dir(folder.path("cache")).unwrap() {
        let path = entry.unwrap().path();
        let content = fs::read(&path).unwrap();
        // As another program would: a new file in place of the old.
        fs::remove_file(&path).unwrap();
        fs::write(&path, &content[..content.len() / 2]).unwrap();
    }
    assert_same(&first, &load(&cache, &config));
    fs::remove_dir_all(folder.path("cache")).unwrap();
    assert_same(&first, &load(&cache, &config));
    fs::write(folder.path("file"), "").unwrap();
    let nowhere = Cache::new(folder.path("file/cache"), LIMIT);
    assert_same(&first, &load(&nowhere, &config));
}

#[test]
fn the_cache_stays_within_its_limit() {
    let folder = made();
    let one = 24 * 64 * 64 * 5;
    let cache = Cache::new(folder.path("cache"), 3 * one);
    for side in [64, 48, 56, 60, 62] {
        let config = DataConfig { input_size: InputSize([side, side]), ..folder.config(&["a", "b"]) };
        assert_eq!(load(&cache, &config).decoded(), 24);
        assert_eq!(load(&cache, &config).decoded(), 0);
    }
    let sizes = fs::read_dir(folder.path("cache")).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
    assert!(sizes.sum::<u64>() <= 3 * one);
    let too_large = DataConfig { input_size: InputSize([256, 256]), ..folder.config(&["a", "b"]) };
    assert_eq!((load(&cache, &too_large).decoded(), load(&cache, &too_large).decoded()), (24, 24));
}

/// Not a test of its own: what each of the eight workers does.
#[test]
fn a_worker() {
    let Some(root) = std::env::var_os("SWEEPSCOPE_TEST_CACHE") else { return };
    let root = Path::new(&root);
    let text = fs::read_to_string(root.join("config.json")).unwrap();
    let prepared = load(&Cache::new(root.join("cache"), LIMIT), &serde_json::from_str(&text).unwrap());
    println!("decoded={}", prepared.decoded());
}

#[test]
fn eight_workers_that_start_at_once_decode_each_image_once() {
    let folder = made();
    fs::write(folder.path("config.json"), serde_json::to_string(&folder.config(&["a", "b"])).unwrap()).unwrap();
    let start = || {
        let mut worker = Command::new(std::env::current_exe().unwrap());
        worker.args(["--exact", "a_worker", "--nocapture"]).env("SWEEPSCOPE_TEST_CACHE", folder.0.path());
        worker.stdout(Stdio::piped()).spawn().unwrap()
    };
    let workers: Vec<_> = (0..8).map(|_| start()).collect();
    let mut decoded = Vec::new();
    for worker in workers {
        let output = worker.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}");
        let count = text.split("decoded=").nth(1).unwrap().split_whitespace().next().unwrap();
        decoded.push(count.parse::<usize>().unwrap());
    }
    decoded.sort_unstable();
    assert_eq!(decoded, [0, 0, 0, 0, 0, 0, 0, 24]);
}

#[test]
fn a_warm_start_on_the_tiles_takes_less_than_a_tenth_of_a_second() {
    let Some(config) = sandstone_tiles() else { return };
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path(), LIMIT);
    assert_eq!(load(&cache, &config).decoded(), 316);
    let warm = || {
        let started = Instant::now();
        let prepared = load(&cache, &config);
        let first_batch: f32 = (0..9).map(|i| prepared.image(i).iter().sum::<f32>()).sum();
        assert!(first_batch.is_finite() && prepared.decoded() == 0);
        started.elapsed()
    };
    let best = (0..5).map(|_| warm()).min().unwrap();
    assert!(best < Duration::from_millis(100), "{best:?}");
}
