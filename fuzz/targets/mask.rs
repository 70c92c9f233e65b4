//! Any bytes as a mask, in each coding (the first byte chooses): labels of known classes, or refused with a cause.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sweepscope::{data::Dataset, domain::DataConfig};
use sweepscope_fuzz::Folder;

/// Height and width of the masks in the corpus of the data tests.
const SIZE: [u32; 2] = [21, 34];

static FOLDER: LazyLock<Folder> = LazyLock::new(|| {
    let folder = Folder::new();
    folder.write_image("a.bmp", SIZE);
    folder.write("pairs.csv", b"image,mask\na.bmp,mask.png\n");
    folder
});

fn config(choice: u8) -> DataConfig {
    let plain = FOLDER.config(r#"[{"name":"rest"},{"name":"clay"},{"name":"quartz"},{"name":"thin"}]"#);
    match choice % 5 {
        0 => plain,
        1 => DataConfig { ignore_index: Some(200), keep: vec!["clay".into()], ..plain },
        2 => FOLDER.config(r#"[{"name":"a","value":33},{"name":"b","value":201},{"name":"c","value":65535}]"#),
        3 => DataConfig {
            color_tolerance: choice,
            ..FOLDER.config(r##"[{"name":"a","color":"#0000ff"},{"name":"b","color":"#00ff00"},{"name":"c","color":"#ff0000"},{"name":"d","color":"#ffff00"}]"##)
        },
        _ => DataConfig { instances: true, ..FOLDER.config(r#"[{"name":"background"},{"name":"cell"}]"#) },
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, mask)) = bytes.split_first() else { return };
    FOLDER.write("mask.png", mask);
    if let Ok(dataset) = Dataset::open(&config(*choice)) {
        let sample = &dataset.samples()[0];
        assert_eq!(sample.pixels.iter().sum::<u64>() + sample.ignored, u64::from(SIZE[0] * SIZE[1]));
    }
});
