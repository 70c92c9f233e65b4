//! `predict` and `test`: masks as training counted them, what cannot be read is named, and the test images are looked
//! at once.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

mod common;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use common::{call, expect_code, said, small_sweep};
use image::GrayImage;
use sweepscope::{
    domain::{Counts, ImageRow, Split},
    store::{RunDir, read_rows},
};
use tiff::encoder::{TiffEncoder, colortype::Gray8};

const CLASSES: [&str; 5] = ["background", "cell", "vesicle", "crystal", "fibre"];

/// A finished sweep of one run, and the run's folder; `changes` are overrides of the small sweep.
fn one_run(folder: &Path, changes: &[&str]) -> RunDir {
    small_sweep(folder);
    let fixed = ["run", "sweep.toml", "grid.learning_rate=1e-2", "grid.split_seed=0", "train.epochs=3"];
    expect_code(&call(folder, &[&fixed, changes].concat()), 0);
    let mut runs = fs::read_dir(folder.join("results/small/runs")).unwrap();
    RunDir::new(runs.next().unwrap().unwrap().path())
}

/// Runs `predict` on `images` and returns what it said.
fn predict(folder: &Path, run: &RunDir, images: &[String], more: &[&str], code: i32) -> String {
    let run = run.root().to_string_lossy().into_owned();
    let images: Vec<&str> = images.iter().map(String::as_str).collect();
    let output = call(folder, &[&["predict", run.as_str()], images.as_slice(), &["--out", "masks"], more].concat());
    expect_code(&output, code);
    said(&output)
}

/// The counts of every class of an image from its predicted and its true mask.
fn counted(folder: &Path, image: &str) -> BTreeMap<String, Counts> {
    // A palette PNG's samples: the decoder must not turn them into colours.
    let mut decoder =
        png::Decoder::new(std::io::BufReader::new(fs::File::open(folder.join("masks").join(image)).unwrap()));
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info().unwrap();
    let mut predicted = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut predicted).unwrap();
    let truth = image::open(folder.join("data/masks").join(image)).unwrap().into_luma8().into_raw();
    assert_eq!(truth.len(), predicted.len());
    let counts = |class: u8| {
        let count = |is: fn(bool, bool) -> bool| {
            truth.iter().zip(&predicted).filter(|(t, p)| is(**t == class, **p == class)).count() as u64
        };
        Counts { tp: count(|t, p| t && p), fp: count(|t, p| !t && p), fn_: count(|t, p| t && !p) }
    };
    CLASSES.iter().enumerate().map(|(class, name)| ((*name).to_owned(), counts(class as u8))).collect()
}

/// Holds the masks of a split's images against the counts in images.csv at the best epoch.
fn check_against_records(folder: &Path, run: &RunDir, split: Split) {
    let best = run.read_state().unwrap().best_epoch;
    let mut rows: Vec<ImageRow> = read_rows(&run.images_csv()).unwrap();
    rows.retain(|row| row.split == split && row.epoch == best);
    let mut names: Vec<String> = rows.iter().map(|row| row.image.clone()).collect();
    names.dedup();
    assert!(names.len() > 2);
    let files: Vec<String> = names.iter().map(|name| format!("data/images/{name}")).collect();
    predict(folder, run, &files, &[], 0);
    for row in &rows {
        let recorded = Counts { tp: row.tp, fp: row.fp, fn_: row.fn_ };
        assert_eq!(counted(folder, &row.image)[&row.class], recorded, "{} of {}", row.class, row.image);
    }
}

#[test]
fn masks_of_resized_images_give_the_counts_that_training_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let run = one_run(folder.path(), &["data.normalize=dataset"]);
    check_against_records(folder.path(), &run, Split::Val);
}

#[test]
fn masks_by_sliding_window_give_the_counts_that_training_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let run = one_run(folder.path(), &["data.input_mode=crop"]);
    check_against_records(folder.path(), &run, Split::Val);
}

#[test]
fn a_folder_is_predicted_whatever_is_wrong_with_some_of_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let run = one_run(folder, &["data.input_mode=crop"]);
    let photos = folder.join("photos");
    fs::create_dir_all(photos.join("deep")).unwrap();
    // Smaller than the window, and longer than wide.
    let photo = |width, height| GrayImage::from_fn(width, height, |x, y| image::Luma([(x * 7 + y * 3) as u8]));
    photo(20, 9).save(photos.join("small.png")).unwrap();
    let mut tiff = TiffEncoder::new(fs::File::create(photos.join("deep/long.tif")).unwrap()).unwrap();
    tiff.write_image::<Gray8>(33, 150, &photo(33, 150)).unwrap();
    fs::write(photos.join("broken.png"), b"not an image").unwrap();
    let text = predict(folder, &run, &["photos".into()], &["--probabilities"], 1);
    assert!(text.contains("2 masks in masks; 1 not predicted") && text.contains("photos/broken.png"), "{text}");
    let size = |name: &str| image::image_dimensions(folder.join("masks").join(name)).unwrap();
    assert_eq!((size("small.png"), size("deep/long_overlay.png")), ((20, 9), (33, 150)));
    check_probabilities(&folder.join("masks"), "deep/long");
    let areas = fs::read_to_string(folder.join("masks/predictions.csv")).unwrap();
    assert_eq!(areas.lines().count(), 1 + 2 * CLASSES.len(), "{areas}");
    let again = predict(folder, &run, &["photos".into()], &["--probabilities"], 2);
    assert!(again.contains("there already") && again.contains("--overwrite"), "{again}");
    predict(folder, &run, &["photos/small.png".into()], &["--overwrite"], 0);
    let missing = predict(folder, &run, &["nowhere.png".into()], &[], 2);
    assert!(missing.contains("there is no nowhere.png"), "{missing}");
}

#[test]
fn images_of_another_scale_get_a_warning_and_lost_weights_can_be_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let run = one_run(folder, &[]);
    let of_training = fs::read_dir(folder.join("data/images")).unwrap().next().unwrap().unwrap().path();
    let (width, height) = image::image_dimensions(&of_training).unwrap();
    GrayImage::new(4 * width, 4 * height).save(folder.join("large.png")).unwrap();
    let images = [of_training.to_string_lossy().into_owned(), "large.png".into()];
    let text = predict(folder, &run, &images, &[], 0);
    assert!(text.contains("warning: 1 image of another scale: large.png is 4.0 times as high and wide"), "{text}");

    let masks = fs::read(folder.join("masks/large.png")).unwrap();
    fs::remove_dir_all(run.checkpoints()).unwrap();
    let text = predict(folder, &run, &images, &["--overwrite"], 2);
    assert!(text.contains("sweepscope retry RESULTS"), "{text}");
    expect_code(&call(folder, &["retry", "results/small", &run.name()]), 0);
    expect_code(&call(folder, &["resume", "results/small"]), 0);
    predict(folder, &run, &images, &["--overwrite"], 0);
    assert_eq!(fs::read(folder.join("masks/large.png")).unwrap(), masks);
}

/// A page a class, each pixel's probabilities 1 together, the largest the mask's.
fn check_probabilities(masks: &Path, stem: &str) {
    let file = fs::File::open(masks.join(format!("{stem}_probabilities.tif"))).unwrap();
    let mut decoder = tiff::decoder::Decoder::new(std::io::BufReader::new(file)).unwrap();
    let mut planes: Vec<Vec<f32>> = Vec::new();
    for (page, class) in CLASSES.iter().enumerate() {
        let name = decoder.get_tag_ascii_string(tiff::tags::Tag::ImageDescription).unwrap();
        assert_eq!(&name, class);
        let tiff::decoder::DecodingResult::F32(plane) = decoder.read_image().unwrap() else { unreachable!() };
        planes.push(plane);
        assert_eq!(decoder.more_images(), page + 1 < CLASSES.len());
        if decoder.more_images() {
            decoder.next_image().unwrap();
        }
    }
    let overlay = image::open(masks.join(format!("{stem}.png"))).unwrap().into_rgb8();
    for (at, color) in overlay.pixels().enumerate() {
        let probabilities: Vec<f32> = planes.iter().map(|plane| plane[at]).collect();
        assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        let largest = (0..5).max_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b])).unwrap();
        assert_eq!(color.0, sweepscope::domain::palette::class(largest, Some(0)));
    }
}

#[test]
fn the_test_images_are_looked_at_once_and_every_further_look_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    small_sweep(folder);
    expect_code(&call(folder, &["run", "sweep.toml", "train.epochs=2"]), 0);
    let results = "results/small";
    let text = |arguments: &[&str], code: i32| {
        let output = call(folder, &[&["test", results], arguments].concat());
        expect_code(&output, code);
        said(&output)
    };
    assert!(text(&["split_seed=0"], 2).contains("names 2 settings"));
    let first = text(&["learning_rate=0.01"], 0);
    assert!(first.contains("learning_rate 0.01: test Dice (macro)") && first.contains("looked at once"), "{first}");
    let tables = || {
        let names = ["epochs.csv", "classes.csv", "images.csv", "test.csv"];
        common::contents(&folder.join(results), &names)
    };
    let before = tables();
    // The same setting again is told from the records, another one is refused.
    assert!(text(&["learning_rate=1e-2"], 0).contains("looked at once"));
    assert!(text(&["learning_rate=1e-3"], 2).contains("--again"));
    assert_eq!(tables(), before);
    let runs: Vec<PathBuf> =
        fs::read_dir(folder.join(results).join("runs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let tested = runs.iter().find(|run| run.to_string_lossy().contains("learning_rate=0.01")).unwrap();
    check_against_records(folder, &RunDir::new(tested), Split::Test);
    let page = || fs::read_to_string(folder.join(results).join("report/index.html")).unwrap();
    assert!(page().contains("On the test images (looked at once): learning_rate 0.01"));
    assert!(text(&["learning_rate=1e-3", "--again"], 0).contains("looked at 2 times"));
    assert!(text(&["learning_rate=1e-2"], 0).contains("looked at 2 times"));
    let told = page();
    let line = told.lines().find(|line| line.contains("On the test images (looked at 2 times")).unwrap();
    let best = told.split("learning_rate ").nth(1).unwrap().split([',', '<']).next().unwrap();
    assert!(line.contains(&format!("learning_rate {best}, Dice")), "{best}: {line}");
    let findings = fs::read_to_string(folder.join(results).join("findings.csv")).unwrap();
    let rule = findings.lines().find(|line| line.contains("tuned_on_validation")).unwrap();
    assert!(rule.contains("warn") && rule.contains("2 times"), "{rule}");
    let table = fs::read_to_string(folder.join(results).join("runs.csv")).unwrap();
    let column = table.lines().next().unwrap().split(',').position(|name| name == "test_dice_macro").unwrap();
    assert!(table.lines().skip(1).all(|line| line.split(',').nth(column).unwrap().parse::<f64>().is_ok()), "{table}");
}
