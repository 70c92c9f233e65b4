//! Any bytes as each of the CSV files that come with data (the first byte chooses): pairs, groups or a split.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sweepscope::{
    data::{Dataset, assign},
    domain::{DataConfig, Groups, SplitConfig, SplitStrategy},
};
use sweepscope_fuzz::Folder;

static FOLDER: LazyLock<Folder> = LazyLock::new(|| {
    let folder = Folder::new();
    for name in ["a.bmp", "b.bmp", "c.bmp"] {
        folder.write_image(name, [4, 4]);
    }
    folder
});

static PLAIN: LazyLock<Dataset> = LazyLock::new(|| {
    FOLDER.write("plain.csv", b"image,mask\na.bmp,a.bmp\nb.bmp,b.bmp\nc.bmp,c.bmp\n");
    let mut config = config();
    config.pairs.iter_mut().for_each(|pairs| pairs.file = FOLDER.path("plain.csv"));
    Dataset::open(&config).expect("three images with masks")
});

fn config() -> DataConfig {
    FOLDER.config(r#"[{"name":"rest"}]"#)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, table)) = bytes.split_first() else { return };
    let file = FOLDER.write("table.csv", table);
    match choice % 3 {
        0 => {
            let mut config = config();
            config.pairs.iter_mut().for_each(|pairs| pairs.file = file.clone());
            let _ = Dataset::open(&config);
        }
        1 => {
            let groups = Some(Groups { file, image: "image".into(), group: "group".into() });
            let _ = Dataset::open(&DataConfig { groups, ..config() });
        }
        _ => {
            let config =
                SplitConfig { strategy: SplitStrategy::File, file: Some(file), ..SplitConfig::default() };
            if let Ok(splits) = assign(&PLAIN, &config) {
                assert_eq!(splits.len(), PLAIN.len());
            }
        }
    }
});
