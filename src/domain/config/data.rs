//! `[data]` and `[split]`: the images, what their masks mean, and which image is used for what.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[data]`: images, masks and what their values mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// Folder of images. Absolute once read; not part of a run's identity (the content is).
    pub images: PathBuf,
    /// Folder of masks.
    pub masks: PathBuf,
    /// The classes in the order of their index.
    pub classes: Vec<ClassSpec>,
    /// The class that is left out of foreground means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background: Option<String>,
    /// Train on these classes alone; the others and the background become [`REST`]. Empty: all.
    pub keep: Vec<String>,
    /// Height and width in pixels of what the network sees.
    pub input_size: InputSize,
    /// How an image becomes `input_size`.
    pub input_mode: InputMode,
    /// Input channels.
    pub channels: Channels,
    /// How grey values are scaled.
    pub normalize: Normalize,
    /// The images' file names without extension; `{stem}` stands for what names the image. Others are passed over.
    pub image_name: String,
    /// The mask's file name without extension, with `{stem}` for what names the image.
    pub mask_name: String,
    /// How the masks lie in their folder.
    pub mask_layout: MaskLayout,
    /// Whether every mask value above 0 is an object (instance ids): the one class that is not the background.
    pub instances: bool,
    /// A CSV file that says which mask belongs to which image, in place of their names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pairs: Option<Pairs>,
    /// How far a mask's colour may lie from a class's colour, per channel, 0 to 255.
    pub color_tolerance: u8,
    /// The mask value that no figure counts and no loss sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_index: Option<u32>,
    /// Which images belong together and are never split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Groups>,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            images: PathBuf::new(),
            masks: PathBuf::new(),
            classes: Vec::new(),
            background: None,
            keep: Vec::new(),
            input_size: InputSize([128, 128]),
            input_mode: InputMode::Resize,
            channels: Channels::Auto,
            normalize: Normalize::Image,
            image_name: "{stem}".into(),
            mask_name: "{stem}".into(),
            mask_layout: MaskLayout::File,
            instances: false,
            pairs: None,
            color_tolerance: 0,
            ignore_index: None,
            groups: None,
        }
    }
}

/// One class: its name and what stands for it in a mask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassSpec {
    /// The name used in every table and chart.
    pub name: String,
    /// The mask's value; the class's place in the list when neither this nor `color` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<u32>,
    /// The mask's colour as `#rrggbb`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
}

/// A CSV file that says which images belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Groups {
    /// The CSV file.
    pub file: PathBuf,
    /// Its column of image file names.
    pub image: String,
    /// Its column of group names.
    pub group: String,
}

/// A CSV file that says which mask belongs to which image. Images that it does not name are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pairs {
    /// The CSV file.
    pub file: PathBuf,
    /// Its column of images, relative to `data.images`.
    pub image: String,
    /// Its column of masks, relative to `data.masks`.
    pub mask: String,
}

/// `[height, width]` in pixels; a single number in the sweep file means a square.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "SizeText", into = "SizeText")]
pub struct InputSize(pub [usize; 2]);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum SizeText {
    Square(usize),
    Sides([usize; 2]),
}

impl From<SizeText> for InputSize {
    fn from(text: SizeText) -> Self {
        match text {
            SizeText::Square(side) => Self([side, side]),
            SizeText::Sides(sides) => Self(sides),
        }
    }
}

impl From<InputSize> for SizeText {
    fn from(InputSize([height, width]): InputSize) -> Self {
        if height == width { Self::Square(height) } else { Self::Sides([height, width]) }
    }
}

choice! {
    /// How the masks lie in their folder.
    MaskLayout {
        /// A file an image.
        #[default] File,
        /// A folder a class, named as the class, with a mask an image: what is not 0 is the class.
        ClassFolders,
        /// A folder an image, named as the image, with a mask an object: what is not 0 in any of them is an object.
        ObjectFolders,
    }
}
choice! {
    /// How an image becomes `input_size`.
    InputMode {
        /// Scaled to it.
        #[default] Resize,
        /// At its own size: crops of `input_size` in training, a sliding window in evaluation.
        Crop,
    }
}
choice! {
    /// Input channels.
    Channels {
        /// RGB if any image has colour, else grey.
        #[default] Auto,
        /// One channel; colour images are turned grey.
        Grey,
        /// Three channels.
        Rgb,
    }
}
choice! {
    /// How grey values are scaled before they reach the network.
    Normalize {
        /// Each image to mean 0 and standard deviation 1.
        #[default] Image,
        /// All images by one mean and standard deviation, those of the training split's images.
        Dataset,
        /// Each image's 1st to 99th percentile to 0 … 1.
        Percentile,
    }
}

/// `[split]`: which image is used for what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SplitConfig {
    /// Shares of the images; they sum to 1.
    pub fractions: Fractions,
    /// How images are dealt out.
    pub strategy: SplitStrategy,
    /// Another seed deals otherwise.
    pub seed: u64,
    /// For `strategy = "file"`: a CSV with the columns image and split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Folds that the images beside test are dealt into; 0: none, `fractions` decide about val.
    pub folds: usize,
    /// The fold that validates, from 0; the others train.
    pub fold: usize,
    /// Accept a split whose val or test lacks a class.
    pub allow_missing_class: bool,
}

impl Default for SplitConfig {
    fn default() -> Self {
        Self {
            fractions: Fractions::default(),
            strategy: SplitStrategy::Stratified,
            seed: 0,
            file: None,
            folds: 0,
            fold: 0,
            allow_missing_class: false,
        }
    }
}

/// What all classes are called together that `data.keep` does not name, and the background with them.
pub const REST: &str = "background";

impl DataConfig {
    /// Whether a declared class is trained under its own name.
    pub fn keeps(&self, class: &str) -> bool {
        self.keep.is_empty() || self.background.as_deref() == Some(class) || self.keep.iter().any(|kept| kept == class)
    }

    /// The name of what foreground means leave out.
    pub fn background_name(&self) -> Option<&str> {
        let is_reduced = self.classes.iter().any(|class| !self.keeps(&class.name));
        if is_reduced { Some(REST) } else { self.background.as_deref() }
    }
}

/// Shares of the images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fractions {
    /// Share that trains.
    pub train: f64,
    /// Share that selects.
    pub val: f64,
    /// Share that is looked at once, at the end; none where the others are given and it is not.
    #[serde(default)]
    pub test: f64,
}

impl Default for Fractions {
    fn default() -> Self {
        Self { train: 0.6, val: 0.2, test: 0.2 }
    }
}

choice! {
    /// How images are dealt out.
    SplitStrategy {
        /// So that each class's share is alike in every split.
        #[default] Stratified,
        /// By the seed alone.
        Random,
        /// As a file says.
        File,
    }
}
