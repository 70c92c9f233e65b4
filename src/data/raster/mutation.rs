//! Hundreds of damaged files a format, more on demand: each is read or refused, none panics, hangs or asks for much memory.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::{fs, io::Cursor, time::Instant};

use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage};
use rand::{Rng, RngExt};
use tiff::encoder::{Compression, TiffEncoder, colortype};

use crate::domain::seed;

use super::{pages, read};

/// Damaged files of each kind. `SWEEPSCOPE_MUTATIONS` asks for more.
fn mutations() -> u64 {
    std::env::var("SWEEPSCOPE_MUTATIONS").ok().and_then(|number| number.parse().ok()).unwrap_or(500)
}

fn encoded(image: DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn grey() -> DynamicImage {
    GrayImage::from_fn(19, 23, |x, y| Luma([((x * 13) ^ (y * 7)) as u8])).into()
}

fn rgb() -> DynamicImage {
    RgbImage::from_fn(19, 23, |x, y| Rgb([(x * 13) as u8, (y * 11) as u8, (x ^ y) as u8])).into()
}

fn tiff(compression: Compression) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut bytes).unwrap().with_compression(compression);
    for page in 0..2u16 {
        let values: Vec<u16> = (0..19 * 23).map(|i| i * 7 + page).collect();
        encoder.write_image::<colortype::Gray16>(19, 23, &values).unwrap();
    }
    let values: Vec<u8> = (0..19 * 23 * 3).map(|i| (i * 5) as u8).collect();
    encoder.write_image::<colortype::RGB8>(19, 23, &values).unwrap();
    bytes.into_inner()
}

/// One to eight changes: a byte to anything, to an extreme, a run copied, a piece cut out, the end cut off.
fn damage(bytes: &mut Vec<u8>, draw: &mut impl Rng) {
    for _ in 0..draw.random_range(1..=8) {
        if bytes.is_empty() {
            return;
        }
        // Headers are short and decide most, so that half of the changes go there.
        let reach = if draw.random_bool(0.5) { bytes.len().min(64) } else { bytes.len() };
        let at = draw.random_range(0..reach);
        match draw.random_range(0..6) {
            0 => bytes[at] = draw.random_range(0..=255),
            1 => bytes[at] = [0, 1, 127, 128, 255][draw.random_range(0..5)],
            2 => bytes[at] ^= 1 << draw.random_range(0..8),
            3 => {
                let (from, length) = (draw.random_range(0..bytes.len()), draw.random_range(1..16));
                let run: Vec<u8> = bytes[from..].iter().take(length).copied().collect();
                bytes.splice(at..at, run);
            }
            4 => {
                let end = (at + draw.random_range(1..16)).min(bytes.len());
                bytes.drain(at..end);
            }
            _ if draw.random_bool(0.2) => bytes.truncate(at),
            _ => {}
        }
    }
}

fn survive(kind: &str, sound: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    fs::write(&path, sound).unwrap();
    let last = pages(&path).unwrap() - 1;
    read(&path, last).unwrap();
    let mut refused = 0;
    for i in 0..mutations() {
        let mut bytes = sound.to_vec();
        damage(&mut bytes, &mut seed::generator(i, kind, &[]));
        fs::write(&path, &bytes).unwrap();
        let started = Instant::now();
        let known = pages(&path);
        let result = read(&path, known.map_or(0, |pages| pages.saturating_sub(1)));
        refused += u64::from(result.is_err());
        assert!(started.elapsed().as_secs() < 10, "{kind} {i} takes {:?}", started.elapsed());
    }
    assert!(refused > mutations() / 10, "{kind}: only {refused} refused");
}

#[test]
fn damaged_png_files_are_read_or_refused() {
    survive("png grey", &encoded(grey(), ImageFormat::Png));
    survive("png rgb", &encoded(rgb(), ImageFormat::Png));
}

#[test]
fn damaged_jpeg_files_are_read_or_refused() {
    survive("jpeg grey", &encoded(grey(), ImageFormat::Jpeg));
    survive("jpeg rgb", &encoded(rgb(), ImageFormat::Jpeg));
}

#[test]
fn damaged_bmp_files_are_read_or_refused() {
    survive("bmp grey", &encoded(grey(), ImageFormat::Bmp));
    survive("bmp rgb", &encoded(rgb(), ImageFormat::Bmp));
}

#[test]
fn damaged_tiff_files_are_read_or_refused() {
    survive("tiff plain", &tiff(Compression::Uncompressed));
    survive("tiff lzw", &tiff(Compression::Lzw));
    survive("tiff deflate", &tiff(Compression::Deflate(Default::default())));
    survive("tiff packbits", &tiff(Compression::Packbits));
}
