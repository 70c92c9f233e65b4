//! Real and small made-up data sets are read as they are, and every fault in them is named at once.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod data_support;

use std::fs;

use data_support::{Folder, class, sandstone_tiles, shared};
use sweepscope::{
    data::{Cache, Cause, Dataset, IGNORED, Prepared, fingerprint},
    domain::{ClassSpec, DataConfig, InputSize, Normalize, Scale, Split, SplitConfig},
};

#[test]
fn the_sandstone_tiles_have_the_pixels_that_numpy_counts() {
    let Some(config) = sandstone_tiles() else { return };
    let dataset = Dataset::open(&config).unwrap();
    assert_eq!(dataset.len(), 316);
    // numpy.bincount over the masks as Pillow reads them
    assert_eq!(dataset.totals(), [634_839, 380_285, 4_015_694, 146_526]);
    let with = |class: usize| dataset.samples().iter().filter(|s| s.pixels[class] > 0).count();
    assert_eq!([0, 1, 2, 3].map(with), [316, 315, 316, 243]);
    let mut groups = dataset.groups().to_vec();
    groups.dedup();
    assert_eq!(groups.len(), 10);
}

#[test]
fn the_sandstone_originals_read_as_they_came() {
    let (Some(original), Some(slices)) = (shared("sandstone-slices/original"), shared("sandstone-slices")) else {
        return;
    };
    let colored = ["#0000ff", "#00ff00", "#ff0000", "#ffff00"].map(Some);
    let valued = [33, 201, 231, 65].map(Some);
    for (pattern, colors, values) in [(".", colored, [None; 4]), ("_", [None; 4], valued)] {
        let names = ["pore", "clay", "quartz", "mineral"];
        let spec =
            |i: usize| ClassSpec { name: names[i].into(), value: values[i], color: colors[i].map(str::to_owned) };
        let config = DataConfig {
            images: original.clone(),
            masks: original.clone(),
            image_name: format!("{{stem}}{pattern}image"),
            mask_name: format!("{{stem}}{pattern}mask"),
            classes: (0..4).map(spec).collect(),
            ..DataConfig::default()
        };
        let dataset = Dataset::open(&config).unwrap();
        assert_eq!(dataset.len(), 1);
        let prepared = Prepared::load(&dataset, &config, &[Split::Train]).unwrap();
        let stem = &dataset.names()[0][..19];
        let index = image::open(slices.join(format!("masks/{stem}.png"))).unwrap().into_luma8();
        assert!(prepared.native(0).labels == index.as_raw().as_slice(), "{stem}");
    }
}

#[test]
fn every_fault_is_named_at_once() {
    let folder = Folder::new();
    for name in ["fine", "no mask", "cut", "odd value", "smaller", "other [é]"] {
        folder.pair(name, [8, 8], |x, _| u8::from(x > 3));
    }
    fs::remove_file(folder.path("masks/no mask.png")).unwrap();
    fs::rename(folder.path("images/other [é].png"), folder.path("images/renamed.png")).unwrap();
    let whole = fs::read(folder.path("images/cut.png")).unwrap();
    fs::write(folder.path("images/cut.png"), &whole[..60]).unwrap();
    image::GrayImage::from_pixel(8, 8, image::Luma([255])).save(folder.path("masks/odd value.png")).unwrap();
    image::GrayImage::new(7, 8).save(folder.path("masks/smaller.png")).unwrap();
    let errors = Dataset::open(&folder.config(&["rest", "cell"])).unwrap_err();
    let told: Vec<_> = errors.0.iter().map(|e| e.file.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(told, ["cut.png", "no mask.png", "renamed.png", "odd value.png", "other [é].png", "smaller.png"]);
    let text = errors.to_string();
    for part in ["255 (64 px)", "8 x 7 pixels, but its image is 8 x 8", "has no mask", "belongs to no image"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn unmatched_colours_are_listed_with_counts_and_the_nearest_class() {
    let folder = Folder::new();
    folder.pair("a", [4, 4], |_, _| 0);
    let mask =
        image::RgbImage::from_fn(4, 4, |x, y| image::Rgb(if x == 0 && y < 3 { [250, 4, 0] } else { [0, 255, 0] }));
    mask.save(folder.path("masks/a.png")).unwrap();
    let mut config = folder.config(&[]);
    let spec = |name: &str, color: &str| ClassSpec { color: Some(color.into()), ..class(name) };
    config.classes = vec![spec("red", "#ff0000"), spec("green", "#00ff00")];
    let errors = Dataset::open(&config).unwrap_err();
    assert_eq!(errors.0[0].cause, Cause::Colors("#fa0400, 5 from red (3 px)".into()));
    config.color_tolerance = 5;
    assert_eq!(Dataset::open(&config).unwrap().totals(), [3, 13]);
}

#[test]
fn classes_that_are_not_kept_become_background() {
    let folder = Folder::new();
    folder.pair("a", [4, 4], |x, _| x as u8);
    let mut config = folder.config(&["a", "b", "c", "d"]);
    config.keep = vec!["c".into()];
    let dataset = Dataset::open(&config).unwrap();
    assert_eq!(
        (dataset.classes().names.clone(), dataset.classes().background),
        (vec!["background".into(), "c".into()], Some(0))
    );
    assert_eq!(dataset.totals(), [12, 4]);
    config.background = Some("d".into());
    let dataset = Dataset::open(&config).unwrap();
    assert_eq!(
        (dataset.classes().names.clone(), dataset.classes().background),
        (vec!["c".into(), "background".into()], Some(1))
    );
    assert_eq!(dataset.classes().foreground(), [0]);
    assert_eq!(dataset.totals(), [4, 12]);
    config.keep = Vec::new();
    config.ignore_index = Some(0);
    let dataset = Dataset::open(&config).unwrap();
    assert_eq!((dataset.totals(), dataset.samples()[0].ignored), (vec![0, 4, 4, 4], 4));
}

#[test]
fn images_are_resized_and_scaled_and_native_masks_stay() {
    let folder = Folder::new();
    folder.pair("a", [10, 14], |x, y| u8::from(x > 6) + u8::from(y == 0));
    folder.pair("b", [8, 6], |_, _| 1);
    let mut config = folder.config(&["x", "y", "z"]);
    config.input_size = InputSize([4, 6]);
    let dataset = Dataset::open(&config).unwrap();
    for normalize in [Normalize::Image, Normalize::Dataset, Normalize::Percentile] {
        config.normalize = normalize;
        let prepared = Prepared::load(&dataset, &config, &[Split::Train, Split::Val]).unwrap();
        assert_eq!((prepared.channels(), prepared.size(), prepared.image(0).len()), (1, [4, 6], 24));
        assert_eq!((prepared.native(0).size, prepared.native(0).labels.len()), ([10, 14], 140));
        assert_eq!(prepared.mask(1), [1; 24]);
        let mean = prepared.image(0).iter().sum::<f32>() / 24.0;
        assert!(normalize == Normalize::Percentile || mean.abs() < 1e-6, "{normalize:?}: {mean}");
        assert!(prepared.mask(0).iter().all(|&label| label < 3 && label != IGNORED));
    }
}

#[test]
fn one_scale_of_the_training_images_serves_all() {
    let folder = Folder::new();
    for (name, values) in [("a", [10, 20]), ("b", [30, 40]), ("c", [200, 250])] {
        folder.pair(name, [4, 4], |x, _| u8::from(x > 1));
        let image = image::GrayImage::from_fn(4, 4, |x, _| image::Luma([values[x as usize % 2]]));
        image.save(folder.path(&format!("images/{name}.png"))).unwrap();
    }
    let config =
        DataConfig { input_size: InputSize([4, 4]), normalize: Normalize::Dataset, ..folder.config(&["x", "y"]) };
    let dataset = Dataset::open(&config).unwrap();
    let splits = [Split::Train, Split::Train, Split::Val];
    let cache = Cache::new(folder.path("cache"), 1 << 20);
    for prepared in [Prepared::load(&dataset, &config, &splits), cache.load(&dataset, &config, &splits)] {
        let prepared = prepared.unwrap();
        let Scale { shift, spread } = prepared.scale().unwrap();
        // 10, 20, 30 and 40 alike often: mean 25, variance (225 + 25) / 2
        assert_eq!((shift, spread), (25.0, 125f32.sqrt()));
        assert_eq!(prepared.image(2)[..2], [(200.0 - shift) / spread, (250.0 - shift) / spread]);
    }
}

#[test]
fn the_fingerprint_follows_content_and_names_but_not_the_place() {
    let (here, there) = (Folder::new(), Folder::new());
    for folder in [&here, &there] {
        folder.pair("a", [4, 4], |x, _| u8::from(x > 1));
        folder.pair("b", [4, 4], |_, _| 1);
    }
    let split = SplitConfig::default();
    let of = |folder: &Folder| fingerprint(&folder.config(&["x", "y"]), &split).unwrap();
    let before = of(&here);
    assert_eq!(before, of(&there));
    there.pair("b", [4, 4], |x, _| u8::from(x > 2));
    assert_ne!(before, of(&there));
    there.pair("b", [4, 4], |_, _| 1);
    assert_eq!(before, of(&there));
    for kind in ["images", "masks"] {
        fs::rename(there.path(&format!("{kind}/b.png")), there.path(&format!("{kind}/c.png"))).unwrap();
    }
    assert_ne!(before, of(&there));
}
