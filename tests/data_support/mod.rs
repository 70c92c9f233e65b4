//! Fixtures of the data tests: small data sets in temporary folders, and the real images where they are there.

#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "each test file uses its own part"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use sweepscope::domain::{ClassSpec, DataConfig, Groups};

/// A folder with `images/` and `masks/`, removed at the end.
pub struct Folder(pub tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("images")).unwrap();
        fs::create_dir_all(folder.path().join("masks")).unwrap();
        Self(folder)
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.0.path().join(relative)
    }

    /// An image with a gradient and a mask of the given labels.
    pub fn pair(&self, stem: &str, size: [u32; 2], label: impl Fn(u32, u32) -> u8) {
        let image = image::GrayImage::from_fn(size[1], size[0], |x, y| image::Luma([(x * 7 + y * 3) as u8]));
        image.save(self.path(&format!("images/{stem}.png"))).unwrap();
        let mask = image::GrayImage::from_fn(size[1], size[0], |x, y| image::Luma([label(x, y)]));
        mask.save(self.path(&format!("masks/{stem}.png"))).unwrap();
    }

    pub fn config(&self, classes: &[&str]) -> DataConfig {
        let classes = classes.iter().map(|name| class(name)).collect();
        DataConfig { images: self.path("images"), masks: self.path("masks"), classes, ..DataConfig::default() }
    }
}

/// A class that its place stands for.
pub fn class(name: &str) -> ClassSpec {
    ClassSpec { name: name.into(), value: None, color: None }
}

/// The folder of real images; `None`, with a line that says so, where it is not there.
pub fn shared(relative: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SWEEPSCOPE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let folder = root.join("data").join(relative);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: {} is not there", folder.display());
    None
}

/// The sandstone tiles, grouped by slice.
pub fn sandstone_tiles() -> Option<DataConfig> {
    let folder = shared("sandstone-tiles")?;
    Some(DataConfig {
        images: folder.join("images"),
        masks: folder.join("masks"),
        classes: ["pore", "clay", "quartz", "mineral"].map(class).to_vec(),
        background: Some("pore".into()),
        groups: Some(Groups { file: folder.join("manifest.csv"), image: "tile".into(), group: "source_image".into() }),
        ..DataConfig::default()
    })
}

/// The nuclei, each image its own group.
pub fn nuclei() -> Option<DataConfig> {
    let folder = shared("nuclei")?;
    let classes = ["background", "nucleus"].map(class).to_vec();
    let background = Some("background".into());
    Some(DataConfig {
        images: folder.join("images"),
        masks: folder.join("masks"),
        classes,
        background,
        ..DataConfig::default()
    })
}
