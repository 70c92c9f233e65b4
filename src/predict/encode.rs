//! The files of a prediction: a palette PNG of class indices, an overlay, a float TIFF of probabilities.

use std::io::{self, Cursor};

use tiff::{
    encoder::{TiffEncoder, colortype::Gray32Float},
    tags::Tag,
};

use crate::{
    data::{Rgb8, encode_png},
    domain::palette,
};

/// Share of a class's colour over the image.
const TINT: f32 = 0.45;

/// An 8-bit palette PNG: each pixel's sample is its class's index, its colour that of the class in the report.
///
/// # Errors
/// If it cannot be encoded.
pub fn mask(
    labels: &[u8],
    size: [usize; 2],
    classes: usize,
    background: Option<usize>,
) -> Result<Vec<u8>, png::EncodingError> {
    let colors: Vec<u8> = (0..classes).flat_map(|class| palette::class(class, background)).collect();
    encode_png(labels, size, png::ColorType::Indexed, Some(colors))
}

/// An RGB PNG: the image with each foreground class's colour over it.
///
/// # Errors
/// If it cannot be encoded.
pub fn overlay(image: &Rgb8, labels: &[u8], background: Option<usize>) -> Result<Vec<u8>, png::EncodingError> {
    let pixels = image.pixels.chunks_exact(3).zip(labels).flat_map(|(pixel, &label)| {
        let class = usize::from(label);
        let color = palette::class(class, background);
        let share = if Some(class) == background { 0.0 } else { TINT };
        [0, 1, 2].map(|c| (f32::from(pixel[c]) * (1.0 - share) + f32::from(color[c]) * share).round() as u8)
    });
    encode_png(&pixels.collect::<Vec<_>>(), image.size, png::ColorType::Rgb, None)
}

/// A 32-bit floating-point TIFF with a page a class, whose description is the class's name; `probabilities` is
/// [classes, height, width].
///
/// # Errors
/// If it cannot be encoded.
pub fn probabilities(probabilities: &[f32], size: [usize; 2], classes: &[String]) -> Result<Vec<u8>, io::Error> {
    let mut bytes = Cursor::new(Vec::new());
    let write = |bytes: &mut Cursor<Vec<u8>>| {
        let mut encoder = TiffEncoder::new(bytes)?;
        for (plane, name) in probabilities.chunks(size[0] * size[1]).zip(classes) {
            let mut page = encoder.new_image::<Gray32Float>(size[1] as u32, size[0] as u32)?;
            page.encoder().write_tag(Tag::ImageDescription, name.as_str())?;
            page.write_data(plane)?;
        }
        Ok::<(), tiff::TiffError>(())
    };
    write(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes.into_inner())
}
