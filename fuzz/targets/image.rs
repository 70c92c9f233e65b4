//! Any bytes as an image file: decoded, or refused with a cause.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sweepscope::{
    data::{input, pages},
    domain::{DataConfig, InputSize},
};
use sweepscope_fuzz::Folder;

static FOLDER: LazyLock<Folder> = LazyLock::new(Folder::new);

fuzz_target!(|bytes: &[u8]| {
    let path = FOLDER.write("image", bytes);
    let config = DataConfig { input_size: InputSize([16, 16]), ..DataConfig::default() };
    let last = pages(&path).map_or(0, |pages| pages.saturating_sub(1));
    for page in [0, last] {
        if let Ok((values, [height, width])) = input(&path, page, 3, &config, None) {
            assert!(values.len() == 3 * 16 * 16 && height > 0 && width > 0);
        }
    }
});
