//! PNG: all colour types and depths; a palette's indices are kept as they are, since in masks they are the classes.

use std::io::{BufRead, Seek};

use png::{BitDepth, ColorType, Decoder, DecodingError, Limits, Transformations};

use super::{MOST_BYTES, Raster, Samples, big_endian, check_size, unpack};
use crate::data::error::Cause;

/// Decodes the first frame of a file of `length` bytes.
pub(super) fn read(file: impl BufRead + Seek, length: u64) -> Result<Raster, Cause> {
    let mut decoder = Decoder::new_with_limits(file, Limits { bytes: MOST_BYTES });
    decoder.set_transformations(Transformations::IDENTITY);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let header = decoder.read_header_info().map_err(broken)?;
    let size = check_size(header.height, header.width, header.bits_per_pixel() as u64, length)?;
    let mut reader = decoder.read_info().map_err(broken)?;
    let bytes = reader.output_buffer_size().ok_or(Cause::TooLarge(size[0], size[1]))?;
    let mut data = vec![0; bytes];
    let frame = reader.next_frame(&mut data).map_err(broken)?;
    data.truncate(frame.buffer_size());
    let palette = match (frame.color_type, &reader.info().palette) {
        (ColorType::Indexed, None) => return Err(Cause::Broken("the palette is missing".into())),
        (ColorType::Indexed, Some(colors)) => Some(colors.chunks_exact(3).map(|c| [c[0], c[1], c[2]]).collect()),
        // Index 0 or 1 to a mask of values, black or white to one of colours.
        (ColorType::Grayscale, _) if frame.bit_depth == BitDepth::One => Some(vec![[0; 3], [255; 3]]),
        _ => None,
    };
    let samples = match frame.bit_depth {
        BitDepth::Sixteen => Samples::U16(big_endian(&data)),
        BitDepth::Eight => Samples::U8(data),
        // Only grey and palette images have fewer than 8 bits: one sample a pixel.
        fewer => {
            let mut samples = unpack(&data, fewer as usize, size);
            if palette.is_none() {
                // Grey of 2 or 4 bits goes from 0 to 255, as every reader gives it.
                let step = if fewer == BitDepth::Two { 85 } else { 17 };
                samples.iter_mut().for_each(|sample| *sample *= step);
            }
            Samples::U8(samples)
        }
    };
    let raster = Raster { size, channels: frame.color_type.samples(), samples, palette };
    check_palette(&raster)?;
    Ok(raster)
}

fn check_palette(raster: &Raster) -> Result<(), Cause> {
    let (Some(palette), Samples::U8(indices)) = (&raster.palette, &raster.samples) else { return Ok(()) };
    match indices.iter().map(|&index| usize::from(index)).max() {
        Some(index) if index >= palette.len() => {
            Err(Cause::Broken(format!("palette index {index} of a palette of {} colours", palette.len())))
        }
        _ => Ok(()),
    }
}

fn broken(error: DecodingError) -> Cause {
    Cause::Broken(error.to_string())
}
