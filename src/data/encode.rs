//! Pixels to the bytes of an 8-bit PNG.

use png::{BitDepth, ColorType, Encoder, EncodingError};

/// A PNG of `samples` [height, width, channels]; `palette` holds the RGB colours that indexed samples stand for.
///
/// # Errors
/// If it cannot be encoded.
pub fn encode_png(
    samples: &[u8],
    size: [usize; 2],
    color: ColorType,
    palette: Option<Vec<u8>>,
) -> Result<Vec<u8>, EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, size[1] as u32, size[0] as u32);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    if let Some(palette) = palette {
        encoder.set_palette(palette);
    }
    encoder.write_header()?.write_image_data(samples)?;
    Ok(bytes)
}
