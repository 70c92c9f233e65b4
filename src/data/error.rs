//! What can be wrong with data: the file, the cause and how to mend it, all of them at once.

use std::{
    fmt,
    mem::{Discriminant, discriminant},
    path::{Path, PathBuf},
};

use crate::domain::{Failure, FailureKind};

/// Every problem that was found, sorted by file. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct DataErrors(pub Vec<DataError>);

/// Problems of one kind that are told in full; of more only the files are named.
const IN_FULL: usize = 8;

impl fmt::Display for DataErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds: Vec<(Discriminant<Cause>, Vec<&DataError>)> = Vec::new();
        for error in &self.0 {
            let kind = discriminant(&error.cause);
            match kinds.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, errors)) => errors.push(error),
                None => kinds.push((kind, vec![error])),
            }
        }
        let mut lines = Vec::new();
        for (_, errors) in kinds {
            let (told, named) = errors.split_at(errors.len().min(IN_FULL));
            lines.extend(told.iter().map(ToString::to_string));
            if !named.is_empty() {
                let files: Vec<_> = named.iter().map(|error| error.file.to_string_lossy()).collect();
                lines.push(format!("and {} more like these: {}", named.len(), files.join(", ")));
            }
        }
        f.write_str(&lines.join("\n"))
    }
}

/// Data that cannot be used fail the run.
impl From<DataErrors> for Failure {
    fn from(errors: DataErrors) -> Self {
        Self::new(FailureKind::BadData, errors)
    }
}

impl From<DataError> for DataErrors {
    fn from(error: DataError) -> Self {
        Self(vec![error])
    }
}

/// Collects problems, so that all are reported together.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<DataError>);

impl Problems {
    pub(super) fn add(&mut self, file: &Path, cause: Cause) {
        self.0.push(DataError::new(file, cause));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps the value of a success, the problem of a failure.
    pub(super) fn keep<T>(&mut self, result: Result<T, impl Into<DataErrors>>) -> Option<T> {
        result.map_err(|errors| self.0.extend(errors.into().0)).ok()
    }

    /// The problems; to be called where there is at least one.
    pub(super) fn fail<T>(mut self) -> Result<T, DataErrors> {
        self.0.sort_by(|a, b| a.file.cmp(&b.file));
        Err(DataErrors(self.0))
    }

    /// `value` if there was no problem.
    pub(super) fn or<T>(self, value: T) -> Result<T, DataErrors> {
        if self.0.is_empty() { Ok(value) } else { self.fail() }
    }
}

/// One problem of one file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {cause}; {mend}", path = .file.display(), mend = .cause.mend())]
pub struct DataError {
    /// The file or folder, or the setting that is to blame (`split.fractions`).
    pub file: PathBuf,
    /// What is wrong with it.
    pub cause: Cause,
}

impl DataError {
    pub(super) fn new(file: &Path, cause: Cause) -> Self {
        Self { file: file.to_owned(), cause }
    }

    /// How to mend it.
    pub fn mend(&self) -> &'static str {
        self.cause.mend()
    }
}

/// Declares the causes, each with its text and how to mend it.
macro_rules! causes {
    ($($(#[$doc:meta])* $variant:ident $(($($field:ty),+))? : $text:literal => $mend:literal,)+) => {
        /// What is wrong with a file.
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        pub enum Cause { $($(#[$doc])* #[error($text)] $variant $(($($field),+))?,)+ }

        impl Cause {
            /// How to mend it.
            pub fn mend(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $mend,)+ }
            }
        }
    };
}

causes! {
    /// A folder that is not there or cannot be listed.
    NoFolder(String): "the folder cannot be read ({0})" => "correct the path in [data]",
    /// A folder without a single image.
    NoImages: "the folder holds no PNG, TIFF, JPEG or BMP file" => "correct data.images",
    /// Images of which the patterns leave none.
    NoneFits(usize): "none of its {0} images fits data.image_name, or all of them fit data.mask_name too" => "correct data.image_name and data.mask_name, in which {stem} is what an image and its mask share",
    /// The system refuses to open or read it.
    Unreadable(String): "cannot be read ({0})" => "check that it exists and that you may read it",
    /// A folder, pipe or device with an image's name.
    NotAFile: "is not a file" => "move it elsewhere",
    /// A format that is not read.
    Format(String): "{0} is not read" => "convert it to PNG or TIFF",
    /// Truncated or damaged content, or content of another kind than the name says.
    Broken(String): "cannot be decoded ({0})" => "open and save it again, or leave it out",
    /// A form of TIFF or PNG that the decoder does not know.
    Unsupported(String): "is in a form that is not read ({0})" => "save it as a plain grey or RGB PNG or TIFF",
    /// An image without height or width.
    Empty: "has no pixels" => "leave it out",
    /// More pixels than are decoded in one piece.
    TooLarge(usize, usize): "is {0} x {1} pixels, more than are read in one piece" => "cut it into tiles of at most 8192 x 8192 pixels",
    /// Samples that are not numbers.
    NotFinite(usize): "holds {0} pixels that are not finite numbers" => "replace them or leave the image out",
    /// An image that no mask belongs to.
    NoMask(String): "has no mask (looked for {0})" => "add it, or correct data.masks or data.mask_name",
    /// A mask that no image belongs to.
    NoImage: "belongs to no image" => "add the image, or move the mask elsewhere",
    /// A pattern of names that names nothing.
    Pattern(String): "is {0:?}, which does not hold {{stem}} once" => "write it as \"{stem}_mask\", with {stem} for what image and mask have in common",
    /// A folder among the classes' folders that is none of them.
    NoClass: "is no class's folder" => "rename it to one of data.classes, or move it elsewhere",
    /// A link to a folder.
    Linked: "is a link to a folder, which is not followed" => "put the folder itself there",
    /// Pixels that two of the masks claim, or none.
    Layers(String): "does not fit the other masks of its image: {0}" => "correct the masks, or declare data.background for what no mask claims",
    /// Another number of pages than the image's.
    Pages(usize, usize): "has {0} pages, but its image has {1}" => "export one mask page an image page",
    /// Two files that would be the same image or the mask of the same image.
    Twice(String): "has the same name but for the extension as {0}" => "keep one of the two",
    /// A name that is not UTF-8.
    Name: "has a name that is not valid UTF-8" => "rename it",
    /// A mask of lossy compression.
    JpegMask: "is a JPEG; its compression changes pixel values, so that classes blur at every edge" => "export the mask as PNG or TIFF",
    /// A mask of another size than its image.
    Size(usize, usize, usize, usize): "is {0} x {1} pixels, but its image is {2} x {3}" => "export the mask at the image's size",
    /// Mask values that stand for no class.
    Values(String): "holds values that stand for no class: {0}" => "declare every class, with its value where that is not its place in the list ({ name = \"…\", value = 255 }), or set data.ignore_index",
    /// Mask colours that stand for no class.
    Colors(String): "holds colours that stand for no class: {0}" => "give the class its colour, as { name = \"…\", color = \"#rrggbb\" }, or raise data.color_tolerance",
    /// A coloured mask, but classes without colours.
    Colored(String): "is coloured, but the classes have no colours: {0}" => "give each class its colour, as { name = \"…\", color = \"#rrggbb\" }",
    /// A mask that cannot hold class indices.
    NotAMask(String): "cannot be a mask ({0})" => "export it as an index, grey, palette or RGB image",
    /// A list of classes that contradicts itself.
    Classes(String): "is wrong: {0}" => "correct data.classes",
    /// A CSV file that cannot be used.
    Table(String): "cannot be used: {0}" => "correct the file or the columns named in the sweep file",
    /// Images the groups file does not name.
    NoGroup(String): "has no group in {0}" => "add a row for it",
    /// Images the split file does not name.
    NoSplit(String): "has no split in {0}" => "add a row for it",
    /// Settings of the split that cannot be met.
    Split(String): "cannot be met: {0}" => "change [split]",
    /// A class that is declared and never drawn.
    AbsentClass(String): "no mask has the class {0}" => "correct its value or colour, leave it out, or accept it with split.allow_missing_class = true",
    /// A class that a split lacks though the data have it.
    MissingClass(String): "{0}" => "choose another split.seed, larger fractions or strategy = \"stratified\", or accept it with split.allow_missing_class = true",
}
