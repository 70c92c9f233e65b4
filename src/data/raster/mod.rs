//! Decoding: any image file to samples in rows, within limits, with a cause for whatever fails.

#[cfg(test)]
mod mutation;
mod png;
mod tiff;
mod upright;

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Cursor, Read, Seek},
    path::Path,
};

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::{error::Cause, pairing::extension};
use upright::upright;

/// Largest number of pixels decoded in one piece: 8192 x 8192. In RGB, with its planes of numbers, that takes 1 GiB.
const LARGEST: u64 = 1 << 26;

/// Largest decoded size in bytes.
const MOST_BYTES: usize = 1 << 29;

/// Most decoded bytes that one byte of a file can stand for: 1032 by deflate (PNG), 2560 by LZW (TIFF). A header that
/// asks for more lies, and its size is not allocated.
const MOST_EXPANSION: u64 = 2560;

/// Decoded samples, pixel by pixel, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Raster {
    /// Height and width.
    pub(super) size: [usize; 2],
    /// Samples a pixel: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
    pub(super) channels: usize,
    pub(super) samples: Samples,
    /// The colours that the samples are indices of.
    pub(super) palette: Option<Vec<[u8; 3]>>,
}

/// Samples in the type that holds them without loss; 64-bit integers beyond 2^53 are rounded.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Samples {
    U8(Vec<u8>),
    U16(Vec<u16>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl Raster {
    /// Each pixel's 8-bit colour without alpha; `None` for floating-point samples.
    pub(super) fn colors(&self) -> Option<Box<dyn Iterator<Item = [u8; 3]> + '_>> {
        let spread = |pixel: &[u8]| if pixel.len() < 3 { [pixel[0]; 3] } else { [pixel[0], pixel[1], pixel[2]] };
        match (&self.samples, &self.palette) {
            (Samples::U8(indices), Some(palette)) => {
                Some(Box::new(indices.iter().map(|&i| palette.get(usize::from(i)).copied().unwrap_or_default())))
            }
            (Samples::U8(samples), None) => Some(Box::new(samples.chunks_exact(self.channels).map(spread))),
            (Samples::U16(samples), _) => {
                // Eight-bit colours in sixteen bits are kept as they are, others are scaled.
                let shift = if samples.iter().all(|sample| *sample <= 255) { 0 } else { 8 };
                Some(Box::new(samples.chunks_exact(self.channels).map(move |pixel| {
                    let pixel: Vec<u8> = pixel.iter().map(|v| (v >> shift) as u8).collect();
                    spread(&pixel)
                })))
            }
            _ => None,
        }
    }
}

impl Samples {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::U8(v) => v.len(),
            Self::U16(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
        }
    }

    /// Every `step`-th sample from `first` on, as numbers.
    pub(super) fn plane<T: FromSample>(&self, first: usize, step: usize) -> Vec<T> {
        match self {
            Self::U8(v) => v.iter().skip(first).step_by(step).map(|&v| T::from_sample(v.into())).collect(),
            Self::U16(v) => v.iter().skip(first).step_by(step).map(|&v| T::from_sample(v.into())).collect(),
            Self::F32(v) => v.iter().skip(first).step_by(step).map(|&v| T::from_sample(v.into())).collect(),
            Self::F64(v) => v.iter().skip(first).step_by(step).map(|&v| T::from_sample(v)).collect(),
        }
    }

    /// From plane by plane to pixel by pixel.
    fn interleave(self, channels: usize) -> Self {
        fn mix<T: Copy>(planes: &[T], channels: usize) -> Vec<T> {
            let pixels = planes.len() / channels;
            (0..pixels * channels).map(|i| planes[i % channels * pixels + i / channels]).collect()
        }
        match self {
            Self::U8(v) => Self::U8(mix(&v, channels)),
            Self::U16(v) => Self::U16(mix(&v, channels)),
            Self::F32(v) => Self::F32(mix(&v, channels)),
            Self::F64(v) => Self::F64(mix(&v, channels)),
        }
    }
}

/// The numbers that samples are used as.
pub(super) trait FromSample {
    fn from_sample(sample: f64) -> Self;
}

impl FromSample for f32 {
    fn from_sample(sample: f64) -> Self {
        sample as Self
    }
}

impl FromSample for f64 {
    fn from_sample(sample: f64) -> Self {
        sample
    }
}

/// How many images a file holds: the pages of a TIFF, else one.
pub(super) fn pages(path: &Path) -> Result<usize, Cause> {
    match open(path)? {
        (Format::Tiff, file, _) => tiff::pages(file),
        _ => Ok(1),
    }
}

/// Reads page `page` (from 0) of an image file.
pub(super) fn read(path: &Path, page: usize) -> Result<Raster, Cause> {
    match open(path)? {
        (Format::Png, file, length) => png::read(file, length),
        (Format::Tiff, file, length) => tiff::read(file, length, page),
        (Format::Jpeg, file, _) => read_by_library(whole_jpeg(file)?, ImageFormat::Jpeg),
        (Format::Bmp, file, _) => read_by_library(file, ImageFormat::Bmp),
    }
}

/// Whether the content is a JPEG, whatever the file's name.
pub(super) fn is_jpeg(path: &Path) -> bool {
    matches!(open(path), Ok((Format::Jpeg, ..)))
}

/// What a file's content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Png,
    Tiff,
    Jpeg,
    Bmp,
}

/// Opens a file, looks at its first bytes (a name may say anything) and at its length.
fn open(path: &Path) -> Result<(Format, BufReader<File>, u64), Cause> {
    let unreadable = |e: std::io::Error| Cause::Unreadable(e.to_string());
    // A pipe would wait for a writer, so only files are opened.
    let data = fs::metadata(path).map_err(unreadable)?;
    if !data.is_file() {
        return Err(Cause::NotAFile);
    }
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let mut magic = [0; 4];
    let known = file.read(&mut magic).map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    let format = match &magic {
        _ if known == 0 => return Err(Cause::Broken("the file is empty".into())),
        b"\x89PNG" => Format::Png,
        b"II\x2a\0" | b"MM\0\x2a" | b"II\x2b\0" | b"MM\0\x2b" => Format::Tiff,
        [0xff, 0xd8, ..] => Format::Jpeg,
        [b'B', b'M', ..] => Format::Bmp,
        _ => return Err(Cause::Broken(format!("the content is not {}", claimed(path)))),
    };
    Ok((format, file, data.len()))
}

/// What a file's name says that it is.
fn claimed(path: &Path) -> String {
    match extension(path).to_uppercase() {
        known if ["PNG", "TIF", "TIFF", "JPG", "JPEG", "BMP"].contains(&known.as_str()) => known,
        _ => "that of a PNG, TIFF, JPEG or BMP".into(),
    }
}

/// A JPEG that ends where it should: its decoder would fill what is missing with grey.
fn whole_jpeg(mut file: BufReader<File>) -> Result<Cursor<Vec<u8>>, Cause> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|e| Cause::Unreadable(e.to_string()))?;
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|pair| pair == marker);
    // Neither marker can occur in the scan's data; a thumbnail before it has markers of its own.
    let (scan, end) = (last([0xff, 0xda]), last([0xff, 0xd9]));
    if scan.is_some() && scan > end {
        return Err(Cause::Broken("it ends before the image does".into()));
    }
    Ok(Cursor::new(bytes))
}

/// JPEG and BMP.
fn read_by_library(file: impl BufRead + Seek, format: ImageFormat) -> Result<Raster, Cause> {
    let broken = |e: image::ImageError| match e {
        image::ImageError::Unsupported(e) => Cause::Unsupported(e.to_string()),
        other => Cause::Broken(other.to_string()),
    };
    let mut reader = ImageReader::with_format(file, format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_BYTES as u64);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let orientation = decoder.orientation().map_err(broken)?.to_exif().into();
    let (width, height) = decoder.dimensions();
    let size = check_size(height, width, decoder.color_type().bits_per_pixel().into(), u64::MAX)?;
    let decoded = DynamicImage::from_decoder(decoder).map_err(broken)?;
    let (channels, samples) = match decoded {
        DynamicImage::ImageLuma8(image) => (1, image.into_raw()),
        DynamicImage::ImageLumaA8(image) => (2, image.into_raw()),
        DynamicImage::ImageRgba8(image) => (4, image.into_raw()),
        other => (3, other.into_rgb8().into_raw()),
    };
    Ok(upright(Raster { size, channels, samples: Samples::U8(samples), palette: None }, orientation))
}

/// Refuses images without pixels, those that would not fit in memory and those that a file of `length` bytes cannot
/// hold, before anything is allocated.
fn check_size(height: u32, width: u32, bits_per_pixel: u64, length: u64) -> Result<[usize; 2], Cause> {
    let pixels = u64::from(height) * u64::from(width);
    let (height, width) = (height as usize, width as usize);
    if pixels == 0 {
        Err(Cause::Empty)
    } else if pixels > LARGEST || pixels.saturating_mul(bits_per_pixel.div_ceil(8)) > MOST_BYTES as u64 {
        Err(Cause::TooLarge(height, width))
    } else if pixels.saturating_mul(bits_per_pixel) / 8 > length.saturating_mul(MOST_EXPANSION) {
        Err(Cause::Broken(format!("{length} bytes cannot hold the {height} x {width} pixels that it claims")))
    } else {
        Ok([height, width])
    }
}

/// Big-endian bytes as 16-bit samples.
fn big_endian(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
}

/// Samples of 1, 2 or 4 bits, packed from the high bit in rows of whole bytes, as one byte each.
fn unpack(packed: &[u8], bits: usize, [height, width]: [usize; 2]) -> Vec<u8> {
    let row_bytes = (width * bits).div_ceil(8).max(1);
    let mask = (1u16 << bits) as u8 - 1;
    let mut samples = Vec::with_capacity(height * width);
    for row in packed.chunks_exact(row_bytes).take(height) {
        samples.extend((0..width).map(|x| row[x * bits / 8] >> (8 - bits - x * bits % 8) & mask));
    }
    samples
}
