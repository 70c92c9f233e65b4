//! A data set of one image in a folder of this process, whose other files a fuzz target writes.

use std::{
    fs,
    path::{Path, PathBuf},
    process,
};

use sweepscope::domain::{DataConfig, Pairs};

/// The folder; made once a process.
pub struct Folder(PathBuf);

impl Folder {
    /// An empty folder.
    pub fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("sweepscope-fuzz-{}", process::id()));
        fs::create_dir_all(&folder).expect("the temporary folder can be written");
        Self(folder)
    }

    /// Writes a file and gives its path.
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap_or(&self.0)).expect("the folder can be written");
        fs::write(&path, bytes).expect("the folder can be written");
        path
    }

    /// A black image; BMP, which needs no encoder.
    pub fn write_image(&self, name: &str, [height, width]: [u32; 2]) -> PathBuf {
        let row = (3 * width).div_ceil(4) * 4;
        let mut bytes = b"BM".to_vec();
        for value in [54 + row * height, 0, 54, 40, width, height, 1 | 24 << 16, 0, row * height, 0, 0, 0, 0] {
            bytes.extend(value.to_le_bytes());
        }
        bytes.resize((54 + row * height) as usize, 0);
        self.write(name, &bytes)
    }

    /// Settings of a data set whose images and masks are what `pairs.csv` lists.
    pub fn config(&self, classes: &str) -> DataConfig {
        DataConfig {
            images: self.0.clone(),
            masks: self.0.clone(),
            classes: serde_json::from_str(classes).expect("the target's classes are right"),
            pairs: Some(Pairs { file: self.path("pairs.csv"), image: "image".into(), mask: "mask".into() }),
            ..DataConfig::default()
        }
    }

    /// The path of a file.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl AsRef<Path> for Folder {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}
