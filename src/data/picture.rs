//! Pictures: from a file's samples to planes of grey or RGB values. Alpha is left out.

use super::{error::Cause, raster::Raster};

/// An image's values as they are in the file, plane by plane.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    /// Height and width.
    pub(super) size: [usize; 2],
    /// One plane (grey) or three (red, green, blue), each [height, width].
    pub(super) planes: Vec<Vec<f32>>,
}

/// An 8-bit RGB image for the eye.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rgb8 {
    /// Height and width.
    pub size: [usize; 2],
    /// Red, green, blue of each pixel, row by row.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// The planes of `raster`; one alone if no pixel has a colour.
    ///
    /// # Errors
    /// If a value is not a finite number.
    pub(super) fn of(raster: &Raster) -> Result<Self, Cause> {
        let planes: Vec<Vec<f32>> = match (&raster.palette, raster.colors()) {
            (Some(_), Some(colors)) => {
                let colors: Vec<[u8; 3]> = colors.collect();
                (0..3).map(|c| colors.iter().map(|color| f32::from(color[c])).collect()).collect()
            }
            _ => {
                let shown = if raster.channels < 3 { 1 } else { 3 };
                (0..shown).map(|c| raster.samples.plane(c, raster.channels)).collect()
            }
        };
        let broken: usize = planes.iter().map(|plane| plane.iter().filter(|v| !v.is_finite()).count()).sum();
        if broken > 0 {
            return Err(Cause::NotFinite(broken));
        }
        let mut picture = Self { size: raster.size, planes };
        if !picture.has_color() {
            picture.planes.truncate(1);
        }
        Ok(picture)
    }

    /// Whether any pixel's channels differ.
    pub(super) fn has_color(&self) -> bool {
        match self.planes.as_slice() {
            [red, green, blue] => red != green || green != blue,
            _ => false,
        }
    }

    /// The planes as `channels` of them: grey repeated, or colour as luma (ITU-R BT.601).
    pub(super) fn with_channels(self, channels: usize) -> Vec<Vec<f32>> {
        match (self.planes.as_slice(), channels) {
            ([red, green, blue], 1) => {
                let luma = |((r, g), b): ((&f32, &f32), &f32)| 0.299 * r + 0.587 * g + 0.114 * b;
                vec![red.iter().zip(green).zip(blue).map(luma).collect()]
            }
            ([grey], 3) => vec![grey.clone(), grey.clone(), grey.clone()],
            _ => self.planes,
        }
    }

    /// The picture for the eye: values of 0 to 255 as they are, all others stretched from least to greatest.
    pub(super) fn rgb8(self) -> Rgb8 {
        let (low, high) = range(&self.planes);
        let eight_bit = low >= 0.0 && high <= 255.0 && high > 1.0;
        let (shift, scale) = if eight_bit { (0.0, 1.0) } else { (low, 255.0 / (high - low).max(f32::MIN_POSITIVE)) };
        let size = self.size;
        let planes = self.with_channels(3);
        let pixels = (0..size[0] * size[1]).flat_map(|i| [planes[0][i], planes[1][i], planes[2][i]]);
        Rgb8 { size, pixels: pixels.map(|v| ((v - shift) * scale).round().clamp(0.0, 255.0) as u8).collect() }
    }
}

fn range(planes: &[Vec<f32>]) -> (f32, f32) {
    let values = planes.iter().flatten();
    values.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)))
}
